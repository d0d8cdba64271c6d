# SPDX-License-Identifier: Apache-2.0
"""Mobility Headers with authenticators: a whole handover, and messages of somebody who has no key of ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.snapshot import Snapshot
from southbound.agent.events import MobilityHeaderReceived
from southbound.agent.snapshot import MagSnapshot
from southbound.codec.authenticator import OPTION_OCTETS, append_authenticator, pair_key, take_authenticator
from southbound.codec.iana import MobilityHeaderType
from southbound.codec.mobility import UnknownMobilityMessage, encode_mobility
from southbound.mobility_authentication import MobilityAuthentication
from tests.scenario.handover_script import MN1, MN2, begun, move, outcome, trigger, watched
from tests.support.domain_checks import assert_at_rest
from tests.support.domains import three_mags
from tests.support.plain_mag import PlainMag
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_transport import Carried
from topology.model import Domain

OLD, NEW, STRANGE = b"o" * 32, b"n" * 32, b"s" * 32
NODES = ("lma", "mag1", "mag2", "mag3")


def authentication(domain: Domain, node: str, *domain_keys: bytes, without: str = "") -> MobilityAuthentication:
    own = domain.mag(node) or domain.lma
    others = [other for other in (domain.lma, *domain.mags) if other.id not in (node, without)]
    exempt = domain.mag(without) if without else None
    return MobilityAuthentication(
        own=own.address, without=frozenset({exempt.address} if exempt is not None else ()),
        keys={other.address: tuple(pair_key(key, own.address, other.address) for key in domain_keys) for other in others},
    )


def started(keys: dict[str, tuple[bytes, ...]], dialect: str = "draft", without: str = "") -> SimulatedDomain:
    domain = three_mags(dialect)
    simulated = SimulatedDomain(
        domain, keys={node: authentication(domain, node, *own, without=without) for node, own in keys.items()}
    )
    return begun(simulated) if without else watched(simulated)


@pytest.fixture(params=["draft", "rfc"])
def signed(request: pytest.FixtureRequest) -> SimulatedDomain:
    """In each dialect, with one key of the domain everywhere."""
    return started(dict.fromkeys(NODES, (OLD,)), request.param)


def address(domain: SimulatedDomain, node: str) -> Any:
    return (domain.domain.mag(node) or domain.domain.lma).address


def dropped(domain: SimulatedDomain, node: str) -> dict[str, int]:
    """What was dropped at a node for want of the right authenticator."""
    found = domain.agents[node].core.counters if node != "lma" else domain.lma.snapshot().counters
    return {name.rpartition("_")[2]: count for name, count in found.items() if "authenticator" in name}


def picture(domain: SimulatedDomain) -> tuple[Snapshot, list[MagSnapshot]]:
    """All that anybody knows, without the counters."""
    return replace(domain.lma.snapshot(), counters={}), [agent.core.snapshot() for agent in domain.agents.values()]


def arrives(domain: SimulatedDomain, carried: Carried, header: bytes) -> None:
    """Somebody on the transport network sends these octets with the address of that message's sender."""
    domain.transport.play_back(replace(carried, header=header))
    domain.run_for(0.05)


def test_a_handover_goes_on_as_without_and_every_message_is_signed(signed: SimulatedDomain) -> None:
    handover_id = trigger(signed)
    signed.run_for(0.2)
    move(signed)
    signed.run_for(2.0)
    assert outcome(signed, handover_id) == ("completed", None)
    assert_at_rest(signed, {MN1: "mag2", MN2: "mag1"})
    names = set(signed.transport.names())
    assert {"PBU", "PBA", "HI context", "HI(F)", "HI last delivered", "HI completed", "HAck to HI(F)"} <= names
    for carried in signed.carried:
        source, destination = address(signed, carried.source), address(signed, carried.destination)
        key = pair_key(OLD, source, destination)
        assert len(take_authenticator(carried.header, source, destination, [key])) == len(carried.header) - OPTION_OCTETS
    assert [dropped(signed, node) for node in NODES] == [{}] * 4


def forgeries(domain: SimulatedDomain, carried: Carried) -> dict[str, bytes]:
    """By why they are none of ours: the message bare, by a stranger, by another MAG's key, and changed on the way."""
    source, destination = address(domain, carried.source), address(domain, carried.destination)
    bare = take_authenticator(carried.header, source, destination, [pair_key(OLD, source, destination)])
    other = pair_key(OLD, address(domain, "mag3"), destination)
    changed, at = bytearray(carried.header), len(carried.header) - 1
    bit = changed[at] & -changed[at]
    # One bit less there and the same more in the Reserved octet: the checksum does not notice.
    changed[at] ^= bit
    changed[3] ^= bit
    return {
        "missing": bare,
        "wrong, by a stranger": append_authenticator(bare, source, destination, STRANGE),
        "wrong, by another MAG": append_authenticator(bare, source, destination, other),
        "wrong, changed on the way": bytes(changed),
    }


@pytest.mark.parametrize("name", ["HI context", "HI(F)", "HAck to HI context", "HI completed", "PBU", "PBU 0", "PBA"])
def test_a_forged_message_changes_nothing_and_is_counted(signed: SimulatedDomain, name: str) -> None:
    trigger(signed)
    signed.run_for(0.2)
    move(signed)
    signed.run_for(15.0)
    genuine = signed.transport.sent(name)[-1]
    before, carried = picture(signed), len(signed.carried)
    for header in forgeries(signed, genuine).values():
        arrives(signed, genuine, header)
    assert picture(signed) == before
    assert len(signed.carried) == carried, "a forged message was answered"
    counted = dropped(signed, genuine.destination)
    assert counted == {"missing": 1, "wrong": 3}
    assert_at_rest(signed, {MN1: "mag2", MN2: "mag1"})


def test_a_forged_handover_of_a_mobile_node_that_stays_is_not_prepared(signed: SimulatedDomain) -> None:
    """What a genuine HI(context) starts at the n-MAG: buffer, proxy join, clone. Nothing of it."""
    trigger(signed)
    signed.run_for(0.2)
    genuine = signed.transport.sent("HI context")[0]
    fresh = started(dict.fromkeys(NODES, (OLD,)), signed.domain.dialect)
    before = picture(fresh)
    bare = forgeries(signed, genuine)["missing"]
    fresh.agents["mag2"].handle(MobilityHeaderReceived(header=bare, source=address(fresh, "mag1")))
    fresh.run_for(0.5)
    assert picture(fresh) == before
    assert dropped(fresh, "mag2") == {"missing": 1}
    # The same octets with the right authenticator are a context.
    fresh.agents["mag2"].handle(MobilityHeaderReceived(header=genuine.header, source=address(fresh, "mag1")))
    assert MN1 in fresh.agents["mag2"].core.snapshot().arriving


def test_an_unknown_type_is_answered_only_to_who_signs(signed: SimulatedDomain) -> None:
    message = UnknownMobilityMessage(message_type=MobilityHeaderType(99), data=bytes(2))
    source = address(signed, "mag1")
    for target in ("lma", "mag2"):
        destination = address(signed, target)
        bare = encode_mobility(message, source, destination)
        with_key = append_authenticator(bare, source, destination, pair_key(OLD, source, destination))
        for header, answers in ((bare, 0), (with_key, 1)):
            before = len(signed.carried)
            signed.transport.send("mag1", destination, header)
            signed.run_for(0.05)
            assert len(signed.carried) - before - 1 == answers
        assert dropped(signed, target) == {"missing": 1}


STAGES: list[dict[str, tuple[bytes, ...]]] = [
    dict.fromkeys(NODES, (OLD,)),
    {"lma": (OLD,), "mag1": (OLD, NEW), "mag2": (OLD,), "mag3": (OLD, NEW)},
    dict.fromkeys(NODES, (OLD, NEW)),
    {"lma": (NEW, OLD), "mag1": (OLD, NEW), "mag2": (NEW, OLD), "mag3": (OLD, NEW)},
    dict.fromkeys(NODES, (NEW, OLD)),
    {"lma": (NEW,), "mag1": (NEW, OLD), "mag2": (NEW,), "mag3": (NEW, OLD)},
    dict.fromkeys(NODES, (NEW,)),
]


@pytest.mark.parametrize("stage", range(len(STAGES)))
def test_keys_are_replaced_node_by_node_while_everything_goes_on(stage: int) -> None:
    domain = started(STAGES[stage])
    handover_id = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(2.0)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})
    assert [dropped(domain, node) for node in NODES] == [{}] * 4


def test_a_node_that_was_forgotten_is_told_by_the_counters() -> None:
    """The LMA checks, mag1 does not sign: its MNs are not registered, and both sides can say why."""
    domain = started({node: (OLD,) for node in NODES if node != "mag1"})
    assert domain.bound_at(MN1) is None
    assert dropped(domain, "lma")["missing"] >= 2
    assert "mobility_packet_dropped" in domain.fact_names()


def test_a_mag_of_another_make_is_spoken_to_without() -> None:
    domain = started({node: (OLD,) for node in NODES if node != "mag3"}, without="mag3")
    PlainMag(domain, "mag3").register(MN2)
    domain.run_for(0.5)
    answers = [carried for carried in domain.transport.sent("PBA") if carried.destination == "mag3"]
    assert len(answers) == 1
    assert domain.bound_at(MN2) == "mag3"
    assert dropped(domain, "lma") == {}
    # It is believed by its address alone; the others are not.
    genuine = domain.transport.sent("PBU", "mag1")[-1]
    arrives(domain, genuine, forgeries(domain, genuine)["missing"])
    assert dropped(domain, "lma") == {"missing": 1}

# SPDX-License-Identifier: Apache-2.0
"""MagCore by itself: hostile input of peers and mobile nodes, and limits of what it says."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from southbound.agent.commands import (
    PACKET_DROPPED,
    CallController,
    Command,
    CutBuffer,
    RecordFact,
    SendMobilityHeader,
)
from southbound.agent.events import (
    AccessFrameReceived,
    ControllerAnswered,
    ControllerCalled,
    ControllerConnected,
    ControllerDisconnected,
    Event,
    LinkDown,
    LinkUp,
    MobilityHeaderReceived,
    StreamObserved,
    StreamsJoined,
)
from southbound.agent.handover_acknowledge import refused_groups
from southbound.agent.handover_initiate import (
    completion,
    context_message,
    forwarding_request,
    last_delivered_message,
    last_delivered_of,
    last_delivered_parts,
)
from southbound.agent.mag import MagCore
from southbound.agent.snapshot import MagSnapshot
from southbound.codec.accessors import mn_id, multicast_records
from southbound.codec.castover_options import HandoverIdentifier
from southbound.codec.ethernet import EthernetFrame, encode_ethernet
from southbound.codec.handover import Dialect, HandoverAcknowledge
from southbound.codec.iana import HandoverAcknowledgeCode, Mldv2RecordType
from southbound.codec.mld import Mldv2Report
from southbound.codec.mld_packet import encode_mld_packet
from southbound.codec.mobility import (
    HandoverInitiate,
    ProxyBindingAcknowledgement,
    ProxyBindingUpdate,
    decode_mobility,
    encode_mobility,
)
from southbound.codec.options import HomeNetworkPrefix, MobileNodeIdentifier, MulticastMobility
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.rpc import methods
from tests.support.domains import three_mags
from tests.unit.southbound.codec import codec_strategies
from topology.model import Domain

DOMAINS = {dialect: three_mags(dialect) for dialect in ("draft", "rfc")}
DOMAIN = DOMAINS["rfc"]
MAG1, MAG2, MAG3 = DOMAIN.mags
MN1, MN2 = DOMAIN.mobile_nodes
LMA = DOMAIN.lma.address
PEERS = (MAG2.address, MAG3.address, LMA, MAG1.address, IPv6Address("2001:db8::bad"))


def core(domain: Domain = DOMAIN, *, attached: bool = True) -> MagCore:
    """mag1 with mn1 on its link."""
    subject = MagCore(domain, domain.mags[0], new_handover_id=lambda: "new", wall_offset=1.76e9)
    if attached:
        subject.handle(LinkUp(port="mn1"), 0.0)
        subject.handle(ControllerConnected(), 0.0)
    return subject


def leaving(domain: Domain = DOMAIN) -> MagCore:
    """mn1 on its way from mag1 to mag2."""
    subject = core(domain)
    call = methods.StartHandover(handover_id="ho1", mn_id=MN1.id, new_mag="mag2")
    subject.handle(ControllerCalled(call=call), 1.0)
    assert MN1.id in subject.snapshot().leaving
    return subject


def arriving(domain: Domain = DOMAIN) -> MagCore:
    """mn2 on its way from mag2 to mag1."""
    subject = core(domain)
    subject.handle(received(context(domain), MAG2.address, domain), 1.0)
    assert MN2.id in subject.snapshot().arriving
    return subject


def context(
    domain: Domain = DOMAIN, sequence: int = 1, handover_id: str = "ho2", *memberships: GroupMembership
) -> HandoverInitiate:
    return context_message(
        Dialect(domain.dialect), sequence, mn_id=MN2.id, handover_id=handover_id, prefixes=MN2.home_network_prefixes,
        lma_address=LMA, link_layer_id=MN2.link_layer_id, memberships=memberships or (asm("ff1e::101"),),
    )


def asm(group: str) -> GroupMembership:
    return GroupMembership(group=IPv6Address(group), filter_mode=FilterMode.EXCLUDE)


def received(message: Any, source: IPv6Address, domain: Domain = DOMAIN) -> MobilityHeaderReceived:
    header = encode_mobility(message, source, domain.mags[0].address, option_length_unit=domain.option_length_unit)
    return MobilityHeaderReceived(header=header, source=source)


def sent(commands: list[Command], destination: IPv6Address, domain: Domain = DOMAIN) -> list[Any]:
    """The messages that go there, read as their receiver does."""
    return [
        decode_mobility(command.header, domain.mags[0].address, destination, Dialect(domain.dialect))
        for command in commands
        if isinstance(command, SendMobilityHeader) and command.destination == destination
    ]


def drops(subject: MagCore) -> int:
    return sum(subject.counters.values())


CORES = [core, leaving, arriving]


# --- home networks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_a_context_with_the_home_network_of_another_mn_is_refused(domain: Domain) -> None:
    subject = core(domain)
    message = context(domain)
    options = tuple(
        HomeNetworkPrefix(prefix=MN1.home_network_prefixes[0]) if isinstance(option, HomeNetworkPrefix) else option
        for option in message.options
    )
    commands = subject.handle(received(replace(message, options=options), MAG2.address, domain), 1.0)
    (answer,) = sent(commands, MAG2.address, domain)
    assert answer.code == HandoverAcknowledgeCode.ADMINISTRATIVELY_PROHIBITED
    assert subject.snapshot().arriving == {}
    assert subject.counters["handover_initiate_prefix_prohibited"] == 1


# --- octets of peers --------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CORES), st.sampled_from(PEERS), st.binary(max_size=300))
def test_any_octets_of_anybody_are_a_counted_drop(make: Any, source: IPv6Address, octets: bytes) -> None:
    subject = make()
    before, counted = subject.snapshot(), drops(subject)
    commands = subject.handle(MobilityHeaderReceived(header=octets, source=source), 2.0)
    assert subject.snapshot() == before
    assert drops(subject) == counted + 1
    assert not any(isinstance(command, SendMobilityHeader) for command in commands)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(CORES))
def test_any_bit_of_a_hi_turned_is_noticed(data: st.DataObject, make: Any) -> None:
    header = bytearray(received(context(), MAG2.address).header)
    header[data.draw(st.integers(0, len(header) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    subject = make()
    before = subject.snapshot()
    subject.handle(MobilityHeaderReceived(header=bytes(header), source=MAG2.address), 2.0)
    assert subject.snapshot() == before


@settings(max_examples=200, deadline=None)
@given(
    st.data(), st.sampled_from(["draft", "rfc"]), st.sampled_from(CORES),
    st.sampled_from([MAG2.address, MAG3.address, LMA]),
)
def test_any_message_of_any_peer_is_survived(
    data: st.DataObject, dialect: str, make: Any, source: IPv6Address
) -> None:
    """Well formed, of our MNs, and out of place: whatever it leads to can be sent, told and ticked."""
    domain = DOMAINS[dialect]
    subject = make(domain)
    messages = codec_strategies.MESSAGES
    now = 2.0
    for _ in range(data.draw(st.integers(1, 4))):
        message = data.draw(st.one_of(*messages.values()).filter(lambda m: _dialect_of(m) in (None, dialect)))
        if data.draw(st.booleans()) and hasattr(message, "options"):
            identity = MobileNodeIdentifier(identifier=data.draw(st.sampled_from([MN1.id, MN2.id])))
            others = tuple(option for option in message.options if not isinstance(option, MobileNodeIdentifier))
            handover = HandoverIdentifier(identifier=data.draw(st.sampled_from(["ho1", "ho2", "ho 3", ""])))
            # Not last: where option 60 is.
            message = replace(message, options=(identity, handover, *others)[:8])
        try:
            event = received(message, source, domain)
        except ValueError:
            continue  # too long with one more option, or M without option 60
        for command in subject.handle(event, now):
            if isinstance(command, CallController):
                error = data.draw(st.sampled_from([None, "no"]))
                subject.handle(ControllerAnswered(token=command.token, error=error), now)
        now += 0.05
        subject.tick(now)
    subject.tick(now + 60.0)
    subject.tick(now + 120.0)


def _dialect_of(message: Any) -> str | None:
    dialect = getattr(message, "dialect", None)
    return dialect.value if dialect is not None else None


@pytest.mark.parametrize("source", [MAG2.address, MAG3.address])
@pytest.mark.parametrize("message", [
    ProxyBindingUpdate(sequence=1, lifetime_s=300, options=(MobileNodeIdentifier(identifier=MN1.id),)),
    ProxyBindingAcknowledgement(status=0, sequence=1, lifetime_s=300, options=()),  # type: ignore[arg-type]
])  # fmt: skip
def test_peers_do_not_speak_for_the_lma(message: Any, source: IPv6Address) -> None:
    subject = core()
    before = subject.snapshot()
    subject.handle(received(message, source), 2.0)
    assert subject.snapshot() == before
    assert subject.counters["mobility_header_not_expected_from_this_peer"] == 1


def test_the_lma_does_not_hand_over() -> None:
    subject = core()
    subject.handle(received(context(), LMA), 2.0)
    assert subject.snapshot().arriving == {}


@pytest.mark.parametrize("dialect", ["draft", "rfc"])
def test_a_third_mag_gets_no_clone(dialect: str) -> None:
    """HI(F) counts only from the MAG that the context went to, and for the handover that it names."""
    domain = DOMAINS[dialect]
    for source, handover_id, accepted in (
        (MAG3.address, "ho1", False), (MAG2.address, "other", False), (MAG2.address, "ho1", True),
    ):  # fmt: skip
        subject = leaving(domain)
        request = forwarding_request(Dialect(dialect), 9, mn_id=MN1.id, handover_id=handover_id)
        commands = subject.handle(received(request, source, domain), 1.5)
        clones = [command for command in commands if isinstance(command, CallController)]
        assert bool(clones) is accepted
        if not accepted:
            assert [answer.code for answer in sent(commands, source, domain)] == [132]


@pytest.mark.parametrize(("source", "handover_id", "counts"), [
    (MAG3.address, "ho2", False), (MAG2.address, "other", False), (MAG2.address, "ho2", True),
])  # fmt: skip
def test_only_the_p_mag_ends_what_it_has_begun(source: IPv6Address, handover_id: str, counts: bool) -> None:
    """The completion is acknowledged in any case (it may be a repetition), but ends no other handover."""
    subject = arriving()
    message = completion(Dialect.RFC, 9, mn_id=MN2.id, handover_id=handover_id)
    commands = subject.handle(received(message, source), 1.5)
    assert [answer.code for answer in sent(commands, source)] == [0]
    assert (MN2.id not in subject.snapshot().arriving) is counts


@pytest.mark.parametrize(("source", "handover_id", "counts"), [
    (MAG3.address, "ho2", False), (MAG2.address, "other", False), (MAG2.address, "ho2", True),
])  # fmt: skip
def test_only_the_p_mag_says_what_was_delivered_last(source: IPv6Address, handover_id: str, counts: bool) -> None:
    message = last_delivered_message(Dialect.RFC, 9, mn_id=MN2.id, handover_id=handover_id, last_delivered={})
    commands = arriving().handle(received(message, source), 1.5)
    assert any(isinstance(command, CutBuffer) for command in commands) is counts
    assert [answer.accepted for answer in sent(commands, source)] == [counts]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_word_in_parts_counts_when_its_last_part_and_all_that_has_come_with_it(order: tuple[int, ...]) -> None:
    """Sent all at once, they may come in any order; what comes after the last part is added to the word."""
    last = {(LMA, IPv6Address("ff1e::100") + place): (bytes(8),) * 16 for place in range(40)}
    parts = last_delivered_parts(MN2.id, "ho2", last)
    assert len(parts) == 3
    subject = arriving()
    told: set[Any] = set()
    for number in order:
        message = last_delivered_message(
            Dialect.RFC, 9 + number, mn_id=MN2.id, handover_id="ho2", last_delivered=parts[number], more=number < 2
        )
        commands = subject.handle(received(message, MAG2.address), 1.5)
        assert [answer.accepted for answer in sent(commands, MAG2.address)] == [True]
        told |= parts[number].keys()
        cuts = [command.last_delivered.keys() for command in commands if isinstance(command, CutBuffer)]
        assert cuts == ([told] if 2 in order[: order.index(number) + 1] else [])
    assert told == last.keys()


def test_a_peer_that_gives_no_handover_id_is_understood() -> None:
    subject = leaving()
    request = forwarding_request(Dialect.RFC, 9, mn_id=MN1.id, handover_id="x")
    request = replace(request, options=tuple(o for o in request.options if not isinstance(o, HandoverIdentifier)))
    commands = subject.handle(received(request, MAG2.address), 1.5)
    assert any(isinstance(command, CallController) for command in commands)


# --- more than fits ---------------------------------------------------------------------------------------------------


def many(count: int, sources: int) -> tuple[MulticastAddressRecord, ...]:
    addresses = tuple(IPv6Address(f"2001:db8:c0::{index:x}") for index in range(1, sources + 1))
    kind = Mldv2RecordType.CHANGE_TO_INCLUDE_MODE if sources else Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE
    return tuple(
        MulticastAddressRecord(record_type=kind, group=IPv6Address(f"ff1e::{index:x}"), sources=addresses)
        for index in range(1, count + 1)
    )


@pytest.mark.parametrize(("groups", "sources"), [(50, 0), (50, 2), (50, 14), (20, 60), (1, 62)])
def test_whatever_a_mobile_node_joins_can_be_registered_and_handed_over(groups: int, sources: int) -> None:
    subject = core()
    link_local = IPv6Address("fe80::11")
    for record in many(groups, sources):
        packet = encode_mld_packet(Mldv2Report(records=(record,)), link_local)
        frame = EthernetFrame(destination=b"\x33\x33\0\0\0\x16", source=MN1.link_layer_id, payload=packet)
        subject.handle(AccessFrameReceived(port="mn1", frame=encode_ethernet(frame)), 0.5)
    known = subject.snapshot().memberships[MN1.id]
    assert len(known) >= groups
    refreshed = sent(subject.handle(ControllerConnected(), 1.0), LMA)
    assert len(refreshed) == 1
    assert len(encode_mobility(refreshed[0], MAG1.address, LMA)) <= 1152
    if len(multicast_records(refreshed[0])) < len(known):
        assert subject.counters["binding_update_groups_left_out"] > 0
    call = methods.StartHandover(handover_id="ho1", mn_id=MN1.id, new_mag="mag2")
    contexts = sent(subject.handle(ControllerCalled(call=call), 1.0), MAG2.address)
    assert len(contexts) == 1
    last = {
        (IPv6Address("2001:db8:c0::1"), membership.group): tuple(bytes((n,)) * 8 for n in range(27))
        for membership in known
    }
    words = sent(subject.handle(LinkDown(port="mn1", last_delivered=last), 2.0), MAG2.address)
    assert {stream for word in words for stream in last_delivered_of(word)} == last.keys()


@pytest.mark.parametrize(("groups", "sources"), [(50, 0), (16, 3), (1, 62)])
def test_whatever_is_refused_can_be_answered(groups: int, sources: int) -> None:
    """Several options 60 in one HI, every group refused: option 61 names what it has room for."""
    strict = replace(DOMAIN, mobile_nodes=tuple(replace(node, allowed_groups=()) for node in DOMAIN.mobile_nodes))
    subject = core(strict)
    state = tuple(
        MulticastAddressRecord(
            record_type=Mldv2RecordType.MODE_IS_INCLUDE if record.sources else Mldv2RecordType.MODE_IS_EXCLUDE,
            group=record.group, sources=record.sources,
        )
        for record in many(groups, sources)
    )
    message = context()
    message = replace(message, options=(
        *(option for option in message.options if not isinstance(option, MulticastMobility)),
        MulticastMobility(records=state[: groups // 2 + 1]), MulticastMobility(records=state[groups // 2 + 1:]),
    ))  # fmt: skip
    answers = sent(subject.handle(received(message, MAG2.address, strict), 1.0), MAG2.address)
    assert len(answers) == 1
    assert isinstance(answers[0], HandoverAcknowledge)
    assert answers[0].accepted
    assert len(refused_groups(answers[0], ())) >= min(groups, 14)
    assert mn_id(answers[0]) == MN2.id


def test_a_second_context_replaces_the_first_and_gives_its_rules_back() -> None:
    subject = arriving()
    commands = subject.handle(received(context(sequence=2, handover_id="ho3"), MAG3.address), 1.5)
    calls = [command.call for command in commands if isinstance(command, CallController)]
    assert [type(call) for call in calls] == [methods.ReleaseForwarding, methods.PrepareForwarding]
    assert calls[0].handover_id == "ho2"
    assert subject.snapshot().arriving == {MN2.id: ("ho3", "preparing")}


def test_an_answer_for_an_earlier_handover_does_not_count_for_the_next() -> None:
    subject = arriving()
    subject.handle(received(context(sequence=2, handover_id="ho3"), MAG2.address), 1.5)
    commands = subject.handle(ControllerAnswered(token=f"prepare {MN2.id} ho2", error=None), 1.6)
    assert commands == []
    assert subject.snapshot().arriving == {MN2.id: ("ho3", "preparing")}


# --- frames of mobile nodes -------------------------------------------------------------------------------------------


def hears(subject: MagCore, frame: bytes, port: str = "mn1") -> MagSnapshot:
    subject.handle(AccessFrameReceived(port=port, frame=frame), 2.0)
    return subject.snapshot()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CORES), st.sampled_from(["mn1", "mn2", "eth9"]), st.binary(max_size=200), st.booleans())
def test_any_octets_of_a_mobile_node_change_nothing(make: Any, port: str, octets: bytes, dressed: bool) -> None:
    subject = make()
    before, counted = subject.snapshot(), drops(subject)
    frame = octets
    if dressed:
        frame = encode_ethernet(EthernetFrame(destination=bytes(6), source=MN1.link_layer_id, payload=octets))
    assert hears(subject, frame, port) == before
    assert drops(subject) == counted + 1


def test_another_link_layer_address_is_not_the_mobile_node() -> None:
    subject = core()
    before = subject.snapshot()
    packet = encode_mld_packet(Mldv2Report(records=many(1, 0)), IPv6Address("fe80::11"))
    frame = encode_ethernet(EthernetFrame(destination=bytes(6), source=MN2.link_layer_id, payload=packet))
    assert hears(subject, frame) == before
    assert subject.counters["frame_of_unknown_link_layer_id"] == 1
    fact = RecordFact(name=PACKET_DROPPED, fields={"reason": "frame_of_unknown_link_layer_id", "port": "mn1"})
    assert subject.handle(AccessFrameReceived(port="mn1", frame=frame), 2.0) == [fact]


def test_only_carrier_attaches() -> None:
    subject = core(attached=False)
    packet = encode_mld_packet(Mldv2Report(records=many(1, 0)), IPv6Address("fe80::11"))
    frame = encode_ethernet(EthernetFrame(destination=bytes(6), source=MN1.link_layer_id, payload=packet))
    assert hears(subject, frame).attached == ()
    subject.handle(LinkUp(port="mn1"), 2.0)
    assert hears(subject, frame).attached == (MN1.id,)
    subject.handle(LinkDown(port="mn1"), 3.0)
    assert hears(subject, frame).attached == ()
    assert subject.counters["frame_without_carrier"] == 2


# --- what comes of nothing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [
    LinkUp(port="eth9"), LinkDown(port="eth9"), LinkDown(port="mn2"), LinkUp(port="mn1"),
    ControllerDisconnected(), ControllerAnswered(token="", error=None),
    ControllerAnswered(token="clone nobody ho", error="no"),
    ControllerAnswered(token="prepare", error=None),
    StreamObserved(mn_id="nobody", what="tunnel"), StreamObserved(mn_id=MN1.id, what="something"),
    StreamsJoined(mn_id="nobody"), ControllerCalled(call=object()),
    ControllerCalled(call=methods.FinishForwarding(handover_id="never", mn_id=MN1.id)),
    ControllerCalled(call=methods.CancelHandover(handover_id="never", mn_id=MN1.id)),
    ControllerCalled(call=methods.StartHandover(handover_id="x", mn_id="nobody", new_mag="mag2")),
    ControllerCalled(call=methods.StartHandover(handover_id="x", mn_id=MN2.id, new_mag="mag2")),
    ControllerCalled(call=methods.StartHandover(handover_id="x", mn_id=MN1.id, new_mag="mag9")),
    ControllerCalled(call=methods.StartHandover(handover_id="x", mn_id=MN1.id, new_mag="mag1")),
])  # fmt: skip
def test_events_about_nothing_change_nothing(event: Event) -> None:
    subject = core()
    before = subject.snapshot()
    subject.handle(event, 2.0)
    assert subject.snapshot() == before


def test_two_mags_speak_one_dialect_whichever_overrides_it() -> None:
    """mag2 of another make: both sides of every pair choose alike."""
    other_make = replace(MAG2, dialect="rfc", option_length_unit="octets")
    mixed = replace(DOMAINS["draft"], mags=(MAG1, other_make, replace(MAG3, option_length_unit="words")))
    for one in mixed.mags:
        for other in mixed.mags:
            assert mixed.dialect_between(one, other) == mixed.dialect_between(other, one)
            assert mixed.option_length_unit_between(one, other) == mixed.option_length_unit_between(other, one)
    first, second, third = mixed.mags
    assert (mixed.dialect_between(first, second), mixed.option_length_unit_between(first, second)) == ("rfc", "octets")
    assert (mixed.dialect_between(first, third), mixed.option_length_unit_between(first, third)) == ("draft", "words")
    assert mixed.option_length_unit_between(second, third) == "octets", "that of the first that has one"

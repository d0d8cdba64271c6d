# SPDX-License-Identifier: Apache-2.0
"""MAGs of several makes in one domain: what each pair speaks, and what becomes of an MN whose next MAG knows less.

Nothing on the wire tells what a peer knows (PFMIPv6 has no negotiation between MAGs): it is configured, per MAG.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from southbound.codec.accessors import find_option, multicast_records
from southbound.codec.handover import Dialect, HandoverAcknowledge, HandoverInitiate
from southbound.codec.handover_options import ContextRequest
from southbound.codec.iana import OptionType
from southbound.codec.multicast_options import MulticastAcknowledgement, MulticastMobility
from tests.scenario.handover_script import GROUP, MN1, MN2, move, outcome, trigger
from tests.support.domain_checks import Watch, assert_at_rest, native_copies, tunnel_copies
from tests.support.simulated_domain import SimulatedDomain, three_mags
from tests.support.simulated_transport import Carried
from topology.model import Domain

LIFETIMES_S = 25.0


def running(whole: Domain) -> SimulatedDomain:
    """Both mobile nodes at mag1, watched."""
    domain = SimulatedDomain(whole)
    Watch(domain)
    domain.start()
    domain.attach(MN1, "mag1")
    domain.attach(MN2, "mag1")
    domain.run_for(1.0)
    return domain


def with_mag2(others: str = "draft", attach_mode: str = "policy-store", **fields: Any) -> Domain:
    """mag2 is of another make; `others`: dialect of the domain."""
    whole = three_mags(others, attach_mode)
    return replace(
        whole, mags=tuple(replace(mag, **fields) if mag.id == "mag2" else mag for mag in whole.mags)
    )


def handover_messages(domain: SimulatedDomain) -> list[Carried]:
    return [one for one in domain.transport.carried if isinstance(one.message, HandoverInitiate | HandoverAcknowledge)]


@pytest.mark.parametrize("unit", ["words", "octets"])
@pytest.mark.parametrize(("own", "others"), [("rfc", "draft"), ("draft", "rfc")])
def test_each_pair_speaks_its_own_dialect_and_unit(own: str, others: str, unit: str) -> None:
    domain = running(with_mag2(others, dialect=own, option_length_unit=unit))
    path = ["mag1", "mag2", "mag3", "mag1"]
    for _, target in pairwise(path):
        handover_id = trigger(domain, target)
        domain.run_for(0.2)
        move(domain, target)
        domain.run_for(3.0)
        assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})
    for carried in handover_messages(domain):
        expected = own if "mag2" in (carried.source, carried.destination) else others
        assert carried.message.dialect is Dialect(expected)  # type: ignore[union-attr]


def test_length_of_option_60_is_counted_as_the_pair_counts() -> None:
    """Read with the wrong unit the option would be none: that the groups come through says that both agree."""
    domain = running(with_mag2(option_length_unit="octets"))
    trigger(domain)
    domain.run_for(0.2)
    (context,) = domain.transport.sent("HI context")
    at = context.header.index(bytes((OptionType.MULTICAST_MOBILITY,)) + bytes((2 + 4 + 20,)))
    assert context.header[at + 2] == 2, "MLDv2, behind a Length in octets"
    assert native_copies(domain, "mag1", GROUP).count("mag mag2") == 1


# --- a MAG that knows no multicast option -----------------------------------------------------------------------------


def test_peer_without_multicast_context_is_sent_none_and_nothing_is_forwarded() -> None:
    """RFC 5949 alone: the handover itself goes on, and the groups come by the MN's answer to the query (RFC 6224)."""
    domain = running(with_mag2(multicast_context=False, attach_mode="query"))
    handover_id = trigger(domain)
    domain.run_for(0.2)
    (context,) = [carried.message for carried in domain.transport.sent("HI context")]
    assert isinstance(context, HandoverInitiate)
    assert (context.multicast, find_option(context, MulticastMobility)) == (False, None)
    (answer,) = [carried.message for carried in domain.transport.sent("HAck to HI context")]
    assert isinstance(answer, HandoverAcknowledge)
    assert find_option(answer, MulticastAcknowledgement) is None
    assert native_copies(domain, "mag1", GROUP) == ["mn1", "mn2"]
    assert tunnel_copies(domain, "mag2", "mag1", GROUP) == []
    move(domain)
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, handover_id)[0] == "completed"
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_nobody_sends_it_from_there_either() -> None:
    domain = running(with_mag2(multicast_context=False, attach_mode="query"))
    move(domain)
    domain.run_for(3.0)
    trigger(domain, "mag3")
    domain.run_for(0.2)
    (context,) = [carried.message for carried in domain.transport.sent("HI context", "mag2")]
    assert isinstance(context, HandoverInitiate)
    assert multicast_records(context) == ()
    move(domain, "mag3")
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag3", MN2: "mag1"})


def test_other_pairs_go_on_as_before() -> None:
    domain = running(with_mag2(multicast_context=False))
    trigger(domain, "mag3")
    domain.run_for(0.2)
    assert native_copies(domain, "mag1", GROUP).count("mag mag3") == 1


def test_reactive_request_of_such_a_peer_asks_for_no_multicast_state_and_gets_none() -> None:
    domain = running(with_mag2(multicast_context=False, attach_mode="reactive"))
    move(domain)
    domain.run_for(0.1)
    (request,) = [carried.message for carried in domain.transport.sent("HI reactive")]
    assert isinstance(request, HandoverInitiate)
    asked = find_option(request, ContextRequest)
    assert asked is not None
    assert [one.option_type for one in asked.requests] == [
        OptionType.HOME_NETWORK_PREFIX, OptionType.MOBILE_NODE_LINK_LAYER_IDENTIFIER,
    ]
    (answer,) = [carried.message for carried in domain.transport.sent("HAck to HI reactive")]
    assert isinstance(answer, HandoverAcknowledge)
    assert (int(answer.code), multicast_records(answer)) == (132, ())
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_reactive_request_names_link_layer_id_and_multicast_state() -> None:
    """RFC 5949 section 6.2.1: the link-layer identifier must be asked for where there is one."""
    domain = running(three_mags("rfc", "reactive"))
    move(domain)
    domain.run_for(0.1)
    request = domain.transport.sent("HI reactive")[0].message
    assert isinstance(request, HandoverInitiate)
    asked = find_option(request, ContextRequest)
    assert asked is not None
    assert {one.option_type for one in asked.requests} == {
        OptionType.HOME_NETWORK_PREFIX, OptionType.MOBILE_NODE_LINK_LAYER_IDENTIFIER, OptionType.MULTICAST_MOBILITY,
    }


@pytest.mark.parametrize("dialect", ["draft", "rfc"])
def test_context_without_option_60_serves_after_the_query(dialect: str) -> None:
    """A p-MAG of another make: prefix, link-layer id and LMA, and no word of groups."""
    domain = running(three_mags(dialect, "query"))

    def without(message: Any) -> HandoverInitiate:
        others = tuple(one for one in message.options if not isinstance(one, MulticastMobility))
        return replace(message, options=others, multicast=False)

    domain.transport.change("HI context", without)
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("dialect", ["draft", "rfc"])
def test_acknowledgement_without_option_61_accepts_all_groups(dialect: str) -> None:
    """It must be there (RFC 7411 section 5.2); a Code below 128 without it is taken at its word."""
    domain = running(three_mags(dialect))

    def without(message: Any) -> HandoverAcknowledge:
        return replace(
            message, options=tuple(one for one in message.options if not isinstance(one, MulticastAcknowledgement))
        )

    domain.transport.change("HAck to HI context", without)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    assert native_copies(domain, "mag1", GROUP).count("mag mag2") == 1
    move(domain)
    domain.run_for(3.0)
    assert outcome(domain, handover_id) == ("completed", None)


# --- MLDv1 listeners ----------------------------------------------------------------------------------------------------


def codes_of_state(domain: SimulatedDomain, name: str, source: str) -> list[int]:
    messages = [carried.message for carried in domain.transport.sent(name, source)]
    options = [find_option(one, MulticastMobility) for one in messages]  # type: ignore[arg-type]
    return [int(option.option_code) for option in options if option is not None]


@pytest.mark.parametrize("dialect", ["draft", "rfc"])
def test_compatibility_mode_of_an_mldv1_listener_travels_with_its_context(dialect: str) -> None:
    """RFC 7411 section 5.6: Option-Code 4, and the next MAG is in that mode from the beginning."""
    domain = running(three_mags(dialect, "query"))
    domain.mobile_nodes[MN1].join_by_mldv1("ff1e::777")
    domain.run_for(0.2)
    for target in ("mag2", "mag3"):
        handover_id = trigger(domain, target)
        domain.run_for(0.2)
        move(domain, target)
        domain.run_for(3.0)
        assert outcome(domain, handover_id) == ("completed", None)
    assert [codes_of_state(domain, "HI context", source) for source in ("mag1", "mag2")] == [[4], [4]]
    # Nobody else is put into that mode by it.
    trigger(domain, "mag2", MN2)
    domain.run_for(0.2)
    assert codes_of_state(domain, "HI context", "mag1") == [4, 2]


def test_compatibility_mode_is_in_the_reactive_answer() -> None:
    domain = running(three_mags("rfc", "reactive"))
    domain.mobile_nodes[MN1].join_by_mldv1("ff1e::777")
    domain.run_for(0.2)
    move(domain)
    domain.run_for(0.2)
    assert codes_of_state(domain, "HAck to HI reactive", "mag1") == [4]
    domain.run_for(LIFETIMES_S)
    trigger(domain, "mag3")
    domain.run_for(0.2)
    assert codes_of_state(domain, "HI context", "mag2") == [4]

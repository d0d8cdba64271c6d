# SPDX-License-Identifier: Apache-2.0
"""MAGs of several makes in one domain: what each pair speaks, and what becomes of an MN whose next MAG knows less.

Nothing on the wire tells what a peer knows (PFMIPv6 has no negotiation between MAGs): it is configured, per MAG.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from itertools import pairwise
from typing import Any

import pytest

from southbound.codec.accessors import find_option, multicast_records
from southbound.codec.binding_error import BindingError
from southbound.codec.handover import Dialect, HandoverAcknowledge, HandoverInitiate
from southbound.codec.handover_options import ContextRequest
from southbound.codec.iana import BindingErrorStatus, Mldv2RecordType, MobilityHeaderType, OptionType
from southbound.codec.mobility import UnknownMobilityMessage, encode_mobility
from southbound.codec.multicast_options import MulticastAcknowledgement, MulticastMobility
from southbound.codec.records import MulticastAddressRecord
from tests.scenario.handover_script import GROUP, MN1, MN2, begun, move, outcome, trigger, watched
from tests.support.domain_checks import SOURCE, Watch, assert_at_rest, native_copies, tunnel_copies
from tests.support.domains import three_mags
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_transport import Carried
from topology.model import Domain
from topology.settings import Limits

LIFETIMES_S = 25.0
OTHER = IPv6Address("ff1e::102")


def running(whole: Domain, *, watch: bool = True) -> SimulatedDomain:
    """Both mobile nodes at mag1."""
    domain = SimulatedDomain(whole)
    return watched(domain) if watch else begun(domain)


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


def test_forwarding_flag_in_the_first_hi_is_understood() -> None:
    """RFC 5949 section 4.2 has F there, too: the tunnel is asked for by the n-MAG all the same."""
    domain = running(three_mags("rfc"))
    domain.transport.change("HI context", lambda message: replace(message, forward=True))
    handover_id = trigger(domain)
    domain.run_for(0.2)
    assert native_copies(domain, "mag1", GROUP).count("mag mag2") == 1
    move(domain)
    domain.run_for(3.0)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


# --- MLDv1 listeners ----------------------------------------------------------------------------------------------------


def codes_of_state(domain: SimulatedDomain, name: str, source: str) -> list[int]:
    messages = [carried.message for carried in domain.transport.sent(name, source)]
    options = [find_option(one, MulticastMobility) for one in messages]  # type: ignore[arg-type]
    return [int(option.option_code) for option in options if option is not None]


@pytest.mark.parametrize("dialect", ["draft", "rfc"])
def test_compatibility_mode_of_an_mldv1_listener_travels_with_its_context(dialect: str) -> None:
    """RFC 7411 section 5.6: Option-Code 4, and the next MAG is in that mode from the beginning."""
    domain = running(three_mags(dialect, "query"))
    domain.mobile_nodes[MN1].join_by_older_version("ff1e::777")
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
    domain.mobile_nodes[MN1].join_by_older_version("ff1e::777")
    domain.run_for(0.2)
    move(domain)
    domain.run_for(0.2)
    assert codes_of_state(domain, "HAck to HI reactive", "mag1") == [4]
    domain.run_for(LIFETIMES_S)
    trigger(domain, "mag3")
    domain.run_for(0.2)
    assert codes_of_state(domain, "HI context", "mag2") == [4]


@pytest.mark.parametrize(
    ("mld", "igmp", "expected"), [("old", "new", [4, 1]), ("new", "old", [2, 3]), ("old", "old", [4, 3])]
)
def test_each_family_has_its_own_compatibility_mode(mld: str, igmp: str, expected: list[int]) -> None:
    """Option-Code 3: an IGMPv2 listener; its IPv6 groups are what they are."""
    domain = running(three_mags("rfc", "query"))
    node = domain.mobile_nodes[MN1]
    for version, group in ((mld, "ff1e::777"), (igmp, "239.1.1.7")):
        join = node.join_by_older_version if version == "old" else node.join
        join(group)
    node.answers_queries = False
    domain.run_for(0.2)
    for target in ("mag2", "mag3"):
        trigger(domain, target)
        domain.run_for(0.2)
        move(domain, target)
        domain.run_for(3.0)
    for context in contexts(domain):
        assert [int(one.option_code) for one in context.options if isinstance(one, MulticastMobility)] == expected
    assert len(contexts(domain)) == 2
    assert_at_rest(domain, {MN1: "mag3", MN2: "mag1"})


# --- contexts that do not fit one message -------------------------------------------------------------------------------

SPECIAL = [f"ff3e::8000:{number:x}" for number in range(1, 41)]
"""Of one source each: an option 60 holds 28 of them."""


def listening_to_much(dialect: str, *, watch: bool = True) -> SimulatedDomain:
    domain = running(three_mags(dialect, "query"), watch=watch)
    for group in SPECIAL:
        domain.mobile_nodes[MN1].join(group, str(SOURCE))
    domain.mobile_nodes[MN1].answers_queries = False
    domain.run_for(0.2)
    return domain


def contexts(domain: SimulatedDomain) -> list[HandoverInitiate]:
    messages = [carried.message for carried in domain.transport.sent("HI context")]
    return [message for message in messages if isinstance(message, HandoverInitiate)]


def test_groups_beyond_the_limit_of_the_new_mag_are_refused() -> None:
    """RFC 7411 section 6: a context is as limited as what the MN says itself."""
    domain = running(replace(three_mags(), limits=replace(Limits(), groups_per_mobile_node=1)))

    def with_one_more(message: Any) -> HandoverInitiate:
        more = MulticastAddressRecord(record_type=Mldv2RecordType.MODE_IS_EXCLUDE, group=OTHER)
        changed = [
            replace(option, records=(*option.records, more)) if isinstance(option, MulticastMobility) else option
            for option in message.options
        ]
        return replace(message, options=tuple(changed))

    domain.transport.change("HI context", with_one_more)
    trigger(domain)
    domain.run_for(0.2)
    (answer,) = [carried.message for carried in domain.transport.sent("HAck to HI context")]
    assert isinstance(answer, HandoverAcknowledge)
    refused = [option.records for option in answer.options if isinstance(option, MulticastAcknowledgement)]
    assert [[record.group for record in records] for records in refused] == [[OTHER]]
    assert tunnel_copies(domain, "mag2", "mag1", GROUP) == ["hob0"]
    assert tunnel_copies(domain, "mag2", "mag1", OTHER) == []


@pytest.mark.parametrize("dialect", ["draft", "rfc"])
def test_context_that_is_too_long_goes_in_parts_and_all_of_it_is_forwarded(dialect: str) -> None:
    """RFC 7411 section 5.5: several HI and HAck, the last one with Code 3 (RFC 5949); no payload is split."""
    domain = listening_to_much(dialect)
    handover_id = trigger(domain)
    domain.run_for(0.3)
    parts = contexts(domain)
    assert [len(multicast_records(part)) for part in parts] == [28, 13]
    assert [int(part.code) for part in parts] == ([0, 3] if dialect == "rfc" else [0, 0])
    assert len(domain.transport.sent("HAck to HI context")) == 2
    assert len(domain.transport.sent("HI(F)")) == 1, "when the whole context is there"
    for group in SPECIAL:
        assert "mag mag2" in native_copies(domain, "mag1", IPv6Address(group))
        assert tunnel_copies(domain, "mag2", "mag1", IPv6Address(group)) == ["hob0"]
    move(domain)
    domain.run_for(3.0)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("lost", ["HI context", "HAck to HI context"])
@pytest.mark.parametrize("which", [0, 1])
def test_each_part_may_be_lost(lost: str, which: int) -> None:
    domain = listening_to_much("rfc")
    seen = [0]

    def fate(carried: Carried) -> str:
        if carried.name != lost or carried.repeated:
            return ""
        seen[0] += 1
        return "lose" if seen[0] == which + 1 else ""

    domain.transport.fates.append(fate)
    handover_id = trigger(domain)
    domain.run_for(1.0)
    move(domain)
    domain.run_for(3.0)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_parts_without_the_last_one_count_after_a_while() -> None:
    """A peer that never says Code 3."""
    domain = listening_to_much("rfc")
    domain.transport.change("HI context", lambda message: replace(message, code=0), times=1000)
    trigger(domain)
    domain.run_for(1.0)
    assert domain.agents["mag2"].core.counters["context_last_part_missing"] == 1
    for group in SPECIAL:
        assert "mag mag2" in native_copies(domain, "mag1", IPv6Address(group))
    move(domain)
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_mobile_node_that_comes_between_two_parts_is_served() -> None:
    # Its groups come between its PBU, which has none, and the PBA, which is not about them.
    domain = listening_to_much("rfc", watch=False)
    domain.mobile_nodes[MN1].answers_queries = True
    trigger(domain)
    domain.run_until(lambda: len(domain.transport.sent("HAck to HI context")) == 1)
    move(domain, gap_s=0.0)
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_refusals_of_all_parts_count() -> None:
    """Each HAck names what it refuses of its part."""
    whole = three_mags("rfc", "query")
    nodes = tuple(
        replace(node, allowed_groups=(IPv6Network("ff3e::8000:1/128"), IPv6Network("ff1e::101/128")))
        for node in whole.mobile_nodes
    )
    domain = SimulatedDomain(whole)
    Watch(domain)
    domain.agents["mag2"].restarted(SimulatedDomain(replace(whole, mobile_nodes=nodes)).agents["mag2"].core)
    domain.start()
    domain.attach(MN1, "mag1")
    for group in SPECIAL:
        domain.mobile_nodes[MN1].join(group, str(SOURCE))
    domain.run_for(0.5)
    trigger(domain)
    domain.run_for(0.3)
    cloned = [group for group in SPECIAL if "mag mag2" in native_copies(domain, "mag1", IPv6Address(group))]
    assert cloned == SPECIAL[:1]


def test_parts_of_a_handover_that_is_called_off_are_forgotten() -> None:
    domain = listening_to_much("rfc")
    domain.transport.delay("HI context", 0.2, times=2)
    handover_id = trigger(domain)
    domain.run_until(lambda: len(domain.transport.sent("HAck to HI context")) == 1)
    domain.cancel_handover(handover_id)
    domain.transport.fates.append(lambda carried: "lose" if carried.name == "HI context" else "")
    domain.run_for(1.0)
    assert outcome(domain, handover_id)[0] == "cancelled"
    assert domain.agents["mag2"].core.snapshot().arriving == {}


# --- options 60 and 61 whose Length counts octets: twelve groups each ----------------------------------------------------


def in_octets(groups: int, dialect: str, attach_mode: str = "policy-store", whole: Domain | None = None) -> SimulatedDomain:
    """MN1, which listens to so many groups, one of them that of the stream; it says nothing anew when it has moved."""
    domain = running(whole or with_mag2(dialect, attach_mode, option_length_unit="octets"), watch=False)
    for group in many(groups)[1:]:
        domain.mobile_nodes[MN1].join(str(group))
    domain.mobile_nodes[MN1].answers_queries = False
    domain.run_for(0.2)
    return domain


def many(groups: int) -> list[IPv6Address]:
    return [GROUP, *(IPv6Address(f"ff1e::7:{number:x}") for number in range(1, groups))]


def listened_at(domain: SimulatedDomain, mag_id: str) -> set[Any]:
    return {one.group for one in domain.agents[mag_id].core.snapshot().memberships.get(MN1, ())}


@pytest.mark.parametrize("dialect", ["draft", "rfc"])
@pytest.mark.parametrize(("groups", "parts"), [(12, 1), (13, 2), (14, 2), (50, 5)])
def test_context_counted_in_octets_goes_in_as_many_parts_as_it_takes(groups: int, parts: int, dialect: str) -> None:
    domain = in_octets(groups, dialect)
    for target in ("mag2", "mag1"):
        domain.transport.carried.clear()
        handover_id = trigger(domain, target)
        domain.run_for(0.2)
        assert len(contexts(domain)) == parts
        assert {record.group for part in contexts(domain) for record in multicast_records(part)} == set(many(groups))
        here = "mag1" if target == "mag2" else "mag2"
        for group in many(groups):
            assert f"mag {target}" in native_copies(domain, here, group)
        move(domain, target)
        domain.run_for(3.0)
        assert outcome(domain, handover_id) == ("completed", None)
        assert listened_at(domain, target) == set(many(groups))
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


@pytest.mark.parametrize("dialect", ["draft", "rfc"])
@pytest.mark.parametrize("groups", [13, 14, 48])
def test_reactive_answer_counted_in_octets_says_as_much_as_a_message_holds(groups: int, dialect: str) -> None:
    domain = in_octets(groups, dialect, "reactive")
    for target in ("mag2", "mag1"):
        domain.transport.carried.clear()
        move(domain, target)
        domain.run_for(LIFETIMES_S)
        (answer,) = [carried.message for carried in domain.transport.sent("HAck to HI reactive")]
        assert isinstance(answer, HandoverAcknowledge)
        assert {record.group for record in multicast_records(answer)} == set(many(groups))
        assert int(answer.code) == 6, "all there is"
        assert listened_at(domain, target) == set(many(groups))
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_reactive_answer_that_is_too_short_says_that_there_is_more() -> None:
    """RFC 5949 section 6.1.2, Code 5; what is missing comes with the MN's own report."""
    domain = in_octets(50, "rfc", "reactive")
    domain.mobile_nodes[MN1].answers_queries = True
    move(domain)
    domain.run_for(LIFETIMES_S)
    (answer,) = [carried.message for carried in domain.transport.sent("HAck to HI reactive")]
    assert isinstance(answer, HandoverAcknowledge)
    assert (len(multicast_records(answer)), int(answer.code)) == (48, 5)
    assert listened_at(domain, "mag2") == set(many(50))
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("groups", [14, 30, 50])
def test_refusals_counted_in_octets_are_all_named(groups: int) -> None:
    """Option 61 is as short as option 60, and a HAck may have several; every part names its own."""
    whole = with_mag2("rfc", "query", option_length_unit="octets")
    nodes = tuple(
        replace(node, allowed_groups=(IPv6Network(f"{GROUP}/128"),)) for node in whole.mobile_nodes
    )
    domain = SimulatedDomain(whole)
    domain.agents["mag2"].restarted(SimulatedDomain(replace(whole, mobile_nodes=nodes)).agents["mag2"].core)
    domain.start()
    domain.attach(MN1, "mag1")
    for group in many(groups):
        domain.mobile_nodes[MN1].join(str(group))
    domain.run_for(0.5)
    handover_id = trigger(domain)
    domain.run_for(0.3)
    cloned = [group for group in many(groups) if "mag mag2" in native_copies(domain, "mag1", group)]
    assert cloned == [GROUP]
    answers = [carried.message for carried in domain.transport.sent("HAck to HI context")]
    named = [
        record.group
        for answer in answers
        for option in answer.options  # type: ignore[union-attr]
        if isinstance(option, MulticastAcknowledgement)
        for record in option.records
    ]
    assert set(named) == set(many(groups)) - {GROUP}
    move(domain)
    domain.run_for(3.0)
    assert outcome(domain, handover_id) == ("completed", None)


@pytest.mark.parametrize("dialect", ["draft", "rfc"])
def test_peer_that_counts_otherwise_looks_like_one_that_is_dead(dialect: str) -> None:
    """A Mobility Header that cannot be parsed is dropped in silence (RFC 6275 section 9.2); the reader counts it."""
    domain = in_octets(14, dialect)
    words = SimulatedDomain(three_mags(dialect)).agents["mag2"].core
    domain.agents["mag2"].restarted(words)
    handover_id = trigger(domain)
    domain.run_for(2.0)
    assert outcome(domain, handover_id) == ("failed", "mag2 does not answer")
    assert words.counters["mobility_header_option_overruns_header"] == 4
    assert listened_at(domain, "mag1") == set(many(14)), "served as before"


def test_exclude_list_beyond_a_record_in_octets_ends_there_and_is_counted() -> None:
    """As in a PBU-M: rather more is heard than less, until the MN says it itself."""
    domain = running(with_mag2(option_length_unit="octets"), watch=False)
    unwanted = tuple(f"2001:db8:c1::{number:x}" for number in range(1, 21))
    domain.mobile_nodes[MN1].join(str(OTHER), *unwanted, exclude=True)
    domain.run_for(0.2)
    trigger(domain)
    domain.run_for(0.2)
    records = [record for part in contexts(domain) for record in multicast_records(part)]
    (said,) = [len(record.sources) for record in records if record.group == OTHER]
    assert said == 14
    assert domain.agents["mag1"].core.counters["context_sources_left_out"] == 6


# --- Mobility Headers that nobody here knows ----------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["mag2", "lma"])
def test_unknown_mobility_header_type_is_answered_with_a_binding_error(target: str) -> None:
    """RFC 6275 section 9.2: Status 2; one in a second, and none for a Binding Error, nor for a stranger."""
    domain = running(three_mags())
    addresses = {mag.id: mag.address for mag in domain.domain.mags} | {"lma": domain.domain.lma.address}

    def send(kind: int) -> None:
        message = UnknownMobilityMessage(message_type=MobilityHeaderType(kind), data=bytes(10))
        domain.transport.send("mag1", addresses[target], encode_mobility(message, addresses["mag1"], addresses[target]))

    for _ in range(5):
        send(99)
    domain.run_for(0.1)
    answers = [carried for carried in domain.transport.carried if isinstance(carried.message, BindingError)]
    assert [(carried.source, carried.destination) for carried in answers] == [(target, "mag1")]
    assert answers[0].message.status == BindingErrorStatus.UNRECOGNIZED_MH_TYPE  # type: ignore[union-attr]
    domain.run_for(1.0)
    send(99)
    domain.run_for(1.0)
    assert len([one for one in domain.transport.carried if isinstance(one.message, BindingError)]) == 2
    # The answers themselves have been dropped and counted.
    assert domain.agents["mag1"].core.counters["mobility_header_not_expected_from_this_peer"] == 2
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})

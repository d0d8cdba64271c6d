# SPDX-License-Identifier: Apache-2.0
"""Timers, queries, MLDv1, limits and attachment of one mobile node's membership, on a clock of the test's own."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

import pytest

from southbound.codec.iana import Mldv2RecordType
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.effects import (
    Effect,
    IgnoreReason,
    MembershipChanged,
    RecordIgnored,
    SendGeneralQuery,
    SendGroupQuery,
)
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.mld.parameters import MldParameters
from southbound.mld.router import CompatibilityMode, RouterLink
from tests.support.simulated_domain import TOPOLOGY
from topology.load import load_topology
from topology.settings import Limits, Timers

G1, G2, G3 = IPv6Address("ff1e::101"), IPv6Address("ff3e::8000:1"), IPv6Address("ff1e::103")
A, B, C = IPv6Address("2001:db8:c0::a"), IPv6Address("2001:db8:c0::b"), IPv6Address("2001:db8:c0::c")
IS_IN, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK = (
    Mldv2RecordType.MODE_IS_INCLUDE, Mldv2RecordType.MODE_IS_EXCLUDE, Mldv2RecordType.CHANGE_TO_INCLUDE_MODE,
    Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE, Mldv2RecordType.ALLOW_NEW_SOURCES, Mldv2RecordType.BLOCK_OLD_SOURCES,
)


def Record(  # noqa: N802 - reads as the report it stands for
    record_type: int, group: IPv6Address, sources: tuple[IPv6Address, ...] = ()
) -> MulticastAddressRecord:
    return MulticastAddressRecord(record_type=Mldv2RecordType(record_type), group=group, sources=sources)


def include(group: IPv6Address, *sources: IPv6Address) -> GroupMembership:
    return GroupMembership(group=group, filter_mode=FilterMode.INCLUDE, sources=frozenset(sources))


def exclude(group: IPv6Address, *sources: IPv6Address) -> GroupMembership:
    return GroupMembership(group=group, filter_mode=FilterMode.EXCLUDE, sources=frozenset(sources))


def changed(*memberships: GroupMembership) -> MembershipChanged:
    return MembershipChanged(memberships=memberships)


def group_query(group: IPv6Address, *sources: IPv6Address, suppress: bool = False) -> SendGroupQuery:
    return SendGroupQuery(group=group, sources=sources, max_response_ms=1000, suppress=suppress)


def run_until(node: RouterLink, end: float) -> list[tuple[float, Effect]]:
    """Tick at every deadline up to `end`; deadlines must move on."""
    happened: list[tuple[float, Effect]] = []
    while (deadline := node.next_deadline()) is not None and deadline <= end:
        happened += [(deadline, effect) for effect in node.tick(deadline)]
        following = node.next_deadline()
        assert following is None or following > deadline
    return happened


# --- context and memberships -----------------------------------------------------------------------------------------


def test_nothing_is_pending_at_first() -> None:
    node = RouterLink()
    assert (node.memberships(), node.next_deadline(), node.tick(1000.0)) == ((), None, [])


def test_installed_context_is_reported_sorted_and_lasts_mali() -> None:
    node = RouterLink()
    effects = node.install([exclude(G3, C), include(G2, A, B), exclude(G1)], 10.0)
    context = (exclude(G1), exclude(G3, C), include(G2, A, B))
    assert effects == [changed(*context)]
    assert node.memberships() == context
    assert node.next_deadline() == 270.0
    assert run_until(node, 1e6) == [(270.0, changed())]


def test_include_of_nothing_is_not_a_membership() -> None:
    node = RouterLink()
    assert node.install([include(G1)], 0.0) == []
    assert node.next_deadline() is None


def test_installing_on_top_of_reports_acts_as_a_current_state_report() -> None:
    node = RouterLink()
    node.on_report([Record(IS_IN, G1, (A,))], 0.0)
    assert node.install([include(G1, B)], 5.0) == [changed(include(G1, A, B))]
    assert node.install([exclude(G1, B, C)], 6.0) == [changed(exclude(G1, C))]


def test_repeated_report_changes_nothing_and_keeps_the_state_alive() -> None:
    node = RouterLink()
    node.on_report([Record(IS_EX, G1)], 0.0)
    for now in (125.0, 250.0, 375.0):
        assert node.on_report([Record(IS_EX, G1)], now) == []
    assert node.next_deadline() == 635.0


def test_exclude_x_y_reads_as_exclude_y_and_expires_to_include_x() -> None:
    node = RouterLink()
    node.on_report([Record(TO_EX, G1, (A, B))], 0.0)
    assert node.on_report([Record(ALLOW, G1, (B,))], 100.0) == [changed(exclude(G1, A))]
    assert run_until(node, 300.0) == [(260.0, changed(include(G1, B)))]
    assert run_until(node, 400.0) == [(360.0, changed())]


def test_source_timer_that_runs_out_in_exclude_mode_goes_to_the_exclude_list() -> None:
    node = RouterLink()
    node.on_report([Record(IS_IN, G1, (A,))], 0.0)
    node.on_report([Record(IS_EX, G1, (A,))], 100.0)
    assert node.memberships() == (exclude(G1),)
    assert run_until(node, 300.0) == [(260.0, changed(exclude(G1, A)))]


def test_late_tick_ends_where_punctual_ticks_end() -> None:
    node = RouterLink()
    node.on_report([Record(IS_EX, G1), Record(IS_IN, G2, (A,))], 0.0)
    node.on_report([Record(ALLOW, G1, (B,)), Record(ALLOW, G2, (B,))], 100.0)
    assert node.tick(300.0) == [changed(include(G1, B), include(G2, B))]
    assert node.tick(9999.0) == [changed()]


def test_report_after_a_missed_deadline_meets_the_state_of_its_own_time() -> None:
    node = RouterLink()
    node.on_report([Record(IS_IN, G1, (A,))], 0.0)
    assert node.on_report([Record(ALLOW, G1, (B,))], 260.0) == [changed(include(G1, B))]


# --- last-listener queries -------------------------------------------------------------------------------------------


def test_leave_is_asked_twice_and_believed_after_two_seconds() -> None:
    node = RouterLink()
    node.on_report([Record(TO_EX, G1)], 0.0)
    assert node.on_report([Record(TO_IN, G1)], 50.0) == [group_query(G1)]
    assert run_until(node, 1e6) == [(51.0, group_query(G1)), (52.0, changed())]


def test_answered_query_keeps_the_group_and_later_queries_have_the_s_flag() -> None:
    node = RouterLink()
    node.on_report([Record(TO_EX, G1)], 0.0)
    node.on_report([Record(TO_IN, G1)], 50.0)
    assert node.on_report([Record(IS_EX, G1)], 50.5) == []
    assert run_until(node, 310.0) == [(51.0, group_query(G1, suppress=True))]
    assert node.memberships() == (exclude(G1),)


def test_block_is_asked_twice_for_these_sources_only() -> None:
    node = RouterLink()
    node.on_report([Record(ALLOW, G2, (A, B, C))], 0.0)
    assert node.on_report([Record(BLOCK, G2, (C, B))], 50.0) == [group_query(G2, B, C)]
    assert run_until(node, 100.0) == [(51.0, group_query(G2, B, C)), (52.0, changed(include(G2, A)))]


def test_source_that_answers_moves_to_a_query_with_the_s_flag() -> None:
    node = RouterLink()
    node.on_report([Record(ALLOW, G2, (A, B))], 0.0)
    node.on_report([Record(BLOCK, G2, (A, B))], 50.0)
    node.on_report([Record(IS_IN, G2, (A,))], 50.5)
    assert run_until(node, 100.0) == [
        (51.0, group_query(G2, A, suppress=True)), (51.0, group_query(G2, B)), (52.0, changed(include(G2, A))),
    ]


def test_repeated_state_change_does_not_start_the_source_queries_again() -> None:
    node = RouterLink()
    node.on_report([Record(ALLOW, G2, (A, B))], 0.0)
    node.on_report([Record(BLOCK, G2, (A,))], 50.0)
    assert node.on_report([Record(BLOCK, G2, (A,))], 50.4) == []
    assert run_until(node, 100.0) == [(51.0, group_query(G2, A)), (52.0, changed(include(G2, B)))]


def test_repeated_leave_does_not_put_off_its_end() -> None:
    node = RouterLink()
    node.on_report([Record(TO_EX, G1)], 0.0)
    node.on_report([Record(TO_IN, G1)], 50.0)
    assert node.on_report([Record(TO_IN, G1)], 50.5) == [group_query(G1)]
    assert run_until(node, 100.0) == [(51.5, group_query(G1)), (52.0, changed())]


def test_source_is_asked_for_only_when_more_than_llqt_is_left() -> None:
    node = RouterLink()
    block = Record(BLOCK, G2, (A,))
    node.on_report([Record(ALLOW, G2, (A, B))], 0.0)
    assert node.on_report([block, block], 50.0) == [group_query(G2, A)]


def test_source_blocked_in_exclude_mode_lasts_no_longer_than_the_filter_timer() -> None:
    """(A-X-Y) = Filter Timer, here one second, which is too short to be asked for."""
    node = RouterLink()
    node.on_report([Record(TO_EX, G1)], 0.0)
    node.on_report([Record(TO_IN, G1)], 50.0)
    assert node.on_report([Record(BLOCK, G1, (A,))], 51.0) == [group_query(G1)]
    assert run_until(node, 100.0) == [(52.0, changed())]


def test_group_that_became_include_while_nobody_ticked_is_not_asked_for_any_more() -> None:
    node = RouterLink()
    node.on_report([Record(TO_EX, G1)], 0.0)
    node.on_report([Record(TO_IN, G1, (A,))], 50.0)
    assert node.tick(53.0) == [changed(include(G1, A))]


def test_source_deleted_by_a_later_record_is_not_asked_for_again() -> None:
    node = RouterLink()
    node.on_report([Record(ALLOW, G1, (A, B))], 0.0)
    node.on_report([Record(BLOCK, G1, (A,))], 50.0)
    node.on_report([Record(IS_EX, G1, (B,))], 50.5)
    assert run_until(node, 100.0) == []


def test_group_query_takes_the_place_of_the_source_query_with_the_s_flag() -> None:
    """RFC 3810 section 7.6.3.2, Note."""
    node = RouterLink()
    node.on_report([Record(TO_EX, G1), Record(ALLOW, G1, (A, B))], 0.0)
    assert node.on_report([Record(TO_IN, G1, (B,))], 50.0) == [group_query(G1, A), group_query(G1)]
    node.on_report([Record(IS_IN, G1, (A,))], 50.5)
    assert run_until(node, 60.0) == [(51.0, group_query(G1)), (52.0, changed(include(G1, A, B)))]


def test_robustness_sets_the_number_of_queries_and_llqt() -> None:
    node = RouterLink(MldParameters(robustness=4))
    node.on_report([Record(TO_EX, G1)], 0.0)
    assert node.on_report([Record(TO_IN, G1)], 10.0) == [group_query(G1)]
    assert run_until(node, 20.0) == [
        (11.0, group_query(G1)), (12.0, group_query(G1)), (13.0, group_query(G1)), (14.0, changed()),
    ]


# --- attachment and general queries ----------------------------------------------------------------------------------


def test_no_query_before_attachment() -> None:
    node = RouterLink()
    node.install([exclude(G1)], 0.0)
    assert run_until(node, 259.0) == []


def test_attachment_asks_at_once_then_at_startup_pace_then_at_the_query_interval() -> None:
    node = RouterLink()
    assert node.start(100.0) == [SendGeneralQuery(max_response_ms=1000)]
    usual = SendGeneralQuery(max_response_ms=10_000)
    assert run_until(node, 400.0) == [(131.25, usual), (256.25, usual), (381.25, usual)]


def test_general_query_leaves_the_timers_alone() -> None:
    node = RouterLink()
    node.install([exclude(G1)], 0.0)
    node.start(1.0)
    assert (260.0, changed()) in run_until(node, 300.0)


def test_answer_that_lacks_a_group_lets_that_group_run_out() -> None:
    node = RouterLink()
    node.install([exclude(G1), exclude(G3)], 0.0)
    node.start(1.0)
    assert node.on_report([Record(IS_EX, G1)], 1.5) == []
    assert (260.0, changed(exclude(G1))) in run_until(node, 260.0)


def test_late_tick_sends_one_general_query() -> None:
    node = RouterLink()
    node.start(0.0)
    assert node.tick(1000.0) == [SendGeneralQuery(max_response_ms=10_000)]
    assert node.next_deadline() == 1125.0


def test_detachment_stops_queries_but_keeps_the_state() -> None:
    node = RouterLink()
    node.start(0.0)
    node.on_report([Record(TO_EX, G1), Record(ALLOW, G2, (A, B))], 1.0)
    node.on_report([Record(BLOCK, G2, (A,))], 10.0)
    assert node.stop(10.2) == []
    assert node.memberships() == (exclude(G1), include(G2, A, B))
    assert run_until(node, 1e6) == [(12.0, changed(exclude(G1), include(G2, B))), (261.0, changed())]


def test_parameters_come_from_the_topology() -> None:
    domain = load_topology(TOPOLOGY)
    assert MldParameters.of_access_link(domain) == MldParameters()
    domain = replace(
        domain,
        timers=Timers(
            mld_robustness=3, mld_query_interval_s=20.0, mld_query_response_interval_s=4.0,
            mld_last_listener_query_interval_s=0.5,
        ),
        limits=Limits(groups_per_mobile_node=7, sources_per_group=5),
        mld_fast_leave=True,
    )
    parameters = MldParameters.of_access_link(domain)
    assert (parameters.groups_max, parameters.sources_max, parameters.fast_leave) == (7, 5, True)
    assert parameters.multicast_address_listening_interval_s == 64.0
    assert parameters.last_listener_query_time_s == 1.5
    assert MldParameters().multicast_address_listening_interval_s == 260.0


# --- fast leave ------------------------------------------------------------------------------------------------------


@pytest.fixture
def believed() -> RouterLink:
    """A link whose only listener is believed: EXCLUDE({A},{B}) for G1, INCLUDE({A,B}) for G2, with running timers."""
    node = RouterLink(MldParameters(fast_leave=True))
    node.on_report([Record(IS_EX, G1, (B,)), Record(ALLOW, G1, (A,)), Record(ALLOW, G2, (A, B))], 0.0)
    assert node.memberships() == (exclude(G1, B), include(G2, A, B))
    return node


@pytest.mark.parametrize(
    ("record", "after"),
    [
        (Record(TO_IN, G1), (include(G2, A, B),)),
        (Record(TO_IN, G1, (C,)), (include(G1, C), include(G2, A, B))),
        (Record(TO_EX, G1, (A, C)), (exclude(G1, A, C), include(G2, A, B))),
        (Record(BLOCK, G1, (A, C)), (exclude(G1, A, B, C), include(G2, A, B))),
        (Record(TO_IN, G2), (exclude(G1, B),)),
        (Record(TO_IN, G2, (B, C)), (exclude(G1, B), include(G2, B, C))),
        (Record(BLOCK, G2, (A, C)), (exclude(G1, B), include(G2, B))),
    ],
)
def test_fast_leave_believes_a_state_change_at_once(
    believed: RouterLink, record: MulticastAddressRecord, after: tuple[GroupMembership, ...]
) -> None:
    assert believed.on_report([record], 5.0) == [changed(*after)]
    # Nothing is asked, and a repetition of the report (RFC 3810 section 6.1) changes nothing.
    assert believed.on_report([record], 6.0) == []
    assert run_until(believed, 200.0) == []


def test_fast_leave_to_ex_of_an_include_keeps_what_is_not_listed() -> None:
    node = RouterLink(MldParameters(fast_leave=True))
    node.on_report([Record(ALLOW, G1, (A, B))], 0.0)
    # RFC 3810 section 7.4.2: EXCLUDE(A*B, B-A), and Q(MA, A*B): that one is answered by the record itself.
    assert node.on_report([Record(TO_EX, G1, (A, C))], 1.0) == [changed(exclude(G1, A, C))]


def test_a_current_state_report_takes_nothing_away_also_with_fast_leave(believed: RouterLink) -> None:
    assert believed.on_report([Record(IS_IN, G2, (A,))], 5.0) == []


def test_no_fast_leave_in_mldv1_mode() -> None:
    node = RouterLink(MldParameters(fast_leave=True))
    node.on_mldv1_report(G1, 0.0)
    assert node.on_mldv1_done(G1, 5.0) == [group_query(G1)]
    assert node.memberships() == (exclude(G1),)
    assert run_until(node, 10.0) == [(6.0, group_query(G1)), (7.0, changed())]


# --- MLDv1 -----------------------------------------------------------------------------------------------------------


def test_mldv1_report_and_done() -> None:
    node = RouterLink()
    assert node.on_mldv1_report(G1, 0.0) == [changed(exclude(G1))]
    assert node.compatibility_mode() is CompatibilityMode.MLDV1
    assert node.on_mldv1_done(G1, 10.0) == [group_query(G1)]
    assert run_until(node, 20.0) == [(11.0, group_query(G1)), (12.0, changed())]
    assert node.compatibility_mode() is CompatibilityMode.MLDV2


def test_done_for_an_unknown_group_is_nothing() -> None:
    assert RouterLink().on_mldv1_done(G1, 0.0) == []


def test_in_mldv1_mode_block_and_the_sources_of_to_ex_are_passed_over() -> None:
    """RFC 3810 section 8.3.2; other groups stay in MLDv2 mode."""
    node = RouterLink()
    node.on_mldv1_report(G1, 0.0)
    assert node.on_report([Record(BLOCK, G1, (A,))], 1.0) == [
        RecordIgnored(reason=IgnoreReason.BLOCK_IN_MLDV1_MODE, group=G1)
    ]
    assert node.on_report([Record(TO_EX, G1, (A, B))], 2.0) == [
        RecordIgnored(reason=IgnoreReason.SOURCES_IN_MLDV1_MODE, group=G1, sources=2)
    ]
    assert node.on_report([Record(TO_EX, G1)], 3.0) == []
    assert node.on_report([Record(TO_EX, G3, (A,))], 4.0) == [changed(exclude(G1), exclude(G3, A))]


def test_mldv1_mode_ends_when_older_version_host_present_runs_out() -> None:
    node = RouterLink()
    node.on_mldv1_report(G1, 0.0)
    node.on_report([Record(IS_EX, G1)], 200.0)
    run_until(node, 259.9)
    assert node.compatibility_mode() is CompatibilityMode.MLDV1
    run_until(node, 260.0)
    assert node.compatibility_mode() is CompatibilityMode.MLDV2
    assert node.on_report([Record(TO_EX, G1, (A,))], 261.0) == [group_query(G1, A)]
    assert node.memberships() == (exclude(G1),)
    assert run_until(node, 264.0) == [(262.0, group_query(G1, A)), (263.0, changed(exclude(G1, A)))]


def test_context_of_an_mldv1_host_is_installed_in_mldv1_mode() -> None:
    node = RouterLink()
    node.install([exclude(G1)], 0.0, compatibility_mode=CompatibilityMode.MLDV1)
    assert node.compatibility_mode() is CompatibilityMode.MLDV1
    node.on_report([Record(IS_EX, G1)], 1.0)
    assert node.compatibility_mode() is CompatibilityMode.MLDV1


# --- what is not tracked ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "ff00::1", "ff01::1", "ff11::5", "ff02::1", "ff02::2", "ff02::16", "ff02::fb", "ff02::1:ff00:11", "ff12::1",
])
def test_link_scope_is_passed_over_without_being_held_against_the_node(text: str) -> None:
    group = IPv6Address(text)
    node = RouterLink()
    ignored = [RecordIgnored(reason=IgnoreReason.LINK_SCOPE, group=group)]
    assert node.on_report([Record(TO_EX, group)], 0.0) == ignored
    assert node.on_mldv1_report(group, 0.0) == ignored
    assert node.install([exclude(group)], 0.0) == ignored
    assert not IgnoreReason.LINK_SCOPE.is_refusal
    assert node.next_deadline() is None


def test_what_a_linux_host_says_when_its_link_comes_up() -> None:
    """Solicited-node groups of its addresses beside the one group that a program joined."""
    node = RouterLink()
    effects = node.on_report([
        Record(TO_EX, IPv6Address("ff02::1:ff00:11")), Record(TO_EX, IPv6Address("ff02::1:ff00:1")), Record(TO_EX, G1),
    ], 0.0)
    assert [effect for effect in effects if isinstance(effect, RecordIgnored) and effect.reason.is_refusal] == []
    assert effects[-1] == changed(exclude(G1))


@pytest.mark.parametrize("text", [
    "ff03::1", "ff05::2", "ff08::1", "ff0e::101", "ff1e::1", "ff3e:20:2001:db8::1", "ff75::1",
])
def test_wider_scopes_are_tracked(text: str) -> None:
    assert RouterLink().on_mldv1_report(IPv6Address(text), 0.0) == [changed(exclude(IPv6Address(text)))]


def test_exclude_for_the_ssm_range_is_refused_and_leaves_the_sources_alone() -> None:
    """RFC 4604; the range is ff3x::/32, RFC 4607 section 1."""
    node = RouterLink()
    node.on_report([Record(ALLOW, G2, (A,))], 0.0)
    ignored = [RecordIgnored(reason=IgnoreReason.SSM_WITHOUT_SOURCES, group=G2)]
    assert node.on_report([Record(TO_EX, G2)], 1.0) == ignored
    assert node.on_report([Record(IS_EX, G2, (B,))], 1.0) == ignored
    assert node.on_mldv1_report(G2, 1.0) == ignored
    assert node.install([exclude(G2)], 1.0) == ignored
    assert node.memberships() == (include(G2, A),)
    assert node.compatibility_mode() is CompatibilityMode.MLDV2
    assert IgnoreReason.SSM_WITHOUT_SOURCES.is_refusal


@pytest.mark.parametrize("record_type", [0, 7, 255])
def test_unknown_record_types_are_ignored_one_by_one(record_type: int) -> None:
    node = RouterLink()
    assert node.on_report([Record(record_type, G1, (A,)), Record(ALLOW, G2, (A,))], 0.0) == [
        RecordIgnored(reason=IgnoreReason.UNKNOWN_RECORD_TYPE, group=G1), changed(include(G2, A)),
    ]


@pytest.mark.parametrize("text", ["2001:db8::1", "::", "fe80::1"])
def test_a_group_must_be_multicast(text: str) -> None:
    assert RouterLink().on_report([Record(IS_EX, IPv6Address(text))], 0.0) == [
        RecordIgnored(reason=IgnoreReason.NOT_MULTICAST, group=IPv6Address(text))
    ]


def test_sources_that_no_packet_can_have_are_left_out() -> None:
    sources = (A, IPv6Address("::"), IPv6Address("::1"), G2, A)
    effects = RouterLink().on_report([Record(ALLOW, G1, sources)], 0.0)
    assert effects == [
        RecordIgnored(reason=IgnoreReason.SOURCE_NOT_UNICAST, group=G1, sources=3), changed(include(G1, A)),
    ]


# --- limits ----------------------------------------------------------------------------------------------------------


def source(number: int) -> IPv6Address:
    return IPv6Address(int(IPv6Address("2001:db8::1:0")) + number)


def group(number: int) -> IPv6Address:
    return IPv6Address(int(IPv6Address("ff1e::1:0")) + number)


def test_group_51_is_refused_until_one_goes() -> None:
    node = RouterLink()
    assert node.on_report([Record(IS_EX, group(n)) for n in range(51)], 0.0)[:-1] == [
        RecordIgnored(reason=IgnoreReason.GROUPS_OVER_LIMIT, group=group(50))
    ]
    assert len(node.memberships()) == 50
    assert node.on_report([Record(IS_EX, group(3))], 1.0) == []
    node.on_report([Record(TO_IN, group(3))], 2.0)
    node.tick(4.0)
    expected = changed(*(exclude(group(n)) for n in range(51) if n != 3))
    assert node.on_report([Record(IS_EX, group(50))], 5.0) == [expected]
    assert IgnoreReason.GROUPS_OVER_LIMIT.is_refusal


def test_leaving_what_was_refused_is_not_another_refusal() -> None:
    node = RouterLink(MldParameters(groups_max=0))
    assert node.on_report([Record(TO_IN, G1), Record(BLOCK, G1, (A,))], 0.0) == []


@pytest.mark.parametrize("record_type", [IS_IN, ALLOW, TO_IN])
def test_source_63_is_refused_and_the_first_62_are_taken(record_type: Mldv2RecordType) -> None:
    node = RouterLink()
    wanted = tuple(source(n) for n in range(65))
    assert node.on_report([Record(record_type, G1, wanted)], 0.0) == [
        RecordIgnored(reason=IgnoreReason.SOURCES_OVER_LIMIT, group=G1, sources=3),
        changed(include(G1, *wanted[:62])),
    ]
    assert len(wanted[:62]) == 62
    assert IgnoreReason.SOURCES_OVER_LIMIT.is_refusal


@pytest.mark.parametrize("record_type", [IS_EX, TO_EX])
def test_exclude_list_is_cut_short_which_lets_more_through(record_type: Mldv2RecordType) -> None:
    node = RouterLink(MldParameters(sources_max=2))
    assert node.on_report([Record(record_type, G1, (A, B, C))], 0.0) == [
        RecordIgnored(reason=IgnoreReason.SOURCES_OVER_LIMIT, group=G1, sources=1), changed(exclude(G1, A, B)),
    ]
    again = node.on_report([Record(record_type, G1, (C, B, A))], 1.0)
    assert again == [RecordIgnored(reason=IgnoreReason.SOURCES_OVER_LIMIT, group=G1, sources=1)]


def test_full_record_takes_a_list_that_replaces_its_own() -> None:
    node = RouterLink(MldParameters(sources_max=2))
    node.on_report([Record(IS_EX, G1, (A, B))], 0.0)
    assert node.on_report([Record(IS_EX, G1, (C, source(1)))], 1.0) == [changed(exclude(G1))]
    node.tick(261.0)
    assert node.on_report([Record(IS_EX, G1, (C, source(1)))], 261.0) == [changed(exclude(G1, C, source(1)))]


def test_full_record_still_takes_what_adds_no_source() -> None:
    node = RouterLink(MldParameters(sources_max=2))
    node.on_report([Record(IS_EX, G1, (A, B))], 0.0)
    assert node.on_report([Record(ALLOW, G1, (A,))], 1.0) == [changed(exclude(G1, B))]
    assert node.on_report([Record(BLOCK, G1, (A, C))], 2.0) == [
        RecordIgnored(reason=IgnoreReason.SOURCES_OVER_LIMIT, group=G1, sources=1), group_query(G1, A),
    ]


def test_block_of_unknown_sources_is_no_refusal_as_it_would_keep_none_of_them() -> None:
    node = RouterLink(MldParameters(sources_max=2))
    node.on_report([Record(IS_IN, G1, (A, B))], 0.0)
    assert node.on_report([Record(BLOCK, G1, (source(1), source(2), source(3)))], 1.0) == []

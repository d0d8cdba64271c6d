# SPDX-License-Identifier: Apache-2.0
"""When a listener is believed to have left (RFC 3810 section 7.6.3): by queries, with fast leave, in version 1."""

from __future__ import annotations

import pytest

from southbound.codec.records import MulticastAddressRecord
from southbound.mld.effects import IgnoreReason, RecordIgnored
from southbound.mld.membership import GroupMembership
from southbound.mld.parameters import MldParameters
from southbound.mld.router import CompatibilityMode, RouterLink
from tests.unit.southbound.mld.router_script import (
    ALLOW,
    BLOCK,
    G1,
    G2,
    G3,
    IS_EX,
    IS_IN,
    TO_EX,
    TO_IN,
    A,
    B,
    C,
    Record,
    changed,
    exclude,
    group_query,
    include,
    run_until,
)

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

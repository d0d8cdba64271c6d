# SPDX-License-Identifier: Apache-2.0
"""Context, timers, attachment and general queries of one mobile node's membership, on a clock of the test's own."""

from __future__ import annotations

from dataclasses import replace

from southbound.mld.effects import SendGeneralQuery
from southbound.mld.parameters import MldParameters
from southbound.mld.router import RouterLink
from tests.support.domains import TOPOLOGY
from tests.unit.southbound.mld.router_script import (
    ALLOW,
    BLOCK,
    G1,
    G2,
    G3,
    IS_EX,
    IS_IN,
    TO_EX,
    A,
    B,
    C,
    Record,
    changed,
    exclude,
    include,
    run_until,
)
from topology.load import load_topology
from topology.settings import Limits, Timers

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

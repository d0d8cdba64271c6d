# SPDX-License-Identifier: Apache-2.0
"""The controller is told of drops when there is something new, under names that stay, and of nothing but drops."""

from __future__ import annotations

from southbound.agent.counter_report import OTHERS, CounterReport
from southbound.rpc.methods import AgentCounters, decode_params, encode_params
from southbound.rpc.parameters import COUNTERS_MAX


def test_only_a_change_or_a_new_connection_is_told() -> None:
    report = CounterReport()
    assert report.due({"": {"frame_without_carrier": 1}}) == AgentCounters(counters={"frame_without_carrier": 1})
    assert report.due({"": {"frame_without_carrier": 1}}) is None
    assert report.due({"": {"frame_without_carrier": 3}}) == AgentCounters(counters={"frame_without_carrier": 3})
    report.connected()
    assert report.due({"": {"frame_without_carrier": 3}}) == AgentCounters(counters={"frame_without_carrier": 3})


def test_traffic_is_no_drop() -> None:
    report = CounterReport()
    first = report.due({"access_port": {"received": 7, "sent": 5, "send_refused": 2, "open_no_interface": 0}})
    assert first == AgentCounters(counters={"access_port_send_refused": 2})
    assert report.due({"access_port": {"received": 99, "sent": 6, "send_refused": 2}}) is None


def test_names_are_capped_stay_in_their_place_and_pass_the_wire() -> None:
    report = CounterReport()
    many = {f"reason_{number}": 1 for number in range(COUNTERS_MAX + 100)}
    first = report.due({"": many})
    assert first is not None
    assert len(first.counters) == COUNTERS_MAX
    assert first.counters[OTHERS] == 101
    assert sum(first.counters.values()) == len(many)
    assert decode_params(AgentCounters, encode_params(first)) == first
    second = report.due({"": dict.fromkeys(reversed(many), 2)})
    assert second is not None
    assert second.counters == {name: 2 * count for name, count in first.counters.items()}


def test_a_name_that_is_no_label_is_counted_among_the_others() -> None:
    report = CounterReport()
    assert report.due({"": {"Ünknown\n": 2, "x" * 101: 1}}) == AgentCounters(counters={OTHERS: 3})

# SPDX-License-Identifier: Apache-2.0
"""Metrics, read back by prometheus_client's own parser."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from apps.metrics import HANDOVERS_TIMED_MAX
from controller.commands import RecordEvent
from controller.events import AgentDisconnected, MobilityPacketDropped, SwitchDisconnected
from southbound.rpc import methods
from tests.support.domain_script import MN1, WALL
from tests.support.rest_world import RestWorld


def read(world: RestWorld) -> dict[tuple[str, ...], float]:
    """Value by name and label values, in the order of the labels' names."""
    answer = world.get("/metrics")
    assert answer.response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.response.text)
        for sample in family.samples
    }


@pytest.fixture
def world() -> RestWorld:
    return RestWorld()


def step(world: RestWorld, number: int, node: str, at: float, handover_id: str = "ho-1") -> None:
    fields: dict[str, Any] = {"handover_id": handover_id, "step": number, "node": node, "at": at}
    world.metrics.observe(RecordEvent(name="handover_step", fields=fields), WALL)


def test_a_completed_handover_is_counted_and_its_phases_are_measured(world: RestWorld) -> None:
    world.complete(world.hand_over())
    found = read(world)
    assert found["castover_handovers_total", "completed"] == 1
    assert found["castover_handovers_total", "failed"] == 0
    assert found["castover_handovers_under_way",] == 0
    # The times of RestWorld.complete.
    for phase, seconds in {"prepare": 0.005, "move": 0.051, "complete": 0.108}.items():
        assert found["castover_handover_phase_seconds_count", phase] == 1
        assert found["castover_handover_phase_seconds_sum", phase] == pytest.approx(seconds, abs=1e-6)


def test_failed_and_cancelled_handovers(world: RestWorld) -> None:
    for outcome in ("failed", "cancelled"):
        handover_id = world.hand_over()
        assert read(world)["castover_handovers_under_way",] == 1
        world.call("mag1", methods.ReleaseForwarding(handover_id=handover_id, mn_id=MN1, outcome=outcome))
        assert read(world)["castover_handovers_total", outcome] == 1


def test_a_phase_needs_the_right_node_and_is_measured_once(world: RestWorld) -> None:
    step(world, 1, "mag1", WALL)
    step(world, 4, "mag2", WALL + 1)  # HI with F, not yet its HAck
    assert read(world)["castover_handover_phase_seconds_count", "prepare"] == 0
    step(world, 42, "mag1", WALL + 2)
    step(world, 4, "mag1", WALL + 3)
    step(world, 11, "mag1", WALL + 4)
    found = read(world)
    assert found["castover_handover_phase_seconds_count", "prepare"] == 1
    assert found["castover_handover_phase_seconds_sum", "prepare"] == 2
    assert found["castover_handover_phase_seconds_count", "complete"] == 0


def test_clocks_that_differ_do_not_make_a_phase(world: RestWorld) -> None:
    step(world, 1, "mag1", WALL)
    step(world, 6, "mag1", WALL)
    step(world, 7, "mag2", WALL - 1)
    found = read(world)
    assert found["castover_handover_phase_seconds_count", "move"] == 0
    assert found["castover_handover_phases_discarded_total", "clocks_differ"] == 1


def test_steps_without_a_first_one_are_not_kept_and_handovers_that_never_end_are_forgotten(world: RestWorld) -> None:
    for number in range(HANDOVERS_TIMED_MAX + 1):
        step(world, 2, "mag1", WALL, f"none-{number}")
    for number in range(HANDOVERS_TIMED_MAX + 1):
        step(world, 1, "mag1", WALL, f"ho-{number}")
    assert read(world)["castover_handover_phases_discarded_total", "too_many_handovers"] == 1
    step(world, 4, "mag1", WALL, "ho-0")
    assert read(world)["castover_handover_phase_seconds_count", "prepare"] == 0


def test_updates_by_status_and_drops_by_reason(world: RestWorld) -> None:
    world.bind("mag1", MN1, sequence=-1)  # an older Timestamp: 157 (RFC 5213 section 8.9)
    world.executor.post(MobilityPacketDropped(reason="checksum"))
    world.executor.dropped_events = 3
    found = read(world)
    assert found["castover_proxy_binding_updates_total", "0"] == 1
    assert found["castover_proxy_binding_updates_total", "157"] == 1
    assert found["castover_drops_total", "", "mobility_dropped", "checksum"] == 1
    assert found["castover_drops_total", "", "event_queue", "full"] == 3


def test_drops_of_an_agent_are_those_that_it_told_last(world: RestWorld) -> None:
    facts = len(world.executor.facts)
    world.notify("mag1", methods.AgentCounters(counters={"frame_without_carrier": 3, "others": 1}))
    world.notify("mag1", methods.AgentCounters(counters={"frame_without_carrier": 5}))
    world.executor.post(AgentDisconnected(mag_id="mag1"))
    found = {key: value for key, value in read(world).items() if "agent" in key}
    assert found == {("castover_drops_total", "mag1", "agent", "frame_without_carrier"): 5}
    assert [mag["counters"] for mag in world.get("/v1/mags").json["mags"]] == [{"frame_without_carrier": 5}, {}]
    assert len(world.executor.facts) == facts + 1, "counters are no events"


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", 'a"} 1', "Ünknown"])
def test_what_agents_send_does_not_make_odd_labels(world: RestWorld, name: str) -> None:
    world.notify("mag1", methods.AgentCounters(counters={name: 1, "good": 1}))
    world.notify("mag2", methods.AgentCounters(counters={"good": -1}))
    found = read(world)
    assert not any("agent" in key for key in found)
    assert found["castover_drops_total", "", "agent_message_ignored", "counters_malformed"] == 2


def test_what_is_connected(world: RestWorld) -> None:
    world.executor.post(AgentDisconnected(mag_id="mag2"))
    world.executor.post(SwitchDisconnected(switch="lma"))
    found = read(world)
    assert [found["castover_agent_connected", mag] for mag in ("mag1", "mag2")] == [1, 0]
    assert [found["castover_switch_connected", name] for name in ("lma", "lma-transport", "mag1")] == [0, 1, 1]
    assert found["castover_mobile_nodes_attached", "mag1"] == 1
    assert found["castover_bindings",] == 1


def test_what_clients_send_does_not_make_labels(world: RestWorld) -> None:
    for number in range(50):
        world.get(f"/v1/handovers/ho-{number}")
        world.get(f"/{number}")
        world.request(f"BREW{number}", "/healthz")
    found = {key: value for key, value in read(world).items() if key[0] == "castover_rest_requests_total"}
    assert found == {
        ("castover_rest_requests_total", "GET", "/v1/handovers/{handover_id}", "404"): 50,
        ("castover_rest_requests_total", "GET", "none", "404"): 50,
        ("castover_rest_requests_total", "other", "/healthz", "405"): 50,
    }


def test_a_buffer_report_counts_its_packets_incidents_and_the_interruption(world: RestWorld) -> None:
    handover_id = world.hand_over()
    world.complete(handover_id)
    before = read(world)
    counters = {"received_tunnel": 60, "delivered": 58, "already_delivered": 2, "cut_missing": 1,
                "first_delivery_waited_us": 52_500, "a_name_of_the_future": 9}
    world.notify("mag2", methods.BufferReport(handover_id=handover_id, mn_id=MN1, counters=counters))
    found = read(world)

    def grown(outcome: str) -> float:
        key = ("castover_buffer_packets_total", "mag2", outcome)
        return found[key] - before[key]

    assert [grown(name) for name in ("received_tunnel", "delivered", "already_delivered", "late_dropped")] == [60, 58, 2, 0]
    assert found["castover_buffer_incidents_total", "cut_missing", "mag2"] == 1
    assert found["castover_buffer_interruption_seconds_sum", "mag2"] == pytest.approx(0.0525)


def test_messages_of_agents_are_counted_by_kind(world: RestWorld) -> None:
    messages = {"sent_handover_initiate_context": 3, "received_handover_acknowledge_5": 2, "others": 7,
                "received_proxy_binding_acknowledgement_156": 1}
    world.notify("mag1", methods.AgentCounters(counters={}, messages=messages))
    found = read(world)
    name = "castover_mobility_messages_total"
    # Labels in the order of their names: code, direction, mag, message.
    assert found[name, "context", "sent", "mag1", "handover_initiate"] == 3
    assert found[name, "5", "received", "mag1", "handover_acknowledge"] == 2
    assert found[name, "156", "received", "mag1", "proxy_binding_acknowledgement"] == 1
    assert len([key for key in found if key[0] == name]) == 3


def test_calls_and_switches(world: RestWorld) -> None:
    world.metrics.called("from_agent", "handover.clone", "ok", 0.0015)
    found = read(world)
    assert found["castover_rpc_seconds_count", "from_agent", "handover.clone", "ok"] == 1
    assert found["castover_rpc_seconds_bucket", "from_agent", "0.002", "handover.clone", "ok"] == 1
    assert found["castover_switch_generations_behind", "mag1"] == 0
    assert found["castover_switch_rules", "flow", "mag1"] == len(world.executor.rules("mag1").flows)

# SPDX-License-Identifier: Apache-2.0
"""REST: handovers are begun, refused by field, listed and cancelled."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import eventlet
import pytest

from apps.metrics import Metrics
from apps.rest.api import Api
from controller.events import AgentDisconnected, AgentRequested, SwitchDisconnected
from southbound.rpc import methods
from tests.support.domain_script import MN1, WALL
from tests.support.rest_world import RestWorld
from tests.unit.apps.problem_checks import check_problem


@pytest.mark.parametrize("mn_id", [MN1, "mn1"])
def test_a_handover_is_accepted_by_full_or_short_name_and_told_to_the_previous_mag(rest: RestWorld, mn_id: str) -> None:
    answer = rest.post({"mn_id": mn_id, "new_mag": "mag2"})
    assert answer.status == HTTPStatus.ACCEPTED
    assert answer.response.headers["Location"].endswith("/v1/handovers/ho-000000000001")
    assert answer.json == {
        "id": "ho-000000000001", "number": 1, "started_at": WALL,
        "mn_id": MN1, "previous_mag": "mag1", "new_mag": "mag2", "state": "requested",
        "mode": "predictive", "trigger": "rest", "groups": [], "steps": [], "packets": {},
        "packets_over_time": [], "error": None,
    }
    (call,) = rest.executor.calls
    assert call.mag_id == "mag1"
    assert call.call == methods.StartHandover(handover_id="ho-000000000001", mn_id=MN1, new_mag="mag2")
    assert rest.get("/v1/handovers/ho-000000000001").json == answer.json


def test_the_mode_is_told_to_the_previous_mag_and_shown(rest: RestWorld) -> None:
    answer = rest.post({"mn_id": "mn1", "new_mag": "mag2", "mode": "join"})
    assert (answer.status, answer.json["mode"]) == (HTTPStatus.ACCEPTED, "join")
    (call,) = rest.executor.calls
    assert call.call.mode == "join"


def test_ids_are_ho_and_twelve_hexadecimal_digits() -> None:
    rest = RestWorld()
    api = Api(
        domain=rest.domain, core=rest.executor, switches=rest.executor,
        metrics=Metrics(rest.executor.snapshot, dict, rest.executor), events=rest.events, memory=rest.memory,
        ask_agents=rest.ask_agents,
    )
    rest.application = api.application
    handover_id = rest.hand_over()
    assert handover_id.startswith("ho-")
    assert len(bytes.fromhex(handover_id.removeprefix("ho-"))) == 6


@pytest.mark.parametrize(
    ("body", "status", "name", "field"),
    [
        ({"mn_id": "nobody@example.net", "new_mag": "mag2"}, 404, "not-found", "mn_id"),
        ({"mn_id": "mn1", "new_mag": "mag9"}, 404, "not-found", "new_mag"),
        ({"mn_id": "mn1", "new_mag": "mag1"}, 422, "not-valid", "new_mag"),
        ({"mn_id": "mn2", "new_mag": "mag2"}, 409, "conflict", "mn_id"),  # not registered anywhere
        ({"mn_id": "", "new_mag": "mag2"}, 422, "not-valid", "mn_id"),
        ({"mn_id": "x" * 254, "new_mag": "mag2"}, 422, "not-valid", "mn_id"),
        ({"mn_id": None, "new_mag": "mag2"}, 422, "not-valid", "mn_id"),
        ({"mn_id": "mn1"}, 422, "not-valid", "new_mag"),
        ({"mn_id": "mn1", "new_mag": "mag2", "when": 1}, 422, "not-valid", "when"),
        ({"mn_id": "mn1", "new_mag": "mag2", "mode": "reactive"}, 422, "not-valid", "mode"),
        ([], 422, "not-valid", ""),
        ("mn1", 422, "not-valid", ""),
        (None, 422, "not-valid", ""),
    ],
)
def test_a_handover_that_cannot_be_is_refused_by_field(
    rest: RestWorld, body: Any, status: int, name: str, field: str
) -> None:
    answer = rest.post(body)
    check_problem(answer, status, name, field)
    assert rest.executor.calls == []


def test_all_fields_at_fault_are_named_with_what_was_found_and_what_is_allowed(rest: RestWorld) -> None:
    document = check_problem(rest.post({"mn_id": 5, "extra": []}), 422, "not-valid")
    assert document["errors"] == [
        {"field": "mn_id", "detail": "found 5; allowed: MN-ID (NAI) or short name, 1 to 253 characters"},
        {"field": "new_mag", "detail": "found nothing; allowed: id of a MAG, 1 to 253 characters"},
        {"field": "extra", "detail": "unknown field; allowed: mn_id, new_mag, mode"},
    ]


def test_thousands_of_unknown_fields_do_not_make_a_long_answer(rest: RestWorld) -> None:
    answer = rest.post({f"field{number}": 0 for number in range(3000)})
    assert len(check_problem(answer, 422, "not-valid")["errors"]) == 20


def test_a_second_handover_of_the_same_mobile_node_is_a_conflict(rest: RestWorld) -> None:
    first = rest.hand_over()
    document = check_problem(rest.post({"mn_id": "mn1", "new_mag": "mag2"}), 409, "conflict", "mn_id")
    assert first in document["detail"]


@pytest.mark.parametrize(
    ("event", "part", "field"),
    [
        (AgentDisconnected(mag_id="mag1"), "agent of mag1", "mn_id"),
        (AgentDisconnected(mag_id="mag2"), "agent of mag2", "new_mag"),
        (SwitchDisconnected(switch="mag2"), "switch of mag2", "new_mag"),
    ],
)
def test_without_agent_or_switch_it_is_unavailable(rest: RestWorld, event: Any, part: str, field: str) -> None:
    rest.executor.post(event)
    document = check_problem(rest.post({"mn_id": "mn1", "new_mag": "mag2"}), 503, "unavailable", field)
    assert part in document["detail"]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_core_that_does_not_answer_in_time_is_unavailable_and_the_answer_names_the_handover(
    rest: RestWorld, method: str
) -> None:
    handover_id = rest.hand_over() if method == "DELETE" else "ho-000000000001"
    rest.executor.failure = eventlet.Timeout()
    path = f"/v1/handovers/{handover_id}"
    answer = rest.request("DELETE", path) if method == "DELETE" else rest.post({"mn_id": "mn1", "new_mag": "mag2"})
    document = check_problem(answer, 503, "unavailable")
    assert answer.response.headers["Retry-After"] == "1"
    assert handover_id in document["detail"]
    rest.executor.failure.cancel()  # type: ignore[attr-defined]


def test_a_handover_is_cancelled_at_the_previous_mag(rest: RestWorld) -> None:
    handover_id = rest.hand_over()
    answer = rest.request("DELETE", f"/v1/handovers/{handover_id}")
    assert answer.status == HTTPStatus.ACCEPTED
    assert answer.json["id"] == handover_id
    assert rest.executor.calls[-1].call == methods.CancelHandover(handover_id=handover_id, mn_id=MN1)


def test_a_handover_whose_mobile_node_has_arrived_cannot_be_cancelled(rest: RestWorld) -> None:
    handover_id = rest.hand_over()
    rest.notify("mag2", methods.MobileNodeAttached(mn_id=MN1, access_port="mn1"))
    check_problem(rest.request("DELETE", f"/v1/handovers/{handover_id}"), 409, "conflict", "handover_id")


def fail(rest: RestWorld, handover_id: str) -> None:
    release = methods.ReleaseForwarding(handover_id=handover_id, mn_id=MN1, outcome="failed", reason="no answer")
    rest.executor.post(AgentRequested(mag_id="mag1", token=1, call=release))


def test_handovers_come_newest_first_and_are_filtered_and_limited(rest: RestWorld) -> None:
    ids = []
    for _ in range(3):
        ids.append(rest.hand_over())
        fail(rest, ids[-1])
    ids.append(rest.hand_over())

    def listed(query: str) -> tuple[list[str], int]:
        found = rest.get(f"/v1/handovers{query}").json
        return [handover["id"] for handover in found["handovers"]], found["total"]

    assert listed("") == (ids[::-1], 4)
    assert listed("?limit=2") == (ids[:1:-1], 4)
    assert listed("?state=failed") == (ids[2::-1], 3)
    assert listed("?state=failed&limit=1") == ([ids[2]], 3)
    assert listed("?mn_id=mn1") == listed("?mn_id=mn1%40example.net") == (ids[::-1], 4)
    assert listed("?mn_id=mn2") == ([], 0)
    assert listed("?state=bound") == ([], 0)


def test_steps_and_times_are_shown_in_order(rest: RestWorld) -> None:
    handover_id = rest.hand_over()
    rest.step(handover_id, 2, "HI", "mag1", WALL + 0.002)
    rest.step(handover_id, 1, "HO-Initiate", "mag1", WALL + 0.001)
    steps = rest.get(f"/v1/handovers/{handover_id}").json["steps"]
    found = [(step["step"], step["name"], step["node"]) for step in steps]
    assert found == [(1, "HO-Initiate", "mag1"), (2, "HI", "mag1")]
    assert steps[0]["at"] == WALL + 0.001

# SPDX-License-Identifier: Apache-2.0
"""The trace of a handover: merged by time, whoever is silent is named, and an odd answer breaks nothing."""

from __future__ import annotations

from typing import Any

import pytest

from apps.agent_events import AgentResponse
from southbound.facts import Fact
from southbound.rpc.methods import facts_to_wire
from tests.support.rest_world import WALL, RestWorld


def tell(world: RestWorld, mag_id: str, result: Any) -> None:
    world.told[mag_id] = AgentResponse(mag_id=mag_id, token=None, result=result)


def test_facts_of_all_nodes_by_time() -> None:
    world = RestWorld()
    handover_id = world.hand_over()
    world.complete(handover_id)
    tell(world, "mag1", facts_to_wire([Fact(at=WALL + 0.05, name="link_down", fields={"handover_id": "x", "port": "mn1"})]))
    tell(world, "mag2", facts_to_wire([Fact(at=WALL + 0.04, name="controller_asked", fields={"method": "m"})]))
    answer = world.get(f"/v1/handovers/{handover_id}/trace").json
    assert answer["missing"] == []
    times = [fact["at"] for fact in answer["facts"]]
    assert times == sorted(times)
    assert [(fact["node"], fact["name"]) for fact in answer["facts"][-2:]] == [
        ("mag2", "controller_asked"), ("mag1", "link_down"),
    ]
    assert answer["facts"][-1]["fields"] == {"port": "mn1"}
    # The agents told, so their steps are theirs to tell.
    assert not [fact for fact in answer["facts"] if fact["name"] == "handover_step"]
    assert "handover_ended" in [fact["name"] for fact in answer["facts"]]


def test_of_a_silent_agent_the_controller_tells_the_steps() -> None:
    world = RestWorld()
    handover_id = world.hand_over()
    world.complete(handover_id)
    tell(world, "mag2", facts_to_wire([]))
    answer = world.get(f"/v1/handovers/{handover_id}/trace").json
    assert answer["missing"] == [{"node": "mag1", "reason": "the agent is not connected"}]
    steps = [fact for fact in answer["facts"] if fact["name"] == "handover_step"]
    assert {fact["node"] for fact in steps} == {"mag1"}
    assert steps[0]["at"] == pytest.approx(WALL + 0.001)


@pytest.mark.parametrize("result", [None, {}, {"facts": 1}, {"facts": [[1]]}, {"facts": [["t", "n", {}]]},
                                    {"facts": [[1, "n", {1: 2}]]}, {"facts": [[1.0, "n", {}]] * 300}])
def test_an_agent_that_answers_oddly_is_named(result: Any) -> None:
    world = RestWorld()
    handover_id = world.hand_over()
    tell(world, "mag1", facts_to_wire([]))
    tell(world, "mag2", result)
    answer = world.get(f"/v1/handovers/{handover_id}/trace")
    assert answer.status == 200
    assert [part["node"] for part in answer.json["missing"]] == ["mag2"]
    assert answer.json["missing"][0]["reason"].startswith("facts: allowed:")


def test_an_unknown_handover() -> None:
    assert RestWorld().get("/v1/handovers/ho-none/trace").status == 404

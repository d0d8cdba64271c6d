# SPDX-License-Identifier: Apache-2.0
"""`castover handover`, against a stand-in of the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.support.castover_command import run
from tests.support.stand_in import StandIn, handover, stand_in, step

STEP_1 = step(1, "HO-Initiate", "mag1", 100.5, "rest")
STEP_2 = step(2, "HI", "mag1", 100.6)
STEP_3 = step(3, "HAck", "mag2", 100.55)


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as found:
        yield found


def castover_handover(server: StandIn | None, *words: str) -> Result:
    rest = ["--rest", server.url] if server is not None else []
    return run("handover", "--topology", "/nonexistent", *rest, *words)


def test_the_command_prints_each_step_once_and_completes(server: StandIn) -> None:
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    server.script["GET /v1/handovers/ho-1"] = [
        (200, handover("initiated", STEP_1, STEP_2)),
        # The new MAG's word comes later and belongs before the previous MAG's last one.
        (200, handover("completed", STEP_1, STEP_3, STEP_2)),
    ]
    done = castover_handover(server, "mn1@example.net", "mag2", "--wait")
    assert done.exit_code == 0, done.output
    assert [line.split()[1:] for line in done.output.splitlines()[1:-1]] == [
        ["1", "mag1", "HO-Initiate", "rest"], ["2", "mag1", "HI"], ["3", "mag2", "HAck"],
    ]
    assert done.output.splitlines()[1].startswith("00:01:40.500000")
    assert done.output.splitlines()[-1] == "completed"


def test_the_command_says_once_when_the_node_may_leave_and_not_before(server: StandIn) -> None:
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    server.script["GET /v1/handovers/ho-1"] = [
        (200, handover("cloned", STEP_1)), (200, handover("forwarding", STEP_1, STEP_2)),
        (200, handover("delivered", STEP_1, STEP_2, STEP_3)), (200, handover("completed", STEP_1, STEP_2, STEP_3)),
    ]
    said = castover_handover(server, "mn1@example.net", "mag2", "--wait").output.splitlines()
    assert [line.split()[-1] for line in said[1:]] == ["rest", "HI", "leave", "HAck", "completed"]
    assert said[3] == "the mobile node may leave"


def test_the_command_without_wait_ends_when_the_handover_is_taken(server: StandIn) -> None:
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    server.script["GET /v1/handovers/ho-1"] = [(200, handover("initiated"))]
    done = castover_handover(server, "mn1@example.net", "mag2")
    assert done.exit_code == 0
    assert "handover ho-1 of mn1@example.net to mag2: initiated" in done.output
    # What is typed again finds the same API, its token and its certificates.
    assert f"its story: castover trace ho-1 --rest {server.url} --topology /nonexistent\n" in done.output


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_the_command_tells_a_handover_that_did_not_complete(server: StandIn, state: str) -> None:
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    server.script["GET /v1/handovers/ho-1"] = [(200, handover(state, STEP_1, error="the new MAG refused"))]
    done = castover_handover(server, "mn1@example.net", "mag2", "--wait")
    assert done.exit_code == 3
    assert done.output.splitlines()[-1] == f"{state}: the new MAG refused"


def test_the_command_tells_a_handover_that_does_not_end(server: StandIn) -> None:
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    server.script["GET /v1/handovers/ho-1"] = [(200, handover("prepared"))]
    done = castover_handover(server, "mn1@example.net", "mag2", "--wait", "--timeout", "0.02")
    assert done.exit_code == 3
    assert "Error: handover ho-1 is still prepared after 0.02 s" in done.output


def test_the_command_tells_a_refusal_in_one_line(server: StandIn) -> None:
    document = {"type": "/problems/conflict", "title": "Conflict", "detail": "a handover is under way"}
    server.script["POST /v1/handovers"] = [(409, document)]
    done = castover_handover(server, "mn1@example.net", "mag2")
    assert done.exit_code == 1
    assert done.output == "Error: 409 Conflict: a handover is under way\n"


def test_the_command_sends_the_token_of_the_environment(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASTOVER_TOKEN", "secret")
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    server.script["GET /v1/handovers/ho-1"] = [(200, handover("initiated"))]
    assert castover_handover(server, "mn1@example.net", "mag2").exit_code == 0
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer secret"}


def test_the_command_needs_a_controller_to_ask(tmp_path: Path) -> None:
    done = castover_handover(None, "mn1@example.net", "mag2")
    assert done.exit_code == 1
    assert "/nonexistent does not exist" in done.output

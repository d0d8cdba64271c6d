# SPDX-License-Identifier: Apache-2.0
"""The REST client and `castover handover` against a stand-in of the API on the loopback interface."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lab.__main__ import castover
from lab.errors import LabError
from lab.rest_client import RestClient, RestError, follow_handover, items, problem_line, start_handover

STEP_1 = {"step": 1, "name": "HO-Initiate", "node": "mag1", "at": 100.5, "detail": "rest"}
STEP_2 = {"step": 2, "name": "HI", "node": "mag1", "at": 100.6, "detail": ""}
STEP_3 = {"step": 3, "name": "HAck", "node": "mag2", "at": 100.55, "detail": ""}


class StandIn(ThreadingHTTPServer):
    """Answers from a script: (status, document) for each request to a path, the last one for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: dict[str, list[tuple[int, Any]]] = {}
        self.bodies: list[Any] = []
        self.close_after_answer = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_GET(self) -> None:
        answers = self.server.script.get(f"{self.command} {self.path}") or [(404, None)]
        status, document = answers.pop(0) if len(answers) > 1 else answers[0]
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if status == 202:
            self.send_header("Location", "/v1/handovers/ho-1")
        self.end_headers()
        self.wfile.write(content)
        # Closed without having said so, as a server does with a connection that was idle for too long.
        self.close_connection = self.server.close_after_answer

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error."""


@pytest.fixture
def server() -> Iterator[StandIn]:
    stand_in = StandIn()
    thread = threading.Thread(target=stand_in.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield stand_in
    stand_in.shutdown()
    thread.join()
    stand_in.server_close()


@pytest.fixture
def client(server: StandIn) -> Iterator[RestClient]:
    made = RestClient(server.url)
    yield made
    made.close()


def handover(state: str, *steps: dict[str, Any], error: str | None = None) -> dict[str, Any]:
    return {"id": "ho-1", "mn_id": "mn1@example.net", "state": state, "steps": list(steps), "error": error}


def test_a_handover_is_followed_to_its_end(server: StandIn, client: RestClient) -> None:
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    server.script["GET /v1/handovers/ho-1"] = [
        (200, handover("requested")), (200, handover("requested")), (200, handover("forwarding", STEP_1)),
        (200, handover("completed", STEP_1, STEP_2)),
    ]
    assert start_handover(client, "mn1@example.net", "mag2") == "ho-1"
    assert server.bodies == [{"mn_id": "mn1@example.net", "new_mag": "mag2"}]
    states = [seen["state"] for seen in follow_handover(client, "ho-1", timeout_s=5, poll_s=0)]
    assert states == ["requested", "forwarding", "completed"]


def test_without_a_document_the_location_names_the_handover(server: StandIn, client: RestClient) -> None:
    server.script["POST /v1/handovers"] = [(202, None)]
    assert start_handover(client, "mn1@example.net", "mag2") == "ho-1"


def test_a_handover_that_does_not_end_is_given_up(server: StandIn, client: RestClient) -> None:
    server.script["GET /v1/handovers/ho-1"] = [(200, handover("prepared"))]
    with pytest.raises(LabError, match=r"handover ho-1 is still prepared after 0\.01 s"):
        list(follow_handover(client, "ho-1", timeout_s=0.01, poll_s=0))


def test_a_kept_connection_that_was_closed_is_opened_again(server: StandIn, client: RestClient) -> None:
    server.script["GET /v1/bindings"] = [(200, {"bindings": []})]
    server.close_after_answer = True
    for _ in range(3):
        assert items(client.get("/v1/bindings"), "bindings") == []


def test_readiness(server: StandIn, client: RestClient) -> None:
    server.script["GET /readyz"] = [(503, {"title": "Unavailable"}), (200, {"status": "ready"})]
    assert [client.ready(), client.ready()] == [False, True]


def test_nobody_at_home_is_said_in_one_line() -> None:
    with pytest.raises(RestError, match=r"no controller answers on http://127\.0\.0\.1:1: Conn.* refused") as raised:
        RestClient("http://127.0.0.1:1").get("/readyz")
    assert raised.value.status == 0
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("url", ["", "ftp://h", "http://", "127.0.0.1:80", "http://h:x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(LabError, match="is not the URL of a REST API"):
        RestClient(url)


def test_a_problem_document_becomes_one_line() -> None:
    # RFC 9457 section 3: type, status, title, detail, and extensions of the API's own.
    document = {
        "type": "/problems/not-valid", "status": 422, "title": "Not valid", "detail": "The body is not valid: new_mag",
        "errors": [{"field": "new_mag", "detail": "found nothing; allowed: id of a MAG"}],
    }
    assert problem_line(422, "Unprocessable Entity", document) == (
        "422 Not valid: The body is not valid: new_mag (new_mag: found nothing; allowed: id of a MAG)"
    )
    assert problem_line(502, "Bad Gateway", None) == "502 Bad Gateway"


def castover_handover(server: StandIn | None, *words: str) -> Result:
    rest = ["--rest", server.url] if server is not None else []
    return CliRunner().invoke(castover, ["handover", "--topology", "/nonexistent", *rest, *words])


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


def test_the_command_without_wait_ends_when_the_handover_is_taken(server: StandIn) -> None:
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    server.script["GET /v1/handovers/ho-1"] = [(200, handover("initiated"))]
    done = castover_handover(server, "mn1@example.net", "mag2")
    assert done.exit_code == 0
    assert "handover ho-1 of mn1@example.net to mag2: initiated" in done.output


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


def test_the_command_needs_a_controller_to_ask(tmp_path: Path) -> None:
    done = castover_handover(None, "mn1@example.net", "mag2")
    assert done.exit_code == 1
    assert "/nonexistent does not exist" in done.output

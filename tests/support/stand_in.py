# SPDX-License-Identifier: Apache-2.0
"""A stand-in of the REST API on the loopback interface, which answers from a script."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class StandIn(ThreadingHTTPServer):
    """Answers from a script: (status, document) for each request to a path, the last one for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: dict[str, list[tuple[int, Any]]] = {}
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.close_after_answer = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_GET(self) -> None:
        self.server.headers.append(dict(self.headers))
        answers = self.server.script.get(f"{self.command} {self.path}") or [(404, None)]
        status, document = answers.pop(0) if len(answers) > 1 else answers[0]
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        # Closed without having said so, as a server does with a connection that was idle for too long.
        self.close_connection = self.server.close_after_answer

    def do_DELETE(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error."""


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """One that runs as long as the block."""
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def step(number: int, name: str, node: str, at: float, detail: str = "") -> dict[str, Any]:
    """A step as the API tells it."""
    return {"step": number, "name": name, "node": node, "at": at, "detail": detail, "sender": node, "receiver": node}


def handover(state: str, *steps: dict[str, Any], error: str | None = None) -> dict[str, Any]:
    """A handover as the API tells it."""
    return {
        "id": "ho-1", "number": 1, "mn_id": "mn1@example.net", "previous_mag": "mag1", "new_mag": "mag2", "state": state,
        "mode": "predictive", "trigger": "rest", "started_at": 100.4, "groups": [], "steps": list(steps), "packets": {},
        "packets_over_time": [],
        "error": error,
    }

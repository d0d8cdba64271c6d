# SPDX-License-Identifier: Apache-2.0
"""Webhooks over real sockets: a receiver that takes them, one that fails first, one that is not there, one that hangs."""

from __future__ import annotations

import base64
import http.client
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Judge

from apps.rest.answers.events import WebhookMessage
from castover_client import Castover
from tests.support.rest_server import ROOT, WAIT_S, Server

SECRET = base64.b64encode(bytes(range(32))).decode()


class Receiver(ThreadingHTTPServer):
    """Keeps what comes; answers the given statuses first, then 204."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = list(statuses)
        self.taken: list[tuple[dict[str, str], str]] = []
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.taken.append((dict(self.headers), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def receivers() -> Iterator[tuple[Receiver, Receiver]]:
    found = Receiver(), Receiver(500, 302)
    yield found
    for receiver in found:
        receiver.stop()


@pytest.fixture
def server(tmp_path: Path, receivers: tuple[Receiver, Receiver]) -> Iterator[Server]:
    (tmp_path / "secret").write_text(f"whsec_{SECRET}")
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # takes connections, and never a word
        ports = (*(receiver.server_port for receiver in receivers), 1, hanging.getsockname()[1])
        urls = [f"http://127.0.0.1:{port}/hook" for port in ports]
        hooks = "".join(
            f"    - {{name: {name}, url: '{url}', secret_file: secret, events: [handover_requested, handover_ended]}}\n"
            for name, url in zip(("good", "late", "away", "hanging"), urls, strict=True)
        )
        (tmp_path / "topology.yaml").write_text((ROOT / "topology.yaml").read_text() + f"\nrest:\n  webhooks:\n{hooks}")
        found = Server(topology=tmp_path / "topology.yaml")
        found.tell("populate")
        yield found
        assert "Traceback" not in found.end()


def eventually_taken(receiver: Receiver, count: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while len(receiver.taken) < count:
        assert time.monotonic() < deadline, receiver.taken
        time.sleep(0.01)


def test_receivers_get_every_event_in_order_signed_and_hold_up_nobody(
    server: Server, receivers: tuple[Receiver, Receiver]
) -> None:
    good, late = receivers
    with Castover(server.url) as castover:
        for _ in range(2):
            handover = castover.start_handover("mn1", "mag2")
            server.tell("fail", handover_id=handover.id)
        eventually_taken(good, 4)
        told = [WebhookMessage.model_validate_json(body) for _, body in good.taken]
        assert [one.type for one in told] == ["handover_requested", "handover_ended"] * 2
        assert told[-1].data.fields["handover_id"] == handover.id
        judge = Judge(SECRET)
        for headers, body in good.taken:
            assert judge.verify(body, {name.lower(): value for name, value in headers.items()})
        assert len({headers["webhook-id"] for headers, _ in good.taken}) == 4
        # 500, then a redirection that is not followed, then the same message once more, and the others behind it.
        eventually_taken(late, 6)
        ids = [headers["webhook-id"] for headers, _ in late.taken]
        assert ids[0] == ids[1] == ids[2]
        assert ids[2:] == [headers["webhook-id"] for headers, _ in good.taken]
        states = {state.name: state for state in castover.webhooks()}
        assert (states["good"].delivered, states["good"].failed, states["good"].waiting) == (4, 0, 0)
        assert states["late"].failed == 2
        assert states["away"].last_problem == "connection refused"
        assert states["away"].waiting == states["hanging"].waiting == 4
        metrics = server.connect()
        metrics.request("GET", "/metrics")
        assert b'castover_webhook_messages_total{outcome="delivered",webhook="good"} 4.0' in metrics.getresponse().read()
        metrics.close()


def test_the_example_receiver_takes_what_the_controller_sends_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"whsec_{SECRET}\n")
    with subprocess.Popen(
        [ROOT / "examples" / "webhook.py", tmp_path / "secret", "--port", "0"], stdout=subprocess.PIPE, text=True,
    ) as receiver:
        assert receiver.stdout is not None
        url = receiver.stdout.readline().split()[2].rstrip(";")
        hook = f"\nrest:\n  webhooks:\n    - {{name: told, url: '{url}', secret_file: secret, events: [handover_ended]}}\n"
        (tmp_path / "topology.yaml").write_text((ROOT / "topology.yaml").read_text() + hook)
        server = Server(topology=tmp_path / "topology.yaml")
        server.tell("populate")
        try:
            strange = http.client.HTTPConnection(url.split("/")[2], timeout=WAIT_S)
            strange.request("POST", "/", b"{}", headers={"webhook-timestamp": str(int(time.time()))})
            assert strange.getresponse().status == 401
            strange.close()
            with Castover(server.url) as castover:
                handover = castover.start_handover("mn1", "mag2")
                server.tell("fail", handover_id=handover.id)
                said = [receiver.stdout.readline(), receiver.stdout.readline()]
                assert said[0] == "refused: webhook-signature: nobody who knows the secret has signed this\n"
                assert f" handover_ended {handover.id} mn1@example.net from mag1 to mag2, failed: " in said[1]
                deadline = time.monotonic() + WAIT_S
                while [(hook.delivered, hook.failed) for hook in castover.webhooks()] != [(1, 0)]:
                    assert time.monotonic() < deadline
        finally:
            receiver.send_signal(signal.SIGINT)
            assert "Traceback" not in server.end()
    assert receiver.returncode == 0

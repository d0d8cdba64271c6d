# SPDX-License-Identifier: Apache-2.0
"""examples/webhook.py: whom it believes. That it takes what a controller sends is seen in test_webhooks_live.py."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
from standardwebhooks import Webhook as Judge

from tests.support.example_module import load_example

SECRET = bytes(range(32))
BODY = b'{"type": "handover_ended"}'
NOW = 1_772_359_200


@pytest.fixture(scope="module")
def webhook() -> ModuleType:
    return load_example("webhook")


def signed(**changes: str) -> dict[str, str]:
    """Headers by the specification's own library."""
    signature = Judge(base64.b64encode(SECRET).decode()).sign("evt-1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    return {"webhook-id": "evt-1", "webhook-timestamp": str(NOW), "webhook-signature": signature, **changes}


def test_what_the_secret_has_signed_is_believed(webhook: ModuleType) -> None:
    assert webhook.verify(SECRET, signed(), BODY, NOW + 299.0) == "evt-1"
    both = f"v1,{base64.b64encode(bytes(32)).decode()} {signed()['webhook-signature']}"
    assert webhook.verify(SECRET, signed(**{"webhook-signature": both}), BODY, NOW - 299.0) == "evt-1"


@pytest.mark.parametrize(("changes", "body", "later_s", "status", "why"), [
    ({}, BODY + b" ", 0, 401, "nobody who knows the secret has signed this"),
    ({"webhook-id": "evt-2"}, BODY, 0, 401, "nobody who knows the secret"),
    ({"webhook-signature": ""}, BODY, 0, 401, "nobody who knows the secret"),
    ({"webhook-signature": "v1,\xe9"}, BODY, 0, 401, "nobody who knows the secret"),
    ({"webhook-timestamp": str(NOW + 1)}, BODY, 0, 401, "nobody who knows the secret"),
    ({"webhook-timestamp": ""}, BODY, 0, 400, "'' is no number of seconds"),
    ({"webhook-timestamp": "1e9"}, BODY, 0, 400, "'1e9' is no number of seconds"),
    ({}, BODY, 301, 401, "301 s old; allowed: 300"),
    ({}, BODY, -301, 401, "-301 s old; allowed: 300"),
])
def test_what_is_not_is_refused_by_name(
    webhook: ModuleType, changes: dict[str, str], body: bytes, later_s: float, status: int, why: str
) -> None:
    with pytest.raises(webhook.RefusedError) as refused:
        webhook.verify(SECRET, signed(**changes), body, NOW + later_s)
    assert refused.value.args[0] == status
    assert why in refused.value.args[1]


def test_a_secret_is_read_as_the_controller_reads_it(webhook: ModuleType) -> None:
    encoded = base64.b64encode(SECRET).decode()
    assert webhook.secret_of(f"whsec_{encoded}\n") == SECRET
    assert webhook.secret_of(f"{encoded}\n") == encoded.encode()
    with pytest.raises(ValueError, match="after whsec_ Base64 is expected"):
        webhook.secret_of("whsec_no!")
    # With an empty one everybody could sign.
    with pytest.raises(ValueError, match="a secret of 0 octets; allowed: 24 to 64"):
        webhook.secret_of("\n")


# --- as a server ---


@pytest.fixture
def receiver(webhook: ModuleType) -> Iterator[Any]:
    with webhook.Receiver(("127.0.0.1", 0), SECRET) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def post(receiver: Any, body: bytes, message_id: str = "evt-1") -> int:
    now = datetime.fromtimestamp(int(time.time()), UTC)
    headers = {
        "webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Judge(base64.b64encode(SECRET).decode()).sign(message_id, now, body.decode()),
    }
    connection = http.client.HTTPConnection("127.0.0.1", receiver.server_port, timeout=5)
    try:
        connection.request("POST", "/", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def message(**fields: str) -> bytes:
    return json.dumps({
        "timestamp": "2026-03-01T10:00:00.000Z", "type": "webhook_test", "data": {"handover": None, "fields": {}}, **fields,
    }).encode()


def test_somebody_who_sends_nothing_holds_up_nobody(receiver: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", receiver.server_port)) as silent:
        silent.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n")
        assert [post(receiver, message()), post(receiver, message())] == [204, 204]
        # The same id twice is one message.
        assert capfd.readouterr().out == "2026-03-01T10:00:00.000Z webhook_test {}\n"
    # Its thread has something to say when it hangs up: not after the test, where nobody takes it.
    deadline, said = time.monotonic() + 10, ""
    while not said.startswith("refused: ") and time.monotonic() < deadline:
        time.sleep(0.01)
        said += capfd.readouterr().out
    assert said.startswith("refused: ")


def test_there_is_an_end_to_how_many_are_served_at_once(receiver: Any, webhook: ModuleType) -> None:
    held = [socket.create_connection(("127.0.0.1", receiver.server_port)) for _ in range(webhook.CONNECTIONS_MAX)]
    with socket.create_connection(("127.0.0.1", receiver.server_port), timeout=5) as late:
        assert late.recv(1) == b""
    for one in held:
        one.close()
    deadline = time.monotonic() + 5
    while True:
        try:
            assert post(receiver, message()) == 204
            return
        except OSError:  # those who have hung up are not noticed yet
            assert time.monotonic() < deadline


def test_a_message_that_nests_without_end_is_none_of_a_controllers(receiver: Any) -> None:
    assert post(receiver, b"[" * 100_000 + b"]" * 100_000) == 400
    assert post(receiver, message()) == 204


def test_a_terminal_obeys_nothing_that_is_in_a_message(receiver: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert post(receiver, message(type="\x1b[2J\nwebhook\u2028_\u00e9")) == 204
    assert capfd.readouterr().out == "2026-03-01T10:00:00.000Z \\x1b[2J\\nwebhook\\u2028_\u00e9 {}\n"

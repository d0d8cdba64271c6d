# SPDX-License-Identifier: Apache-2.0
"""One message to one receiver, over a real socket: what comes of it, and that it comes in time."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from apps.rest import webhook_sender
from apps.rest.bounded_http import BoundedConnection, Deadline
from apps.rest.webhook_queue import Outcome

TIMEOUT_S = 0.25
END_S = 5.0
Serve = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """A receiver that does with its one connection what a function says; gives its URL."""
    monkeypatch.setattr(webhook_sender, "TIMEOUT_S", TIMEOUT_S)
    with contextlib.ExitStack() as open_things:

        def begin(behave: Callable[[socket.socket], None]) -> str:
            listener = open_things.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run() -> None:
                client, _ = listener.accept()
                with client, contextlib.suppress(OSError):
                    behave(client)

            thread = threading.Thread(target=run)
            thread.start()
            open_things.callback(thread.join, END_S)
            return f"http://127.0.0.1:{listener.getsockname()[1]}/hook"

        yield begin


def send(url: str) -> Outcome:
    return webhook_sender._post(url, {"X": "y"}, b"{}")


def drip(before: bytes, octets: bytes) -> Callable[[socket.socket], None]:
    """An octet in much less than the timeout, for much longer than it."""

    def behave(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(before)
        end = time.monotonic() + END_S
        while time.monotonic() < end:
            client.sendall(octets)
            time.sleep(0.02)

    return behave


@pytest.mark.parametrize(("before", "octets"), [
    pytest.param(b"HTTP/1.1 2", b"0", id="status line"),
    pytest.param(b"HTTP/1.1 204 No Content\r\nX: ", b"y", id="header"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"z", id="body"),
    pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="continue without end"),
])
def test_a_receiver_that_drips_its_answer_is_left_in_time(serve: Serve, before: bytes, octets: bytes) -> None:
    url = serve(drip(before, octets))
    begin = time.monotonic()
    assert send(url) == Outcome("timed out")
    assert time.monotonic() - begin < END_S / 2


def test_a_receiver_that_says_nothing_is_left_in_time(serve: Serve) -> None:
    url = serve(lambda _: time.sleep(2 * TIMEOUT_S))
    begin = time.monotonic()
    assert send(url).problem == "timed out"
    assert time.monotonic() - begin < END_S / 2


@pytest.mark.parametrize("answer", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"])
def test_a_message_that_was_taken(serve: Serve, answer: bytes) -> None:
    taken = []

    def behave(client: socket.socket) -> None:
        taken.append(client.recv(65536))
        client.sendall(answer)

    url = serve(behave)
    assert send(url) == Outcome()
    head = taken[0].split(b"\r\n")
    assert head[0] == b"POST /hook HTTP/1.1"
    assert b"Host: " + url.removeprefix("http://").removesuffix("/hook").encode() in head


def test_a_receiver_that_asks_for_time(serve: Serve) -> None:
    answer = b"HTTP/1.1 503 Later\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    assert send(serve(lambda client: (client.recv(65536), client.sendall(answer))[1])) == Outcome("503 Later", 7.0)


def test_a_receiver_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert send(f"http://127.0.0.1:{port}/").problem == "connection refused"

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert send("http://a.example/").problem == "the name is not known"


def test_an_address_without_a_port_is_not_taken_for_a_name_with_one() -> None:
    for host in ("::1", "192.0.2.1", "a.example"):
        connection = BoundedConnection(host, None, None, Deadline(1.0))
        assert (connection.host, connection.port) == (host, 80)

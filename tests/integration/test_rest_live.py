# SPDX-License-Identifier: Apache-2.0
"""REST over real sockets: keep-alive, refused bodies, the event stream, slow clients, inherited sockets, stopping."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.rest_server import ENVIRONMENT, PROCESS, ROOT, WAIT_S, Server

START = json.dumps({"mn_id": "mn1", "new_mag": "mag2"}).encode()
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
JSON_BODY = {"Content-Type": "application/json"}


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    assert "Traceback" not in found.end()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class EventSource:
    """A client of /v1/events, as a browser's."""

    def __init__(self, server: Server, last_event_id: str | None = None) -> None:
        self.client = server.connect()
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        self.client.request("GET", "/v1/events", headers={"Accept": "text/event-stream", **headers})
        self.response = self.client.getresponse()
        assert self.response.status == 200
        assert self.response.headers["Content-Type"].startswith("text/event-stream")
        self.heartbeats = 0

    def block(self) -> dict[str, str]:
        """The fields of the next block that says more than how far the stream is."""
        found: dict[str, str] = {}
        while True:
            line = self.response.readline().decode()
            assert line, "the stream has ended"
            line = line.rstrip("\n")
            if line.startswith(":"):
                self.heartbeats += 1
            elif line:
                name, _, value = line.partition(": ")
                found[name] = value
            elif found.keys() - {"id"}:
                return found

    def close(self) -> None:
        self.response.close()
        self.client.close()


def test_many_requests_on_one_connection(server: Server) -> None:
    server.tell("connect")
    with contextlib.closing(server.connect()) as client:
        client.connect()
        sock = client.sock
        for path in ("/healthz", "/v1/mags", "/nothing", "/v1/switches"):
            client.request("GET", path)
            response = client.getresponse()
            body = response.read()
            assert response.headers["Content-Length"] == str(len(body))
            assert response.headers.get("Transfer-Encoding") is None
        client.request("POST", "/v1/handovers", body=START, headers=JSON_BODY)
        response = client.getresponse()
        assert (response.status, json.loads(response.read())["errors"][0]["field"]) == (409, "mn_id")
        client.request("HEAD", "/v1/mags")
        response = client.getresponse()
        assert (response.status, response.read()) == (200, b"")
        assert int(response.headers["Content-Length"]) > 2
        client.request("OPTIONS", "/v1/handovers")
        response = client.getresponse()
        assert (response.status, response.read(), response.headers["Allow"]) == (204, b"", "GET, HEAD, OPTIONS, POST")
        assert client.sock is sock


def test_what_is_connected_is_what_the_core_says(server: Server) -> None:
    status, document = server.get("/readyz")
    assert status == 503
    assert {"part": "agent", "name": "mag1"} in document["away"]
    server.tell("connect")
    away = server.get("/readyz")[1]["away"]
    assert away == [{"part": "switch", "name": "lma"}, {"part": "switch", "name": "lma-transport"}]


def test_a_core_that_does_not_answer(server: Server) -> None:
    server.tell("stall")
    with contextlib.closing(server.connect()) as client:
        client.request("POST", "/v1/handovers", body=START, headers=JSON_BODY)
        response = client.getresponse()
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        assert json.loads(response.read())["type"] == "/problems/unavailable"
    assert server.get("/healthz")[0] == 200


def test_chunked_bodies_are_read(server: Server) -> None:
    with contextlib.closing(server.connect()) as client:
        parts = iter([START[:7], START[7:]])
        client.request("POST", "/v1/handovers", body=parts, headers=JSON_BODY, encode_chunked=True)
        response = client.getresponse()
        assert (response.status, json.loads(response.read())["type"]) == (409, "/problems/conflict")


def refused(octets: bytes) -> tuple[int, dict[str, Any]]:
    """Status and document of the last answer in these octets, which must end the connection."""
    head, _, body = octets.rpartition(b"\r\n\r\n")
    assert head.rpartition(b"HTTP/1.1 ")[2].lower().count(b"connection: close") == 1
    assert b"application/problem+json" in head
    return int(head.split(b" ", 2)[1]), json.loads(body)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"Content-Length: 100000\r\n\r\n" + b" " * 100_000, 413),
        (b"Transfer-Encoding: chunked\r\n\r\n11000\r\n" + b" " * 0x11000, 413),
        (b"Transfer-Encoding: chunked\r\n\r\n2000\r\n" + b" " * 0x2000 + b"\r\nf000\r\n" + b" " * 0xF000, 413),
        (b"Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n", 413),
        (b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
        (b"Transfer-Encoding: gzip\r\n\r\n", 400),
    ],
)
def test_a_body_that_cannot_be_read_ends_the_connection_after_the_answer(
    server: Server, octets: bytes, status: int
) -> None:
    head = b"POST /v1/handovers HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with socket.create_connection(server.address, timeout=WAIT_S) as sock:
        sock.sendall(head + octets)
        if b"chunked" in octets:
            sock.shutdown(socket.SHUT_WR)
        received = b""
        while data := sock.recv(65536):
            received += data
    found, document = refused(received)
    assert found == document["status"] == status


def test_what_is_not_http_gets_a_problem_document(server: Server) -> None:
    status, document = refused(server.send(b"nonsense and more of it\r\n\r\n"))
    assert (status, document["type"]) == (400, "/problems/malformed")


@pytest.mark.parametrize(
    ("octets", "status", "name"),
    [
        (b"GET /" + 9000 * b"x" + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri-too-long"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + 9000 * b"x" + b"\r\n\r\n", 431, "headers-too-large"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + 900 * (b"X: " + 80 * b"x" + b"\r\n"), 431, "headers-too-large"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: localhost\r\n\r\n", 400, "malformed"),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", 400, "malformed"),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n", 400, "malformed"),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "malformed"),
        (b"POST / HTTP/1.1\r\nHost: ::1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "malformed"),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello", 405, "method-not-allowed"),
        (b"GET / HTTP/3.0\r\nHost: 127.0.0.1\r\n\r\n", 400, "malformed"),
    ],
)
def test_what_is_framed_wrongly_gets_a_problem_document_and_no_more(
    server: Server, octets: bytes, status: int, name: str
) -> None:
    found, document = refused(server.send(octets))
    assert (found, document["status"], document["type"]) == (status, status, f"/problems/{name}")


def test_a_connection_that_breaks_in_the_middle_harms_nobody(server: Server) -> None:
    post = b"POST /v1/handovers HTTP/1.1\r\nContent-Length: 50\r\nContent-Type: application/json\r\n\r\n"
    for octets in (b"GET /v1/ma", post, post + b"{"):
        with socket.create_connection(server.address, timeout=WAIT_S) as sock:
            sock.sendall(octets)
    assert server.get("/healthz")[0] == 200


# --- the event stream ------------------------------------------------------------------------------------------------


def test_events_come_as_they_happen_and_go_on_where_they_ended(server: Server) -> None:
    source = EventSource(server)
    begun = source.block()
    assert begun == {"retry": "1000", "id": begun["id"]}
    server.tell("connect")
    first = source.block()
    data = json.loads(first["data"])
    assert (data["name"], data["fields"]) == ("agent_connected", {"mag_id": "mag1"})
    assert abs(data["at"] - time.time()) < WAIT_S
    source.close()

    server.tell("events", count=3, octets=1)
    source = EventSource(server, first["id"])
    source.block()
    found = [source.block() for _ in range(4)]
    names = [json.loads(block["data"])["name"] for block in found]
    assert names == ["agent_connected"] + 3 * ["mobility_packet_dropped"]
    numbers = [int(block["id"].rpartition("-")[2]) for block in [first, *found]]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    source.close()


def test_a_client_of_an_earlier_process_is_told_that_there_is_a_gap(server: Server) -> None:
    server.tell("events", count=2, octets=1)
    source = EventSource(server, "00000000-7")
    source.block()
    assert source.block()["event"] == "gap"
    assert json.loads(source.block()["data"])["name"] == "mobility_packet_dropped"
    source.close()


def test_a_quiet_stream_has_heartbeats(server: Server) -> None:
    source = EventSource(server)
    source.block()
    for _ in range(3):
        while not source.response.readline().startswith(b": heartbeat"):
            pass
    source.close()


def test_head_of_the_event_stream_ends(server: Server) -> None:
    with contextlib.closing(server.connect()) as client:
        client.request("HEAD", "/v1/events")
        response = client.getresponse()
        assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream; charset=UTF-8")
        assert response.read() == b""


def test_a_client_that_does_not_read_is_cut_off_and_others_are_not(server: Server) -> None:
    good, slow = EventSource(server), EventSource(server)
    good.block()
    sent = 0
    deadline = time.monotonic() + 60
    while not server.tell("dropped"):
        assert time.monotonic() < deadline
        server.tell("events", count=100, octets=4000)
        sent += 100
        for _ in range(100):
            good.block()
    assert server.tell("dropped") == {"slow_reader": 1}
    with contextlib.suppress(http.client.IncompleteRead, ConnectionError):
        while slow.response.readline():
            pass
    assert sent > 1000  # as many as the ring holds: so much a client may be behind
    server.tell("events", count=1, octets=1)
    good.block()
    good.close()
    slow.close()


def one_more_reader(server: Server) -> bool:
    with contextlib.closing(server.connect()) as client:
        client.request("GET", "/v1/events")
        return client.getresponse().status == 200


def test_readers_that_have_gone_leave_room_for_others_although_nothing_happens(server: Server) -> None:
    """More in all than there are connections; the next heartbeat, which would find them gone, is far."""
    server.tell("heartbeat", seconds=600.0)
    for _ in range(5):
        with contextlib.ExitStack() as opened:
            for _ in range(64):
                opened.callback(EventSource(server).close)
            status, document = server.get("/v1/events")
            assert (status, document["status"]) == (503, 503)
        eventually(lambda: one_more_reader(server))


def test_a_reader_that_asks_for_more_goes_on_reading_and_is_noticed_when_it_goes(server: Server) -> None:
    server.tell("heartbeat", seconds=600.0)
    with contextlib.ExitStack() as opened:
        socks = [opened.enter_context(socket.create_connection(server.address, timeout=WAIT_S)) for _ in range(64)]
        for sock in socks:
            sock.sendall(b"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HEALTH)
            received = sock.recv(65536)
            assert b"\r\nConnection: close\r\n" in received
            sock.sendall(2 * HEALTH)
        server.tell("events", count=1, octets=1)
        for sock in socks:
            received = b""
            while b"mobility_packet_dropped" not in received:
                received += sock.recv(65536)
            assert b"HTTP/1.1 " not in received
    eventually(lambda: one_more_reader(server))


POST = b"POST /v1/handovers HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
NO_WHOLE_BODY = (
    POST + b"Content-Length: 50\r\n\r\n{", POST + b"Transfer-Encoding: chunked\r\n\r\n50\r\n{",
    POST + b"Transfer-Encoding: chunked\r\n\r\n1", HEALTH[:-2] + b"Content-Length: 50\r\n\r\n{",
    HEALTH.replace(b"/healthz", b"/nothing")[:-2] + b"Content-Length: 5\r\n\r\n",
)


@pytest.mark.parametrize("too_little", [(b"", b"GET /heal", HEALTH[:-5], HEALTH), NO_WHOLE_BODY], ids=["head", "body"])
def test_idle_connections_lock_nobody_out(server: Server, too_little: tuple[bytes, ...]) -> None:
    """More than there are places for, of a client that asks nothing, half a request, or one thing and no more.

    The half may be one of a body, also of one that nobody wants to read.
    """
    with contextlib.ExitStack() as opened:
        source = EventSource(server)
        opened.callback(source.close)
        for number in range(300):
            sock = opened.enter_context(socket.create_connection(server.address, timeout=WAIT_S))
            sock.sendall(too_little[number % len(too_little)])
        assert server.get("/healthz")[0] == 200
        with contextlib.closing(server.connect()) as client:
            client.request("GET", "/metrics")
            text = client.getresponse().read().decode()
        found = re.search(r'castover_drops_total\{.*part="rest_connections".*reason="idle".*\} (\S+)', text)
        assert found is not None
        assert float(found[1]) >= 300 + 1 - 256
        # Who is at work has not been ended for them.
        server.tell("events", count=1, octets=1)
        source.block()


# --- sockets ---------------------------------------------------------------------------------------------------------


def test_stopping_ends_streams_and_idle_connections_at_once(server: Server) -> None:
    source, idle = EventSource(server), server.connect()
    source.block()
    idle.request("GET", "/healthz")
    idle.getresponse().read()
    assert server.tell("stop") < 2.0
    assert not source.response.read().strip(b": heartbeat\n")
    source.close()
    with pytest.raises(ConnectionError):
        server.connect().connect()
    idle.close()


def test_a_socket_that_was_inherited_is_served_from_another_network_namespace() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root for a network namespace")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = Server(listener.fileno(), prefix=("unshare", "--net"))
    assert server.url == f"http://127.0.0.1:{port}"
    assert server.get("/healthz") == (200, {"status": "alive"})
    assert "Traceback" not in server.end()


def test_an_inherited_ipv6_socket_has_a_url_with_brackets() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
        server = Server(listener.fileno())
    assert server.url == f"http://[::1]:{port}"
    assert server.get("/healthz")[0] == 200
    server.end()


def open_file() -> Any:
    return (ROOT / "topology.yaml").open("rb")


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), "AF_INET SOCK_DGRAM, not listening"),
        (lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM), "AF_INET SOCK_STREAM, not listening"),
        (lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), "AF_UNIX SOCK_STREAM, not listening"),
        (open_file, "no socket"),
    ],
)
def test_a_descriptor_that_is_no_listening_socket_is_named(make: Callable[[], Any], found: str) -> None:
    with make() as thing, pytest.raises(RuntimeError, match=found):
        Server(thing.fileno())


def test_a_descriptor_that_is_not_open_is_named() -> None:
    process = subprocess.run(
        [sys.executable, str(PROCESS), "--fd", "987"], capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    assert "descriptor 987 for REST" in process.stderr

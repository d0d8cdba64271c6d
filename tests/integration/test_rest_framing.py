# SPDX-License-Identifier: Apache-2.0
"""Requests that two readers of one connection could read in two ways: one answer each, and the connection ends."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator

import pytest

from tests.support.rest_server import WAIT_S, Server

INNER = b"DELETE /v1/handovers/ho-none HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
START = b'{"mn_id":"nope","new_mag":"mag2"}'
GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /v1/handovers HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = Server()
    yield found
    assert "Traceback" not in found.end()


def statuses(server: Server, octets: bytes) -> list[int]:
    """Of all answers to these octets, after which the client sends no more; the last ends the connection."""
    with socket.create_connection(server.address, timeout=WAIT_S) as sock:
        sock.sendall(octets)
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while data := sock.recv(65536):
            received += data
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def chunks(size: bytes, after: bytes = b"\r\n0\r\n\r\n") -> bytes:
    return POST + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n" + START + after + INNER


@pytest.mark.parametrize("octets", [
    pytest.param(GET + b"Content-Length : %d\r\n\r\n" % len(INNER) + INNER, id="blank before the colon"),
    pytest.param(GET + b"Content-Length\t: %d\r\n\r\n" % len(INNER) + INNER, id="tab before the colon"),
    pytest.param(GET + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + INNER, id="blank after Transfer-Encoding"),
    pytest.param(POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n21\r\n" + START + b"\r\n0\r\n\r\n" + INNER, id="folded"),
    pytest.param(GET + b"X: a\r\n b\r\n\r\n" + INNER, id="folded and of no meaning"),
    pytest.param(b"GET / HTTP/1.1\r\n Host: x\r\nHost: 127.0.0.1\r\n\r\n" + INNER, id="blank before the first header"),
    pytest.param(GET + b"X: a\rContent-Length: %d\r\n\r\n" % len(INNER) + INNER, id="bare CR"),
    pytest.param(GET + b"X: a\nContent-Length: %d\r\n\r\n" % len(INNER) + INNER, id="bare LF"),
    pytest.param(GET + b"\n" + INNER, id="bare LF as the end of the headers"),
    pytest.param(GET + b"X: a\x00b\r\n\r\n" + INNER, id="NUL"),
    pytest.param(GET + b"nonsense\r\nContent-Length: %d\r\n\r\n" % len(INNER) + INNER, id="a header without a colon"),
    pytest.param(GET + b"Transfer-Encoding: xchunked\r\n\r\n" + INNER, id="a coding nobody knows"),
    pytest.param(GET + b"Transfer-Encoding: identity\r\n\r\n" + INNER, id="identity"),
    pytest.param(GET + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n" + INNER, id="chunked twice"),
    pytest.param(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + INNER, id="HTTP/1.0"),
    pytest.param(GET + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + INNER, id="two lengths"),
    pytest.param(GET + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + INNER, id="one length twice"),
    pytest.param(b"GET /healthz\r\n" + INNER, id="HTTP/0.9"),
    pytest.param(b"GET * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + INNER, id="* for GET"),
    pytest.param(b"GET 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + INNER, id="an authority for GET"),
    pytest.param(chunks(b"0x21"), id="0x in a chunk size"),
    pytest.param(chunks(b"2_1"), id="underscore in a chunk size"),
    pytest.param(chunks(b"+21"), id="sign of a chunk size"),
    pytest.param(chunks(b" 21"), id="blank before a chunk size"),
    pytest.param(chunks(b"21", b"XX0\r\n\r\n"), id="a chunk that does not end"),
    pytest.param(chunks(b"21;x=y\n"), id="bare LF in an extension"),
    pytest.param(chunks(b"21", b"\r\n0\r\nX : y\r\n\r\n"), id="a trailer that is none"),
    pytest.param(POST + b"Content-Length: %d\r\n\r\n" % (len(START) + 1) + START, id="a body that ends early"),
])
def test_a_request_that_can_be_read_in_two_ways_gets_400_and_no_more(server: Server, octets: bytes) -> None:
    assert statuses(server, octets) == [400]


@pytest.mark.parametrize(("octets", "expected"), [
    (chunks(b"21"), [404, 404]),
    (chunks(b'21;x=y;z="\\""', b"\r\n0;last\r\nContent-Length: 5\r\n\r\n"), [404, 404]),
    (GET + b"Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + INNER, [200, 404]),
    (GET + b"Content-Length: %d \r\n\r\n" % len(INNER) + INNER + INNER, [200, 404]),
    (b"\r\n" + GET + b"\r\n\r\n" + INNER, [200, 404]),
    (GET + b"Connection: x, Close\r\n\r\n" + INNER, [200]),
    (b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", [405]),
    (b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", [204]),
    (GET + b"X: y\r\n", []),
    (GET + b"X: y", [400]),
])
def test_a_request_that_can_be_read_in_one_way_ends_where_it_ends(
    server: Server, octets: bytes, expected: list[int]
) -> None:
    assert statuses(server, octets) == expected


@pytest.mark.parametrize(("target", "host", "status"), [
    (b"http://127.0.0.1:8080/v1/mags?limit=1", b"strange.example", 200),
    (b"http://localhost", b"localhost", 200),
    (b"http://strange.example/v1/mags", b"127.0.0.1", 421),
    (b"https://127.0.0.1/v1/mags", b"127.0.0.1", 421),
])
def test_a_target_that_is_a_whole_url_names_the_host(server: Server, target: bytes, host: bytes, status: int) -> None:
    """RFC 9112 section 3.2.2: what the Host header says then does not count."""
    assert statuses(server, b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n") == [status]


def test_a_wrong_chunk_is_answered_at_once(server: Server) -> None:
    """Its client waits for the answer with the connection open; there is nothing more that could be read of it."""
    with socket.create_connection(server.address, timeout=WAIT_S) as sock:
        sock.sendall(chunks(b"0x21"))
        head, _, body = sock.recv(65536).partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["type"] == "/problems/malformed"

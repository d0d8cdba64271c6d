# SPDX-License-Identifier: Apache-2.0
"""Where a request and a chunked body begin and end: what RFC 9112 allows is read, and nothing else."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from eventlet import wsgi

from apps.rest.body_input import EXTRA_OCTETS_MAX, LINE_OCTETS_MAX, ChunkedInput
from apps.rest.framing import judge_field_line, judge_host, judge_length, judge_request_line, split_target
from apps.rest.idle import IdleConnections
from apps.rest.problems import Problem


@pytest.mark.parametrize("line", [
    b"GET / HTTP/1.1\r\n", b"GET /%20?x=/y HTTP/1.0\r\n", b"OPTIONS * HTTP/1.1\r\n", b"M-SEARCH http://a/b HTTP/1.1\r\n",
    b"GET /\xc3\xbc HTTP/1.1\r\n",
])
def test_request_lines(line: bytes) -> None:
    judge_request_line(line)


@pytest.mark.parametrize("line", [
    b"GET / HTTP/1.1\n", b"GET /\r\n", b"GET  / HTTP/1.1\r\n", b"GET / HTTP/1.1 \r\n", b" GET / HTTP/1.1\r\n",
    b"GET /\tHTTP/1.1\r\n", b"GET /\x0bHTTP/1.1\r\n",
    b"GET / x HTTP/1.1\r\n", b"GET /\x00 HTTP/1.1\r\n", b"GET /\r HTTP/1.1\r\n",
    b"G(T / HTTP/1.1\r\n", b"GET / HTTP/1.10\r\n", b"GET / http/1.1\r\n", b"GET / HTTP/1.1\r\r\n", b"\x16\x03\x01\r\n",
])
def test_what_is_no_request_line(line: bytes) -> None:
    with pytest.raises(Problem, match="no request line") as caught:
        judge_request_line(line)
    assert caught.value.kind.status == 400


@pytest.mark.parametrize("line", [
    b"\r\n", b"Host:\r\n", b"X-Y: a\tb \r\n", b"a:b\r\n", b"X: \xc3\xbc\r\n", b"!#$%&'*+-.^_`|~: :\r\n",
])
def test_header_lines(line: bytes) -> None:
    judge_field_line(line)


@pytest.mark.parametrize(("line", "why"), [
    (b"Content-Length : 5\r\n", "a blank before the colon"),
    (b"Content-Length\t: 5\r\n", "a blank before the colon"),
    (b" chunked\r\n", "a fold "),
    (b"\tchunked\r\n", "a fold "),
    (b"X: y\n", "does not end in CR LF"),
    (b"\n", "does not end in CR LF"),
    (b"X: y", "does not end in CR LF"),
    (b"X: a\rContent-Length: 5\r\n", "a control character"),
    (b"X: a\r\r\n", "a control character"),
    (b"X: a\x00\r\n", "a control character"),
    (b"X: a\x7f\r\n", "a control character"),
    (b"X\x00: a\r\n", "no header"),
    (b": a\r\n", "no header"),
    (b"nothing\r\n", "no header"),
    (b"X(: a\r\n", "no header"),
    (b"X\xa0: a\r\n", "no header"),
])
def test_what_is_no_header_line(line: bytes, why: str) -> None:
    with pytest.raises(Problem, match=why) as caught:
        judge_field_line(line)
    assert caught.value.kind.status == 400


def test_a_blank_before_the_first_header_is_told_from_a_folded_one() -> None:
    with pytest.raises(Problem, match=r"2\.2"):
        judge_field_line(b" Host: x\r\n", first=True)


def test_lengths() -> None:
    assert judge_length([], [], "HTTP/1.1") is None
    assert judge_length(["5"], [], "HTTP/1.0") == "5"
    assert judge_length(["007 \t"], [], "HTTP/1.1") == "7"
    assert judge_length(["0" * 5000], [], "HTTP/1.1") == "0"
    assert judge_length([], ["Chunked "], "HTTP/1.1") is None


@pytest.mark.parametrize(("lengths", "codings", "version", "status"), [
    (["5", "5"], [], "1.1", 400), (["5, 5"], [], "1.1", 400), (["+5"], [], "1.1", 400), (["0x5"], [], "1.1", 400),
    (["5_0"], [], "1.1", 400), ([""], [], "1.1", 400), (["\u0665"], [], "1.1", 400), (["9" * 5000], [], "1.1", 413),
    (["5"], ["chunked"], "1.1", 400), ([], ["chunked"], "1.0", 400), ([], ["chunked", "chunked"], "1.1", 400),
    ([], ["gzip, chunked"], "1.1", 400), ([], ["xchunked"], "1.1", 400), ([], [""], "1.1", 400),
    ([], ["\x0bchunked"], "1.1", 400), ([], ["identity"], "1.1", 400), ([], ["chunked;x=y"], "1.1", 400),
])
def test_what_says_no_length_or_two(lengths: list[str], codings: list[str], version: str, status: int) -> None:
    with pytest.raises(Problem) as caught:
        judge_length(lengths, codings, f"HTTP/{version}")
    assert caught.value.kind.status == status


def test_hosts() -> None:
    for host in ("", "localhost", "a.example:8080", "127.0.0.1:", "[::1]:80", "LOCALHOST.:99", "x "):
        judge_host([host], "HTTP/1.1")
    judge_host([], "HTTP/1.0")
    for hosts in ([], ["a", "a"], ["a b"], ["a/"], ["user@a"], ["::1"], ["a:x"]):
        with pytest.raises(Problem):
            judge_host(hosts, "HTTP/1.1")
    with pytest.raises(Problem):
        judge_host(["a", "a"], "HTTP/1.0")


@pytest.mark.parametrize(("method", "target", "path", "host"), [
    ("GET", "/v1/mags?limit=1", "/v1/mags?limit=1", None),
    ("GET", "http://127.0.0.1:8080/v1/mags?limit=1", "/v1/mags?limit=1", "127.0.0.1:8080"),
    ("GET", "HTTP://[::1]", "/", "[::1]"),
    ("GET", "http://a?x", "/?x", "a"),
    ("OPTIONS", "http://a", "*", "a"),
    ("OPTIONS", "http://a/", "/", "a"),
    ("OPTIONS", "*", "*", None),
    ("CONNECT", "a:80", "a:80", None),
])
def test_targets(method: str, target: str, path: str, host: str | None) -> None:
    assert split_target(method, target, secure=False) == (path, host)


@pytest.mark.parametrize(("method", "target", "status"), [
    ("GET", "*", 400), ("GET", "a:80", 400), ("GET", "v1/mags", 400), ("GET", "http:///v1", 400), ("GET", "ftp://a/", 400),
    ("GET", "http://user@a/", 400), ("GET", "http://a:b/", 400), ("GET", "https://a/", 421),
])
def test_what_is_no_target(method: str, target: str, status: int) -> None:
    with pytest.raises(Problem) as caught:
        split_target(method, target, secure=False)
    assert caught.value.kind.status == status


def test_an_https_target_over_tls() -> None:
    assert split_target("GET", "https://a/b", secure=True) == ("/b", "a")


# --- chunks ----------------------------------------------------------------------------------------------------------


def chunked(octets: bytes) -> tuple[ChunkedInput, io.BytesIO]:
    source = io.BytesIO(octets)
    return ChunkedInput(wsgi.Input(source, None, None, chunked_input=True), IdleConnections(Counter())), source


@pytest.mark.parametrize("octets", [
    b"5\r\nhello\r\n0\r\n\r\n", b"0002\r\nhe\r\n3\r\nllo\r\n000\r\n\r\n",
    b"5;a=b ; c;d=\"\\\"x; y\"\r\nhello\r\n0;z\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX: y\r\nContent-Length: 7\r\n\r\n",
])
def test_a_chunked_body_ends_where_the_next_request_begins(octets: bytes) -> None:
    for step in (None, -1, 1, 3, 100):
        body, source = chunked(octets + b"GET")
        found = b"".join(iter(lambda: body.read(step), b""))  # noqa: B023 - used at once
        assert (found, source.read()) == (b"hello", b"GET")


@pytest.mark.parametrize("octets", [
    *(size + b"\r\nhello\r\n0\r\n\r\n" for size in (
        b"0x5", b"+5", b"-5", b"0_5", b" 5", b"5 ", b"5\t", b"", b"g", b"5;", b"5;a=", b"5;a=b c", b"5;a=\"b",
        b"5;a\x00", b"5;a\rb", b"5\r", b"0" * 17, b"F" * 20, b"\xd9\xa5",
    )),
    b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"5\r\nhel",
    b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n", b"5\r\nhello\r\n0\r\n\n", b"5\r\nhello\r\n0\r\nX : y\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n", b"5;" + b"a" * LINE_OCTETS_MAX + b"\r\nhello\r\n0\r\n\r\n",
    (b"1;" + b"a" * 1000 + b"\r\nx\r\n") * (EXTRA_OCTETS_MAX // 1000 + 1) + b"0\r\n\r\n",
    b"0\r\n" + (b"X: " + b"a" * 1000 + b"\r\n") * (EXTRA_OCTETS_MAX // 1000 + 1) + b"\r\n",
])
def test_what_is_no_chunked_body_stays_unread(octets: bytes) -> None:
    body, source = chunked(octets)
    with pytest.raises(wsgi.ChunkReadError):
        body.read()
    place = source.tell()
    with pytest.raises(wsgi.ChunkReadError):
        body.read(1)
    assert source.tell() == place

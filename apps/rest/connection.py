# SPDX-License-Identifier: Apache-2.0
"""One connection to REST: TLS when it is configured, and a problem document for whatever cannot be read as HTTP."""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections import Counter
from http import HTTPStatus
from typing import Any

from eventlet import wsgi
from eventlet.green import ssl as green_ssl

from apps.rest.body_input import BodyInput, ChunkedInput
from apps.rest.event_socket import EventSocket
from apps.rest.events import EVENT_SOCKET
from apps.rest.framing import judge_field_line, judge_host, judge_length, judge_request_line, split_target
from apps.rest.idle import IdleConnections
from apps.rest.problems import HEADERS_TOO_LARGE, MALFORMED, MEDIA_TYPE, URI_TOO_LONG, Problem
from apps.rest.requests import CLOSE_CONNECTION

_log = logging.getLogger("castover.rest")

UNREAD_OCTETS_MAX = 1024 * 1024
"""Of a refused body that are read and thrown away, so that the client gets to read why (RFC 9112 section 9.6)."""
HANDSHAKE_S = 5.0


class HandshakeError(Exception):
    """Not TLS, or none that we speak; the connection is over."""


def connection_type(
    context: ssl.SSLContext | None, dropped: Counter[str], waiting: IdleConnections
) -> type[wsgi.HttpProtocol]:
    """The protocol class for wsgi.server; `dropped` counts the connections that came to nothing, by reason."""

    class Bound(_Connection):
        tls_context = context
        counts = dropped
        idle = waiting

    return Bound


class _Connection(wsgi.HttpProtocol):  # type: ignore[misc]
    """With what the application may ask of it in the environment."""

    tls_context: ssl.SSLContext | None = None
    counts: Counter[str] = Counter()  # noqa: RUF012 - set by connection_type
    idle = IdleConnections(counts)

    def __init__(self, conn_state: Any, server: Any) -> None:
        try:
            super().__init__(conn_state, server)
        except (HandshakeError, ssl.SSLError) as error:
            # TLS 1.3: that the client does not trust the certificate is heard only after the handshake.
            self.counts["tls"] += 1
            _log.debug("event=rest_tls_failed error=%s", error)
        finally:
            self.idle.end()

    def setup(self) -> None:
        """The handshake happens here, in the connection's own green thread: a client that is slow holds up nobody."""
        if self.tls_context is not None:
            self.request.settimeout(HANDSHAKE_S)
            try:
                self.request = green_ssl.GreenSSLSocket(self.request, server_side=True, _context=self.tls_context)
            except (OSError, ValueError) as error:
                raise HandshakeError(error) from error
            self.conn_state[1] = self.request
        super().setup()

    def get_environ(self) -> dict[str, Any]:
        """PEP 3333, and two functions for the application."""
        environ: dict[str, Any] = super().get_environ()
        if self.tls_context is not None:
            environ["wsgi.url_scheme"] = "https"
        plain = environ["wsgi.input"]
        kind = ChunkedInput if plain.chunked_input else BodyInput
        environ["wsgi.input"] = environ["eventlet.input"] = kind(plain, self.idle)
        environ[CLOSE_CONNECTION] = lambda: self._close_after_answer(environ)
        environ[EVENT_SOCKET] = lambda: self._become_event_socket(environ)
        return environ

    # --- what cannot be read as HTTP --------------------------------------------------------------------------------

    def _read_request_line(self) -> Any:
        self.idle.begin()
        line = super()._read_request_line()
        if line == b"\r\n":
            line = super()._read_request_line()  # RFC 9112 section 2.2: some clients end a body with one line end too many
        if len(line) >= self.server.url_length_limit:
            self._refuse(Problem(URI_TOO_LONG, f"allowed: {self.server.url_length_limit} octets"))
            return b""  # nothing more to do on this connection
        return line

    def parse_request(self) -> bool:
        """Request line and headers; False when that is the end of it."""
        self.close_connection = True
        fields = self.rfile = _FieldLines(self.rfile)
        try:
            judge_request_line(self.raw_requestline)
            if not super().parse_request() or not fields.whole:
                self.close_connection = True
                return False
            self.idle.end()
            self._judge_headers()
        except (wsgi.HeaderLineTooLong, wsgi.HeadersTooLarge):
            return self._refuse(Problem(HEADERS_TOO_LARGE, HEADERS_TOO_LARGE.meaning))
        except Problem as problem:
            return self._refuse(problem)
        return True

    def _judge_headers(self) -> None:
        """How long the request is, and whom and what it is for; put where wsgi.HttpProtocol looks for it."""
        version, headers = self.request_version, self.headers
        lengths = headers.get_all("Content-Length", [])
        length = judge_length(lengths, headers.get_all("Transfer-Encoding", []), version)
        if length is not None:
            headers.replace_header("Content-Length", length)
        judge_host(headers.get_all("Host", []), version)
        self.path, host = split_target(self.command, self.path, secure=self.tls_context is not None)
        if host is not None:
            # RFC 9112 section 3.2.2: what Host says then does not count.
            del headers["Host"]
            headers["Host"] = host
        options = ",".join(headers.get_all("Connection", [])).lower().split(",")
        if "close" in (option.strip(" \t") for option in options):
            self.close_connection = True
        if version == "HTTP/1.0":
            del headers["Expect"]  # RFC 9110 section 10.1.1

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What the standard library refuses."""
        if code == HEADERS_TOO_LARGE.status:
            self._refuse(Problem(HEADERS_TOO_LARGE, HEADERS_TOO_LARGE.meaning))
        else:
            self._refuse(Problem(MALFORMED, "This is not HTTP/1.1."))

    def _refuse(self, problem: Problem) -> bool:
        self.close_connection = True
        body = problem.body()
        status = HTTPStatus(problem.kind.status)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        self.wfile.write(head.encode() + body)
        self.wfile.flush()
        return False

    # --- for the application ----------------------------------------------------------------------------------------

    def _close_after_answer(self, environ: dict[str, Any]) -> None:
        self.close_connection = True
        body = environ["wsgi.input"]
        if body.should_send_hundred_continue:
            return  # the client waits for leave to send, and gets none
        left = UNREAD_OCTETS_MAX
        with contextlib.suppress(OSError, ValueError):
            while left > 0 and (part := body.read(min(left, 64 * 1024))):
                left -= len(part)

    def _become_event_socket(self, environ: dict[str, Any]) -> EventSocket:
        # Events go out one by one, not when 4 KiB have come together.
        environ["eventlet.minimum_write_chunk_size"] = 1
        self.close_connection = True
        return EventSocket(self.connection)


class _FieldLines:
    """The header section as the standard library reads it: a line that is none ends the request."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self._first = True
        self.whole = False
        """Whether the empty line at its end has come."""

    def readline(self, size: int = -1) -> bytes:
        line: bytes = self._lines.readline(size)
        if line:
            judge_field_line(line, first=self._first)
        self._first = False
        self.whole = line == b"\r\n"
        return line

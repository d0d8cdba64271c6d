# SPDX-License-Identifier: Apache-2.0
"""The body of a request: while its client is awaited the connection may make room; chunks are read strictly."""

from __future__ import annotations

import io
import re
from typing import Any

from eventlet import wsgi
from eventlet.support.greenlets import GreenletExit

from apps.rest.framing import TOKEN, judge_field_line
from apps.rest.idle import IdleConnections
from apps.rest.problems import Problem

LINE_OCTETS_MAX = 1024
"""Of a chunk's size with its extensions, and of a trailer field."""
EXTRA_OCTETS_MAX = 16 * 1024
"""Of all extensions and trailer fields of one body, which nobody reads (section 7.1.1)."""
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + _QUOTED + rb"))?"
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:" + _EXTENSION + rb")*)\r\n")
"""int(size, 16) would take a sign, 0x, underscores and blanks, too."""


class BodyInput(wsgi.Input):  # type: ignore[misc]
    """The body as wsgi.server and the application read it."""

    def __init__(self, plain: wsgi.Input, idle: IdleConnections) -> None:
        super().__init__(
            plain.rfile, plain.content_length, plain.get_socket(), plain.wfile, plain.wfile_line,
            chunked_input=plain.chunked_input,
        )
        self._idle = idle
        self._ended = False

    def read(self, length: int | None = None) -> bytes:
        """As of a file, but for a connection that was ended to make room: then there is no more."""
        if self._ended:
            return b""
        self._idle.begin()
        try:
            found: bytes = super().read(length)
        except GreenletExit:
            self._ended = True  # wsgi.server would read on, to find the next request
            raise
        finally:
            self._idle.end()
        return found


class ChunkedInput(BodyInput):
    """A chunked body (RFC 9112 section 7.1). A fault stays: what comes after it is nobody's request."""

    def __init__(self, plain: wsgi.Input, idle: IdleConnections) -> None:
        super().__init__(plain, idle)
        self._left = 0
        """Octets of the chunk that is being read."""
        self._extra = 0
        self._over = False
        self._fault = ""

    def _chunked_read(self, rfile: Any, length: int | None = None, use_readline: bool = False) -> bytes:
        """So many octets, fewer at the end; all for None. Raises wsgi.ChunkReadError."""
        if use_readline:
            raise io.UnsupportedOperation("a chunked body has no lines")
        if self.should_send_hundred_continue:
            self.send_hundred_continue_response()
            self.is_hundred_continue_response_sent = True
        if self._fault:
            raise wsgi.ChunkReadError(self._fault)
        wanted = -1 if length is None else length
        parts = []
        while wanted and not self._over:
            if not self._left:
                self._left = self._next_size(rfile)
                if not self._left:
                    self._skip_trailers(rfile)
                    self._over = True
                    break
            part = rfile.read(self._left if wanted < 0 else min(self._left, wanted))
            if not part:
                raise self._failed("it ended in a chunk")
            parts.append(part)
            wanted -= len(part) if wanted > 0 else 0
            self._left -= len(part)
            if not self._left and rfile.read(2) != b"\r\n":
                raise self._failed("a chunk is longer than its size")
        return b"".join(parts)

    def _next_size(self, rfile: Any) -> int:
        line = rfile.readline(LINE_OCTETS_MAX)
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            raise self._failed("a chunk has no size")
        self._count(len(found[2]))
        return int(found[1], 16)

    def _skip_trailers(self, rfile: Any) -> None:
        while (line := rfile.readline(LINE_OCTETS_MAX)) != b"\r\n":
            try:
                judge_field_line(line)
            except Problem as problem:
                raise self._failed(str(problem)) from problem
            self._count(len(line))

    def _count(self, octets: int) -> None:
        self._extra += octets
        if self._extra > EXTRA_OCTETS_MAX:
            raise self._failed(f"extensions and trailers have more than {EXTRA_OCTETS_MAX} octets")

    def _failed(self, reason: str) -> wsgi.ChunkReadError:
        self._fault = reason
        return wsgi.ChunkReadError(reason)

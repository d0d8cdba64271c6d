# SPDX-License-Identifier: Apache-2.0
"""Follows /v1/events (https://html.spec.whatwg.org/multipage/server-sent-events.html), across broken connections."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from castover_client.connection import Connection, HangUp
from castover_client.errors import NotTrusted, Unavailable, UnexpectedAnswer, Unreachable

SILENCE_S = 40.0
"""The controller says something every 15 s; after so long without it the connection is dead."""
RETRY_S = 1.0
"""Until the controller has said how long to wait before connecting again."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `name` is 'gap' when events are missing before the next one: read the state again then."""

    id: str
    name: str
    at: float
    """Seconds since 1970; 0 of a gap."""
    fields: dict[str, Any]

    @property
    def is_gap(self) -> bool:
        """Whether this only says that events are missing."""
        return self.name == "gap"


class EventStream:
    """An iterator of events without end; a context manager that hangs up.

    `last_id` is where it stands: a stream that begins there later misses nothing. When the connection breaks it is opened
    again from there, for up to `patience_s` without success; then Unreachable is raised. `close`, which another thread may
    call, ends the iteration.
    """

    def __init__(
        self, connection: Connection, path: str, *, after: str = "", patience_s: float = 60.0,
        sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = connection
        self._path = path
        self.last_id = after
        self._patience_s = patience_s
        self._sleep = sleep
        self._clock = clock
        self._retry_s = RETRY_S
        self._response: http.client.HTTPResponse | None = None
        self._hang_up_with: HangUp | None = None
        self._closed = False
        self._open()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        while not self._closed:
            if self._response is None:
                self._reconnect()
            try:
                block = self._block()
            except (OSError, ValueError, AttributeError, http.client.HTTPException):
                # The connection is gone, or was closed under a read (which the standard library answers in many ways).
                self._hang_up()
                continue
            if block is None:
                self._hang_up()
                continue
            event = self._event(block)
            if event is not None:
                return event
        raise StopIteration

    def close(self) -> None:
        """Hang up, for good."""
        self._closed = True
        self._hang_up()

    def _open(self) -> None:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": self.last_id} if self.last_id else {})}
        self._response, self._hang_up_with = self._source.stream(self._path, headers, SILENCE_S)

    def _reconnect(self) -> None:
        give_up_at = self._clock() + self._patience_s
        while self._response is None and not self._closed:
            self._sleep(self._retry_s)
            try:
                self._open()
            except NotTrusted:
                raise
            except (Unreachable, Unavailable):
                if self._clock() >= give_up_at:
                    raise

    def _hang_up(self) -> None:
        if self._hang_up_with is not None:
            self._hang_up_with.close()
        self._response = self._hang_up_with = None

    def _block(self) -> dict[str, str] | None:
        """The fields up to the next empty line; None at the end of the stream."""
        fields: dict[str, str] = {}
        while self._response is not None:
            line = self._response.readline()
            if not line:
                return None
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if not text:
                return fields
            name, _, value = text.partition(":")
            if name:  # a line that begins with a colon is a comment
                value = value.removeprefix(" ")
                fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
        return None

    def _event(self, block: dict[str, str]) -> Event | None:
        self.last_id = block.get("id", self.last_id)
        if block.get("retry", "").isdigit():
            self._retry_s = int(block["retry"]) / 1000
        if "data" not in block:
            return None
        try:
            data = json.loads(block["data"])
            if block.get("event") == "gap":
                return Event(self.last_id, "gap", 0.0, dict(data))
            return Event(self.last_id, str(data["name"]), float(data["at"]), dict(data["fields"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UnexpectedAnswer(f"an event that is none: {block['data']:.80}") from error

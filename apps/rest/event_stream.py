# SPDX-License-Identifier: Apache-2.0
"""The event stream of REST: a bounded ring of what happened, and readers that follow it as Server-Sent Events.

https://html.spec.whatwg.org/multipage/server-sent-events.html. All readers share the ring; a reader is a position in
it. Whoever falls out of the ring is cut off and comes back with Last-Event-ID, so nobody can make memory grow.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from eventlet.event import Event as Wakeup

from controller.commands import RecordEvent

RING_EVENTS = 1000
EVENT_OCTETS_MAX = 16 * 1024
"""Of one event; what an agent reports may be longer, and then is told by its name alone."""
READERS_MAX = 64
HEARTBEAT_S = 15.0
RECONNECT_MS = 1000


class TooManyReadersError(Exception):
    """READERS_MAX are following already."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a reader wants; None is any."""

    handover_id: str | None = None
    mn_id: str | None = None

    def takes(self, kept: _Kept) -> bool:
        """Whether the event is about what is wanted."""
        return self.handover_id in (None, kept.handover_id) and self.mn_id in (None, kept.mn_id)


@dataclass(frozen=True, slots=True)
class _Kept:
    """One event in the ring."""

    octets: bytes
    handover_id: str | None
    mn_id: str | None


EVERYTHING = EventFilter()


class ReaderConnection(Protocol):
    """Of a client that reads: `apps.rest.event_socket.EventSocket`."""

    def hang_up(self) -> None:
        """End it; the client is too slow."""

    def watch(self, gone: Callable[[], None]) -> None:
        """Tell when the client has gone."""

    def let_go(self) -> None:
        """The reader has ended."""


class EventStream:
    """The ring. `run_id` tells the event ids of one controller process from those of another."""

    def __init__(self, run_id: str, *, heartbeat_s: float = HEARTBEAT_S, ring_events: int = RING_EVENTS) -> None:
        self.run_id = run_id
        self.heartbeat_s = heartbeat_s
        self._ring: deque[_Kept] = deque(maxlen=ring_events)
        self._next = 1
        """Number of the next event; ids are never used twice."""
        self._wakeup = Wakeup()
        self._readers: set[EventReader] = set()
        self.closed = False
        self.dropped: Counter[str] = Counter()
        """Readers that were cut off or refused, and events told by name alone, by reason."""

    def publish(self, fact: RecordEvent, at: float) -> None:
        """Take one event in; `at` is seconds since 1970. Never blocks."""
        data = json.dumps({"name": fact.name, "at": at, "fields": fact.fields}, default=str)
        if len(data) > EVENT_OCTETS_MAX:
            self.dropped["event_too_long"] += 1
            data = json.dumps({"name": fact.name, "at": at, "fields": {}, "too_long": True})
        octets = f"id: {self.run_id}-{self._next}\ndata: {data}\n\n".encode()
        self._ring.append(_Kept(octets, fact.fields.get("handover_id"), fact.fields.get("mn_id")))
        self._next += 1
        for reader in [reader for reader in self._readers if reader.position < self.oldest]:
            self.dropped["slow_reader"] += 1
            reader.cut_off()
        self.wake()

    @property
    def oldest(self) -> int:
        """Number of the oldest event in the ring; that of the next one when the ring is empty."""
        return self._next - len(self._ring)

    @property
    def last_id(self) -> str:
        """Id of the latest event; whoever follows after it gets what comes next."""
        return self.id_before(self._next)

    def id_before(self, position: int) -> str:
        """Id of the event before this number. Sent also where there is nothing to tell: a client that comes back with it
        has missed nothing, however little of what happened it wanted to hear."""
        return f"{self.run_id}-{position - 1}"

    def follow(
        self, last_event_id: str, connection: ReaderConnection | None = None, wanted: EventFilter = EVERYTHING
    ) -> EventReader:
        """A reader that starts after this event, or with the next one when the id is ''.

        An id that is unknown, of another process or out of the ring starts with the oldest event there is, after a
        'gap' event. Raises TooManyReadersError.
        """
        if len(self._readers) >= READERS_MAX:
            self.dropped["too_many_readers"] += 1
            raise TooManyReadersError(f"{READERS_MAX} clients follow the events already")
        position = self._next if not last_event_id else self._after(last_event_id)
        reader = EventReader(self, self.oldest if position is None else position, position is None, connection, wanted)
        self._readers.add(reader)
        if connection is not None:
            connection.watch(reader.leave)
        return reader

    def close(self) -> None:
        """End all readers."""
        self.closed = True
        self.wake()

    def _after(self, event_id: str) -> int | None:
        run_id, _, number = event_id.partition("-")
        known = run_id == self.run_id and number.isascii() and number.isdigit() and len(number) < 20
        position = int(number) + 1 if known else 0
        return position if self.oldest <= position <= self._next else None

    # --- for readers ------------------------------------------------------------------------------------------------

    def since(self, position: int, wanted: EventFilter) -> tuple[bytes, int]:
        """All events that are wanted from this number on, and the number of the next."""
        kept = itertools.islice(self._ring, position - self.oldest, None)
        return b"".join(event.octets for event in kept if wanted.takes(event)), self._next

    def wait(self, seconds: float) -> None:
        """Until something happens, at most so long."""
        self._wakeup.wait(seconds)

    def forget(self, reader: EventReader) -> None:
        """The reader has ended."""
        self._readers.discard(reader)

    def wake(self) -> None:
        """Let all who wait look again."""
        wakeup, self._wakeup = self._wakeup, Wakeup()
        wakeup.send()


class EventReader:
    """One client: an iterator of octets for WSGI, which closes it when the connection ends."""

    def __init__(
        self, stream: EventStream, position: int, gap: bool, connection: ReaderConnection | None, wanted: EventFilter
    ) -> None:
        self._stream = stream
        self.position = position
        """Number of the next event to send."""
        self._gap = gap
        self._connection = connection
        self._wanted = wanted
        self._begun = False
        self._over = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._begun:
            self._begun = True
            return self._greeting()
        deadline = time.monotonic() + self._stream.heartbeat_s
        while not (self._over or self._stream.closed):
            data, self.position = self._stream.since(self.position, self._wanted)
            if data:
                return data
            left = deadline - time.monotonic()
            if left <= 0:
                return f": heartbeat\nid: {self._stream.id_before(self.position)}\n\n".encode()
            self._stream.wait(left)
        self.close()
        raise StopIteration

    def cut_off(self) -> None:
        """Too slow: what it has not read is gone."""
        self.close()
        if self._connection is not None:
            self._connection.hang_up()

    def leave(self) -> None:
        """The client has gone: its place is free, and the thread that waits for events to send to it ends."""
        self.close()
        self._stream.wake()

    def close(self) -> None:
        """End it; what comes after costs nothing."""
        self._over = True
        self._stream.forget(self)
        if self._connection is not None:
            self._connection.let_go()

    def _greeting(self) -> bytes:
        # Something must be sent at once: proxies and browsers wait for the first octets.
        greeting = f"retry: {RECONNECT_MS}\nid: {self._stream.id_before(self.position)}\n\n"
        if self._gap:
            greeting += 'event: gap\ndata: {"detail": "events before the next one are no longer known"}\n\n'
        return greeting.encode()

# SPDX-License-Identifier: Apache-2.0
"""An ordered sequence of packets of one stream, with an index by digest and places that follow it while it changes.

A singly linked list: a packet that one path lost is put in where the other path had it, and what is old goes from the
front, both without moving anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from southbound.agent.packet_digest import packet_digest

TUNNEL: Final = 1
NATIVE: Final = 2
"""The two paths; also the marks 'this path has brought the packet' and the indexes of their places."""
DELIVERED: Final = 0
"""Index of the place up to which everything is delivered or dropped."""
LACKING: Final = 16
"""The mark 'dropped for want of room or for its age, not delivered': a copy of it is no copy too many."""
TWINS_INDEXED = 16
"""Equal packets beyond this number are not looked up: they identify nothing."""


def skipped(path: int) -> int:
    """The mark 'this path has gone past the packet without bringing it'."""
    return path << 2


_BROUGHT: Final = TUNNEL | NATIVE


def missing_path(marks: int) -> int:
    """The path that may still bring a packet with these marks; 0 when neither may."""
    passed = (marks | marks >> 2) & _BROUGHT
    return _BROUGHT - passed if passed in (TUNNEL, NATIVE) else 0


class Arrival:
    """One packet that has come in, shared by all MNs that want it."""

    __slots__ = ("at", "data", "digest", "holders", "number")

    def __init__(self, data: bytes, at: float, number: int) -> None:
        self.data = data
        self.at = at
        self.number = number
        self.holders = 0
        self.digest = b""

    def identify(self) -> bytes:
        """The digest, computed at most once."""
        if not self.digest:
            self.digest = packet_digest(self.data)
        return self.digest


class Holder(Protocol):
    """Where an entry's packet is held, and can be dropped."""

    def drop(self, entry: Entry, reason: str) -> None:
        """Discard the entry's packet under a named reason."""


class Entry:
    """One packet in a sequence. `arrival` is there as long as it is held, None once it is delivered or dropped."""

    __slots__ = ("arrival", "at", "digest", "holder", "marks", "next")

    def __init__(self, holder: Holder | None, digest: bytes, at: float, marks: int) -> None:
        self.holder = holder
        self.digest = digest
        self.at = at
        self.marks = marks
        self.arrival: Arrival | None = None
        self.next: Entry | None = None


class PacketSequence:
    """Entries in order; `places[path]` is the last entry that the path has passed."""

    __slots__ = ("_index", "count", "crowded", "head", "places", "tail")

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.head = Entry(None, b"", 0.0, 0)
        self.tail = self.head
        self.places = [self.head, self.head, self.head]
        self.count = 0
        self.crowded: set[bytes] = set()
        """The digests of which there have been more than are looked up: that one is found does not say that it is alone."""
        self._index: dict[bytes, list[Entry]] = {}
        for entry in entries:
            self.append(entry)

    def __iter__(self) -> Iterator[Entry]:
        entry = self.head.next
        while entry is not None:
            yield entry
            entry = entry.next

    def append(self, entry: Entry) -> None:
        """Put an entry at the end."""
        entry.next = None
        self.tail.next = entry
        self.tail = entry
        self._count_in(entry)

    def insert_after(self, before: Entry, entry: Entry) -> None:
        """Put an entry behind one that is in the sequence (or `head`)."""
        if before is self.tail:
            self.append(entry)
            return
        entry.next = before.next
        before.next = entry
        self._count_in(entry)

    def twins(self, digest: bytes, since: float) -> list[Entry]:
        """The entries with this digest that came at or after `since`."""
        found = self._index.get(digest)
        return [entry for entry in found if entry.at >= since] if found else []

    def trim(self, since: float, limit: int) -> None:
        """Forget what is no longer held from the front: what both paths brought, is older than `since` or too much."""
        entry = self.head.next
        while entry is not None and entry.arrival is None:
            if entry.at >= since and self.count <= limit and entry.marks & 3 != 3:
                break
            self.head.next = entry.next
            if entry.next is None:
                self.tail = self.head
            for index, place in enumerate(self.places):
                if place is entry:
                    self.places[index] = self.head
            self.count -= 1
            twins = self._index.get(entry.digest)
            if twins is not None and entry in twins:
                twins.remove(entry)
                if not twins:
                    del self._index[entry.digest]
            entry = self.head.next

    def _count_in(self, entry: Entry) -> None:
        self.count += 1
        twins = self._index.get(entry.digest)
        if twins is None:
            self._index[entry.digest] = [entry]
        elif len(twins) < TWINS_INDEXED:
            twins.append(entry)
        else:
            self.crowded.add(entry.digest)

# SPDX-License-Identifier: Apache-2.0
"""What the handover buffer holds, and the caps on it: per MN by packets and bytes, in total by bytes, all by age.

A packet that several MNs wait for is in memory once and counts once in the total. Whatever has to go is the oldest.
"""

from __future__ import annotations

from collections import Counter, deque
from math import inf

from southbound.agent.packet_sequence import LACKING, Entry
from topology.settings import Limits


class HeldLedger:
    """All packets held for any MN, in order of arrival."""

    def __init__(self, limits: Limits) -> None:
        self._bytes_limit = limits.buffer_bytes_total
        self._age_s = limits.buffer_age_ms / 1000
        self._order: deque[Entry] = deque()
        self.bytes = 0
        self.packets = 0

    def __len__(self) -> int:
        return len(self._order)

    def hold(self, entry: Entry) -> None:
        """One more MN holds the entry's packet."""
        arrival = entry.arrival
        if arrival is not None:
            if arrival.holders == 0:
                self.bytes += len(arrival.data)
                self.packets += 1
            arrival.holders += 1
            self._order.append(entry)

    def let_go(self, entry: Entry) -> None:
        """The entry's packet is delivered or dropped for its MN."""
        arrival = entry.arrival
        if arrival is not None:
            arrival.holders -= 1
            if arrival.holders == 0:
                self.bytes -= len(arrival.data)
                self.packets -= 1

    def oldest(self) -> Entry | None:
        """The entry held for longest."""
        return _first_held(self._order)

    def next_expiry(self) -> float:
        """When the oldest gets too old; inf when nothing is held."""
        oldest = self.oldest()
        return inf if oldest is None else oldest.at + self._age_s

    def expire(self, now: float) -> None:
        """Drop what is too old."""
        while (oldest := self.oldest()) is not None and oldest.at + self._age_s <= now:
            _lose(oldest, "expired_dropped")

    def forget_dropped(self) -> None:
        """Let nothing refer to what is held no longer; for the end of an MN's life."""
        self._order = deque(entry for entry in self._order if entry.arrival is not None)

    def enforce(self) -> None:
        """Drop the oldest until the total is within its limit."""
        while self.bytes > self._bytes_limit and (oldest := self.oldest()) is not None:
            _lose(oldest, "overflow_dropped")


class HeldAccount:
    """What is held for one MN, its counters, and when it next wants to be looked at."""

    def __init__(self, ledger: HeldLedger, limits: Limits) -> None:
        self.counters: Counter[str] = Counter()
        self.deadline = inf
        self.packets = 0
        self.bytes = 0
        self._ledger = ledger
        self._packets_limit = limits.buffer_packets_per_mobile_node
        self._bytes_limit = limits.buffer_bytes_per_mobile_node
        self._order: deque[Entry] = deque()

    def arm(self, deadline: float) -> None:
        """Look at this MN at `deadline`, or earlier."""
        if deadline < self.deadline:
            self.deadline = deadline

    def hold(self, entry: Entry) -> None:
        """Keep the entry's packet; the MN's oldest goes when there are too many."""
        self.keep(entry)
        if self.packets > self._packets_limit or self.bytes > self._bytes_limit:
            self.enforce()

    def keep(self, entry: Entry) -> None:
        """The same, when it may be delivered at once and nothing has to go for it; `enforce` is to follow."""
        arrival, order = entry.arrival, self._order
        if arrival is None:
            return
        self._ledger.hold(entry)
        self.packets += 1
        self.bytes += len(arrival.data)
        while order and order[0].arrival is None:
            order.popleft()
        order.append(entry)

    def enforce(self) -> None:
        """Drop the MN's oldest until there are no more than may be."""
        while self.packets > self._packets_limit or self.bytes > self._bytes_limit:
            oldest = _first_held(self._order)
            if oldest is None:
                break
            oldest.marks |= LACKING
            self.drop(oldest, "overflow_dropped")

    def has_room(self, octets: int) -> bool:
        """Whether a packet of so many octets can be held and nothing has to go for it."""
        return self.packets < self._packets_limit and self.bytes + octets <= self._bytes_limit

    def take(self, entry: Entry) -> bytes:
        """The entry's packet, to be delivered; it is held no longer."""
        arrival = entry.arrival
        if arrival is None:
            return b""
        self._ledger.let_go(entry)
        self.packets -= 1
        self.bytes -= len(arrival.data)
        entry.arrival = None
        return arrival.data

    def drop(self, entry: Entry, reason: str) -> None:
        """Discard the entry's packet under a named reason; nothing when it is not held."""
        if entry.arrival is not None:
            self.take(entry)
            self.counters[reason] += 1

    def drop_all(self, reason: str) -> None:
        """Discard everything that is held for this MN."""
        while (oldest := _first_held(self._order)) is not None:
            self.drop(oldest, reason)


def _first_held(order: deque[Entry]) -> Entry | None:
    while order and order[0].arrival is None:
        order.popleft()
    return order[0] if order else None


def _lose(entry: Entry, reason: str) -> None:
    if entry.holder is not None:
        entry.marks |= LACKING
        entry.holder.drop(entry, reason)

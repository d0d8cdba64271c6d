# SPDX-License-Identifier: Apache-2.0
"""One stream of one MN on its way from the tunnel to the native path: every packet once, in order.

Both paths carry the same sequence, each in order, each perhaps with losses, each with its own delay. At first they are
*apart*: nobody knows how far one is ahead. The tunnel is delivered, the native packets wait. The first packet found on
both puts them *in step* (merged_stream), once the stream has had two that differ. From there on delivery follows the
native path; what only the tunnel has brought waits until the native path is past it, and fills the gap if it was lost
there. At last the stream is *native only*: what comes by the tunnel is no longer looked at.

The paths' delays differ by at most `JoinLimits.hold_s`. Where content does not tell, packets are rather delivered than
dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from math import inf

from southbound.agent.delivery_cut import DeliveredWord
from southbound.agent.held_packets import HeldAccount
from southbound.agent.join_limits import JoinLimits
from southbound.agent.merged_stream import MergedStream
from southbound.agent.packet_sequence import (
    DELIVERED,
    LACKING,
    NATIVE,
    TUNNEL,
    Arrival,
    Entry,
    PacketSequence,
    skipped,
)
from southbound.agent.path_alignment import concatenated, joined_at, latest_alignment, placed


class StreamJoin:
    """See the module. Methods that can release packets append them to `out`, in order."""

    __slots__ = (
        "_alike", "_apart", "_both_since", "_last", "_limits", "_merged", "_owed", "_waiting", "_words", "account",
        "delivering", "native_only", "tunnel_open",
    )

    def __init__(
        self,
        account: HeldAccount,
        limits: JoinLimits,
        *,
        delivering: bool,
        tunnel_open: bool,
        native_only: bool = False,
    ) -> None:
        self.account = account
        self.delivering = delivering
        self.native_only = native_only
        self.tunnel_open = tunnel_open
        self._limits = limits
        self._apart = {TUNNEL: PacketSequence(), NATIVE: PacketSequence()}
        self._merged: MergedStream | None = None
        self._words: dict[int, DeliveredWord] = {}
        self._last = [-inf, -inf, -inf]
        self._both_since = -inf
        """When the tunnel brought its first packet, or, as long as it has brought none, when delivery began: where others
        at this MAG listen the native path is here long before there is a tunnel that could tell its place."""
        self._alike: bytes | None = b""
        """The digest of all packets so far, None once there have been two: its neighbours tell whose copy a packet is, and
        in a stream of equal packets the next looks like a copy of the last."""
        self._waiting = 0
        """How many native packets have come since delivery began, while apart."""
        self._owed: dict[bytes, float] = {}

    # --- what is asked of it ---------------------------------------------------------------------------------------

    @property
    def last_at(self) -> float:
        """When the last packet of either path came."""
        return max(self._last)

    @property
    def holds(self) -> bool:
        """Whether any packet is held."""
        return any(entry.arrival is not None for entry in self._entries())

    def joined(self, now: float) -> bool:
        """Whether the native path alone can go on from what has been delivered."""
        if self.native_only or self._merged is None or not self.delivering:
            return self.native_only
        return self._merged.native_suffices(now)

    @property
    def word_found(self) -> bool:
        """Whether a packet named by the p-MAG was found, or none was named."""
        return not self._words or any(word.matched for word in self._words.values())

    def awaits_named(self, now: float) -> bool:
        """Whether delivering now might repeat what the MN has had: a word has come, and none of its packets yet.

        None by the tunnel is enough where the paths are apart: the tunnel is what is delivered then, and it is long when
        the native path has had them already.
        """
        word = self._words.get(TUNNEL)
        if self._merged is None and word is not None and not word.matched and word.may_match(now):
            return any(entry.arrival is not None for entry in self._apart[TUNNEL])
        return not self.word_found and any(word.may_match(now) for word in self._words.values()) and self.holds

    def next_deadline(self) -> float:
        """When a packet will have waited for long enough for the other path; inf when none waits."""
        if not self.delivering:
            return inf
        if self._merged is not None:
            return self._merged.next_deadline()
        waiting = self._first_native()
        return inf if waiting is None else max(waiting.at, self._both_since) + self._limits.hold_s

    # --- what happens ----------------------------------------------------------------------------------------------

    def receive(self, path: int, arrival: Arrival, out: list[bytes]) -> None:
        """A packet of this stream has come by `path`."""
        if self.native_only:
            self._receive_joined(path, arrival, out)
            return
        now = arrival.at
        if path == TUNNEL and self._last[TUNNEL] == -inf:
            self._both_since = now
        self._last[path] = now
        if self._alike is not None:
            self._compare(arrival.identify(), now, out)
        if self._merged is None:
            self._receive_apart(path, arrival, out)
            return
        merged = self._merged
        entry = Entry(self.account, arrival.identify(), now, path)
        entry.arrival = arrival
        filled = merged.take_in(path, entry, now)
        if self.delivering:
            merged.drain(now, out)
        if filled:
            self.account.enforce()
        merged.trim(now)

    def cut(self, word: DeliveredWord) -> None:
        """The p-MAG has named the last packets of this stream that the MN has had."""
        if self._merged is not None:
            self._merged.cut(word)
            self._words = self._merged.words
            return
        self._words = {TUNNEL: word, NATIVE: word.fresh(later_s=self._limits.hold_s)}
        for path, sequence in self._apart.items():
            entries = list(sequence)
            position = self._words[path].last_had([entry.digest for entry in entries])
            if position is not None:
                self._drop_through(sequence, entries[position])

    def start(self, now: float) -> list[Arrival]:
        """The MN is to have its packets from now on; what can go at once, in order.

        Also what the native path has not confirmed: the tunnel's copies are here, so it need not wait.
        """
        self.delivering = True
        if self._last[TUNNEL] == -inf:
            self._both_since = now
        if self._merged is None:
            entries = list(self._apart[TUNNEL])
        else:
            self._merged.delivering = True
            entries = self._merged.certain(now)
        ready = [entry.arrival for entry in entries if entry.arrival is not None]
        for entry in entries:
            if entry.arrival is not None:
                self.account.take(entry)
            elif self._merged is not None:
                entry.marks &= ~LACKING
        return ready

    def close_tunnel(self, now: float, out: list[bytes]) -> None:
        """Nothing will come by the tunnel any more: wait for nothing."""
        self.tunnel_open = False
        if self.delivering and self._merged is None and self._first_native() is not None:
            self._give_up(now, out)

    def tick(self, now: float, out: list[bytes]) -> None:
        """End the waiting of what has waited for long enough."""
        if not self.delivering or self.next_deadline() > now:
            return
        self.account.counters["hold_timeout"] += 1
        if self._merged is None:
            self._give_up(now, out)
        else:
            self._merged.end_waiting(now)
            self._merged.drain(now, out, until=now - self._limits.hold_s)

    def finish(self, now: float, out: list[bytes]) -> None:
        """The native path alone from here on; the tunnel's copies that it has still to bring are remembered."""
        regular = self.joined(now)
        if not regular:
            if self._merged is None:
                self._give_up(now, out)
            if self._merged is not None:
                self._merged.end_all_waiting()
                self._merged.drain(now, out, until=inf, whole=True)
        for entry in self._entries():
            if entry.arrival is not None and entry.marks & (NATIVE | skipped(NATIVE)):
                # A lacking packet before it has kept it back, and does not come any more.
                out.append(self.account.take(entry))
            elif self._alike is not None:
                # Which of equal packets the native path has brought nobody knows: rather one too many than one too few.
                if entry.arrival is not None:
                    out.append(self.account.take(entry))
            elif entry.arrival is not None:
                self.account.drop(entry, "left_to_native")
            elif entry.marks & (NATIVE | skipped(NATIVE) | LACKING) == 0 and entry.at + self._limits.hold_s > now:
                self._owed[entry.digest] = entry.at
        # In step, what one path has brought of the word is in the sequence, and is owed from there if at all: were it
        # owed by its name alone, a stream that repeats itself would lose the next packets that are so named.
        words = sorted(self._words.values(), key=lambda word: len(word.outstanding))
        for word in words[:1] if regular else words:
            at = min(now, word.expires - self._limits.hold_s)
            self._owed.update((digest, at) for digest in word.outstanding)
        self.clear()
        self.native_only = True

    def drop_held(self, reason: str) -> None:
        """Discard what is held."""
        for entry in self._entries():
            self.account.drop(entry, reason)

    def clear(self) -> None:
        """Forget all packets; nothing may be held."""
        self._merged = None
        self._apart = {TUNNEL: PacketSequence(), NATIVE: PacketSequence()}
        self._words = {}

    # --- apart -----------------------------------------------------------------------------------------------------

    def _receive_apart(self, path: int, arrival: Arrival, out: list[bytes]) -> None:
        limits, now, digest = self._limits, arrival.at, arrival.identify()
        own, other = self._apart[path], self._apart[TUNNEL + NATIVE - path]
        since = now - limits.hold_s
        own.trim(since, limits.remembered_packets)
        other.trim(since, limits.remembered_packets)
        equal = own.twins(digest, since)
        twins = other.twins(digest, since) if other.count else []
        word = self._words.get(path)
        if self._alike is not None and path == NATIVE and word is not None and self._words[TUNNEL].matched:
            # Found already: which native packet is that one is told by the order, and not by the next that is equal.
            word = None
        named = word is not None and word.names(digest, unique=not own.twins(digest, -inf), now=now)
        entry = Entry(self.account, digest, now, path)
        own.append(entry)
        if named:
            self.account.counters["already_delivered"] += 1
            self._drop_through(own, entry)
        elif path == TUNNEL and self.delivering and not twins:
            out.append(arrival.data)
            return
        else:
            entry.arrival = arrival
            self.account.keep(entry)
        if self._alike is None and not equal and len(twins) == 1:
            self._put_in_step(path, twins[0], now, out)
        elif entry.arrival is None or not self.delivering:
            pass
        elif path == TUNNEL:
            out.append(self.account.take(entry))
        else:
            self._waiting += 1
            if not self.tunnel_open or self._waiting > limits.hold_packets:
                self._give_up(now, out)
            else:
                self.account.arm(self.next_deadline())
        self.account.enforce()

    def _compare(self, digest: bytes, now: float, out: list[bytes]) -> None:
        """A packet is about to come; with the first that is unlike those before it content begins to tell."""
        if self._alike == digest:
            return
        alike, self._alike = self._alike, None if self._alike else digest
        tunnel, native = self._apart[TUNNEL], self._apart[NATIVE]
        if alike and self._merged is None and tunnel.count == native.count == 1:
            first, second = next(iter(tunnel)), next(iter(native))
            if abs(second.at - first.at) <= self._limits.hold_s:
                path, twin = (NATIVE, first) if second.at >= first.at else (TUNNEL, second)
                self._put_in_step(path, twin, now, out)

    def _put_in_step(self, path: int, twin: Entry, now: float, out: list[bytes]) -> None:
        mine, theirs = list(self._apart[path]), list(self._apart[TUNNEL + NATIVE - path])
        lag_s = mine[-1].at - twin.at
        merged = self._merge(joined_at(path, mine, theirs, twin, self.account), now)
        merged.note_lag(path, lag_s)
        if self.delivering:
            merged.drain(now, out, until=inf)

    def _give_up(self, now: float, out: list[bytes]) -> None:
        """No packet common to both paths for too long: align as equal packets allow, else put native after tunnel."""
        tunnel, native = list(self._apart[TUNNEL]), list(self._apart[NATIVE])
        offset = latest_alignment(tunnel, native, self._limits.hold_s)
        if offset is None:
            merged = self._merge(concatenated(tunnel, native), now)
            if native:
                self.account.counters["join_without_common"] += 1
        else:
            path = NATIVE if offset >= 0 else TUNNEL
            base, following = (tunnel, native) if offset >= 0 else (native, tunnel)
            merged = self._merge(placed(path, base, abs(offset)), now)
            for entry in following:
                arrival = entry.arrival
                self.account.take(entry)
                entry.arrival = arrival
                merged.take_in(path, entry, entry.at)
            merged.drop_overtaken()
        merged.drain(now, out, until=inf, whole=True)

    def _merge(self, sequence: PacketSequence, now: float) -> MergedStream:
        self._apart = {TUNNEL: PacketSequence(), NATIVE: PacketSequence()}
        self._merged = MergedStream(
            sequence, self.account, self._limits, last=self._last, words=self._words, delivering=self.delivering, now=now
        )
        return self._merged

    # --- native only -----------------------------------------------------------------------------------------------

    def _receive_joined(self, path: int, arrival: Arrival, out: list[bytes]) -> None:
        if path == TUNNEL:
            self.account.counters["tunnel_after_join"] += 1
            return
        if self._owed:
            delivered_at = self._owed.pop(arrival.identify(), -inf)
            if arrival.at - delivered_at <= self._limits.hold_s:
                self.account.counters["duplicates_dropped"] += 1
                return
        out.append(arrival.data)

    # --- all -------------------------------------------------------------------------------------------------------

    def _entries(self) -> Iterator[Entry]:
        if self._merged is not None:
            return self._merged.entries()
        return chain(self._apart[TUNNEL], self._apart[NATIVE])

    def _first_native(self) -> Entry | None:
        """While apart: the first native packet that waits."""
        sequence = self._apart[NATIVE]
        place = sequence.places[DELIVERED]
        entry = place.next
        while entry is not None and entry.arrival is None:
            place, entry = entry, entry.next
        sequence.places[DELIVERED] = place
        return entry

    def _drop_through(self, sequence: PacketSequence, last: Entry) -> None:
        for entry in sequence:
            self.account.drop(entry, "already_delivered")
            entry.marks &= ~LACKING
            if entry is last:
                return

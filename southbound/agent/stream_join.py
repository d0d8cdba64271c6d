# SPDX-License-Identifier: Apache-2.0
"""One stream of one MN on its way from the tunnel to the native path: every packet once, in order.

Both paths carry the same sequence, each in order, each perhaps with losses, each with its own delay. At first they are
*apart*: nobody knows how far one is ahead. The tunnel is delivered, the native packets wait. The first packet found on
both puts them *in step*: one merged sequence in which each path has a place. From there on the path that is ahead
appends, the other finds its packets there already; what one of them lost the other puts in, as long as the order can
still be kept. Once in step, delivery follows the native path; what only the tunnel has brought waits until the native
path is past it, and fills the gap if it was lost there.

The paths' delays differ by at most `hold_s`. Where content does not tell, packets are rather delivered than dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from southbound.agent.delivery_cut import DeliveredWord
from southbound.agent.held_packets import HeldAccount
from southbound.agent.packet_sequence import (
    DELIVERED,
    NATIVE,
    TUNNEL,
    Arrival,
    Entry,
    PacketSequence,
    skipped,
)
from southbound.agent.path_alignment import concatenated, joined_at, latest_alignment


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinLimits:
    """How long and how much the join of the two paths may take."""

    hold_s: float = 0.5
    """The most that the delays of the two paths differ: how long packets wait for the other path."""
    hold_packets: int = 4_096
    """How many native packets of a stream wait at most while the tunnel delivers."""
    idle_s: float = 0.5
    """A stream on which nothing has come for so long counts as joined."""
    total_s: float = 3.0
    """So long after the native path was confirmed every stream counts as joined."""
    word_age_s: float = 1.0
    word_packets: int = 8_192
    """For how long, and how many arrivals, the packets named by the p-MAG are looked for."""
    remembered_packets: int = 16_384
    """How many packets of a stream are remembered to be recognised on the other path."""
    streams_per_mobile_node: int = 256


class StreamJoin:
    """See the module. Methods that can release packets append them to `out`, in order."""

    __slots__ = (
        "_apart", "_jumped", "_last", "_limits", "_merged", "_owed", "_words", "account", "delivering", "native_only",
        "tunnel_open",
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
        self._merged: PacketSequence | None = None
        self._words: dict[int, DeliveredWord] = {}
        self._last = [-inf, -inf, -inf]
        self._jumped = [-inf, -inf, -inf]
        self._owed: dict[bytes, float] = {}

    # --- what is asked of it ---------------------------------------------------------------------------------------

    @property
    def last_at(self) -> float:
        """When the last packet of either path came."""
        return max(self._last)

    @property
    def holds(self) -> bool:
        """Whether any packet is held."""
        return any(entry.arrival is not None for sequence in self._sequences() for entry in sequence)

    @property
    def joined(self) -> bool:
        """Whether the native path alone can go on from what has been delivered."""
        if self.native_only:
            return True
        if self._merged is None or not self.delivering:
            return False
        following = self._merged.places[NATIVE].next
        return following is None or following.arrival is not None

    @property
    def word_found(self) -> bool:
        """Whether a packet named by the p-MAG was found, or none was named."""
        return not self._words or any(word.matched for word in self._words.values())

    def awaits_named(self, now: float) -> bool:
        """Whether delivering now might repeat what the MN has had: a word has come, none of its packets yet."""
        return not self.word_found and any(word.may_match(now) for word in self._words.values()) and self.holds

    def next_deadline(self) -> float:
        """When a packet will have waited for long enough for the other path; inf when none waits."""
        if not self.delivering:
            return inf
        held = self._first_waiting()
        return inf if held is None else held.at + self._limits.hold_s

    # --- what happens ----------------------------------------------------------------------------------------------

    def receive(self, path: int, arrival: Arrival, out: list[bytes]) -> None:
        """A packet of this stream has come by `path`."""
        if self.native_only:
            self._receive_joined(path, arrival, out)
            return
        self._last[path] = arrival.at
        if self._merged is not None:
            self._receive_in_step(self._merged, path, arrival, out)
        else:
            self._receive_apart(path, arrival, out)

    def cut(self, word: DeliveredWord) -> None:
        """The p-MAG has named the last packets of this stream that the MN has had."""
        if self._merged is not None:
            self._words = {TUNNEL: word}
            self._apply(word, self._merged)
            return
        self._words = {TUNNEL: word, NATIVE: word.fresh()}
        for path, sequence in self._apart.items():
            self._apply(self._words[path], sequence)

    def start(self) -> list[Arrival]:
        """The MN is to have its packets from now on; what can go at once, in order."""
        self.delivering = True
        if self._merged is None:
            self._arm_native()
            return self._release(self._apart[TUNNEL])
        # All of it, also what the native path has not confirmed: the tunnel's copies are here, why wait?
        return self._release(self._merged)

    def close_tunnel(self, now: float, out: list[bytes]) -> None:
        """Nothing will come by the tunnel any more: wait for nothing."""
        self.tunnel_open = False
        if self.delivering and self._merged is None and self._first_waiting() is not None:
            self._give_up(now, out)

    def tick(self, now: float, out: list[bytes]) -> None:
        """End the waiting of what has waited for long enough."""
        if not self.delivering:
            return
        held = self._first_waiting()
        if held is None or held.at + self._limits.hold_s > now:
            return
        self.account.counters["hold_timeout"] += 1
        if self._merged is None:
            self._give_up(now, out)
        else:
            self._drain(self._merged, now, out, until=now - self._limits.hold_s)

    def finish(self, now: float, out: list[bytes]) -> None:
        """The native path alone from here on; the tunnel's copies that it has still to bring are remembered."""
        regular = self.joined
        if self._merged is None:
            self._give_up(now, out)
        merged = self._merged
        if merged is not None:
            if not regular:
                self._drain(merged, now, out, until=inf)
            for entry in merged:
                if entry.arrival is not None:
                    self.account.drop(entry, "left_to_native")
                elif entry.marks & (NATIVE | skipped(NATIVE)) == 0 and entry.at + self._limits.hold_s > now:
                    self._owed[entry.digest] = entry.at
        if regular:
            self._owed.clear()
        self.clear()
        self.native_only = True

    def drop_held(self, reason: str) -> None:
        """Discard what is held."""
        for sequence in self._sequences():
            for entry in sequence:
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
        alone = not own.twins(digest, since)
        entry = Entry(self, digest, now, path)
        twins = other.twins(digest, since) if other.count else []
        named = self._named(path, own, entry)
        own.append(entry)
        if named:
            self._drop_through(own, entry)
            self.account.counters["already_delivered"] += 1
        elif path == TUNNEL and self.delivering and not twins:
            out.append(arrival.data)
            return
        else:
            entry.arrival = arrival
            self.account.hold(entry)
        if alone and len(twins) == 1:
            self._put_in_step(path, twins[0], now, out)
        elif path == TUNNEL and self.delivering:
            out.append(self.account.take(entry))
        elif self.delivering:
            self._arm_native()
            if not self.tunnel_open or own.count > limits.hold_packets:
                self._give_up(now, out)

    def _put_in_step(self, path: int, twin: Entry, now: float, out: list[bytes]) -> None:
        mine, theirs = list(self._apart[path]), list(self._apart[TUNNEL + NATIVE - path])
        merged = joined_at(path, mine, theirs, twin, self._same)
        self._words = {TUNNEL: word} if (word := self._more_certain_word()) else {}
        self._take_over(merged, now, out)

    def _give_up(self, now: float, out: list[bytes]) -> None:
        """No packet common to both paths for too long: align as equal packets allow, else put native after tunnel."""
        tunnel, native = list(self._apart[TUNNEL]), list(self._apart[NATIVE])
        start = latest_alignment(tunnel, native, self._limits.hold_s)
        merged = concatenated(tunnel, [] if start is not None else native)
        self._words = {TUNNEL: word} if (word := self._more_certain_word()) else {}
        if start is None:
            if native:
                self.account.counters["join_without_common"] += 1
            self._take_over(merged, now, out)
            return
        merged.places[NATIVE] = tunnel[start - 1] if start else merged.head
        for entry in tunnel[:start]:
            entry.marks |= skipped(NATIVE)
        self._merged = merged
        for entry in native:
            entry.next = None
            matched = self._advance(merged, NATIVE, entry.digest, entry.at)
            if matched is not None:
                self._same(matched, entry, NATIVE)
            else:
                self._place(merged, NATIVE, entry, entry.at)
        self._take_over(merged, now, out)

    def _take_over(self, merged: PacketSequence, now: float, out: list[bytes]) -> None:
        self._merged = merged
        self._apart = {TUNNEL: PacketSequence(), NATIVE: PacketSequence()}
        self._jumped = [now, now, now]
        last_done: Entry | None = None
        for entry in merged:
            if entry.arrival is None:
                last_done = entry
        if last_done is not None:
            self._drop_through(merged, last_done, "late_dropped" if self.delivering else "already_delivered")
            merged.places[DELIVERED] = last_done
        if self.delivering:
            self._drain(merged, now, out, until=inf)

    def _same(self, kept: Entry, copy: Entry, path: int) -> None:
        """Two entries are one packet: `kept` stays, and is done if either was."""
        kept.marks |= path
        if copy.arrival is not None:
            self.account.drop(copy, "duplicates_dropped")
        elif kept.arrival is not None:
            self.account.drop(kept, "duplicates_dropped")

    # --- in step ---------------------------------------------------------------------------------------------------

    def _receive_in_step(self, merged: PacketSequence, path: int, arrival: Arrival, out: list[bytes]) -> None:
        now, digest = arrival.at, arrival.identify()
        if self._advance(merged, path, digest, now) is not None:
            self.account.counters["duplicates_dropped"] += 1
        else:
            entry = Entry(self, digest, now, path)
            entry.arrival = arrival
            self.account.hold(entry)
            self._place(merged, path, entry, now)
        if self.delivering:
            self._drain(merged, now, out)
        merged.trim(now - self._limits.hold_s, self._limits.remembered_packets)

    def _advance(self, merged: PacketSequence, path: int, digest: bytes, now: float) -> Entry | None:
        """The entry that this path has now brought too, with its place moved there; None when there is none."""
        since, skip = now - self._limits.hold_s, skipped(path)
        following = merged.places[path].next
        while following is not None and following.at < since:
            # The other path had it too long ago for this one still to bring it.
            following.marks |= skip
            merged.places[path] = following
            following = following.next
        if following is not None and following.digest == digest:
            following.marks |= path
            merged.places[path] = following
            return following
        jumped = self._jumped[path] >= since
        if following is None and not jumped:
            return None
        twins = merged.twins(digest, since)
        for twin in twins:
            if twin.marks & (path | skip) == 0:
                return self._jump(merged, path, twin, now)
        if jumped and len(twins) == 1 and twins[0].marks & skip and twins[0].marks & path == 0:
            return self._go_back(merged, path, twins[0])
        return None

    def _jump(self, merged: PacketSequence, path: int, to: Entry, now: float) -> Entry:
        """The path has lost what lies between."""
        entry = merged.places[path].next
        while entry is not None and entry is not to:
            entry.marks |= skipped(path)
            entry = entry.next
        to.marks |= path
        merged.places[path] = to
        self._jumped[path] = now
        return to

    def _go_back(self, merged: PacketSequence, path: int, to: Entry) -> Entry:
        """The path brings what it had been thought to have lost: equal packets had been taken for each other."""
        place, entry = merged.places[path], to.next
        while entry is not None:
            entry.marks &= ~(path | skipped(path))
            if entry is place:
                break
            entry = entry.next
        to.marks = (to.marks | path) & ~skipped(path)
        merged.places[path] = to
        return to

    def _place(self, merged: PacketSequence, path: int, entry: Entry, now: float) -> None:
        """A packet that only this path has brought goes in at the path's place, if what follows is still here."""
        other = TUNNEL + NATIVE - path
        place = merged.places[path]
        following = place.next
        if following is not None and following.arrival is None:
            if now - self._last[other] <= self._limits.hold_s:
                self.account.drop(entry, "late_dropped" if self.delivering else "already_delivered")
                return
            # The other path has fallen silent: it cannot be the one to go by any more.
            place, following = merged.tail, None
        named = following is None and self._named(TUNNEL, merged, entry)
        if following is not None and following.marks & (other | skipped(other)):
            entry.marks |= skipped(other)
        merged.insert_after(place, entry)
        merged.places[path] = entry
        if named:
            self._drop_through(merged, entry)

    def _drain(self, merged: PacketSequence, now: float, out: list[bytes], *, until: float = -inf) -> None:
        """Deliver as far as the native path has come; all of it when that is silent, else what came `until` then."""
        silent = now - self._last[NATIVE] > self._limits.hold_s
        passed = NATIVE | skipped(NATIVE)
        place = merged.places[DELIVERED]
        entry = place.next
        while entry is not None:
            if entry.arrival is not None:
                if not (silent or entry.marks & passed or entry.at <= until):
                    self.account.arm(entry.at + self._limits.hold_s)
                    break
                out.append(self.account.take(entry))
            place, entry = entry, entry.next
        merged.places[DELIVERED] = place

    # --- joined ----------------------------------------------------------------------------------------------------

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

    # --- both ------------------------------------------------------------------------------------------------------

    def _sequences(self) -> tuple[PacketSequence, ...]:
        return tuple(self._apart.values()) if self._merged is None else (self._merged,)

    def _first_waiting(self) -> Entry | None:
        """The first packet that waits for the other path."""
        sequence = self._apart[NATIVE] if self._merged is None else self._merged
        place = sequence.places[DELIVERED]
        entry = place.next
        while entry is not None and entry.arrival is None:
            place, entry = entry, entry.next
        sequence.places[DELIVERED] = place
        return entry

    def _arm_native(self) -> None:
        if (held := self._first_waiting()) is not None:
            self.account.arm(held.at + self._limits.hold_s)

    def _release(self, sequence: PacketSequence) -> list[Arrival]:
        ready: list[Arrival] = []
        for entry in sequence:
            if entry.arrival is not None:
                ready.append(entry.arrival)
                self.account.take(entry)
        return ready

    def _named(self, path: int, sequence: PacketSequence, entry: Entry) -> bool:
        """Whether this newest packet of the sequence is one that the p-MAG has named."""
        word = self._words.get(path)
        if word is None:
            return False
        return word.names(entry.digest, unique=not sequence.twins(entry.digest, -inf), now=entry.at)

    def _apply(self, word: DeliveredWord, sequence: PacketSequence) -> None:
        entries = list(sequence)
        position = word.last_had([entry.digest for entry in entries])
        if position is not None:
            self._drop_through(sequence, entries[position])

    def _drop_through(self, sequence: PacketSequence, last: Entry, reason: str = "already_delivered") -> None:
        for entry in sequence:
            self.account.drop(entry, reason)
            if entry is last:
                return

    def _more_certain_word(self) -> DeliveredWord | None:
        words = sorted(self._words.values(), key=lambda word: word.matched)
        return words[-1] if words else None

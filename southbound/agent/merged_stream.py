# SPDX-License-Identifier: Apache-2.0
"""Two paths in step: one sequence in which each path has a place, and the order in which it is delivered.

The path that is ahead appends; the other finds its packets there. A packet that the path behind brings and that is not
there was lost on the path ahead, or it is newer than everything here because the path behind has lost the rest. The
next packet common to both tells which; until then it is kept aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from math import inf

from southbound.agent.delivery_cut import DeliveredWord
from southbound.agent.held_packets import HeldAccount
from southbound.agent.join_limits import JoinLimits
from southbound.agent.packet_sequence import (
    DELIVERED,
    LACKING,
    NATIVE,
    TUNNEL,
    Entry,
    PacketSequence,
    missing_path,
    skipped,
)
from southbound.agent.path_alignment import fill

LATE_PART = 0.1
"""A packet later than usual by this part of `hold_s` counts as overdue."""


class MergedStream:
    """See the module. Entries without a packet are done (delivered, or had at the p-MAG), or LACKING."""

    __slots__ = (
        "_account", "_aside", "_aside_path", "_equal_packets", "_jumped", "_lag", "_last", "_limits", "delivering",
        "sequence", "words",
    )

    def __init__(
        self,
        sequence: PacketSequence,
        account: HeldAccount,
        limits: JoinLimits,
        *,
        last: list[float],
        words: dict[int, DeliveredWord],
        delivering: bool,
        now: float,
    ) -> None:
        self.sequence = sequence
        self.words = words
        self.delivering = delivering
        self._account = account
        self._limits = limits
        self._last = last
        """When each path last brought anything; kept by the owner."""
        self._aside: list[Entry] = []
        self._aside_path = NATIVE
        self._jumped = [now, now, now]
        """When each path last went past packets of the other."""
        self._lag = [0.0, 0.0, 0.0]
        """How long after the other each path brought the last packet common to both."""
        self._equal_packets = False
        self.drop_overtaken()

    # --- what is asked of it ---------------------------------------------------------------------------------------

    def native_suffices(self, now: float) -> bool:
        """Whether the native path has brought all that was delivered, and is not overdue with what waits."""
        sequence = self.sequence
        if self._aside:
            # Of the tunnel, and what it would have to go before is out already: of no use to anybody.
            following = sequence.places[TUNNEL].next
            useless = self._aside_path == TUNNEL and following is not None and _is_done(following)
            if not useless or self._last[NATIVE] <= self._aside[0].at:
                return False
        waits = sequence.places[NATIVE].next
        if waits is None:
            return True
        overdue = waits.at + self._lag[NATIVE] + self._limits.hold_s * LATE_PART < now
        return not overdue and not _is_done(waits)

    def entries(self) -> Iterator[Entry]:
        """All entries, those kept aside last."""
        return chain(self.sequence, self._aside)

    def certain(self, now: float) -> list[Entry]:
        """The entries that nothing may come before: up to where something belongs that is kept aside, or lacking."""
        place = self.sequence.places[self._aside_path] if self._aside else None
        certain: list[Entry] = []
        if place is not self.sequence.head:
            for entry in self.sequence:
                if self._may_come_again(entry, now):
                    break
                certain.append(entry)
                if entry is place:
                    break
        return certain

    def next_deadline(self) -> float:
        """When something will have waited for long enough; inf when nothing waits."""
        waits = self._aside[0] if self._aside else self._first_waiting()
        return inf if waits is None else waits.at + self._limits.hold_s

    # --- what happens ----------------------------------------------------------------------------------------------

    def take_in(self, path: int, entry: Entry, now: float) -> bool:
        """`path` brings this packet, which is not held yet. Whether it fills the place of one that had to be dropped: then
        `drain` and the account's `enforce` are to follow."""
        sequence, other = self.sequence, TUNNEL + NATIVE - path
        place = sequence.places[path]
        matched = self._advance(path, entry.digest, now)
        if matched is not None:
            self.note_lag(path, now - matched.at)
            if self._aside and self._aside_path == path:
                self._settle_behind(place)
            return self._again(matched, entry)
        equal = bool(sequence.twins(entry.digest, -inf))
        self._equal_packets = self._equal_packets or equal
        word = self.words.get(path)
        named = word is not None and word.names(entry.digest, unique=not equal, now=now)
        if named and entry.arrival is not None:
            entry.arrival = None
            self._account.counters["already_delivered"] += 1
        if sequence.places[path].next is None:
            for index, kept in enumerate(self._aside):
                if kept.digest == entry.digest:
                    self._settle_at_end(common=index)
                    kept.marks |= path
                    sequence.places[path] = kept
                    return self._again(kept, entry)
            self._account.hold(entry)
            self._append(path, entry)
        else:
            self._account.hold(entry)
            self._aside.append(entry)
            self._aside_path = path
            if now - self._last[other] > self._limits.hold_s:
                # The other path has fallen silent: it is not the one to go by any more.
                self._settle_at_end()
            elif len(self._aside) > self._limits.hold_packets:
                self._settle_behind(sequence.places[path])
        if named:
            self.drop_through(entry, "already_delivered")
        return False

    def note_lag(self, path: int, seconds: float) -> None:
        """So long after the other has `path` brought the last packet common to both."""
        self._lag[path] = seconds
        self._lag[TUNNEL + NATIVE - path] = -seconds

    def cut(self, word: DeliveredWord) -> None:
        """Drop what the MN has had; what is named and not here yet is dropped when it comes."""
        entries = list(self.sequence)
        position = word.last_had([entry.digest for entry in entries])
        if position is not None:
            self.drop_through(entries[position], "already_delivered")
        outstanding = word.outstanding
        for entry in self._aside:
            if word.matched and entry.digest in outstanding:
                self._account.drop(entry, "already_delivered")
        self.words = {TUNNEL: word, NATIVE: word.copy(later_s=self._limits.hold_s)}

    def drain(self, now: float, out: list[bytes], *, until: float = -inf, whole: bool = False) -> None:
        """Deliver as far as the native path has come; all of it when that is silent, else what came `until` then.

        Up to what is lacking and may come again, unless it is to be the `whole`.
        """
        sequence = self.sequence
        silent = now - self._last[NATIVE] > self._limits.hold_s
        passed = NATIVE | skipped(NATIVE)
        place = sequence.places[DELIVERED]
        entry = place.next
        while entry is not None:
            if entry.arrival is not None:
                if self._aside and place is sequence.places[self._aside_path]:
                    break
                if not (silent or entry.marks & passed or entry.at <= until):
                    break
                out.append(self._account.take(entry))
            elif entry.marks & LACKING:
                if not whole and self._may_come_again(entry, now):
                    break
                entry.marks &= ~LACKING
            place, entry = entry, entry.next
        sequence.places[DELIVERED] = place
        self._account.arm(self.next_deadline())

    def end_waiting(self, now: float) -> None:
        """Find a place for what was kept aside for too long."""
        if self._aside and self.next_deadline() <= now:
            path = self._aside_path
            # No packet has told. If the lag of this path is what it was, is it newer than the other's last? Where equal
            # packets may have deceived, it shall not be lost for that.
            last_other = self._last[TUNNEL + NATIVE - path]
            if self._equal_packets or self._aside[0].at - self._lag[path] > last_other:
                self._settle_at_end()
            else:
                self._settle_behind(self.sequence.places[self._aside_path])

    def end_all_waiting(self) -> None:
        """The same for everything, whatever its age."""
        if self._aside:
            self._settle_at_end()

    def trim(self, now: float) -> None:
        """Forget what cannot be met again."""
        self.sequence.trim(now - self._limits.hold_s, self._limits.remembered_packets)

    def drop_overtaken(self) -> None:
        """Drop what order puts before a packet that is delivered: it cannot be any more."""
        last_done = None
        for entry in self.sequence:
            if _is_done(entry):
                last_done = entry
        if last_done is not None:
            self.drop_through(last_done, self._too_late)
            self.sequence.places[DELIVERED] = last_done

    def drop_through(self, last: Entry, reason: str) -> None:
        """Drop everything up to and including this entry, if it is in the sequence."""
        entries = list(self.sequence)
        if last in entries:
            for entry in entries[: entries.index(last) + 1]:
                self._account.drop(entry, reason)
                entry.marks &= ~LACKING

    # --- places ----------------------------------------------------------------------------------------------------

    @property
    def _too_late(self) -> str:
        # Before delivery begins only what the MN has had is done.
        return "late_dropped" if self.delivering else "already_delivered"

    def _again(self, kept: Entry, copy: Entry) -> bool:
        """A copy of `kept`, not held, has come: it is one too many, or fills the place."""
        account, arrival = self._account, copy.arrival
        copy.arrival = None
        if arrival is None:
            if copy.marks & LACKING == 0:
                account.drop(kept, "duplicates_dropped")
                kept.marks &= ~LACKING
        elif kept.marks & LACKING == 0:
            account.counters["duplicates_dropped"] += 1
        elif not (self.delivering or account.has_room(len(arrival.data))):
            # It would be the oldest, and the first to go.
            account.counters["overflow_dropped"] += 1
        else:
            fill(kept, arrival, account)
            return True
        return False

    def _may_come_again(self, entry: Entry, now: float) -> bool:
        """Whether it had to be dropped, and the other path may still bring it."""
        if entry.marks & LACKING == 0:
            return False
        path = missing_path(entry.marks)
        since = now - self._limits.hold_s
        return path != 0 and entry.at > since and self._last[path] >= since

    def _append(self, path: int, entry: Entry) -> None:
        self.sequence.append(entry)
        self.sequence.places[path] = entry

    def _settle_behind(self, place: Entry) -> None:
        """What is aside was lost on the other path: it goes behind `place`, if what follows has not gone yet."""
        aside, path = self._aside, self._aside_path
        self._aside = []
        following = place.next
        for entry in aside:
            if following is not None:
                entry.marks |= skipped(TUNNEL + NATIVE - path)
                if _is_done(following):
                    self._account.drop(entry, self._too_late)
                    continue
            behind = self.sequence.places[path] is place
            self.sequence.insert_after(place, entry)
            if behind:
                self.sequence.places[path] = entry
            place = entry

    def _settle_at_end(self, common: int | None = None) -> None:
        """What is aside is newer than all that is here. `common`: the first of it that the other path has brought."""
        aside, path, sequence = self._aside, self._aside_path, self.sequence
        self._aside = []
        passed_by = sequence.places[path].next
        while passed_by is not None:
            passed_by.marks |= skipped(path)
            passed_by = passed_by.next
        for index, entry in enumerate(aside):
            if common is not None and index < common:
                entry.marks |= skipped(TUNNEL + NATIVE - path)
            self._append(path, entry)

    def _advance(self, path: int, digest: bytes, now: float) -> Entry | None:
        """The entry that this path has now brought too, with its place moved there; None when there is none."""
        sequence, since, skip = self.sequence, now - self._limits.hold_s, skipped(path)
        following = sequence.places[path].next
        while following is not None and following.at < since:
            # The other path had it too long ago for this one still to bring it.
            following.marks |= skip
            sequence.places[path] = following
            following = following.next
        if following is not None and following.digest == digest:
            following.marks |= path
            sequence.places[path] = following
            return following
        jumped = self._jumped[path] >= since
        if following is None and not jumped:
            return None
        twins = sequence.twins(digest, since)
        for twin in twins:
            if twin.marks & (path | skip) == 0:
                return self._jump(path, twin, now)
        alone = len(twins) == 1 and digest not in sequence.crowded
        if jumped and alone and twins[0].marks & skip and twins[0].marks & path == 0:
            return self._go_back(path, twins[0])
        return None

    def _jump(self, path: int, to: Entry, now: float) -> Entry:
        """The path has lost what lies between."""
        entry = self.sequence.places[path].next
        while entry is not None and entry is not to:
            entry.marks |= skipped(path)
            entry = entry.next
        to.marks |= path
        self.sequence.places[path] = to
        self._jumped[path] = now
        return to

    def _go_back(self, path: int, to: Entry) -> Entry:
        """The path brings what it had been thought to have lost: equal packets had been taken for each other."""
        place, entry = self.sequence.places[path], to.next
        while entry is not None:
            entry.marks &= ~(path | skipped(path))
            if entry is place:
                break
            entry = entry.next
        to.marks = (to.marks | path) & ~skipped(path)
        self.sequence.places[path] = to
        return to

    def _first_waiting(self) -> Entry | None:
        place = self.sequence.places[DELIVERED]
        entry = place.next
        while entry is not None and entry.arrival is None and entry.marks & LACKING == 0:
            place, entry = entry, entry.next
        self.sequence.places[DELIVERED] = place
        return entry


def _is_done(entry: Entry) -> bool:
    return entry.arrival is None and entry.marks & LACKING == 0

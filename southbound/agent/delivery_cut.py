# SPDX-License-Identifier: Apache-2.0
"""Where the MN stopped hearing the p-MAG: the p-MAG's word on the last packets of a stream, laid on what is here.

The digests named are of consecutive packets, oldest first. Equal packets make a match doubtful, and a wrong match loses
packets, so only a digest that is unique both in the word and in the sequence fixes the place, or else all that
overlaps; equal packets next to it then follow from the order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

DIGESTS_HEARD = 16
"""What a peer names beyond this is not looked at: only the newest count."""

STRANGERS = 64
"""So many packets that are not named may come before the rest of the word is given up."""


class DeliveredWord:
    """The word on one stream as one sequence sees it.

    It serves until `expires` and for `packets` arrivals at most, so that a wrong one cannot silence a stream.
    """

    __slots__ = ("_expires", "_next", "_packets", "_place", "_strangers", "named")

    def __init__(self, named: Sequence[bytes], *, expires: float, packets: int) -> None:
        self.named = tuple(named[-DIGESTS_HEARD:])
        occurrences = Counter(self.named)
        self._place = {digest: place for place, digest in enumerate(self.named) if occurrences[digest] == 1}
        self._expires = expires
        self._packets = packets
        self._next: int | None = None
        self._strangers = 0

    @property
    def matched(self) -> bool:
        """Whether any packet named was found."""
        return self._next is not None

    def may_match(self, now: float) -> bool:
        """Whether a packet that is yet to come can still fix the place."""
        return self._next is None and bool(self._place) and now < self._expires and self._packets > 0

    @property
    def outstanding(self) -> tuple[bytes, ...]:
        """The packets named that have not come."""
        return self.named[self._next or 0 :]

    @property
    def expires(self) -> float:
        """Nothing that comes after that is named."""
        return self._expires

    @property
    def is_lone(self) -> bool:
        """Whether it names one packet only."""
        return len(self.named) == 1

    def fresh(self, *, later_s: float = 0.0) -> DeliveredWord:
        """The same word for another sequence, which may be so much later: nothing found yet."""
        return DeliveredWord(
            self.named, expires=self._expires + (later_s if self.is_lone else 0.0), packets=self._packets
        )

    def copy(self, *, later_s: float = 0.0) -> DeliveredWord:
        """The same word for another path of the same sequence: as far as it has been found."""
        word = self.fresh(later_s=later_s)
        word._next = self._next
        return word

    def last_had(self, digests: Sequence[bytes]) -> int | None:
        """Position in `digests` of the last packet that the MN has had; None when nothing is sure.

        What is named and missing at the end is expected to come next (see `names`).
        """
        if set(self.named).isdisjoint(digests):
            return None
        occurrences = Counter(digests)
        best: tuple[int, int] | None = None
        for position, digest in enumerate(digests):
            place = self._place.get(digest)
            if place is not None and occurrences[digest] == 1 and (best is None or place > best[0]):
                best = place, position
        if best is None:
            return self._overlap(digests)
        place, position = best
        while place + 1 < len(self.named) and position + 1 < len(digests) and (
            self.named[place + 1] == digests[position + 1]
        ):
            place, position = place + 1, position + 1
        self._next = place + 1
        return position

    def _overlap(self, digests: Sequence[bytes]) -> int | None:
        """Where word and sequence are equal as far as both reach: of several places the one that drops least.

        What repeats one digest says nothing: a stream of equal packets looks the same everywhere.
        """
        named = len(self.named)
        for offset in range(1 - named, len(digests)):
            start, end = max(offset, 0), min(offset + named, len(digests))
            common = tuple(digests[start:end])
            if common == self.named[start - offset : end - offset] and len(set(common)) > 1:
                self._next = end - offset
                return end - 1
        return None

    def names(self, digest: bytes, *, unique: bool, now: float) -> bool:
        """Whether a packet that has just come at the end of the sequence is one that the MN has had.

        `unique`: no other packet in the sequence is equal.
        """
        if self._next is not None:
            remaining = self.named[self._next :]
            if not remaining:
                return False
            if digest in remaining and now < self._expires:
                self._next += remaining.index(digest) + 1
                return True
            # Either what else is named got lost on the way here, or equal packets had deceived.
            self._strangers += 1
            if self._strangers > STRANGERS or now >= self._expires:
                self._next = len(self.named)
            return False
        if not self.may_match(now):
            return False
        self._packets -= 1
        place = self._place.get(digest)
        if place is None or not unique:
            return False
        self._next = place + 1
        return True

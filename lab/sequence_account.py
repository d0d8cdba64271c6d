# SPDX-License-Identifier: Apache-2.0
"""Counts a stream of numbered packets while it comes: what is missing so far, what came twice or late. Pure.

For looking on: `lab.accounting` counts from records, and attributes to handovers.
"""

from __future__ import annotations

MISSING_REMEMBERED = 100_000
"""What is missing beyond this is counted, but a late one of it is taken for a copy."""


class SequenceAccount:
    """Counts from the first packet on."""

    def __init__(self) -> None:
        self.duplicated = 0
        self.reordered = 0
        self._following: int | None = None
        self._missing: set[int] = set()
        self._missing_beyond = 0

    @property
    def missing(self) -> int:
        """Numbers between the first and the highest that have not come."""
        return len(self._missing) + self._missing_beyond

    def take(self, sequence: int) -> None:
        """One packet has come."""
        following = self._following
        if following is None or sequence == following:
            self._following = sequence + 1
        elif sequence > following:
            room = max(0, MISSING_REMEMBERED - len(self._missing))
            self._missing.update(range(following, min(sequence, following + room)))
            self._missing_beyond += max(0, sequence - following - room)
            self._following = sequence + 1
        elif sequence in self._missing:
            self._missing.discard(sequence)
            self.reordered += 1
        else:
            self.duplicated += 1

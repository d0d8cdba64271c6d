# SPDX-License-Identifier: Apache-2.0
"""Full garbage collections, while a process has nothing else to do: an agent no packet to pass on, the LMA no handover.

CPython keeps tuples that are done with for reuse, up to 2,000 of each length to 20, and gives them back only in a full
collection. One that is made of a generator (`tuple(f(x) for x in y)`) is not taken from there and goes there all the same:
agent and controller would grow by half a KiB a handover for thousands of handovers, to some MiB. The collector by
itself comes to a full collection at any time or, what has long lived being frozen, not at all.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

EVERY_S = 30.0


class QuietCollector:
    """`look` is called now and then; it collects when `is_quiet()` and the last time is EVERY_S ago."""

    def __init__(
        self, is_quiet: Callable[[], bool], *, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._is_quiet = is_quiet
        self._every_s = every_s
        self._clock = clock
        self._next_at = clock() + every_s

    def look(self) -> bool:
        """Collect if it is time; whether it has."""
        if self._clock() < self._next_at or not self._is_quiet():
            return False
        gc.collect()
        self._next_at = self._clock() + self._every_s
        return True

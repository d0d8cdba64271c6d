# SPDX-License-Identifier: Apache-2.0
"""Frames that wait until their path's delay is over. Pure: time comes in, in ns of one clock that never goes back."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

FRAMES_MAX = 200_000
"""10 s, the longest delay of one link, at 20,000 packets/s."""
OCTETS_MAX = 256 * 1024 * 1024


class DelayQueue:
    """Every path's frames in one queue, in the order in which they are due; first in, first out on each path."""

    def __init__(
        self, delays_ns: Sequence[int], *, frames_max: int = FRAMES_MAX, octets_max: int = OCTETS_MAX
    ) -> None:
        """`delays_ns`: one-way delay of each path; paths are named by their position in it."""
        self._delays_ns = tuple(delays_ns)
        self._last_due_ns = [0] * len(self._delays_ns)
        self._frames_max = frames_max
        self._octets_max = octets_max
        self._waiting: list[tuple[int, int, bytes]] = []
        self._number = 0
        self.octets = 0
        """Octets of all waiting frames."""
        self.longest = 0
        """The most frames that waited at once."""
        self.refused = 0
        """Frames that found the queue full."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, path: int, frame: bytes, arrived_ns: int) -> bool:
        """Let a frame wait; False when the queue is full, and the frame is dropped and counted in `refused`."""
        waiting = self._waiting
        if len(waiting) >= self._frames_max or self.octets + len(frame) > self._octets_max:
            self.refused += 1
            return False
        # An arrival time that goes back (the clock of the receive timestamps was set) must not let a frame overtake.
        due_ns = max(arrived_ns + self._delays_ns[path], self._last_due_ns[path])
        self._last_due_ns[path] = due_ns
        heapq.heappush(waiting, (due_ns, self._number, frame))
        self._number += 1
        self.octets += len(frame)
        if len(waiting) > self.longest:
            self.longest = len(waiting)
        return True

    def next_due_ns(self) -> int | None:
        """When the first frame is due; None when none waits."""
        return self._waiting[0][0] if self._waiting else None

    def take(self, now_ns: int) -> tuple[int, bytes] | None:
        """The next frame that is due by now, with the time at which it was due; None when none is."""
        if not self._waiting or self._waiting[0][0] > now_ns:
            return None
        due_ns, _, frame = heapq.heappop(self._waiting)
        self.octets -= len(frame)
        return due_ns, frame

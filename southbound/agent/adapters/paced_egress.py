# SPDX-License-Identifier: Apache-2.0
"""Buffered packets to one MN, in order, no faster than its radio link and sockets can take them.

A node that was away for a second is owed a thousand packets; sent at once they would overflow the receive buffer of an
ordinary program (RFC 5949 section 4.2 leaves the rate to the MAG). What comes meanwhile queues behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

PACKETS_PER_TURN = 24
TURN_S = 0.001


class PacedEgress:
    """A queue in front of an access port."""

    def __init__(self, send: Callable[[bytes], bool], on_empty: Callable[[], None]) -> None:
        self._send = send
        self._on_empty = on_empty
        self._queue: deque[bytes] = deque()
        self._turn: asyncio.TimerHandle | None = None
        self._credit = PACKETS_PER_TURN
        self.failed = 0
        """Frames that the port did not take (the MN has gone again)."""

    @property
    def empty(self) -> bool:
        """Whether everything has been sent."""
        return not self._queue

    def put(self, frame: bytes) -> None:
        """Send the frame now if nothing waits before it, else after that."""
        if self._queue or self._credit == 0:
            self._queue.append(frame)
        else:
            self._take(frame)
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_later(TURN_S, self._next_turn)

    def waiting(self) -> tuple[bytes, ...]:
        """The frames that have not been sent, in order."""
        return tuple(self._queue)

    def clear(self) -> None:
        """Forget what waits: the MN has gone."""
        self._queue.clear()

    def _take(self, frame: bytes) -> None:
        self._credit -= 1
        if not self._send(frame):
            self.failed += 1

    def _next_turn(self) -> None:
        self._turn, self._credit = None, PACKETS_PER_TURN
        if not self._queue:
            return
        while self._queue and self._credit:
            self._take(self._queue.popleft())
        self._turn = asyncio.get_running_loop().call_later(TURN_S, self._next_turn)
        if not self._queue:
            self._on_empty()

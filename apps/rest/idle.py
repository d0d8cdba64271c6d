# SPDX-License-Identifier: Apache-2.0
"""Which connections wait for their client to ask something; when all places are taken, one of them makes room."""

from __future__ import annotations

from collections import Counter
from typing import Any

import eventlet


class IdleConnections:
    """Green threads of connections that have no request, or none that is whole, the one that has waited longest first.

    Not a share for each address: on loopback and behind a proxy everybody has the same one.
    """

    def __init__(self, dropped: Counter[str]) -> None:
        self._waiting: dict[Any, None] = {}
        self._dropped = dropped

    def begin(self) -> None:
        """The calling connection waits for a request."""
        self._waiting[eventlet.getcurrent()] = None

    def end(self) -> None:
        """It has one, or is over."""
        self._waiting.pop(eventlet.getcurrent(), None)

    def make_room(self) -> bool:
        """Close the connection that has waited longest; False when none waits."""
        longest = next(iter(self._waiting), None)
        if longest is None:
            return False
        del self._waiting[longest]
        self._dropped["idle"] += 1
        longest.kill()
        return True

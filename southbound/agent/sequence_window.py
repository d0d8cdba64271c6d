# SPDX-License-Identifier: Apache-2.0
"""Which HandoverInitiates of a peer are old: a sliding window over its 16-bit sequence numbers, as of RFC 4303. Pure.

HI has a sequence number and no time, so an old one could be played back. What is far behind the newest one of the same peer
and MN, or has come before and been forgotten, is stale; one that others have overtaken on the way is not. After a while
without news the window is forgotten: a peer of another make that has restarted counts from anywhere.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address

WINDOW = 4096
"""How far behind the newest one a number may be: a peer counts over all its MNs and MAGs, and repeats for 1.5 s."""
PAIRS_MAX = 4096
_MODULUS = 0x10000


@dataclass(slots=True)
class _Window:
    newest: int
    seen: int
    """Bit n: the number n behind the newest one has come."""
    at: float


class SequenceWindow:
    """By (peer, MN-ID); the pair without news for longest is forgotten first."""

    def __init__(self, lifetime_s: float) -> None:
        self._lifetime_s = lifetime_s
        self._windows: OrderedDict[tuple[IPv6Address, str], _Window] = OrderedDict()

    def is_stale(self, peer: IPv6Address, mn_id: str, sequence: int, now: float) -> bool:
        """Whether a request with this number has come before, or is too old to be anything but a replay."""
        window = self._windows.get((peer, mn_id))
        if window is None or window.at + self._lifetime_s <= now:
            return False
        behind = (window.newest - sequence) % _MODULUS
        if behind >= _MODULUS // 2:
            return False
        return behind >= WINDOW or bool(window.seen >> behind & 1)

    def received(self, peer: IPv6Address, mn_id: str, sequence: int, now: float) -> None:
        """A request with this number, which is not stale, is being worked on."""
        window = self._windows.get((peer, mn_id))
        if window is None or window.at + self._lifetime_s <= now:
            window = _Window(sequence, 0, now)
        ahead = (sequence - window.newest) % _MODULUS
        if ahead < _MODULUS // 2:
            window.seen = (window.seen << ahead | 1) & ((1 << WINDOW) - 1)
            window.newest = sequence
        else:
            window.seen |= 1 << (_MODULUS - ahead)
        window.at = now
        self._windows[peer, mn_id] = window
        self._windows.move_to_end((peer, mn_id))
        while len(self._windows) > PAIRS_MAX:
            self._windows.popitem(last=False)

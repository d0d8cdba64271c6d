# SPDX-License-Identifier: Apache-2.0
"""What the p-MAG's switch has sent to one MN: the material for the word on the last packets delivered (step 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf
from operator import itemgetter

from southbound.agent.packet_digest import addresses_of, packet_digest, stream_key
from southbound.codec.addresses import IpAddress

DIGESTS_PER_STREAM = 16
STREAMS_NAMED = 256
"""As many as a buffer keeps apart (JoinLimits.streams_per_mobile_node)."""
FRAMES_REMEMBERED = 4096
"""More than the link can drop between losing its carrier and the switch being told: 0.4 s at 10,000 packets/s."""

_Sent = tuple[bytes, bytes, float]
"""Stream key, digest and time of a frame."""


class DeliveryLog:
    """The last frames that were sent out of one access port, and of those before them the last of each stream.

    Which frames the MN has not had is told by their number, so the last are kept in order whatever they belong to. A
    stream whose last packet is further back, beside a faster one, has had it for sure, and is named all the same.
    """

    def __init__(self, *, frames: int = FRAMES_REMEMBERED) -> None:
        self._frames = frames
        self._most = 2 * frames
        self._sent: list[_Sent | None] = []
        self._older: dict[bytes, list[_Sent]] = {}
        """By stream, newest first: from before what is in `_sent`."""

    def __len__(self) -> int:
        return len(self._sent) + sum(map(len, self._older.values()))

    def sent(self, packet: bytes, now: float) -> None:
        """One frame's IPv6 packet has left the port.

        What is of no stream is remembered as a place only: the dropped tail is counted in frames.
        """
        key, sent = stream_key(packet), self._sent
        sent.append(None if key is None else (key, packet_digest(packet), now))
        if len(sent) == self._most:
            self._older = _last_of_each(sent[: -self._frames], self._older)
            del sent[: -self._frames]

    def last_delivered(
        self, dropped_tail: int = 0, *, since: float = -inf
    ) -> Mapping[tuple[IpAddress, IpAddress], tuple[bytes, ...]]:
        """(source, group) -> digests of the last packets that reached the MN, oldest first.

        The last `dropped_tail` frames do not count: the MN was gone. At most DIGESTS_PER_STREAM digests for each of the
        STREAMS_NAMED streams heard last; only what was sent at or after `since`.
        """
        reached = len(self._sent) - max(dropped_tail, 0)
        if reached < 0:
            return {}
        last = _last_of_each(self._sent[:reached], self._older)
        return {
            addresses_of(key): digests
            for key, newest_first in last.items()
            if (digests := tuple(digest for _, digest, at in reversed(newest_first) if at >= since))
        }


def _last_of_each(
    frames: Sequence[_Sent | None], older: Mapping[bytes, list[_Sent]]
) -> dict[bytes, list[_Sent]]:
    """The last frames of each stream, newest first, and of those older ones as many as there is place for."""
    last: dict[bytes, list[_Sent]] = {}
    counts = Counter(map(itemgetter(0), filter(None, frames)))
    wanting = min(len(counts), STREAMS_NAMED)
    for sent in reversed(frames):
        if not wanting:
            break
        if sent is None:
            continue
        kept = last.get(sent[0])
        if kept is None:
            if len(last) >= STREAMS_NAMED:
                continue
            kept = last[sent[0]] = []
        if len(kept) < DIGESTS_PER_STREAM:
            kept.append(sent)
            wanting -= len(kept) == min(counts[sent[0]], DIGESTS_PER_STREAM)
    for key, before in older.items():
        kept = last.get(key)
        if kept is not None:
            kept += before[: DIGESTS_PER_STREAM - len(kept)]
        elif len(last) < STREAMS_NAMED:
            last[key] = before
    return last

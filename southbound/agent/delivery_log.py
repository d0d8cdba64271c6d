# SPDX-License-Identifier: Apache-2.0
"""What the p-MAG's switch has sent to one MN: the material for the word on the last packets delivered (step 6)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import inf

from southbound.agent.packet_digest import addresses_of, packet_digest, stream_key
from southbound.codec.addresses import IpAddress

DIGESTS_PER_STREAM = 16
STREAMS_NAMED = 256
"""As many as a buffer keeps apart (JoinLimits.streams_per_mobile_node)."""
FRAMES_REMEMBERED = 4096
"""More than the link can drop between losing its carrier and the switch being told: 0.4 s at 10,000 packets/s."""


class DeliveryLog:
    """The last frames that were sent out of one access port, oldest forgotten first."""

    def __init__(self, *, frames: int = FRAMES_REMEMBERED) -> None:
        self._sent: deque[tuple[bytes, bytes, float] | None] = deque(maxlen=frames)

    def __len__(self) -> int:
        return len(self._sent)

    def sent(self, packet: bytes, now: float) -> None:
        """One frame's IPv6 packet has left the port.

        What is of no stream is remembered as a place only: the dropped tail is counted in frames.
        """
        key = stream_key(packet)
        self._sent.append(None if key is None else (key, packet_digest(packet), now))

    def last_delivered(
        self, dropped_tail: int = 0, *, since: float = -inf
    ) -> Mapping[tuple[IpAddress, IpAddress], tuple[bytes, ...]]:
        """(source, group) -> digests of the last packets that reached the MN, oldest first.

        The last `dropped_tail` frames do not count: the MN was gone. At most DIGESTS_PER_STREAM digests for each of the
        STREAMS_NAMED streams heard last; only what was sent at or after `since`.
        """
        named: dict[bytes, list[bytes]] = {}
        for position in range(len(self._sent) - 1 - max(dropped_tail, 0), -1, -1):
            sent = self._sent[position]
            if sent is None or sent[2] < since:
                continue
            digests = named.get(sent[0])
            if digests is None:
                if len(named) >= STREAMS_NAMED:
                    continue
                digests = named[sent[0]] = []
            if len(digests) < DIGESTS_PER_STREAM:
                digests.append(sent[1])
        return {addresses_of(key): tuple(reversed(digests)) for key, digests in named.items()}

# SPDX-License-Identifier: Apache-2.0
"""What the switch sends out of one access port while a handover is under way, and how much of it never arrived.

A packet tap sees a frame just before the driver gets it. When the mobile node's end of the veth is already down, the
driver refuses the frame; so the last frames seen may not have been delivered. The driver counts what it did deliver
(`TransmitCounters.packets`), hence

    undelivered = frames seen + frames the agent itself sent - frames delivered

with every outgoing frame seen, not only what is forwarded: the filter leaves one octet of the others. Frames leave the port
in the order in which they are seen, and the other end goes down once, so the undelivered ones are the last ones.
Open vSwitch tries a refused frame once more: it is then seen twice, and twice among the undelivered.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from southbound.agent.adapters.link_statistics import LinkStatistics
from southbound.agent.adapters.packet_filter import COUNTED_ONLY_OCTETS, OUTGOING_ONLY, SENT_STREAMS
from southbound.agent.adapters.packet_socket import PacketSocket

_RECEIVE_BUFFER_BYTES = 32 << 20
_FRAMES_PER_WAKEUP = 128
_FRAMES_REMEMBERED = 65_536
_READINGS = 64
"""How many readings go into the offset between the two counts; see `_calibrate`."""
_ATTEMPTS = 16

OnSent = Callable[[bytes, float], None]


class SentWatch:
    """Watches from the moment that it exists until `close`. Raises like PacketSocket.

    `own_sent()` is the number of frames that the agent has sent on this port past the tap (PACKET_QDISC_BYPASS).
    Counts: sent_seen (of streams), sent_seen_other, sent_watch_overflow, sent_watch_interface_down.
    """

    def __init__(
        self,
        name: str,
        *,
        counters: Counter[str],
        own_sent: Callable[[], int],
        statistics: LinkStatistics,
        clock: Callable[[], float],
    ) -> None:
        self.port = PacketSocket(
            name,
            counters=counters,
            prefix="sent_watch",
            receive_buffer_bytes=_RECEIVE_BUFFER_BYTES,
            program=OUTGOING_ONLY + SENT_STREAMS,
            incoming_only=False,
        )
        self._counters = counters
        self._own_sent = own_sent
        self._statistics = statistics
        self._clock = clock
        self._recent: deque[bool] = deque(maxlen=_FRAMES_REMEMBERED)
        self._offset: int | None = None
        self._readings = 0
        for _ in range(_ATTEMPTS):
            self._calibrate()

    def _calibrate(self) -> None:
        """Find the driver's count at the moment when the tap's count was 0.

        The two cannot be read at one instant. Read in the order delivered, seen, the difference is never larger than
        the true offset (a frame is seen first and delivered later) and smaller only by frames that are between the two
        counters or came between the two readings; so the largest of several readings is the offset.
        """
        delivered = self._delivered()
        if delivered is not None:
            difference = delivered - self.port.statistics() - self._own_sent()
            self._offset = difference if self._offset is None else max(self._offset, difference)
            self._readings += 1

    def _delivered(self) -> int | None:
        counters = self._statistics.read(self.port.interface_index)
        return None if counters is None else counters.packets

    def drain(self, on_sent: OnSent, *, limit: int = _FRAMES_PER_WAKEUP) -> bool:
        """Hand on at most `limit` frames; whether there may be more."""
        if self._readings < _READINGS:
            self._calibrate()
        for _ in range(limit):
            frame = self.port.receive()
            if frame is None:
                return False
            of_stream = len(frame) > COUNTED_ONLY_OCTETS
            self._recent.append(of_stream)
            if of_stream:
                self._counters["sent_seen"] += 1
                on_sent(frame, self._clock())
            else:
                self._counters["sent_seen_other"] += 1
        return True

    def undelivered(self) -> int | None:
        """How many of the last frames of streams seen did not reach the other end; None when it cannot be known.

        Exact once the kernel has reported the link down: from then on no frame comes as far as the tap. Counts over the
        whole life of the watch, so a link that comes back needs a new one.
        """
        if self._offset is None:
            return None
        difference = None
        for _ in range(_ATTEMPTS):
            delivered = self._delivered()
            if delivered is None:
                return None
            before, difference = difference, self.port.statistics() + self._own_sent() - (delivered - self._offset)
            if difference == before:
                break
        if difference is None or difference <= 0:
            return 0
        recent = len(self._recent)
        return sum(self._recent[position] for position in range(max(0, recent - difference), recent))

    def close(self) -> None:
        """Idempotent."""
        self.port.close()

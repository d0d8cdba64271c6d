# SPDX-License-Identifier: Apache-2.0
"""What is sent to one mobile node while handovers away from here are under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from southbound.agent.delivery_log import DeliveryLog
from southbound.agent.packet_timeline import PacketTimeline
from southbound.codec.addresses import IpAddress
from southbound.rpc.methods import PacketCounts

_ETHERNET_HEADER = 14
_HANDOVERS_TOLD = 16
"""Of how many handovers at once the controller is told the counts: the latest."""


class SentRecord:
    """The last packets, for the word on them (step 6), and how many there were over time."""

    def __init__(self, mn_id: str) -> None:
        self._mn_id = mn_id
        self._handover_ids: deque[str] = deque(maxlen=_HANDOVERS_TOLD)
        self._log = DeliveryLog()
        self._timeline = PacketTimeline()

    def watched_for(self, handover_id: str) -> None:
        """This handover needs it, too: the mobile node has several MAGs that it may go to."""
        self._handover_ids.append(handover_id)

    def frame(self, frame: bytes, now: float) -> None:
        """A frame has left the port."""
        self._log.sent(frame[_ETHERNET_HEADER:], now)
        self._timeline.count(now)

    def left(self, undelivered: int | None) -> Mapping[tuple[IpAddress, IpAddress], tuple[bytes, ...]]:
        """The mobile node has gone, and so many of the last frames have not reached it; None: nobody knows, and then
        none is named. As DeliveryLog.last_delivered."""
        if undelivered is None:
            return {}
        self._timeline.take_back(undelivered)
        return self._log.last_delivered(undelivered)

    def reports(self, wall_offset: float) -> list[PacketCounts]:
        """What the controller is told of it, for each handover; `wall_offset` as for PacketTimeline.report."""
        return [
            report
            for handover_id in self._handover_ids
            for report in self._timeline.report("previous_mag", handover_id, self._mn_id, wall_offset)
        ]

# SPDX-License-Identifier: Apache-2.0
"""The sent records of one agent: one for each access port whose mobile node is about to leave."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from southbound.agent.adapters.access_port import AccessPort
from southbound.agent.adapters.sent_record import SentRecord
from southbound.agent.commands import WatchSent
from southbound.codec.addresses import IpAddress
from southbound.fact_log import log_fact
from southbound.rpc.methods import PacketCounts

_log = logging.getLogger("castover.mag")


class SentRecords:
    """By port, from WatchSent to UnwatchSent. What the switch sends comes from the port's watch, the rest by `sent`."""

    def __init__(self, ports: Mapping[str, AccessPort]) -> None:
        self._ports = ports
        self._records: dict[str, SentRecord] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is watched."""
        return not self._records

    def watch(self, command: WatchSent) -> None:
        """From now on every frame that leaves the port is noted."""
        record = self._records.get(command.port)
        if record is None:
            record = self._records[command.port] = SentRecord(command.mn_id)
            if not self._ports[command.port].watch_sent(record.frame):
                log_fact(_log, "watch_failed", {"port": command.port}, level=logging.WARNING)
        record.watched_for(command.handover_id)

    def sent(self, port: str, frame: bytes) -> None:
        """The agent has sent a frame itself, past the watch."""
        record = self._records.get(port)
        if record is not None:
            record.frame(frame, time.monotonic())

    def left(self, name: str) -> Mapping[tuple[IpAddress, IpAddress], tuple[bytes, ...]]:
        """The mobile node behind this port has gone: the last packets that it was sent, by stream."""
        record = self._records.get(name)
        return record.left(self._ports[name].settle_sent()) if record is not None else {}

    def unwatch(self, name: str) -> list[PacketCounts]:
        """No handover needs the port's record any more; what there is to tell of it."""
        self._ports[name].unwatch_sent()
        record = self._records.pop(name, None)
        return record.reports(time.time() - time.monotonic()) if record is not None else []

# SPDX-License-Identifier: Apache-2.0
"""Packets over time during one handover: how many in each short interval, in bounded memory. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from southbound.rpc.methods import PacketCounts

INTERVAL_S = 0.005
INTERVALS_MAX = 400
"""When more would be needed, each two become one of twice the length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What was counted; interval n begins at `begins_at + n * interval_s`."""

    begins_at: float
    """Of the counter's clock, seconds."""
    interval_s: float
    packets: tuple[int, ...]


class PacketTimeline:
    """Counts from its first packet on. Times do not go back."""

    __slots__ = ("_begins_at", "_interval_s", "_packets")

    def __init__(self) -> None:
        self._begins_at: float | None = None
        self._interval_s = INTERVAL_S
        self._packets: list[int] = []

    def count(self, now: float) -> None:
        """One packet, now."""
        if self._begins_at is None:
            self._begins_at = now
        index = max(0, int((now - self._begins_at) / self._interval_s))
        while index >= INTERVALS_MAX:
            self._packets = [sum(self._packets[at : at + 2]) for at in range(0, len(self._packets), 2)]
            self._interval_s *= 2
            index //= 2
        if index >= len(self._packets):
            self._packets.extend([0] * (index + 1 - len(self._packets)))
        self._packets[index] += 1

    def take_back(self, packets: int) -> None:
        """The last so many did not count after all."""
        while packets > 0 and self._packets:
            taken = min(packets, self._packets[-1])
            self._packets[-1] -= taken
            packets -= taken
            if self._packets[-1] == 0:
                self._packets.pop()

    def read(self) -> Timeline | None:
        """What has been counted; None when there was nothing."""
        if self._begins_at is None or not self._packets:
            return None
        return Timeline(begins_at=self._begins_at, interval_s=self._interval_s, packets=tuple(self._packets))

    def report(self, path: str, handover_id: str, mn_id: str, wall_offset: float) -> list[PacketCounts]:
        """What the controller is told, if anything; `wall_offset`: seconds from the counter's clock to that since 1970."""
        found = self.read()
        if found is None:
            return []
        return [PacketCounts(
            handover_id=handover_id, mn_id=mn_id, path=path, begins_at=found.begins_at + wall_offset,
            interval_s=found.interval_s, packets=found.packets,
        )]

# SPDX-License-Identifier: Apache-2.0
"""What the handover buffers of the MAGs did, from the report at the end of each handover."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from apps.metrics.phases import BUCKETS_S

INTERRUPTION = "first_delivery_waited_us"
"""Counter of a buffer report: age in microseconds of the packet with which delivery began."""
PACKETS = (
    "received_tunnel", "received_native", "delivered", "already_delivered", "duplicates_dropped", "late_dropped",
    "overflow_dropped", "expired_dropped", "left_to_native", "tunnel_after_join", "no_longer_wanted",
    "released_undelivered", "not_wanted",
)
"""Counters of a buffer report that count packets (handover_buffer.HandoverBuffer.counters)."""
INCIDENTS = (
    "cut_missing", "cut_unmatched", "hold_timeout", "join_without_common", "joined_idle", "too_many_streams", "send_failed",
)
"""Those that count what did not go by the book."""


class BufferMetrics:
    """Counters by MAG, and the interruption that the buffer saw.

    All counters of the MAGs that there are begin at 0: one that begins at 1 has not grown for Prometheus, and its first
    incident is missed by every alert.
    """

    def __init__(self, registry: CollectorRegistry, mag_ids: Iterable[str]) -> None:
        self._packets = Counter(
            "castover_buffer_packets", "Packets of handover buffers, by what became of them.", ["mag", "outcome"],
            registry=registry,
        )
        self._incidents = Counter(
            "castover_buffer_incidents", "Handovers in which a buffer had to go on without what it waited for.",
            ["mag", "kind"], registry=registry,
        )
        self._interruption = Histogram(
            "castover_buffer_interruption_seconds",
            "How long the first packet that a new MAG delivered had waited for its mobile node.", ["mag"],
            buckets=BUCKETS_S, registry=registry,
        )
        for mag_id in mag_ids:
            self._interruption.labels(mag_id)
            for name in PACKETS:
                self._packets.labels(mag_id, name)
            for name in INCIDENTS:
                self._incidents.labels(mag_id, name)

    def report(self, mag_id: str, counters: dict[str, Any]) -> None:
        """One buffer report; names that are not known here are passed over."""
        for name in PACKETS:
            self._packets.labels(mag_id, name).inc(counters.get(name, 0))
        for name in INCIDENTS:
            self._incidents.labels(mag_id, name).inc(counters.get(name, 0))
        waited = counters.get(INTERRUPTION)
        if waited is not None:
            self._interruption.labels(mag_id).observe(waited / 1e6)

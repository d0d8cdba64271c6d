# SPDX-License-Identifier: Apache-2.0
"""From what a cell recorded to its JSON object (bench/README.md describes it). Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench.cell import CellRecords, HandoverRecord
from bench.costs import Costs, Traffic
from bench.listeners import FLAP
from lab.accounting import Tally, account, percentile
from lab.stream import StreamRecords

HOST_REPORTS_WITHIN_S = 0.05
"""A Linux host reports within a few ms, unless another network namespace has changed a carrier within the last second:
the kernel has one queue of link events for all of them (net/core/link_watch.c)."""
ON_THE_WAY_MS = 10.0
"""Longer than a packet takes from the source to the mobile node where no link has a delay."""
AROUND_BEFORE_MS = 60.0
AROUND_AFTER_MS = 240.0


def cell_result(records: CellRecords, costs: Costs, deaf_cap_s: float) -> dict[str, Any]:
    """The JSON object of one cell."""
    handovers = records.handovers
    tallies = _tallies(records)
    gaps = [
        math.inf if record.deaf or tally.interruption_ms is None else tally.interruption_ms
        for record, tally in zip(handovers, tallies, strict=True)
    ]
    cell = records.cell
    sent = sum(records.start_ns <= packet.time_ns < records.end_ns for packet in records.stream.sent)
    return {
        "lane": cell.lane, "listener": cell.listener, "reports": cell.reports, "gap_ms": cell.gap_ms,
        "lma_delay_ms": cell.lma_delay_ms,
        "handovers": [
            {
                "previous_mag": record.previous_mag, "new_mag": record.new_mag, "deaf": record.deaf,
                "error": record.outcome.error or None, "sent": tally.sent, "received": tally.received,
                "lost": tally.lost, "duplicated": tally.duplicated, "reordered": tally.reordered,
                "interruption_ms": _finite(gap),
                "radio_gap_ms": round((record.arrived_ns - record.left_ns) / 1e6, 3),
            }
            for record, tally, gap in zip(handovers, tallies, gaps, strict=True)
        ],
        "totals": {
            "handovers": len(handovers), "deaf": sum(record.deaf for record in handovers),
            "errors": sum(bool(record.outcome.error) for record in handovers), "deaf_cap_s": deaf_cap_s,
            "lost": sum(tally.lost for tally in tallies),
            "duplicated": sum(tally.duplicated for tally in tallies),
            "reordered": sum(tally.reordered for tally in tallies),
            "interruption_ms": {
                name: _finite(percentile(gaps, share)) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
            },
        },
        "costs": {
            "signalling": _traffic(costs.signalling), "mobility": _traffic(costs.mobility),
            "mld_inside": _traffic(costs.mld_inside), "mld_access": _traffic(costs.mld_access),
            "tunnel_from_lma": _traffic(costs.from_lma), "tunnel_between_mags": _traffic(costs.between_mags),
            "lma_copies_per_packet": round(costs.from_lma.messages / sent, 3) if sent else None,
            "control_bytes": records.control_octets,
        },
        "note": records.note, "measurement_faults": [
            *measurement_faults(records.stream, records.capture_drops), *late_reports(records, costs.reports_at_s),
        ],
        "around": _around(records, gaps),
    }


def measurement_faults(stream: StreamRecords, capture_drops: int, *, steady: bool = True) -> list[str]:
    """What makes the numbers doubtful, in words. `steady`: also that the source did not keep to its schedule."""
    faults = [f"the captures lack {capture_drops} packets"] if capture_drops else []
    for name, report in stream.sink_reports.items():
        keys = ("socket_overflow", "too_short", "not_recorded")
        faults += [f"{name}: {report[key]} {key}" for key in keys if report.get(key)]
    if stream.source_report.get("not_sent"):
        faults.append(f"the source could not send {stream.source_report['not_sent']} packets")
    if steady and stream.source_report.get("schedule_moved"):
        faults.append(
            f"the machine held the source up {stream.source_report['schedule_moved']} times: silence that is no lane's"
        )
    return faults


def late_reports(records: CellRecords, reports_at_s: Sequence[float]) -> list[str]:
    """Moves after which the host itself was late to report: the machine's fault, and in no lane's favour."""
    if records.cell.reports != FLAP:
        return []
    late = 0
    for record in records.handovers:
        up_s = record.arrived_ns / 1e9
        first = next((time for time in reports_at_s if time >= up_s), None)
        late += first is None or first - up_s > HOST_REPORTS_WITHIN_S
    return [
        f"the mobile node's kernel sent its first report later than "
        f"{HOST_REPORTS_WITHIN_S * 1000:.0f} ms after the link was up, after {late} of {len(records.handovers)} moves"
    ] if late else []


def _tallies(records: CellRecords) -> list[Tally]:
    """One for each handover. A deaf handover's window ends when it is given up: the way back is nobody's.

    A window is of what was sent in it, so it begins with the packets that are on the way when the handover does: the move
    loses them, too.
    """
    on_the_way_ns = round((records.cell.lma_delay_ms + ON_THE_WAY_MS) * 1e6)
    edges: list[int] = []
    wanted: list[int] = []
    for record in records.handovers:
        wanted.append(len(edges))
        edges.append(max([record.requested_ns - on_the_way_ns, *edges[-1:]]))
        if record.deaf:
            edges.append(record.ended_ns)
    received = records.stream.received[records.mover]
    found = account(
        records.stream.sent, received, start_ns=min([records.start_ns, *edges]), end_ns=max([records.end_ns, *edges]),
        requests_ns=edges,
    )
    return [found.windows[index] for index in wanted]


def _around(records: CellRecords, gaps: Sequence[float]) -> dict[str, Any] | None:
    """What the picture shows: packets around the move of the handover with the median interruption."""
    if not gaps:
        return None
    order = sorted(range(len(gaps)), key=lambda index: gaps[index])
    record = records.handovers[order[(len(order) - 1) // 2]]
    begin, end = record.left_ns - AROUND_BEFORE_MS * 1e6, record.left_ns + AROUND_AFTER_MS * 1e6
    received = records.stream.received[records.mover]
    arrived = {packet.sequence for packet in received}
    return {
        "radio_gap_ms": _milliseconds(record.arrived_ns, record),
        "arrivals_ms": [_milliseconds(packet.time_ns, record) for packet in received if begin <= packet.time_ns < end],
        "lost_ms": [
            _milliseconds(packet.time_ns, record) for packet in records.stream.sent
            if begin <= packet.time_ns < end and packet.sequence not in arrived
        ],
    }


def _milliseconds(time_ns: int, record: HandoverRecord) -> float:
    return round((time_ns - record.left_ns) / 1e6, 3)


def _traffic(traffic: Traffic) -> Mapping[str, int]:
    return {"messages": traffic.messages, "bytes": traffic.octets}


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: null where the mobile node was deaf."""
    return None if value is None or math.isinf(value) else round(value, 3)

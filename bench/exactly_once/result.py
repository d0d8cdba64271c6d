# SPDX-License-Identifier: Apache-2.0
"""From what a cell recorded to its JSON object (bench/README.md describes it). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any

from bench.control_plane import CLONE_CONFIRMED, preparation_ms, summary
from bench.exactly_once.cells import Cell, Parts, Promise
from bench.exactly_once.memory import growth
from bench.exactly_once.moves import CellRecords, Move, Together
from bench.result import measurement_faults
from lab.accounting import Account, Tally, account
from lab.stream_format import Record

CLONE_FOLLOWS_S = 0.005
"""The switch's data path follows its barrier by up to some ms (docs/explanation/data-plane.md)."""
STALLED_MS = 10.0
"""A move whose interruption is longer than its time without a link by more than this is told in detail."""
DETAILS_MAX = 100
LATE_SHOWN, _AROUND = 10, 4
"""Packets out of order: with so many that arrived before and after them."""
_HACK, _FORWARDING_REQUEST = (3, "HAck"), (4, "HI(F)")
_RATIO = 10_000
_DOUBTS = ("cut_missing", "cut_unmatched", "hold_timeout", "join_without_common", "overflow_dropped", "expired_dropped",
           "late_dropped", "send_failed")
"""Counters of the agents' buffers that are not zero when something did not go as it should."""

BEFORE_HACK, BEFORE_REQUEST, BEFORE_CLONE, AFTER_CLONE = (
    "left before HAck", "left between HAck and HI(F)", "left between HI(F) and the clone", "left after the clone",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One move with its numbers."""

    number: int
    """Of the handover in its cell, from 1."""
    mobile_node: str
    handover: Together
    move: Move
    tally: Tally
    source_pause_ms: float
    """The longest time between two packets sent in its window: beyond the stream's own it is the machine's fault."""

    @property
    def radio_gap_ms(self) -> float:
        """As it was, from the call that took the old link down to the one that brought the new one up."""
        return (self.move.arrived_ns - self.move.left_ns) / 1e6

    @property
    def beyond_gap_ms(self) -> float:
        """How much longer than the time without a link the mobile node heard nothing; infinite when it never did."""
        interruption = self.tally.interruption_ms
        return inf if interruption is None else interruption - self.radio_gap_ms

    @property
    def confirmed_s(self) -> float:
        """When the p-MAG told of the confirmed clone, s since 1970; infinite when it did not."""
        return _at(self.move.outcome.steps, CLONE_CONFIRMED)

    @property
    def left(self) -> str:
        """How far the handover was when the mobile node left."""
        left_s, steps = self.move.left_ns / 1e9, self.move.outcome.steps
        if left_s >= self.confirmed_s:
            return AFTER_CLONE
        if left_s >= _at(steps, _FORWARDING_REQUEST):
            return BEFORE_CLONE
        return BEFORE_REQUEST if left_s >= _at(steps, _HACK) else BEFORE_HACK

    def may_lose(self, rate_pps: float) -> int:
        """What was sent between its leaving and the confirmed clone, and until the data path had followed."""
        missing_s = self.confirmed_s - self.move.left_ns / 1e9
        if missing_s <= 0:
            return 0
        return self.tally.sent if missing_s == inf else int((missing_s + CLONE_FOLLOWS_S) * rate_pps) + 1


def cell_result(records: CellRecords, copies: Mapping[str, Any] | None) -> dict[str, Any]:
    """The JSON object of one cell, but for when and where it was measured."""
    cell = records.cell
    accounts = {name: _account(records, name) for name in (*records.movers, *records.stayers)}
    counted = _counted(records, accounts)
    parts: dict[str, list[Counted]] = {}
    for one in counted:
        parts.setdefault(_part_of(records, one), []).append(one)
    memory = growth(records.memory)
    return {
        "name": cell.name, "section": cell.section, "title": cell.title, "dialect": cell.dialect, "gap_ms": cell.gap_ms,
        "rate_pps": cell.rate_pps, "size": cell.size, "movers": cell.movers, "handovers": len(records.handovers),
        "parts": [_part(cell, title, moves) for title, moves in sorted(parts.items())],
        "stayers": [_stayer(name, accounts[name]) for name in records.stayers],
        "sent_pps": _rate(records.stream.sent), "copies": dict(copies) if copies is not None else None,
        "memory": {
            "processes": memory,
            "samples": [{"handovers": sample.handovers, "kib": dict(sample.kib)} for sample in records.memory],
        } if memory else None,
        "moves": [
            _detail(cell, one, records.stream.received[one.mobile_node]) for one in counted if _is_remarkable(cell, one)
        ][:DETAILS_MAX],
        "faults": [
            *measurement_faults(records.stream, records.capture_drops, steady=False),
            *(f"{name}: {found.foreign} packets that were never sent" for name, found in accounts.items()
              if found.foreign),
        ],
    }


def kept(cell: Mapping[str, Any]) -> bool:
    """Whether everything that the cell has to show is so."""
    memory = cell["memory"]
    return (
        all(part["kept"] for part in cell["parts"])
        and all(not (stayer["lost"] or stayer["duplicated"] or stayer["reordered"]) for stayer in cell["stayers"])
        and (cell["copies"] is None or cell["copies"]["most"] == 1)
        and not (memory and any(process["grows"] for process in memory["processes"].values()))
    )


def _counted(records: CellRecords, accounts: Mapping[str, Account]) -> list[Counted]:
    edges = [*(handover.requested_ns for handover in records.handovers), records.end_ns]
    pauses = _pauses_ms(records.stream.sent, edges)
    found = []
    for name in records.movers:
        windows = zip(records.handovers, accounts[name].windows, pauses, strict=True)
        for number, (handover, tally, pause) in enumerate(windows, start=1):
            found.append(Counted(
                number=number, mobile_node=name, handover=handover, move=handover.moves[name], tally=tally,
                source_pause_ms=pause,
            ))
    return found


def _account(records: CellRecords, name: str) -> Account:
    return account(
        records.stream.sent, records.stream.received[name], start_ns=records.start_ns, end_ns=records.end_ns,
        requests_ns=[handover.requested_ns for handover in records.handovers],
    )


def _rate(sent: Sequence[Record]) -> float | None:
    """Packets/s over the whole stream, as the source managed to send them."""
    if len(sent) < 2:
        return None
    return round((len(sent) - 1) * 1e9 / (sent[-1].time_ns - sent[0].time_ns), 1)


def _pauses_ms(sent: Sequence[Record], edges: Sequence[int]) -> list[float]:
    pauses = [0.0] * (len(edges) - 1)
    window = 0
    for before, after in pairwise(sent):
        while window < len(pauses) and after.time_ns >= edges[window + 1]:
            window += 1
        if window < len(pauses) and after.time_ns >= edges[window]:
            pauses[window] = max(pauses[window], (after.time_ns - before.time_ns) / 1e6)
    return pauses


def _part_of(records: CellRecords, one: Counted) -> str:
    cell, outward = records.cell, one.handover.previous_mag == records.handovers[0].previous_mag
    match cell.parts:
        case Parts.PATHS:
            return f"native path {cell.second_mag_ms:g} ms {'slower' if outward else 'faster'}"
        case Parts.NEIGHBOURS:
            return f"{'nobody' if outward else 'somebody'} listens at the new MAG"
        case Parts.LEFT:
            return one.left
        case Parts.ALL:
            return ""


def _part(cell: Cell, title: str, moves: Sequence[Counted]) -> dict[str, Any]:
    tallies = [one.tally for one in moves]
    lost, duplicated, reordered = (
        sum(getattr(tally, name) for tally in tallies) for name in ("lost", "duplicated", "reordered")
    )
    promise = Promise.BOUNDED if cell.parts is Parts.LEFT and title != AFTER_CLONE else cell.promise
    sent = sum(tally.sent for tally in tallies)
    errors = [one.move.outcome.error for one in moves if one.move.outcome.error]
    return {
        "title": title, "moves": len(moves), "errors": len(errors), "sent": sent,
        "received": sum(tally.received for tally in tallies), "lost": lost, "duplicated": duplicated,
        "reordered": reordered, "imperfect": sum(not tally.perfect for tally in tallies),
        "lost_per_move": summary([tally.lost for tally in tallies]),
        "left_before_clone_ms": summary([
            (one.confirmed_s - one.move.left_ns / 1e9) * 1000 for one in moves if one.confirmed_s < inf
        ]),
        "radio_gap_ms": summary([one.radio_gap_ms for one in moves]),
        "beyond_gap_ms": summary([one.beyond_gap_ms for one in moves if one.beyond_gap_ms < inf]),
        "stalled": sum(one.beyond_gap_ms > STALLED_MS for one in moves),
        "prepared_ms": summary([
            value for one in moves if (value := preparation_ms(one.move.outcome.steps)) is not None
        ]),
        "doubts": dict(sum((Counter(_doubts(one)) for one in moves), Counter())),
        "promise": promise.value, "kept": _is_kept(promise, cell, moves, lost, duplicated, reordered, sent),
    }


def _is_kept(
    promise: Promise, cell: Cell, moves: Sequence[Counted], lost: int, duplicated: int, reordered: int, sent: int
) -> bool:
    match promise:
        case Promise.ZEROS:
            return lost == duplicated == reordered == 0
        case Promise.RATIO:
            return lost == 0 and duplicated * _RATIO < sent and reordered * _RATIO < sent
        case Promise.BOUNDED:
            bounded = all(one.tally.lost <= one.may_lose(cell.rate_pps) for one in moves)
            return bounded and duplicated == reordered == 0


def _stayer(name: str, found: Account) -> dict[str, Any]:
    total = found.total
    return {
        "mobile_node": name, "sent": total.sent, "lost": total.lost, "duplicated": total.duplicated,
        "reordered": total.reordered, "interruption_ms": total.interruption_ms,
    }


def _is_remarkable(cell: Cell, one: Counted) -> bool:
    """Worth to be told move by move."""
    imperfect = not one.tally.perfect or bool(one.move.outcome.error)
    return imperfect or one.beyond_gap_ms > STALLED_MS or cell.parts is Parts.LEFT


def _detail(cell: Cell, one: Counted, received: Sequence[Record]) -> dict[str, Any]:
    tally, request_ns = one.tally, one.handover.requested_ns

    def after_request(seconds: float) -> float | None:
        return None if seconds == inf else round(seconds * 1000 - request_ns / 1e6, 3)

    return {
        "number": one.number, "mobile_node": one.mobile_node, "previous_mag": one.handover.previous_mag,
        "new_mag": one.handover.new_mag, "error": one.move.outcome.error or None, "sent": tally.sent,
        "lost": tally.lost, "duplicated": tally.duplicated, "reordered": tally.reordered, "left": one.left,
        "may_lose": one.may_lose(cell.rate_pps), "left_ms": after_request(one.move.left_ns / 1e9),
        "arrived_ms": after_request(one.move.arrived_ns / 1e9), "clone_confirmed_ms": after_request(one.confirmed_s),
        "interruption_ms": tally.interruption_ms, "radio_gap_ms": round(one.radio_gap_ms, 3),
        "source_pause_ms": round(one.source_pause_ms, 3),
        "losses": [
            {"count": loss.count, "from_ms": after_request(loss.first_ns / 1e9), "to_ms": after_request(loss.last_ns / 1e9)}
            for loss in tally.losses
        ],
        "late": [
            [[packet.sequence, after_request(packet.time_ns / 1e9)] for packet in _around(received, late)]
            for late in tally.late[:LATE_SHOWN]
        ],
        "steps": [
            f"{step['step']} {step['name']} ({step['node']}) {after_request(step['at'])}"
            + (f": {step['detail']}" if step.get("detail") else "")
            for step in sorted(one.move.outcome.steps, key=lambda step: float(step["at"]))
        ] if not tally.perfect or one.beyond_gap_ms > STALLED_MS else [],
        "packets": one.move.outcome.packets,
    }


def _around(received: Sequence[Record], late: Record) -> Sequence[Record]:
    """In the order in which the mobile node's program got them; the times are those of the kernel, on their arrival."""
    place = received.index(late)
    return received[max(0, place - _AROUND) : place + _AROUND + 1]


def _doubts(one: Counted) -> dict[str, int]:
    return {name: count for name in _DOUBTS if (count := one.move.outcome.packets.get(name, 0))}


def _at(steps: Sequence[Mapping[str, Any]], wanted: tuple[int, str]) -> float:
    return next((float(step["at"]) for step in steps if (step["step"], step["name"]) == wanted), inf)

# SPDX-License-Identifier: Apache-2.0
"""From what a run recorded to what the report says. Pure: plain data in, JSON-ready maps out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.accounting import Account, Tally, account, percentile
from lab.demo_run import HandoverRun
from lab.stream import StreamRecords

CLONE_CONFIRMED = (4, "HAck to HI(F)")
"""The step after which the mobile node may leave without loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One run, accounted."""

    dialect: str
    mode: str
    rate_pps: float
    gap_ms: float
    mover: str
    """MN-ID; `accounts` has short names."""
    runs: Sequence[HandoverRun]
    accounts: Mapping[str, Account]
    """By mobile node, the mover first."""
    records: StreamRecords
    leftovers: Sequence[str]
    unicast: Account | None = None
    """Of what was sent to the mover alone, where it was."""

    @property
    def moved(self) -> Account:
        """The mover's account."""
        return next(iter(self.accounts.values()))

    @property
    def completed(self) -> int:
        """How many handovers completed."""
        return sum(run.completed for run in self.runs)

    @property
    def measurement_faults(self) -> list[str]:
        """What makes the numbers doubtful: losses or invented packets of the measurement itself."""
        faults = [f"{name}: {found.foreign} packets that were never sent" for name, found in self.accounts.items()
                  if found.foreign]
        for name, report in self.records.sink_reports.items():
            keys = ("socket_overflow", "too_short", "not_recorded")
            faults += [f"{name}: {report[key]} {key}" for key in keys if report.get(key)]
        if self.records.source_report.get("not_sent"):
            faults.append(f"source: {self.records.source_report['not_sent']} not sent")
        return faults


def accounts_of(
    records: StreamRecords, runs: Sequence[HandoverRun], start_ns: int, end_ns: int
) -> dict[str, Account]:
    """The account of every sink for what was sent in [start_ns, end_ns)."""
    requests = [run.requested_ns for run in runs]
    return {
        name: account(records.sent, received, start_ns=start_ns, end_ns=end_ns, requests_ns=requests)
        for name, received in records.received.items()
    }


def beginning_s(run: HandoverRun) -> float:
    """When HO-Initiate was (step 1), or the request where there is none; seconds since 1970."""
    return next((float(step["at"]) for step in run.steps if step["step"] == 1), run.requested_ns / 1e9)


def steps_in_ms(run: HandoverRun) -> list[dict[str, Any]]:
    """Steps in the order of time, `at_ms` after HO-Initiate (step 1), or after the request where there is none."""
    begin = beginning_s(run)
    return [
        {
            "step": step["step"], "name": step["name"], "node": step["node"],
            "at_ms": round((step["at"] - begin) * 1000, 3),
            **({"detail": step["detail"]} if step.get("detail") else {}),
        }
        for step in sorted(run.steps, key=lambda step: step["at"])
    ]


def preparation_ms(runs: Sequence[HandoverRun]) -> list[float]:
    """For every handover that got so far: ms from HO-Initiate to the clone's confirmation."""
    times = []
    for run in runs:
        confirmed = [step["at_ms"] for step in steps_in_ms(run) if (step["step"], step["name"]) == CLONE_CONFIRMED]
        if confirmed and any(step["step"] == 1 for step in run.steps):
            times.append(confirmed[0])
    return times


def native_came_first(run: HandoverRun) -> bool:
    """Whether the new MAG had the native stream (step 10) before its first delivery to the mobile node (step 7)."""
    first = {step["step"]: float(step["at"]) for step in sorted(run.steps, key=lambda step: -float(step["at"]))}
    return 10 in first and 7 in first and first[10] < first[7]


def run_report(result: RunResult) -> dict[str, Any]:
    """The JSON object of one run."""
    prepared = preparation_ms(result.runs)
    gaps = [window.interruption_ms for window in result.moved.windows if window.interruption_ms is not None]
    return {
        "dialect": result.dialect,
        "mode": result.mode,
        "rate_pps": result.rate_pps,
        "radio_gap_ms": result.gap_ms,
        "handovers": [
            {
                "id": run.handover_id, "mn_id": result.mover, "previous_mag": run.previous_mag,
                "new_mag": run.new_mag, "completed": run.completed, "error": run.error or None,
                **_tally(window), "faults": _faults(run, window), "steps": steps_in_ms(run),
                "packets": dict(run.packets),
            }
            for run, window in zip(result.runs, result.moved.windows, strict=True)
        ],
        "totals": {
            "handovers": len(result.runs), "completed": result.completed, **_tally(result.moved.total),
            "interruption_p50_ms": percentile(gaps, 0.5), "interruption_p99_ms": percentile(gaps, 0.99),
            "prepared_p50_ms": percentile(prepared, 0.5), "prepared_p99_ms": percentile(prepared, 0.99),
            "mobile_nodes": {name: _tally(found.total) for name, found in result.accounts.items()},
            **({} if result.unicast is None else {"unicast": _tally(result.unicast.total)}),
            "leftovers": len(result.leftovers), "measurement_faults": result.measurement_faults,
            "source": dict(result.records.source_report),
        },
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        name: getattr(tally, name)
        for name in ("sent", "received", "lost", "duplicated", "reordered", "interruption_ms")
    }


def _faults(run: HandoverRun, window: Tally) -> list[dict[str, Any]]:
    """Where packets were lost (when they were sent) or came late (when they arrived), in ms on the steps' scale."""
    begin_ns = beginning_s(run) * 1e9
    lost = [
        {
            "what": "lost", "sequence": loss.first_sequence, "count": loss.count,
            "from_ms": round((loss.first_ns - begin_ns) / 1e6, 3), "to_ms": round((loss.last_ns - begin_ns) / 1e6, 3),
        }
        for loss in window.losses
    ]
    late = [
        {"what": "late", "sequence": record.sequence, "at_ms": round((record.time_ns - begin_ns) / 1e6, 3)}
        for record in window.late
    ]
    return [*lost, *late]

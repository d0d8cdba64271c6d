# SPDX-License-Identifier: Apache-2.0
"""One cell of the comparison: one lane, one listener, one way to report, one gap; moves back and forth, recorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.listeners import Listener, reporting
from bench.settings import PORT, BenchSettings
from bench.system import Outcome, System
from lab.capture import start_captures, stop_captures
from lab.errors import LabError
from lab.mobile_node import MobileNodeHost
from lab.namespaces import run_inside
from lab.network import Lab
from lab.plan import MANAGEMENT_PORT
from lab.stream import MeasuredStream, StreamRecords, StreamSettings

_RECEPTION_TIMEOUT_S = 30.0
_SETTLE_S = 0.1
"""Undisturbed stream before the first and after each handover."""
_JOIN_OVER_S = 2.5
"""A host repeats the report of a join within a second (RFC 3810 section 9.11): the first move waits until that is over,
or the repetition would pass for a report after the move."""
_RETURN_GAP_MS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Coordinates of one measurement."""

    lane: str
    listener: str
    reports: str
    gap_ms: float
    lma_delay_ms: float

    @property
    def name(self) -> str:
        """For progress and file names."""
        delay = f"-delay{self.lma_delay_ms:g}" if self.lma_delay_ms else ""
        return f"{self.lane}-{self.listener}-{self.reports}-gap{self.gap_ms:g}{delay}"


@dataclass(slots=True, kw_only=True)
class HandoverRecord:
    """One handover as it was done; times in ns since 1970."""

    previous_mag: str
    new_mag: str
    requested_ns: int
    """Just before anything was asked for or moved."""
    left_ns: int = 0
    """The link to the old MAG went down."""
    arrived_ns: int = 0
    """The link to the new MAG was up."""
    ended_ns: int = 0
    """Everything that belongs to it was over, or it was given up."""
    deaf: bool = False
    """Nothing was heard within the cap."""
    outcome: Outcome = field(default_factory=Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecords:
    """What one cell left."""

    cell: Cell
    listener: Listener
    mover: str
    handovers: list[HandoverRecord]
    stream: StreamRecords
    start_ns: int
    end_ns: int
    captures: tuple[Path, ...]
    """transport.pcap, then the mobile node's."""
    capture_drops: int
    control_octets: int
    """TCP to and from the controller: OpenFlow and RPC, idle probes included."""
    note: str = ""
    """Why there are fewer handovers than wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a cell is measured: a lab that is up, and the system that runs in it."""

    lab: Lab
    system: System
    listener: Listener
    settings: BenchSettings
    captures: Path


def run_cell(place: Place, cell: Cell, tell: Callable[[int, int], None]) -> CellRecords:
    """Measure. `tell` gets (number of the handover that begins, handovers wanted). Raises LabError."""
    lab, settings = place.lab, place.settings
    profile = lab.domain.mobile_nodes[0]
    source = lab.domain.sources[0]
    folder = place.captures / cell.name
    captures = start_captures(lab, folder, [profile.name])
    stream = MeasuredStream(lab, StreamSettings(
        source=source.name, group=place.listener.group, port=PORT, rate_pps=settings.rate_pps, size=settings.size,
        from_source=source.address if place.listener.source_specific else None,
    ), [profile.name])
    stream.start()
    # What is on the way when the next handover begins belongs to that one, so it must not be disturbed by this one.
    settle = max(2, round(settings.rate_pps * (_SETTLE_S + cell.lma_delay_ms / 1000)))
    stream.await_reception(profile.name, settle, _RECEPTION_TIMEOUT_S)
    _pause_after(time.time_ns(), _JOIN_OVER_S)
    handovers: list[HandoverRecord] = []
    note = ""
    control_before, start_ns = _control_octets(lab), time.time_ns()
    with lab.mobile_node(profile.name) as host, reporting(lab.node(profile.name).namespace, cell.reports):
        for number in range(1, settings.handovers + 1):
            tell(number, settings.handovers)
            record = _handover(place, host, stream, profile.mags, cell.gap_ms)
            handovers.append(record)
            if not record.deaf and not _hears_on(stream, profile.name, settle, settings.deaf_cap_s):
                record.deaf, record.ended_ns = True, time.time_ns()
                record.outcome.error = record.outcome.error or "heard the stream after the move, and then no more"
            if record.deaf:
                if sum(each.deaf for each in handovers) >= settings.deaf_handovers:
                    note = f"ended after {settings.deaf_handovers} deaf handovers"
                    break
                if not _returns(host, stream, record.previous_mag, settle, settings.deaf_cap_s):
                    note = f"ended: nothing is heard back at {record.previous_mag} either"
                    break
            _pause_after(record.arrived_ns, settings.pause_s)
    end_ns = time.time_ns()
    control_octets = _control_octets(lab) - control_before
    records = stream.stop()
    results = stop_captures(lab, captures)
    return CellRecords(
        cell=cell, listener=place.listener, mover=profile.name, handovers=handovers, stream=records,
        start_ns=start_ns, end_ns=end_ns, captures=tuple(result.file for result in results),
        capture_drops=sum(result.dropped or 0 for result in results), control_octets=control_octets, note=note,
    )


def _handover(
    place: Place, host: MobileNodeHost, stream: MeasuredStream, mags: tuple[str, ...], gap_ms: float
) -> HandoverRecord:
    present = host.attached_to() or ""
    target = next(mag for mag in mags if mag != present)
    record = HandoverRecord(previous_mag=present, new_mag=target, requested_ns=time.time_ns())
    place.system.before_move(target, record.outcome)
    move = host.move(target, gap_ms)
    if move.down is None or move.up is None:
        raise LabError(f"{host.node.name} was nowhere before the move")
    record.left_ns = round(move.down.called.realtime * 1e9)
    record.arrived_ns = round(move.up.returned.realtime * 1e9)
    record.deaf = not _hears(stream, host.node.name, record.arrived_ns, place.settings.deaf_cap_s)
    place.system.after_move(target, record.outcome)
    record.ended_ns = time.time_ns()
    return record


def _pause_after(moved_ns: int, pause_s: float) -> None:
    remaining = pause_s - (time.time_ns() - moved_ns) / 1e9
    if remaining > 0:
        time.sleep(remaining)


def _hears(stream: MeasuredStream, name: str, after_ns: int, cap_s: float) -> bool:
    """Whether a packet arrives after this moment, and within the cap."""
    deadline = time.monotonic() + cap_s
    while time.monotonic() < deadline:
        latest = stream.status(name).last_time_ns
        if latest is not None and latest > after_ns:
            return True
        time.sleep(0.01)
    return False


def _returns(host: MobileNodeHost, stream: MeasuredStream, mag: str, settle: int, cap_s: float) -> bool:
    """Go back to where the stream was heard, so that the next handover begins with a listener that hears."""
    host.move(mag, _RETURN_GAP_MS)
    return _hears_on(stream, host.node.name, settle, cap_s)


def _hears_on(stream: MeasuredStream, name: str, packets: int, cap_s: float) -> bool:
    """Whether so many more packets arrive within the cap."""
    wanted = stream.status(name).received + packets
    deadline = time.monotonic() + cap_s
    while stream.status(name).received < wanted:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _control_octets(lab: Lab) -> int:
    """Octets that have passed the switch nodes' management ports so far, both directions."""
    return sum(
        run_inside(lab.node(name).namespace, _management_octets) for name in lab.switch_names()
    )


def _management_octets() -> int:
    # The file is of the namespace of the thread that reads it.
    with open("/proc/thread-self/net/dev", encoding="ascii") as file:
        for line in file:
            name, _, numbers = line.partition(":")
            if name.strip() == MANAGEMENT_PORT:
                fields: list[Any] = numbers.split()
                return int(fields[0]) + int(fields[8])
    return 0

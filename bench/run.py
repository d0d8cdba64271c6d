# SPDX-License-Identifier: Apache-2.0
"""All cells of the comparison, lab by lab; what is done is on disk after every cell."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cell import Cell, CellRecords, Place, run_cell
from bench.costs import read_costs
from bench.lanes import Lane
from bench.listeners import Listener
from bench.result import cell_result
from bench.settings import BenchSettings, missing_feature, write_topology
from bench.systems import SYSTEMS
from lab.errors import LabError
from lab.logs import copy_logs, logs_kept
from lab.network import Lab, running_lab


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the run tells while it goes on."""

    say: Callable[[str], None]
    """The present phase."""
    done: Callable[[dict[str, Any]], None]
    """The JSON object of one cell."""
    skipped: Callable[[Lane, str], None]
    """A lane, and why it is not available."""
    advance: Callable[[int], None]
    """So many more cells are over, one way or the other."""


def run_bench(settings: BenchSettings, hooks: Hooks) -> list[str]:
    """All lanes. The words of the cells that could not be measured. Raises LabError, TopologyError on a wrong file."""
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="castover-bench-") as name:
        folder = Path(name)
        for lane in settings.lanes:
            reason = missing_feature(settings.topology, folder, lane)
            if reason is not None:
                hooks.skipped(lane, reason)
                hooks.advance(cells_of(settings) * len(settings.listeners) * len(settings.lma_delays_ms))
                continue
            for delay in settings.lma_delays_ms:
                if delay and (reason := missing_feature(settings.topology, folder, lane, delay)) is not None:
                    failures.append(f"{lane.name}, LMA {delay:g} ms away: {reason}")
                    hooks.advance(cells_of(settings) * len(settings.listeners))
                    continue
                for listener in settings.listeners:
                    failures += _lab(settings, lane, listener, delay, folder, hooks)
    return failures


def cells_of(settings: BenchSettings) -> int:
    """How many cells one lab measures."""
    return len(settings.reports) * len(settings.gaps_ms)


def _lab(
    settings: BenchSettings, lane: Lane, listener: Listener, delay: float, folder: Path, hooks: Hooks
) -> list[str]:
    """All cells of one lab. A lab that breaks costs its remaining cells, not the run."""
    cells = [
        Cell(lane=lane.name, listener=listener.name, reports=reports, gap_ms=gap, lma_delay_ms=delay)
        for reports in settings.reports for gap in settings.gaps_ms
    ]
    label = f"{lane.name} {listener.name}" + (f" +{delay:g} ms" if delay else "")

    def phase(what: str) -> None:
        hooks.say(f"{label}: {what}")

    path, domain = write_topology(settings.topology, folder, lane=lane, listener=listener, lma_delay_ms=delay)
    try:
        with (
            running_lab(domain, topology=path, attach=False, say=phase) as lab,
            logs_kept(lab, settings.logs / label.replace(" ", "-")),
            SYSTEMS[lane.system](lab, path, lane, listener, phase) as system,
        ):
            captures = settings.pcap or folder
            place = Place(lab=lab, system=system, listener=listener, settings=settings, captures=captures)
            while cells:
                cell = cells[0]
                what = f"{cell.reports}, gap {cell.gap_ms:g} ms"

                def tell(number: int, of: int, what: str = what) -> None:
                    phase(f"{what}: handover {number} of {of}")

                records = run_cell(place, cell, tell)
                phase(f"{what}: counting")
                hooks.done(_counted(lab, records, settings))
                hooks.advance(1)
                cells.pop(0)
                if any(record.outcome.error for record in records.handovers):
                    copy_logs(lab, settings.logs / cell.name)
    except LabError as error:
        hooks.advance(len(cells))
        return [f"{cell.name}: {error}" for cell in cells]
    return []


def _counted(lab: Lab, records: CellRecords, settings: BenchSettings) -> dict[str, Any]:
    transport, access = records.captures
    costs = read_costs(lab.domain, records.listener.group, transport, access, records.start_ns, records.end_ns)
    if settings.pcap is None:
        shutil.rmtree(transport.parent, ignore_errors=True)  # captures of a whole run would fill a small disk
    return cell_result(records, costs, settings.deaf_cap_s)

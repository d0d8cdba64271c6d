# SPDX-License-Identifier: Apache-2.0
"""All cells, each in a lab of its own; what is done is handed over after every cell."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.castover_system import running_castover
from bench.environment import describe_environment
from bench.exactly_once.cells import Cell
from bench.exactly_once.copies import count_copies
from bench.exactly_once.domain import GROUP, write_domain
from bench.exactly_once.moves import CellRecords, measure
from bench.exactly_once.result import cell_result
from lab.errors import LabError
from lab.logs import copy_logs, logs_kept
from lab.network import running_lab


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the run tells while it goes on."""

    say: Callable[[str], None]
    """The present phase."""
    done: Callable[[dict[str, Any]], None]
    """The JSON object of one cell."""
    advance: Callable[[], None]
    """One more cell is over, one way or the other."""


def run_cells(
    cells: Sequence[Cell], hooks: Hooks, *, topology: Path, logs: Path, pcap: Path | None = None
) -> list[str]:
    """Measure. The words of the cells that could not be. Raises LabError, TopologyError on a wrong topology."""
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="castover-bench-") as name:
        folder = Path(name)
        for cell in cells:
            write_domain(topology, folder, cell)
        for cell in cells:
            try:
                hooks.done(_measure(cell, hooks, topology, folder, logs, pcap))
            except LabError as error:
                failures.append(f"{cell.name}: {error}")
            hooks.advance()
    return failures


def _measure(
    cell: Cell, hooks: Hooks, topology: Path, folder: Path, logs: Path, pcap: Path | None
) -> dict[str, Any]:
    environment = describe_environment()
    started = datetime.now(UTC)

    def phase(what: str) -> None:
        hooks.say(f"{cell.name}: {what}")

    path, domain = write_domain(topology, folder, cell)
    captures = (pcap or folder) / cell.name if pcap is not None or cell.counts_copies else None
    with (
        running_lab(domain, topology=path, attach=False, say=phase) as lab,
        logs_kept(lab, logs / cell.name),
        running_castover(lab, path, phase) as client,
    ):
        records = measure(
            lab, client, cell, captures=captures, tell=lambda number, of: phase(f"handover {number} of {of}")
        )
        phase("counting")
        result = _counted(records, captures, keep=pcap is not None)
        if result["moves"]:
            copy_logs(lab, logs / cell.name)
    ended = datetime.now(UTC)
    return {
        **result,
        "measured": {
            "at": started.isoformat(timespec="seconds"), "seconds": round((ended - started).total_seconds(), 1),
            **{key: environment[key] for key in ("commit", "uncommitted_changes", "load_before")},
        },
    }


def _counted(records: CellRecords, captures: Path | None, *, keep: bool) -> dict[str, Any]:
    copies = None
    if records.cell.counts_copies and records.transport is not None:
        copies = count_copies(records.transport, str(GROUP))
    if captures is not None and not keep:
        shutil.rmtree(captures, ignore_errors=True)
    return cell_result(records, copies)

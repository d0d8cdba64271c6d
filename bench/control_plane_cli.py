# SPDX-License-Identifier: Apache-2.0
"""`castover bench control-plane`: how long a handover takes to prepare, step by step, and against the wire."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.castover_system import castover_system
from bench.cell import Cell, CellRecords, HandoverRecord, Place, run_cell
from bench.control_plane import first_copy_after_barrier_ms, frames_of, preparation_ms, stretches_ms, summary
from bench.costs import Costs
from bench.environment import describe_environment
from bench.lanes import lanes_named
from bench.listeners import FLAP, LISTENERS
from bench.result import cell_result
from bench.settings import BenchSettings, write_topology
from lab.capture import check_capture_tools
from lab.capture_reader import read_fields
from lab.command_line import load_domain, progress, said_plainly, topology_option
from lab.network import running_lab
from lab.number_range import NumberRange
from lab.requirements import check_requirements
from lab.state import write_json
from topology.model import Domain

_GAP_MS = 20.0
_SIZE = 200
_DEAF_CAP_S = 5.0
_PLAIN_WIDTH = 140
_FIELDS = ("frame.time_epoch", "ipv6.src", "ipv6.dst", "mip6.mhtype")


@click.command("control-plane")
@topology_option
@click.option("--handovers", type=click.IntRange(1, 1000), default=100, show_default=True, metavar="N")
@click.option("--rate-pps", type=NumberRange(50, 20_000), default=1000.0, show_default=True, metavar="R",
              help="Packets/s: the first copy on the wire is seen no more exactly than one packet.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write everything here.")
@said_plainly
def control_plane(topology: Path, handovers: int, rate_pps: float, json_file: Path | None) -> None:
    """HO-Initiate to confirmed clone over many predictive handovers, and where the time goes.

    Exit code 0: every handover was prepared and completed; 3: not every one.
    """
    load_domain(topology)
    check_requirements()
    check_capture_tools()
    console = Console() if sys.stdout.isatty() else Console(width=_PLAIN_WIDTH, highlight=False)
    started, machine = datetime.now(UTC), describe_environment()
    with progress("control plane") as say, tempfile.TemporaryDirectory(prefix="castover-bench-") as name:
        folder = Path(name)
        (lane,), listener = lanes_named("predictive"), LISTENERS["asm"]
        settings = BenchSettings(
            topology=topology, lanes=(lane,), listeners=(listener,), reports=(FLAP,), gaps_ms=(_GAP_MS,),
            lma_delays_ms=(0.0,), handovers=handovers, rate_pps=rate_pps, size=_SIZE, deaf_cap_s=_DEAF_CAP_S,
            deaf_handovers=1, logs=folder / "logs", pause_s=0.0,
        )
        path, domain = write_topology(topology, folder, lane=lane, listener=listener)
        cell = Cell(lane=lane.name, listener=listener.name, reports=FLAP, gap_ms=_GAP_MS, lma_delay_ms=0.0)
        with (
            running_lab(domain, topology=path, attach=False, say=say) as lab,
            castover_system(lab, path, lane, listener, say) as system,
        ):
            place = Place(lab=lab, system=system, listener=listener, settings=settings, captures=folder)
            records = run_cell(place, cell, lambda number, of: say(f"handover {number} of {of}"))
        say("reading the capture")
        report = _report(domain, records)
    document = {
        "schema": 1, "started": started.isoformat(timespec="seconds"), "machine": machine,
        "settings": {"handovers": handovers, "rate_pps": rate_pps, "radio_gap_ms": _GAP_MS}, **report,
    }
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        write_json(json_file, document)
    _print(document, console)
    if report["errors"] or report["prepared_ms"]["n"] < handovers:
        sys.exit(3)


def _report(domain: Domain, records: CellRecords) -> dict[str, Any]:
    rows = read_fields(records.captures[0], "mipv6 || gre", _FIELDS)
    frames = frames_of(rows, str(records.listener.group))
    addresses = {mag.id: str(mag.address) for mag in domain.mags}
    handovers = records.handovers
    ends = [*(record.requested_ns for record in handovers[1:]), records.end_ns]
    barrier = [
        first_copy_after_barrier_ms(
            frames, addresses[record.previous_mag], addresses[record.new_mag], record.requested_ns / 1e9, end / 1e9
        )
        for record, end in zip(handovers, ends, strict=True)
    ]
    stretches: dict[str, list[float]] = {}
    for record in handovers:
        for name, value in stretches_ms(_roles(record)).items():
            stretches.setdefault(name, []).append(value)
    prepared = [preparation_ms(record.outcome.steps) for record in handovers]
    counted = cell_result(records, Costs(), _DEAF_CAP_S)
    return {
        "stream": {key: counted["totals"][key] for key in ("lost", "duplicated", "reordered", "deaf")},
        "prepared_ms": summary([value for value in prepared if value is not None]),
        "stretches_ms": {name: summary(values) for name, values in stretches.items()},
        "first_copy_after_barrier_ms": summary([value for value in barrier if value is not None]),
        "first_copy_before_barrier": sum(value is not None and value < 0 for value in barrier),
        "errors": [record.outcome.error for record in handovers if record.outcome.error],
        "handovers": [
            {
                "previous_mag": record.previous_mag, "new_mag": record.new_mag, "error": record.outcome.error or None,
                "prepared_ms": first, "first_copy_after_barrier_ms": second, "lost": stream["lost"],
                "reordered": stream["reordered"], "steps": record.outcome.steps,
            }
            for record, first, second, stream in zip(handovers, prepared, barrier, counted["handovers"], strict=True)
        ],
    }


def _roles(record: HandoverRecord) -> list[dict[str, Any]]:
    """The steps with each MAG's part instead of its name: the mobile node goes back and forth."""
    roles = {record.previous_mag: "p-MAG", record.new_mag: "n-MAG"}
    return [{**step, "node": roles.get(step["node"], step["node"])} for step in record.outcome.steps]


def _print(document: dict[str, Any], console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("ms")
    for name in ("n", "p50", "p95", "p99", "max"):
        table.add_column(name, justify="right")
    rows = {
        "HO-Initiate to confirmed clone": document["prepared_ms"],
        **{f"  {name}": values for name, values in document["stretches_ms"].items()},
        "first copy on the wire after the barrier's HAck": document["first_copy_after_barrier_ms"],
    }
    for title, values in rows.items():
        numbers = ["-" if values[key] is None else f"{values[key]:.2f}" for key in ("p50", "p95", "p99", "max")]
        table.add_row(title, str(values["n"]), *numbers)
    console.print(table)
    console.print(
        f"negative: the copy was on the wire first, in {document['first_copy_before_barrier']} of "
        f"{document['first_copy_after_barrier_ms']['n']} handovers", highlight=False,
    )
    console.print("stream: " + ", ".join(f"{count} {name}" for name, count in document["stream"].items()))
    for error in sorted(set(document["errors"])):
        console.print(f"error: {error}", style="red", highlight=False, markup=False)

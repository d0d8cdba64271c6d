# SPDX-License-Identifier: Apache-2.0
"""`castover bench exactly-once`: the proof, in one run or in pieces."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.environment import describe_environment
from bench.exactly_once.cells import CELLS, Cell
from bench.exactly_once.result import kept
from bench.exactly_once.run import Hooks, run_cells
from bench.exactly_once.table import line_of, render_table
from bench.live import live_progress
from bench.options import NameList
from bench.results_folder import new_results_folder
from lab.capture import check_capture_tools
from lab.command_line import load_domain, said_plainly, topology_option
from lab.errors import LabError
from lab.interruption import LabInterrupted
from lab.requirements import check_requirements
from lab.state import write_json
from lab.stream_format import RECORDS_MAX

SCHEMA = 1
_PLAIN_WIDTH = 160
_QUICK_PART = 50
_QUICK_MIN = 4
_USUAL_HANDOVER_S = 4.0
_NAMES = tuple(cell.name for cell in CELLS)


@click.command("exactly-once")
@topology_option
@click.option("--cells", type=NameList(_NAMES), metavar="LIST", help="Only these (see --list).")
@click.option("--list", "only_list", is_flag=True, help="Show the cells, and measure nothing.")
@click.option("--handovers", type=click.IntRange(1, 10_000), metavar="N", help="In each cell (default: see --list).")
@click.option("--quick", is_flag=True, help="Only for a look: one in fifty handovers, four at least.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where the results go (default: a new folder in bench/results). What is there already is kept, and "
                   "not measured again unless --cells names it.")
@click.option("--pcap", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Keep captures of every cell's transport network here.")
@said_plainly
def exactly_once(
    topology: Path, cells: tuple[str, ...] | None, only_list: bool, handovers: int | None, quick: bool,
    out: Path | None, pcap: Path | None,
) -> None:
    """Show that a predictive handover loses, doubles and reorders nothing, whatever the paths and the moment.

    Writes results.json and table.md after every cell. A lab of its own is built for each cell and taken down again.

    \b
    Exit code 0: all that was asked for was measured and is as promised; 3: some of it could not be measured, a handover
    failed, or something is not as promised; 1: nothing could be measured.
    """
    chosen = [_sized(cell, handovers, quick) for cell in CELLS if cells is None or cell.name in cells]
    if only_list:
        _list(chosen)
        return
    load_domain(topology)
    check_requirements()
    if pcap is not None or any(cell.counts_copies for cell in chosen):
        check_capture_tools()
    for cell in chosen:
        if cell.handovers * cell.rate_pps * _USUAL_HANDOVER_S > RECORDS_MAX:
            raise LabError(f"{cell.name}: {cell.handovers} handovers are too many to record", "lower --handovers")
    environment, started = describe_environment(), datetime.now(UTC)
    out = out or new_results_folder(started, environment)
    document = _document(out, environment, started)
    console = Console() if sys.stdout.isatty() else Console(width=_PLAIN_WIDTH, highlight=False)
    if cells is None:
        chosen = _still_to_do(chosen, document, console)
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write(out, document)
    except OSError as error:
        raise LabError(f"{error.filename}: {error.strerror}") from error
    try:
        _run(chosen, document, console, topology=topology, out=out, pcap=pcap)
    except (KeyboardInterrupt, LabInterrupted):
        console.print(f"interrupted: the lab is taken down, what is measured so far is in {out}")
        raise
    finally:
        _write(out, document)
    console.print(f"table and numbers: {out}/table.md, results.json", highlight=False)
    asked = {cell.name for cell in chosen}
    found = [cell for cell in document["cells"] if cell["name"] in asked or cells is None]
    failed = any(part["errors"] for cell in found for part in cell["parts"])
    if len(found) < len(asked) or failed or not all(kept(cell) for cell in found):
        sys.exit(3 if found else 1)


def _sized(cell: Cell, handovers: int | None, quick: bool) -> Cell:
    wanted = handovers or (max(_QUICK_MIN, cell.handovers // _QUICK_PART) if quick else cell.handovers)
    return replace(cell, handovers=wanted)


def _list(cells: Sequence[Cell]) -> None:
    width = max(len(cell.name) for cell in cells)
    for cell in cells:
        click.echo(f"{cell.name:{width}}  {cell.handovers:5} handovers  {cell.section}: {cell.title}, {cell.dialect}")


def _document(out: Path, environment: dict[str, Any], started: datetime) -> dict[str, Any]:
    """The results that are in the folder already, or empty ones. Raises LabError when they are not ours."""
    file = out / "results.json"
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {
            "schema": SCHEMA, "bench": "exactly-once", "started": started.isoformat(timespec="seconds"),
            "complete": False, "machine": environment, "cells": [], "failures": [],
        }
    except (OSError, ValueError) as error:
        raise LabError(f"{file} cannot be read: {error}", "name another folder with --out") from error
    if not isinstance(document, dict) or (document.get("bench"), document.get("schema")) != ("exactly-once", SCHEMA):
        raise LabError(f"{file} holds other results", "name another folder with --out")
    document["machine"], document["failures"] = environment, []
    return document


def _still_to_do(chosen: Sequence[Cell], document: dict[str, Any], console: Console) -> list[Cell]:
    """Without those that are there with as many handovers as are wanted now."""
    there = {cell["name"]: cell["handovers"] for cell in document["cells"]}
    left = [cell for cell in chosen if there.get(cell.name, 0) < cell.handovers]
    if len(left) < len(chosen):
        names = ", ".join(cell.name for cell in chosen if cell not in left)
        console.print(f"measured already: {names} (--cells measures again)", highlight=False)
    return left


def _run(
    cells: Sequence[Cell], document: dict[str, Any], console: Console, *, topology: Path, out: Path, pcap: Path | None
) -> None:
    with live_progress(console, "exactly once", len(cells)) as live:

        def done(result: dict[str, Any]) -> None:
            others = [cell for cell in document["cells"] if cell["name"] != result["name"]]
            document["cells"] = sorted([*others, result], key=lambda cell: _NAMES.index(cell["name"]))
            document["complete"] = [cell["name"] for cell in document["cells"]] == list(_NAMES)
            _write(out, document)
            for line in line_of(result):
                live.print(line)

        document["failures"] = run_cells(
            cells, Hooks(say=live.say, done=done, advance=live.advance), topology=topology, logs=out / "logs", pcap=pcap
        )
    for failure in document["failures"]:
        console.print(f"not measured: {failure}", highlight=False, markup=False)


def _write(out: Path, document: dict[str, Any]) -> None:
    """results.json and table.md; a reader sees them whole."""
    write_json(out / "results.json", document)
    (out / "table.md").write_text(render_table(document), encoding="utf-8")

# SPDX-License-Identifier: Apache-2.0
"""`castover bench handover`: every way to move a listener, side by side, in one run."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.environment import describe_environment
from bench.lanes import LANES, STATIC, Lane, lanes_named
from bench.listeners import FLAP, LISTENERS, REPORTS, check_silencing_tools
from bench.live import live_progress
from bench.options import NameList, NumberList
from bench.picture import check_picture_tools, draw
from bench.results_folder import new_results_folder
from bench.run import Hooks, cells_of, run_bench
from bench.settings import BenchSettings
from bench.static_forwarding import check_static_tools
from bench.table import condition, interruption, render_tables
from lab.capture import check_capture_tools
from lab.command_line import load_domain, said_plainly, topology_option
from lab.errors import LabError
from lab.interruption import LabInterrupted
from lab.number_range import NumberRange
from lab.requirements import check_requirements
from lab.state import write_json
from lab.stream_format import PAYLOAD_HEADER, PAYLOAD_OCTETS_MAX, RECORDS_MAX

SCHEMA = 1
_PLAIN_WIDTH = 160
_USUAL_HANDOVER_S = 2.0


@click.command("handover")
@topology_option
@click.option("--handovers", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N",
              help="In each cell.")
@click.option("--gap-ms", "gaps_ms", type=NumberList(0, 3000), default="13,64", show_default=True, metavar="LIST",
              help="How long the mobile node is without a link.")
@click.option("--rate-pps", type=NumberRange(50, 20_000), default=1000.0, show_default=True, metavar="R",
              help="Packets/s of the stream.")
@click.option("--size", type=click.IntRange(PAYLOAD_HEADER.size, PAYLOAD_OCTETS_MAX), default=200, show_default=True,
              metavar="OCTETS", help="UDP payload of each packet.")
@click.option("--lanes", metavar="LIST", help=f"Of {', '.join(lane.name for lane in LANES)} (default: all).")
@click.option("--listeners", type=NameList(tuple(LISTENERS)), default="asm,ssm", show_default=True, metavar="LIST",
              help="asm: any source; ssm: one source.")
@click.option("--reports", type=NameList(tuple(REPORTS)), default="flap,silent", show_default=True, metavar="LIST",
              help="; ".join(f"{name}: {meaning}" for name, meaning in REPORTS.items()) + ".")
@click.option("--lma-delay-ms", "lma_delays_ms", type=NumberList(0, 1000), default="0", show_default=True,
              metavar="LIST", help="One-way delay between the LMA and each MAG.")
@click.option("--deaf-cap-s", type=NumberRange(0.5, 600), default=30.0, show_default=True, metavar="S",
              help="A mobile node that hears nothing for so long after a move is deaf.")
@click.option("--deaf-handovers", type=click.IntRange(1, 1000), default=2, show_default=True, metavar="N",
              help="End a cell after so many deaf handovers.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where the results go (default: bench/results/DATE-TIME-COMMIT).")
@click.option("--pcap", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Keep every cell's captures here.")
@click.option("--quick", is_flag=True, help="Only for a look: 3 handovers, the longest gap, deaf after 5 s.")
@said_plainly
def handover(
    topology: Path, handovers: int, gaps_ms: tuple[float, ...], rate_pps: float, size: int, lanes: str | None,
    listeners: tuple[str, ...], reports: tuple[str, ...], lma_delays_ms: tuple[float, ...], deaf_cap_s: float,
    deaf_handovers: int, out: Path | None, pcap: Path | None, quick: bool,
) -> None:
    """Move a listener in every way there is, side by side: lost packets, interruption, what it costs.

    Writes results.json, table.md and packets.png. A lab of its own is built for each lane and taken down again.

    \b
    Exit code 0: everything was measured; 3: some of it could not be, or a handover failed; 1: nothing could.
    """
    load_domain(topology)
    try:
        chosen = lanes_named(lanes)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if quick:
        handovers, gaps_ms, deaf_cap_s, deaf_handovers = min(handovers, 3), (max(gaps_ms),), min(deaf_cap_s, 5.0), 1
    _check_tools(chosen, reports)
    if rate_pps * (handovers * _USUAL_HANDOVER_S + deaf_handovers * 2 * deaf_cap_s) > RECORDS_MAX:
        raise LabError(f"{handovers} handovers at {rate_pps:g} packets/s are too many to record", "lower one of them")
    environment = describe_environment()
    started = datetime.now(UTC)
    out = out or new_results_folder(started, environment)
    settings = BenchSettings(
        topology=topology, lanes=chosen, listeners=tuple(LISTENERS[name] for name in listeners), reports=reports,
        gaps_ms=gaps_ms, lma_delays_ms=lma_delays_ms, handovers=handovers, rate_pps=rate_pps, size=size,
        deaf_cap_s=deaf_cap_s, deaf_handovers=deaf_handovers, logs=out / "logs", pcap=pcap,
    )
    document: dict[str, Any] = {
        "schema": SCHEMA, "started": started.isoformat(timespec="seconds"), "complete": False, "machine": environment,
        "settings": {
            "lanes": [lane.name for lane in chosen], "listeners": list(listeners), "reports": list(reports),
            "gaps_ms": list(gaps_ms), "lma_delays_ms": list(lma_delays_ms), "handovers": handovers,
            "rate_pps": rate_pps, "size": size, "deaf_cap_s": deaf_cap_s, "deaf_handovers": deaf_handovers,
        },
        "lanes": [{"name": lane.name, "title": lane.title, "available": True, "reason": None} for lane in chosen],
        "cells": [], "failures": [],
    }
    if (out / "results.json").exists():
        raise LabError(f"{out} has the results of an earlier run", "name another folder: a run is never mixed with another")
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_results(out, document)
    except OSError as error:
        raise LabError(f"{error.filename}: {error.strerror}") from error
    console = Console() if sys.stdout.isatty() else Console(width=_PLAIN_WIDTH, highlight=False)
    try:
        _run(settings, document, out, console)
    except (KeyboardInterrupt, LabInterrupted):
        console.print(f"interrupted: the lab is taken down, what is measured so far is in {out}")
        raise
    finally:
        write_results(out, document)
        draw(document, out / "packets.png")
    console.print(f"table, numbers, picture: {out}/table.md, results.json, packets.png", highlight=False)
    if document["failures"] or any(cell["totals"]["errors"] for cell in document["cells"]):
        sys.exit(3)


def write_results(out: Path, document: dict[str, Any]) -> None:
    """results.json and table.md; a reader sees them whole."""
    write_json(out / "results.json", document)
    (out / "table.md").write_text(render_tables(document), encoding="utf-8")


def _check_tools(lanes: tuple[Lane, ...], reports: tuple[str, ...]) -> None:
    check_requirements()
    check_capture_tools()
    check_picture_tools()
    if set(reports) - {FLAP}:
        check_silencing_tools()
    if any(lane.system == STATIC for lane in lanes):
        check_static_tools()


def _run(settings: BenchSettings, document: dict[str, Any], out: Path, console: Console) -> None:
    labs = len(settings.lanes) * len(settings.listeners) * len(settings.lma_delays_ms)
    with live_progress(console, "bench", labs * cells_of(settings)) as live:

        def done(cell: dict[str, Any]) -> None:
            document["cells"].append(cell)
            write_results(out, document)
            live.print(_line(cell))

        def skipped(lane: Lane, reason: str) -> None:
            for row in document["lanes"]:
                if row["name"] == lane.name:
                    row.update(available=False, reason=reason)
            live.print(f"{lane.name}: {reason}")

        failures = run_bench(settings, Hooks(say=live.say, done=done, skipped=skipped, advance=live.advance))
    document["failures"] = failures
    for failure in failures:
        console.print(f"not measured: {failure}", highlight=False, markup=False)
    document["complete"] = not failures


def _line(cell: dict[str, Any]) -> str:
    totals = cell["totals"]
    times = " / ".join(interruption(totals["interruption_ms"][name], totals) for name in ("p50", "p95", "p99"))
    note = f" ({cell['note']})" if cell["note"] else ""
    errors = f", {totals['errors']} errors" if totals["errors"] else ""
    return (
        f"{cell['lane']}: {condition(cell)}: lost {totals['lost']}, duplicated {totals['duplicated']}, reordered "
        f"{totals['reordered']}, interruption p50/p95/p99 {times}, n={totals['handovers']}{errors}{note}"
    )

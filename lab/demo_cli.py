# SPDX-License-Identifier: Apache-2.0
"""`castover demo`: build, stream, hand over, count, report, clean up."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from lab.capture import check_capture_tools
from lab.capture_hints import capture_hints
from lab.command_line import load_domain, progress, said_plainly, topology_option
from lab.demo import remove_abandoned_demos, run_demo
from lab.demo_modes import MODES, PLAIN, PREDICTIVE
from lab.demo_options import gap_option, handovers_option, json_option, rate_option, unicast_option
from lab.demo_report import print_run, print_summary
from lab.demo_result import RunResult, run_report
from lab.demo_settings import DemoSettings, choose_cast
from lab.errors import LabError
from lab.interruption import LabInterrupted
from lab.machine import describe_machine
from lab.report_file import prepare_report, write_report_file
from lab.requirements import check_requirements
from lab.stream_format import PAYLOAD_HEADER, PAYLOAD_OCTETS_MAX, RECORDS_MAX
from lab.typed import typed

_MODES = {**{mode: (mode,) for mode in MODES}, "both": (PREDICTIVE, PLAIN)}
_DIALECTS = {"draft": ("draft",), "rfc": ("rfc",), "both": ("draft", "rfc")}
PLAIN_WIDTH = 146
"""Of a report that goes into no terminal."""
_LONGEST_HANDOVER_S = 60


@click.command("demo")
@topology_option
@handovers_option
@rate_option
@gap_option
@click.option(
    "--size", type=click.IntRange(PAYLOAD_HEADER.size, PAYLOAD_OCTETS_MAX), default=200, show_default=True,
    metavar="OCTETS", help="UDP payload of each packet.",
)
@click.option(
    "--mode", type=click.Choice(list(_MODES)), default="both", show_default=True,
    help="; ".join(f"{name}: {mode.words}" for name, mode in MODES.items()) + "; both: predictive, then plain.",
)
@click.option(
    "--dialect", type=click.Choice(list(_DIALECTS)), help="HI/HAck layout (default: what the topology says).",
)
@click.option(
    "--trigger", type=click.Choice(["rest", "mobile-node"]), default="rest", show_default=True,
    help="Who asks for a handover: POST /v1/handovers, or the mobile node's own HO-Initiate.",
)
@unicast_option
@click.option("--pcap", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Keep captures here.")
@json_option
@click.option(
    "--logs", type=click.Path(file_okay=False, path_type=Path), default=Path("demo-output/logs"), show_default=True,
    metavar="DIR", help="Where the logs go when the demo fails.",
)
@said_plainly
def demo(
    topology: Path, handovers: int, rate_pps: float, gap_ms: float, size: int, mode: str, dialect: str | None,
    trigger: str, unicast: bool, pcap: Path | None, json_file: Path | None, logs: Path,
) -> None:
    """Move a mobile node back and forth under a multicast stream, and count every packet.

    A lab of its own is built for it and taken down again; one that is up is not touched.

    \b
    Exit code 0: every handover completed; 3: not every one did; 1: the demo could not be run.
    """
    domain = load_domain(topology)
    choose_cast(domain)
    check_requirements()
    settings = DemoSettings(
        topology=topology, handovers=handovers, rate_pps=rate_pps, gap_ms=gap_ms, size=size, modes=_MODES[mode],
        dialects=_DIALECTS[dialect or domain.dialect], trigger=trigger, pcap=pcap, logs=logs,
        unicast=unicast,
    )
    if rate_pps * handovers * _LONGEST_HANDOVER_S > RECORDS_MAX * 10:
        raise LabError(f"{handovers} handovers at {rate_pps:g} packets/s are too many to record", "lower one of them")
    if trigger != "rest" and any(MODES[name].announced not in (None, PREDICTIVE) for name in settings.modes):
        raise LabError(f"HO-Initiate of a mobile node cannot ask for mode {mode}", "use --trigger rest")
    prepare_output(pcap, json_file)
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH, highlight=False)
    results: list[RunResult] = []

    def finished(result: RunResult) -> None:
        results.append(result)
        print_run(result, console)

    try:
        with progress("demo") as say:
            remove_abandoned_demos(lambda what: click.echo(what, err=True))
            run_demo(settings, say, finished)
    except (KeyboardInterrupt, LabInterrupted):
        console.print("interrupted: the lab is taken down, what follows is not the whole demo")
        raise
    finally:
        if results:
            print_summary(results, console)
        if json_file is not None:
            write_report(json_file, results, complete=len(results) == len(settings.modes) * len(settings.dialects))
    if any(result.completed < len(result.runs) for result in results):
        console.print("not every handover completed", style="red")
        sys.exit(3)
    if pcap is not None:
        for line in capture_hints(pcap, [(result.dialect, result.mode) for result in results]):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"see it live, in a browser, and hand over by dragging: {typed('view')}", markup=False)


def prepare_output(pcap: Path | None, json_file: Path | None) -> None:
    """Find out now, not after minutes, that a result could not be written. Raises LabError."""
    try:
        if pcap is not None:
            check_capture_tools()
            pcap.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{error.filename}: {error.strerror}") from error
    if json_file is not None:
        prepare_report(json_file)


def write_report(file: Path, results: list[RunResult], *, complete: bool) -> None:
    """The form is the same however many runs there are; docs/reference/demo.md describes it."""
    runs = [run_report(result) for result in results]
    write_report_file(file, {"machine": describe_machine(), "complete": complete, "runs": runs})

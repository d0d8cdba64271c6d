# SPDX-License-Identifier: Apache-2.0
"""`castover containers`: what docker-compose.yml runs in its containers, and the demo on them."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from containers.ground import ContainerGround
from containers.node import run_node
from containers.radio import run_radio
from containers.turns import all_moves
from lab.command_line import load_domain, progress, said_plainly, topology_option
from lab.demo_cli import PLAIN_WIDTH, prepare_output, write_report
from lab.demo_measurement import await_bindings, measure_mode
from lab.demo_modes import MODES, PLAIN, PREDICTIVE
from lab.demo_options import gap_option, handovers_option, json_option, rate_option, unicast_option
from lab.demo_report import print_run, print_summary
from lab.demo_result import RunResult
from lab.demo_settings import Cast, DemoSettings, choose_cast
from lab.interruption import deferred_signals
from lab.radio_cli import gap_option as radio_gap_option
from lab.radio_cli import moved_line
from lab.rest_client import RestClient
from topology.model import Domain

_MODES = {PREDICTIVE: (PREDICTIVE,), PLAIN: (PLAIN,), "both": (PREDICTIVE, PLAIN)}
_NODES_TIMEOUT_S = 60.0


@click.group()
def containers() -> None:
    """The nodes of topology.yaml as containers: what docker-compose.yml is made of."""


@containers.command()
@topology_option
@click.argument("name", metavar="NODE")
@said_plainly
def node(topology: Path, name: str) -> None:
    """Make this container NODE (the LMA, a MAG, a mobile node or a source) until it is told to stop.

    The container needs NET_ADMIN and NET_RAW, LMA and MAGs also /dev/net/tun. Never run it on a host: it takes network
    interfaces away.
    """
    run_node(load_domain(topology), topology.resolve(), name, lambda what: click.echo(what, err=True))


@containers.command()
@topology_option
@radio_gap_option
@said_plainly
def radio(topology: Path, gap_ms: float) -> None:
    """Be the radio of the containers: move each mobile node when its handover says that it may leave, until told to stop.

    With it a handover that is asked for over REST, or by dragging in the live view, completes by itself. While a demo runs
    the moves are the demo's.
    """
    run_radio(
        load_domain(topology), gap_ms, told=lambda moved: click.echo(moved_line(moved)),
        say=lambda what: click.echo(what, err=True),
    )


@containers.command()
@topology_option
@handovers_option
@rate_option
@gap_option
@click.option(
    "--mode", type=click.Choice(list(_MODES)), default="both", show_default=True,
    help="; ".join(f"{name}: {MODES[name].words}" for name in (PREDICTIVE, PLAIN)) + "; both: one after the other.",
)
@unicast_option
@json_option
@said_plainly
def demo(
    topology: Path, handovers: int, rate_pps: float, gap_ms: float, mode: str, unicast: bool,
    json_file: Path | None,
) -> None:
    """Move a mobile node back and forth between the MAGs' containers, count every packet, report as `castover demo` does.

    Runs in a container beside them. Nothing is built and nothing taken down; what it starts, it ends.

    \b
    Exit code 0: every handover completed; 3: not every one did; 1: the demo could not be run.
    """
    domain = load_domain(topology)
    cast = choose_cast(domain)
    settings = DemoSettings(
        topology=topology, handovers=handovers, rate_pps=rate_pps, gap_ms=gap_ms, size=200, modes=_MODES[mode],
        dialects=(domain.dialect,), trigger="rest", pcap=None, logs=Path(),
        unicast=unicast,
    )
    prepare_output(None, json_file)
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH, highlight=False)
    results: list[RunResult] = []
    try:
        # SIGTERM, too, calls off what is under way.
        with deferred_signals() as interruption, interruption.allowed():
            _run(domain, cast, settings, console, results)
    finally:
        if results:
            print_summary(results, console)
        if json_file is not None:
            write_report(json_file, results, complete=len(results) == len(settings.modes))
    if any(result.completed < len(result.runs) for result in results):
        console.print("not every handover completed", style="red")
        sys.exit(3)


def _run(domain: Domain, cast: Cast, settings: DemoSettings, console: Console, results: list[RunResult]) -> None:
    with (
        progress("demo") as say, ContainerGround(domain) as ground,
        RestClient(f"http://[{domain.controller.address}]:{domain.controller.rest_port}") as client,
    ):
        ground.await_nodes(_NODES_TIMEOUT_S, say)
        with all_moves(domain.name):
            await_bindings(client, cast, say, ground)
            for mode in settings.modes:
                result = measure_mode(ground, client, cast, settings, domain.dialect, mode, say)
                results.append(result)
                print_run(result, console)

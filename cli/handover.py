# SPDX-License-Identifier: Apache-2.0
"""`castover handover MN MAG`: ask the controller for a handover ahead of the move and watch its steps."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from castover_client import Castover, Handover, HandoverTimeout, Step
from cli.running_api import domain_of, running_api
from lab.command_line import load_domain, said_plainly, topology_option
from lab.number_range import NumberRange
from lab.rest_client import lab_errors
from lab.typed import typed
from topology.policy_store import PolicyStore

MAY_LEAVE_NOW = "the mobile node may leave"
EXIT_NOT_COMPLETED = 3
"""Taken, but it failed, was cancelled, or did not end in time."""


@click.command("handover")
@topology_option
@click.argument("mobile_node", metavar="MN")
@click.argument("mag", metavar="MAG")
@click.option("--wait", is_flag=True, help="Watch until it has ended; the mobile node must be moved meanwhile.")
@click.option(
    "--timeout", "timeout_s", type=NumberRange(0, 86_400, min_open=True), default=30.0, show_default=True,
    metavar="SECONDS", help="How long --wait waits.",
)
@click.option(
    "--mode", type=click.Choice(["predictive", "join"]), default="predictive", show_default=True,
    help="predictive: the groups are cloned to MAG ahead of the move; join: only the context goes ahead.",
)
@click.option("--rest", "rest", metavar="URL", help="The controller's REST API (default: the running lab's).")
@said_plainly
def handover(
    topology: Path, mobile_node: str, mag: str, wait: bool, timeout_s: float, mode: str, rest: str | None
) -> None:
    """Prepare the move of the mobile node MN (MN-ID, or its short name) to MAG.

    With tokens: CASTOVER_TOKEN holds one that may trigger. For https: CASTOVER_CA_FILE names certificates to trust.

    \b
    Exit code 0: taken (with --wait: completed); 1: refused, or no controller; 3: it did not complete.
    """
    mn_id, url = _where(topology, mobile_node, rest)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    with lab_errors(), Castover.from_environment(url) as castover:
        begun = castover.start_handover(mn_id, mag, mode=mode)
        said = f"handover {begun.id} of {begun.mn_id} to {begun.new_mag}"
        if not wait:
            console.print(f"{said}: {castover.handover(begun.id).state}")
            # The same token and certificates are in the environment of whoever types it.
            named = [] if rest is None else ["--rest", rest]
            console.print(f"its story: {typed('trace', begun.id, *named)}")
            return
        console.print(said)
        last = _watch(castover, begun, timeout_s, console)
    console.print(last.state + (f": {last.error}" if last.error else ""))
    if last.state != "completed":
        sys.exit(EXIT_NOT_COMPLETED)


def _watch(castover: Castover, begun: Handover, timeout_s: float, console: Console) -> Handover:
    """Print each step as it is told, and when the node may leave; the handover as it ended."""
    shown: set[Step] = set()
    last, said_that_it_may = begun, False
    try:
        for last in castover.follow(begun.id, timeout_s=timeout_s):
            # Two nodes report: a step may arrive after one that happened later.
            for step in last.steps:
                if step not in shown:
                    shown.add(step)
                    console.print(step_line(step))
            if last.may_leave and not last.ended and not said_that_it_may:
                said_that_it_may = True
                console.print(MAY_LEAVE_NOW)
    except HandoverTimeout as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_NOT_COMPLETED)
    return last


def step_line(step: Step) -> str:
    """One step as a line: time of day (UTC), number, node, name, detail."""
    at = datetime.fromtimestamp(step.at, UTC).strftime("%H:%M:%S.%f")
    return f"{at}  {step.step:>2}  {step.node:<10}  {step.name}" + (f"  {step.detail}" if step.detail else "")


def _where(topology: Path, mobile_node: str, rest: str | None) -> tuple[str, str]:
    """MN-ID and URL. Without a topology file both must have been given in full."""
    if rest is not None and not topology.exists():
        return mobile_node, rest
    domain = domain_of(topology) if rest is None else load_domain(topology)
    profile = PolicyStore(domain.mobile_nodes).find(mobile_node)
    mn_id = profile.id if profile is not None else mobile_node  # the controller may know more of them
    if rest is not None:
        return mn_id, rest
    return mn_id, running_api(domain)

# SPDX-License-Identifier: Apache-2.0
"""`castover lab`: build a lab, look at it, move mobile nodes, run programs inside, take it down."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from lab.command_line import load_domain, progress, said_plainly, topology_option
from lab.errors import LabError
from lab.interruption import deferred_signals
from lab.inventory import labs_on_record
from lab.mobile_node import Move
from lab.namespaces import enter_namespace
from lab.network import Lab, build_lab
from lab.number_range import NumberRange
from lab.plan import Node, plan_nodes
from lab.programs import start_programs
from lab.requirements import check_requirements, tool_search_path
from lab.status import collect_status, print_status
from lab.teardown import refuse_anothers_lab, take_down
from lab.typed import typed

console = Console()


@click.group()
def lab() -> None:
    """A PMIPv6 domain on this machine: network namespaces and Open vSwitch, from topology.yaml. Needs root."""


@lab.command()
@topology_option
@click.option("--network-only", is_flag=True, help="Only nodes, links and switches: no controller, no agents.")
@said_plainly
def up(topology: Path, network_only: bool) -> None:
    """Build the lab, start the controller and the agents, attach the mobile nodes.

    If anything fails, and on Ctrl-C, everything is taken down again.
    """
    domain = load_domain(topology)
    with progress("building the lab") as say, deferred_signals() as interruption:
        built = build_lab(domain, topology=topology, attach=network_only, say=say)
        if not network_only:
            try:
                start_programs(built, topology, say, interruption.check)
                built.attach_mobile_nodes()
            except BaseException:
                take_down(domain.name)
                raise
    rest = built.state.rest_url
    console.print(f"lab [bold]{domain.name}[/] is up" + (f", REST on {rest}" if rest else ""))
    if rest:
        click.echo(f"with a stream, a radio and the live view in a browser: {typed('view')}")
    click.echo(f"see it: {typed('lab', 'status')}; end it: {typed('lab', 'down')}")


@lab.command()
@topology_option
@click.option("--name", metavar="DOMAIN", help="Take down the lab of this name, without reading a topology file.")
@click.option("--all", "every", is_flag=True, help="Take down every lab that no running demo or measurement uses.")
@click.option(
    "--force", is_flag=True,
    help="Also a lab that was built from another file, and namespaces of the lab's names that no lab on record owns; "
    "with --all also labs in use.",
)
@said_plainly
def down(topology: Path, name: str | None, every: bool, force: bool) -> None:
    """Stop every process of the lab and remove its namespaces and files. Safe to repeat, and after a crash.

    A lab of the same name that was built from another topology file, in another checkout for example, is left alone.
    """
    if every:
        if name is not None:
            raise click.UsageError("--name and --all exclude each other")
        _down_all(force)
        return
    nodes: tuple[Node, ...] = ()
    if name is None:
        domain = load_domain(topology)
        name, nodes = domain.name, plan_nodes(domain)
        if not force:
            refuse_anothers_lab(name, topology)
    elif "/" in name or name in ("", ".", ".."):
        raise LabError(f"{name!r} is not the name of a lab", f"see them: {typed('lab', 'list', with_topology=False)}")
    _take_down(name, nodes, force)


def _down_all(force: bool) -> None:
    found = labs_on_record()
    if not found:
        console.print("no lab is up: nothing to do")
    for one in found:
        if one.owner_runs and not force:
            console.print(f"lab {one.name} is in use by process {one.owner_pid}, which takes it down when it ends: kept")
        else:
            _take_down(one.name, (), force=False)


def _take_down(name: str, nodes: tuple[Node, ...], force: bool) -> None:
    if os.geteuid() != 0:
        raise LabError("taking a lab down needs root", "run it with sudo")
    with deferred_signals():
        removed = take_down(name, nodes=nodes, force=force)
    if not removed.anything:
        console.print(f"lab {name} is not up: nothing to do")
        return
    console.print(f"lab {name} is down: {removed.processes} processes ended, {removed.namespaces} namespaces removed")


@lab.command("list")
@click.option("--json", "as_json", is_flag=True, help="As one JSON array on standard output.")
def list_labs(as_json: bool) -> None:
    """Show every lab on this machine, also what a killed demo has left. Reads no topology file."""
    found = labs_on_record()
    if as_json:
        wire = [{**asdict(one), "abandoned": one.abandoned, "condition": one.condition} for one in found]
        click.echo(json.dumps(wire, indent=2))
        return
    if not found:
        click.echo("no lab is up")
        return
    rows = [("lab", "REST", "built from", "state")]
    rows += [(one.name, one.rest_url or "-", one.topology or "-", one.condition) for one in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        # Not a table of rich's: names and addresses are there to be copied whole, however narrow the terminal is.
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    # Those in use end by themselves: a hint that is pasted must not take a demo's lab from under it.
    idle = sorted((one for one in found if not one.owner_runs), key=lambda one: one.readable and not one.abandoned)
    if idle:
        click.echo(f"take one down: {typed('lab', 'down', '--name', idle[0].name)}")


@lab.command()
@topology_option
@click.option("--json", "as_json", is_flag=True, help="As one JSON object on standard output.")
@said_plainly
def status(topology: Path, as_json: bool) -> None:
    """Show nodes, processes, switches, and where the mobile nodes are."""
    found = collect_status(_found(topology))
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        print_status(found, console)


@lab.command()
@topology_option
@click.argument("mobile_node", metavar="MN")
@click.argument("mag", metavar="MAG")
@click.option(
    "--gap-ms", type=NumberRange(0, 3_600_000), default=0.0, show_default=True,
    help="How long the mobile node is without a link.",
)
@click.option("--json", "as_json", is_flag=True, help="The times of both link changes as one JSON object.")
@said_plainly
def move(topology: Path, mobile_node: str, mag: str, gap_ms: float, as_json: bool) -> None:
    """Move the mobile node MN (short name or MN-ID) to the link of MAG, without any preparation."""
    with _found(topology).mobile_node(mobile_node) as host:
        # A node that is there already would only lose its link for a moment.
        there = host.attached_to() == mag
        moved = Move(mobile_node=host.node.name, down=None, up=None) if there else host.move(mag, gap_ms)
    if as_json:
        click.echo(json.dumps({**asdict(moved), "gap_ms": moved.gap_ms}, indent=2))
    elif there:
        console.print(f"{moved.mobile_node} is at {mag} already: nothing is moved")
    elif moved.gap_ms is None or moved.down is None:
        console.print(f"{moved.mobile_node} is at {mag}")
    else:
        console.print(f"{moved.mobile_node} is at {mag}, {moved.gap_ms:.2f} ms after it left {moved.down.mag}")


@lab.command(
    "exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@topology_option
@click.argument("node", metavar="NODE")
@click.argument("command", metavar="CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
@said_plainly
def execute(topology: Path, node: str, command: tuple[str, ...]) -> None:
    """Run CMD inside NODE: lma, a MAG id, a mobile node, a source, controller or transport.

    ovs-vsctl, ovs-ofctl and ovs-appctl talk to the node's own switch:

    castover lab exec mag1 ovs-ofctl -O OpenFlow15 dump-flows br-int
    """
    found = _found(topology)
    where = found.node(node)
    extra = found.switch(node).environment if node in found.switch_names() else {}
    enter_namespace(where.namespace)
    environment = {**os.environ, "PATH": tool_search_path(), **extra}
    try:
        os.execvpe(command[0], list(command), environment)  # noqa: S606
    except OSError as error:
        raise LabError(f"{command[0]}: {error.strerror}") from error


def _found(topology: Path) -> Lab:
    check_requirements()
    return Lab.find(load_domain(topology))

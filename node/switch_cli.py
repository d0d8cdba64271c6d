# SPDX-License-Identifier: Apache-2.0
"""`castover switch check|setup|neighbours NODE`: an Open vSwitch that runs already becomes the switch of a node."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address
from pathlib import Path

import click

from lab.command_line import load_domain, said_plainly, topology_option
from lab.errors import LabError
from lab.switch_tools import SwitchTools
from lab.typed import typed
from node.neighbours import REFRESH_S, ask_for, enter, known, peers
from node.switch_changes import Difference
from node.switch_setup import carry_out, command_lines, find_differences, switch_plan

EXIT_DIFFERENT = 3
_RESOLVED_WITHIN_S = 0.5
_datapath_option = click.option(
    "--datapath", "datapath_type", type=click.Choice(["netdev", "system"]), default="netdev", show_default=True,
    help="Of bridges that are to be made: netdev is in user space, system in the kernel.",
)


@click.group()
def switch() -> None:
    """The Open vSwitch of this machine as the switch of one node of topology.yaml.

    Bridges and ports have the names that `switch:` of the node says there. OVS_RUNDIR names the folder of the switch's
    sockets where it is not the usual one.
    """


@switch.command()
@topology_option
@click.argument("node", metavar="NODE")
@_datapath_option
@said_plainly
def check(topology: Path, node: str, datapath_type: str) -> None:
    """Say what the switch and this host lack to be NODE (the LMA or a MAG). Changes nothing.

    \b
    Exit code 0: nothing; 3: something; 1: it could not be found out.
    """
    found = find_differences(load_domain(topology), node, SwitchTools(node, {}), datapath_type=datapath_type)
    _say(node, found)
    if any(difference.lacking for difference in found):
        if not any(difference.conflict for difference in found):
            click.echo(f"add what is missing: {typed('switch', 'setup', node)}")
        sys.exit(EXIT_DIFFERENT)


@switch.command()
@topology_option
@click.argument("node", metavar="NODE")
@_datapath_option
@click.option("--dry-run", is_flag=True, help="Print the commands, and carry none out.")
@said_plainly
def setup(topology: Path, node: str, datapath_type: str, dry_run: bool) -> None:
    """Add what the switch and this host lack to be NODE (the LMA or a MAG). Safe to repeat.

    What somebody has chosen otherwise is not changed; then nothing is added either, and what is in the way is said. The
    first controller of a bridge makes Open vSwitch forget the bridge's flows: flows of others have to be given to it
    again (`shared: true` in topology.yaml keeps Castover from touching them afterwards).

    \b
    Exit code 0: the switch is ready; 3: something is in the way; 1: it failed.
    """
    domain, tools = load_domain(topology), SwitchTools(node, {})
    found = find_differences(domain, node, tools, datapath_type=datapath_type)
    if dry_run:
        for command in command_lines(found):
            click.echo(shlex.join(command))
    if any(difference.conflict for difference in found):
        _say(node, [difference for difference in found if difference.conflict])
        click.echo(f"{node}: nothing was changed", err=True)
        sys.exit(EXIT_DIFFERENT)
    if dry_run:
        return
    if os.geteuid() != 0:
        raise LabError("setting up a switch needs root", "run it with sudo, or see what it would do with --dry-run")
    carry_out(found, tools)
    _said_done(node, found)
    left = [
        difference for difference in find_differences(domain, node, tools, datapath_type=datapath_type)
        if difference.lacking
    ]
    if left:
        _say(node, left)
        raise LabError(f"{node} is not ready all the same", "has something else changed it meanwhile?")


@switch.command()
@topology_option
@click.argument("node", metavar="NODE")
@said_plainly
def neighbours(topology: Path, node: str) -> None:
    """Keep the tunnels of NODE (the LMA or a MAG) ready for their first packet, until Ctrl-C or SIGTERM.

    Open vSwitch drops the first packet to a tunnel end whose link-layer address it does not know, and forgets it in
    between. Run this beside every switch; it says each address when it finds it, and renews it every five minutes.
    """
    domain = load_domain(topology)
    switch_plan(domain, node)
    tools, bridge = SwitchTools(node, {}), domain.switch_names(node).transport_bridge
    wanted, found = peers(domain, node), dict[IPv6Address, str]()
    with stopped_by_signal() as stop:
        while True:
            ask_for(wanted)
            if stop.wait(_RESOLVED_WITHIN_S):
                return
            try:
                now_known = known(bridge, wanted)
                enter(tools, bridge, now_known)
            except OSError as error:
                raise LabError(f"{bridge}: {error.strerror}", typed("switch", "setup", node)) from error
            for address, mac in now_known.items():
                if found.get(address) != mac:
                    click.echo(f"{node}: {address} is at {mac}")
            found |= now_known
            if stop.wait(REFRESH_S if len(found) == len(wanted) else _RESOLVED_WITHIN_S):
                return


@contextlib.contextmanager
def stopped_by_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(node: str, found: Sequence[Difference]) -> None:
    if not any(difference.lacking for difference in found):
        click.echo(f"{node}: the switch is ready")
    for difference in found:
        click.echo(_line(node, difference))


def _line(node: str, difference: Difference) -> str:
    return f"{node}: {difference.words}" + (f"; {difference.mend}" if difference.mend else "")


def _said_done(node: str, found: Sequence[Difference]) -> None:
    for difference in found:
        click.echo(f"{node}: mended: {difference.words}" if difference.lacking else _line(node, difference))
    click.echo(f"{node}: the switch is ready")

# SPDX-License-Identifier: Apache-2.0
"""`castover controller` and `castover agent NODE`: Castover's own processes, started on the machine they belong to."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import click

from lab.command_line import load_domain, said_plainly, topology_option
from lab.errors import LabError
from lab.processes import REPOSITORY
from lab.typed import typed
from node.listening import cannot_listen
from southbound.fact_log import LOG_FORMATS, LOG_LEVELS
from topology.model import Domain, Mag
from topology.switch_names import MAG_BUFFER_PORT

_log_level = click.option("--log-level", type=click.Choice(list(LOG_LEVELS)), default="info", show_default=True)
_log_format = click.option(
    "--log-format", type=click.Choice(list(LOG_FORMATS)), default="text", show_default=True,
    help="json: one object a line.",
)


@click.command()
@topology_option
@_log_level
@_log_format
@said_plainly
def controller(topology: Path, log_level: str, log_format: str) -> None:
    """Run the controller, the logical LMA of the domain, until Ctrl-C or SIGTERM.

    Needs no privilege. Listens for switches (OpenFlow) and agents at controller.address, for programs at
    controller.rest. When it ends, switches go on forwarding by the rules they have; when it is started again it takes up
    what is under way.

    \b
    Exit code 0: ended by a signal; 1, 2: the topology or an address is wrong.
    """
    domain = load_domain(topology)
    problems = [] if "CASTOVER_REST_FD" in os.environ else cannot_listen(
        "controller.rest", domain.controller.rest_host, domain.controller.rest_port)
    for key, port in (("openflow_port", domain.controller.openflow_port), ("rpc_port", domain.controller.rpc_port)):
        problems += cannot_listen(f"controller.{key}", str(domain.controller.address), port)
    if problems:
        raise LabError("\n".join(problems))
    _become("apps", topology, log_level, log_format)


@click.command()
@topology_option
@click.argument("node", metavar="NODE")
@_log_level
@_log_format
@said_plainly
def agent(topology: Path, node: str, log_level: str, log_format: str) -> None:
    """Run the agent of the MAG NODE beside its switch, until Ctrl-C or SIGTERM. Needs root.

    It reads and sends mobile nodes' signalling on the access ports, speaks Proxy Mobile IPv6 with the LMA and other MAGs,
    and calls the controller again and again until it answers. When it ends, mobile nodes go on receiving.

    \b
    Exit code 0: ended by a signal; 1, 2, 3: the topology, the host or a socket is wrong.
    """
    domain = load_domain(topology)
    mag = domain.mag(node)
    if mag is None:
        allowed = ", ".join(known.id for known in domain.mags)
        lma = f" ({node} is the LMA: its agent is the controller)" if node == domain.lma.id else ""
        raise LabError(f"there is no MAG {node!r}{lma}", f"allowed: {allowed}")
    _check_host(domain, mag)
    _become("southbound.agent", topology, log_level, log_format, "--mag", mag.id)


def _check_host(domain: Domain, mag: Mag) -> None:
    if os.geteuid() != 0:
        raise LabError("an agent needs root (raw sockets on the access ports)", "run it with sudo")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(mag.address), 0))
        except OSError:
            raise LabError(
                f"{mag.address}, the address of {mag.id}, is not on this machine",
                f"is this the host of {mag.id}? Then: {typed('switch', 'setup', mag.id)}",
            ) from None
    there = {name for _, name in socket.if_nameindex()}
    buffer_port = mag.switch.on_host(MAG_BUFFER_PORT)
    if buffer_port not in there:
        raise LabError(
            f"interface {buffer_port}, where the handover buffer reads, is not on this machine",
            f"the switch makes it: {typed('switch', 'setup', mag.id)}",
        )
    for node in domain.mobile_nodes:
        port = mag.switch.on_host(node.access_port())
        if port not in there:
            click.echo(f"{mag.id}: no interface {port} for {node.id} yet; it is used as soon as it comes", err=True)


def _become(module: str, topology: Path, log_level: str, log_format: str, *arguments: str) -> None:
    """Replace this process. Ctrl-C is not heard until the program itself listens: before, there is nothing to end."""
    command = [sys.executable, "-P", "-m", module, "--topology", str(topology.resolve()), "--log-level", log_level,
               "--log-format", log_format, *arguments]
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout.flush()
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"})  # noqa: S606

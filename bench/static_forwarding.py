# SPDX-License-Identifier: Apache-2.0
"""The floor: kernel multicast routes from the source to every MAG and every access link, written by smcroute.

Nobody signals anything. The interruption is the radio gap, the price is that every MAG gets every packet at all times.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyroute2 import IPRoute

from bench.lanes import Lane
from bench.listeners import Listener
from bench.system import Outcome, System
from bench.tunnels import add_mag_tunnels, add_tunnel, lma_tunnel, log_folder, without_castover
from lab import links
from lab.errors import LabError
from lab.namespaces import run_inside, write_setting
from lab.network import Lab
from lab.processes import last_log_lines
from lab.requirements import tool_search_path
from topology.switch_names import INTEGRATION_BRIDGE, LMA_SOURCE_PORT

_START_TIMEOUT_S = 10.0
_POLL_S = 0.02


def check_static_tools() -> None:
    """Raise LabError when smcroute is not installed."""
    if shutil.which("smcrouted", path=tool_search_path()) is None:
        raise LabError("not installed: smcrouted", "apt-get install smcroute")


class StaticSystem:
    """Does nothing: everything is there already."""

    def before_move(self, new_mag: str, outcome: Outcome) -> None:
        """Nothing is announced."""

    def after_move(self, new_mag: str, outcome: Outcome) -> None:
        """Nothing is waited for."""


def routing_configuration(source: str, group: str, ingress: str, egress: Sequence[str]) -> str:
    """smcroute.conf(5) of one node. Pure."""
    enabled = "".join(f"phyint {name} enable\n" for name in (ingress, *egress))
    return f"{enabled}mroute from {ingress} source {source} group {group} to {' '.join(egress)}\n"


@contextmanager
def static_system(
    lab: Lab, topology: Path, lane: Lane, listener: Listener, say: Callable[[str], None]
) -> Iterator[System]:
    """Take the access and source ports from the switches, route on them in the kernel, attach the mobile node."""
    del topology, lane
    check_static_tools()
    say("configuring static multicast routes")
    domain = lab.domain
    without_castover(lab)
    lma = lab.switch(domain.lma.id)
    lma.vsctl("del-port", INTEGRATION_BRIDGE, LMA_SOURCE_PORT)
    for mag in domain.mags:
        # The kernel routes between interfaces: each tunnel is a bridge of its own, whose internal interface it sees.
        bridge, port = lma_tunnel(mag), f"gre{mag.index}"
        lma.vsctl(
            "add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev", "--",
            *add_tunnel(domain, bridge, port, str(mag.address)),
        )
    add_mag_tunnels(lab)
    source, group = str(domain.sources[0].address), str(listener.group)
    egress = [lma_tunnel(mag) for mag in domain.mags]
    _route(lab, domain.lma.id, routing_configuration(source, group, LMA_SOURCE_PORT, egress),
           [LMA_SOURCE_PORT, *egress])
    access = [node.access_port() for node in domain.mobile_nodes]
    for mag in domain.mags:
        lab.switch(mag.id).vsctl(*[word for port in access for word in ("--", "del-port", INTEGRATION_BRIDGE, port)])
        _route(lab, mag.id, routing_configuration(source, group, INTEGRATION_BRIDGE, access),
               [INTEGRATION_BRIDGE, *access])
    lab.attach_mobile_nodes()
    yield StaticSystem()


def _route(lab: Lab, node: str, configuration: str, interfaces: Sequence[str]) -> None:
    """Make the node a multicast router with these routes; returns when the kernel has them."""

    def configure() -> None:
        write_setting("ipv6/conf/all/forwarding", 1)
        with IPRoute() as netlink:
            for name in interfaces:
                write_setting(f"ipv6/conf/{name}/disable_ipv6", 0)
                write_setting(f"ipv6/conf/{name}/accept_dad", 0)
            links.bring_up(netlink, *interfaces)

    namespace = lab.node(node).namespace
    run_inside(namespace, configure)
    folder = log_folder(lab, node)
    file = folder / "smcroute.conf"
    file.write_text(configuration, encoding="ascii")
    process = lab.start_process(node, [
        "smcrouted", "-n", "-N", "-f", str(file), "-P", str(folder / "smcroute.pid"),
        "-u", str(folder / "smcroute.sock"),
    ], name="smcrouted")
    deadline = time.monotonic() + _START_TIMEOUT_S

    def routes() -> int:
        # One line for each route below the heading.
        return len(Path("/proc/thread-self/net/ip6_mr_cache").read_text(encoding="ascii").splitlines()) - 1

    while run_inside(namespace, routes) < 1:
        if not process.alive or time.monotonic() > deadline:
            raise LabError(f"smcrouted sets no route on {node}: {last_log_lines(process) or 'no word'}")
        time.sleep(_POLL_S)

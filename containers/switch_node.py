# SPDX-License-Identifier: Apache-2.0
"""The LMA's and the MAGs' containers: an Open vSwitch in user space, and at a MAG its agent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from containers.interfaces import adopt_access_port, interface_on, make_switch_port
from containers.server import Handler
from containers.wire import Answer
from lab import links
from lab.errors import LabError
from lab.neighbours import fill
from lab.plan import Node, on_network, transport_neighbours
from lab.processes import REPOSITORY, end_processes, recorded_processes
from lab.switch import Switch
from lab.switch_configuration import whole_switch
from lab.switch_plan import lma_switch, mag_switch
from topology.model import Domain
from topology.switch_names import LMA_SOURCE_PORT, MAG_BUFFER_PORT

_NEIGHBOURS_EVERY = 300
"""Rounds of `still_well` after which the tunnels' neighbours are entered anew (they age after an hour)."""


class SwitchNode:
    """One of them; `start`, then `still_well` about once a second, then `stop`."""

    def __init__(self, domain: Domain, topology: Path, node: Node) -> None:
        self._domain, self._topology, self._node = domain, topology, node
        self._mag = domain.mag(node.name)
        self._switch = Switch(domain.name, node)
        self._agent: subprocess.Popen[bytes] | None = None
        self._rounds = 0

    def handlers(self) -> Mapping[str, Handler]:
        """The requests that this kind of node answers."""
        return {} if self._mag is None else {"adopt": self._adopt}

    def start(self) -> None:
        """Interfaces, switch, agent. Raises LabError, OSError."""
        domain, names = self._domain, self._domain.switch_names(self._node.name)
        make_switch_port(names.transport_port, interface_on(domain.transport_network))
        if self._mag is None:
            address, plan = domain.lma.address, lma_switch(domain)
            source_port = names.on_host(LMA_SOURCE_PORT)
            later = [] if domain.sources else [source_port]
            for source in domain.sources[:1]:
                network = IPv6Network((source.address, source.prefix_length), strict=False)
                make_switch_port(source_port, interface_on(network))
        else:
            address, plan = self._mag.address, mag_switch(domain, self._mag)
            # Mobile nodes bring their links along, and may come later.
            later = [names.on_host(node.access_port()) for node in domain.mobile_nodes]
        self._switch.start(whole_switch(plan), later=later)
        bridge = names.transport_bridge
        self._switch.ofctl("add-flow", bridge, "cookie=0,priority=0,actions=NORMAL")
        with IPRoute() as netlink:
            links.bring_up(netlink, bridge)
            links.add_address(netlink, bridge, on_network(address, domain.transport_network))
            if self._mag is not None:
                links.disable_ipv6(names.on_host(MAG_BUFFER_PORT))
                links.bring_up(netlink, names.on_host(MAG_BUFFER_PORT))
        self._switch.add_route(domain.transport_network, bridge)
        self._fill_neighbours()
        if self._mag is not None:
            command = [sys.executable, "-m", "southbound.agent", "--topology", str(self._topology), "--mag", self._mag.id]
            # Its output is the container's.
            self._agent = subprocess.Popen(command, cwd=REPOSITORY)

    def still_well(self) -> None:
        """Raises LabError when something that has to run has ended; keeps the tunnels' neighbours."""
        if self._agent is not None and self._agent.poll() is not None:
            raise LabError(f"the agent has ended with code {self._agent.returncode}")
        for process in self._daemons():
            if not process.alive:
                raise LabError(f"{process.name} has ended; see {process.log}")
        self._rounds += 1
        if self._rounds % _NEIGHBOURS_EVERY == 0:
            self._fill_neighbours()

    def stop(self) -> None:
        """End agent and switch."""
        if self._agent is not None:
            self._agent.terminate()
            self._agent.wait()
        end_processes([process.pid for process in self._daemons()])

    def _daemons(self) -> list[Any]:
        ours = ("ovs-vswitchd", "ovsdb-server")
        return [
            process for process in recorded_processes(self._domain.name)
            if process.node == self._node.name and process.name in ours
        ]

    def _fill_neighbours(self) -> None:
        bridge = self._domain.switch_names(self._node.name).transport_bridge
        fill(self._switch, bridge, transport_neighbours(self._domain)[self._node.name])

    def _adopt(self, request: Mapping[str, Any]) -> Answer:
        names = self._domain.switch_names(self._node.name)
        allowed = [names.on_host(node.access_port()) for node in self._domain.mobile_nodes]
        port = str(request["port"])
        if port not in allowed:
            raise LabError(f"{port!r} is no access port of {self._node.name}", f"allowed: {', '.join(allowed)}")
        adopt_access_port(port)
        return Answer(value={})

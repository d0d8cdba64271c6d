# SPDX-License-Identifier: Apache-2.0
"""One Open vSwitch as ovs-vsctl, ovs-ofctl and ovs-appctl reach it, wherever it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from ipaddress import IPv6Network
from pathlib import Path

from lab.errors import LabError
from lab.requirements import tool_search_path

_COMMAND_TIMEOUT_S = 20
_ROUTE_TIMEOUT_S = 5.0
_POLL_S = 0.005
_NOBODY = "tcp:127.0.0.1:1"
"""A controller target at which nobody answers. A Unix socket outside OVS_RUNDIR would count as no target at all."""


def tools_environment(run: Path, log: Path) -> dict[str, str]:
    """What makes Open vSwitch's programs use the database, sockets and process ids in `run`, and log into `log`."""
    return {"OVS_RUNDIR": str(run), "OVS_DBDIR": str(run), "OVS_SYSCONFDIR": str(run), "OVS_LOGDIR": str(log)}


class SwitchTools:
    """Handle on a switch that runs; cheap to make, holds no open resource.

    `name` is the node's, for messages; `environment` is empty for the Open vSwitch service of the machine.
    """

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self.environment = dict(environment)

    def add_route(self, network: IPv6Network, bridge: str) -> None:
        """Tell the switch by which bridge its tunnels reach a network; the bridge has its address. Raises LabError.

        By itself Open vSwitch follows the kernel's routes, and reads them again at every change of any link of its
        namespace. In about one of 100 such changes (seen with 3.1) it then took its own tunnel addresses for strange
        ones for some 5 ms: tunnel packets went to the kernel, which refused them (ICMPv6 Parameter Problem). Mobile
        nodes that come and go must not cost others their packets.
        """
        deadline = time.monotonic() + _ROUTE_TIMEOUT_S
        while True:
            try:
                self.appctl("ovs/route/add", str(network), bridge)
                return
            except LabError:
                # "Error while inserting route" until the switch has heard from the kernel of the bridge's new address.
                if time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_S)

    def vsctl(self, *arguments: str) -> str:
        """ovs-vsctl; returns when the switch has applied the change. Raises LabError."""
        return self.run("ovs-vsctl", f"--timeout={_COMMAND_TIMEOUT_S}", *arguments)

    def ofctl(self, *arguments: str) -> str:
        """ovs-ofctl in OpenFlow 1.5. Raises LabError."""
        return self.run("ovs-ofctl", "-O", "OpenFlow15", *arguments)

    def appctl(self, *arguments: str) -> str:
        """ovs-appctl to the switch daemon. Raises LabError."""
        return self.run("ovs-appctl", f"--timeout={_COMMAND_TIMEOUT_S}", *arguments)

    def controller_connections(self) -> dict[str, bool]:
        """Bridge -> whether its controller connection is established; bridges without a controller are left out."""
        result = {}
        for line in self.vsctl("--bare", "--columns=name,controller", "--format=csv", "list", "Bridge").splitlines():
            name, _, controller = line.partition(",")
            if controller.strip('"'):
                answer = self.vsctl("get", "Controller", controller.strip('"'), "is_connected").strip()
                result[name] = answer == "true"
        return result

    def reconnect_controllers(self) -> None:
        """Have every bridge call its controller now.

        Open vSwitch 3.1 waits up to 8 s between attempts whatever max_backoff says (seen in its log), so after a
        controller has come up its switches are made to forget the wait: the target is exchanged and given back. (Never
        without any target: a bridge that loses its last controller loses all its flows.)
        """
        for line in self.vsctl("--bare", "--columns=name,controller", "--format=csv", "list", "Bridge").splitlines():
            bridge, _, controller = line.partition(",")
            if not controller.strip('"'):
                continue
            columns = ("target", "connection_mode", "inactivity_probe", "max_backoff")
            values = self.vsctl("get", "Controller", controller.strip('"'), *columns).split()
            settings = [f"{column}={value}" for column, value in zip(columns[1:], values[1:], strict=True)]
            self.vsctl("set-controller", bridge, _NOBODY)
            self.vsctl("set-controller", bridge, values[0].strip('"'), "--", "set", "Controller", bridge, *settings)

    def run(self, command: str, *arguments: str) -> str:
        """One of Open vSwitch's programs; what it prints. Raises LabError with what it says."""
        try:
            result = subprocess.run(
                [tool(command), *arguments], env={**os.environ, "PATH": tool_search_path(), **self.environment},
                capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S + 5, check=False,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{command} on {self.name} did not answer within {_COMMAND_TIMEOUT_S} s") from None
        if result.returncode != 0:
            said = " ".join((result.stderr or result.stdout).split())
            raise LabError(f"{command} {' '.join(arguments[:6])} on {self.name} failed: {said}")
        return result.stdout


def tool(name: str) -> str:
    """Where a program is. Raises LabError when it is not installed."""
    path = shutil.which(name, path=tool_search_path())
    if path is None:
        raise LabError(f"not installed: {name}", "apt-get install openvswitch-switch")
    return path

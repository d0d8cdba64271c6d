# SPDX-License-Identifier: Apache-2.0
"""One Open vSwitch of the lab: its own database server and switch daemon, inside its node's namespace.

Nothing is shared with an Open vSwitch service of the machine: database, sockets, logs and process ids are in the
node's folder, and the daemon is kept from using a kernel datapath.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from ipaddress import IPv6Network
from pathlib import Path

from lab.errors import LabError
from lab.plan import Node
from lab.processes import LabProcess, last_log_lines, start_process
from lab.requirements import find_schema, tool_search_path
from lab.state import node_folder

_START_TIMEOUT_S = 20.0
_COMMAND_TIMEOUT_S = 20
_ROUTE_TIMEOUT_S = 5.0
_POLL_S = 0.005


class Switch:
    """Handle on a switch node; cheap to make, holds no open resource."""

    def __init__(self, lab_name: str, node: Node) -> None:
        self.node = node
        self._lab_name = lab_name
        self._folder = node_folder(lab_name, node.name)
        self._run = self._folder / "ovs"

    @property
    def environment(self) -> dict[str, str]:
        """What makes ovs-vsctl, ovs-ofctl and ovs-appctl talk to this switch."""
        return {
            "OVS_RUNDIR": str(self._run), "OVS_DBDIR": str(self._run), "OVS_SYSCONFDIR": str(self._run),
            "OVS_LOGDIR": str(self._folder / "log"),
        }

    def start(self, configuration: Sequence[str]) -> None:
        """Start both daemons with this ovs-vsctl configuration; returns when the switch has applied it.

        `configuration` is one ovs-vsctl transaction ('--' between its commands). Raises LabError with the daemon's
        last words when it does not come up.
        """
        self._run.mkdir(parents=True, exist_ok=True)
        database = self._run / "conf.db"
        schema = find_schema()
        if schema is None:
            raise LabError("vswitch.ovsschema not found", "apt-get install openvswitch-switch")
        self._command("ovsdb-tool", "create", str(database), str(schema))
        database_server = self._daemon("ovsdb-server", [
            str(database), f"--remote=punix:{self._run}/db.sock", "--pidfile", "-vconsole:off", "--log-file",
        ])
        self._await_socket(database_server, self._run / "db.sock")
        # The whole configuration is there before the daemon starts, so that it builds the bridges in one go.
        self._command("ovs-vsctl", "--no-wait", "init")
        self._command("ovs-vsctl", "--no-wait", "--", *configuration)
        daemon = self._daemon("ovs-vswitchd", [
            f"unix:{self._run}/db.sock", "--pidfile", "-vconsole:off", "--log-file", "--disable-system",
            "--disable-system-route",  # see add_route
        ])
        try:
            self.vsctl("set", "Open_vSwitch", ".", f"external_ids:system-id={self.node.namespace}")
        except LabError as error:
            raise LabError(f"{error.problem}; ovs-vswitchd says: {last_log_lines(daemon)}") from error
        problems = self.vsctl("--bare", "--columns=name,error", "find", "Interface", "error!=[]").split()
        if problems:
            raise LabError(f"switch {self.node.name} refused an interface: {' '.join(problems)}")

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
        return self._command("ovs-vsctl", f"--timeout={_COMMAND_TIMEOUT_S}", *arguments)

    def ofctl(self, *arguments: str) -> str:
        """ovs-ofctl in OpenFlow 1.5. Raises LabError."""
        return self._command("ovs-ofctl", "-O", "OpenFlow15", *arguments)

    def appctl(self, *arguments: str) -> str:
        """ovs-appctl to the switch daemon. Raises LabError."""
        return self._command("ovs-appctl", f"--timeout={_COMMAND_TIMEOUT_S}", *arguments)

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
            self.vsctl("set-controller", bridge, f"unix:{self._run}/nobody.sock")
            self.vsctl("set-controller", bridge, values[0].strip('"'), "--", "set", "Controller", bridge, *settings)

    def _daemon(self, name: str, arguments: Sequence[str]) -> LabProcess:
        return start_process(
            self._lab_name, self.node, name, [_tool(name), *arguments], env=self.environment, cwd=Path("/")
        )

    def _await_socket(self, process: LabProcess, path: Path) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                    probe.connect(str(path))
                    return
            except (FileNotFoundError, ConnectionRefusedError):
                if not process.alive or time.monotonic() > deadline:
                    raise LabError(
                        f"{process.name} does not come up on {self.node.name}: {last_log_lines(process)}"
                    ) from None
                time.sleep(_POLL_S)

    def _command(self, tool: str, *arguments: str) -> str:
        try:
            result = subprocess.run(
                [_tool(tool), *arguments], env={**os.environ, "PATH": tool_search_path(), **self.environment},
                capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S + 5, check=False,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{tool} on {self.node.name} did not answer within {_COMMAND_TIMEOUT_S} s") from None
        if result.returncode != 0:
            said = " ".join((result.stderr or result.stdout).split())
            raise LabError(f"{tool} {' '.join(arguments[:6])} on {self.node.name} failed: {said}")
        return result.stdout


def _tool(name: str) -> str:
    path = shutil.which(name, path=tool_search_path())
    if path is None:
        raise LabError(f"not installed: {name}", "apt-get install openvswitch-switch")
    return path

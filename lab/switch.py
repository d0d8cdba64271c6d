# SPDX-License-Identifier: Apache-2.0
"""One Open vSwitch of the lab: its own database server and switch daemon, inside its node's namespace.

Nothing is shared with an Open vSwitch service of the machine: database, sockets, logs and process ids are in the
node's folder, and the daemon is kept from using a kernel datapath.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Container, Sequence
from pathlib import Path

from lab.errors import LabError
from lab.plan import Node
from lab.processes import LabProcess, last_log_lines, start_process
from lab.requirements import find_schema
from lab.state import node_folder
from lab.switch_tools import SwitchTools, tool, tools_environment

_START_TIMEOUT_S = 20.0
_POLL_S = 0.005


class Switch(SwitchTools):
    """Handle on a switch node; cheap to make, holds no open resource."""

    def __init__(self, lab_name: str, node: Node) -> None:
        self.node = node
        self._lab_name = lab_name
        folder = node_folder(lab_name, node.name)
        self._run = folder / "ovs"
        super().__init__(node.name, tools_environment(self._run, folder / "log"))

    def start(self, configuration: Sequence[str], *, later: Container[str] = ()) -> None:
        """Start both daemons with this ovs-vsctl configuration; returns when the switch has applied it.

        `configuration` is one ovs-vsctl transaction ('--' between its commands). Interfaces named in `later` need not
        exist yet. Raises LabError with the daemon's last words when it does not come up.
        """
        self._run.mkdir(parents=True, exist_ok=True)
        database = self._run / "conf.db"
        schema = find_schema()
        if schema is None:
            raise LabError("vswitch.ovsschema not found", "apt-get install openvswitch-switch")
        self.run("ovsdb-tool", "create", str(database), str(schema))
        database_server = self._daemon("ovsdb-server", [
            str(database), f"--remote=punix:{self._run}/db.sock", "--pidfile", "-vconsole:off", "--log-file",
        ])
        self._await_socket(database_server, self._run / "db.sock")
        # The whole configuration is there before the daemon starts, so that it builds the bridges in one go.
        self.run("ovs-vsctl", "--no-wait", "init")
        self.run("ovs-vsctl", "--no-wait", "--", *configuration)
        daemon = self._daemon("ovs-vswitchd", [
            f"unix:{self._run}/db.sock", "--pidfile", "-vconsole:off", "--log-file", "--disable-system",
            "--disable-system-route",  # see add_route
        ])
        try:
            self.vsctl("set", "Open_vSwitch", ".", f"external_ids:system-id={self._lab_name}-{self.node.name}")
        except LabError as error:
            raise LabError(f"{error.problem}; ovs-vswitchd says: {last_log_lines(daemon)}") from error
        refused = self.vsctl("--format=csv", "--data=bare", "--no-headings", "--columns=name,error", "find", "Interface",
                             "error!=[]").splitlines()
        problems = [line for line in refused if line.partition(",")[0] not in later]
        if problems:
            raise LabError(f"switch {self.node.name} refused an interface: {'; '.join(problems)}")

    def _daemon(self, name: str, arguments: Sequence[str]) -> LabProcess:
        return start_process(
            self._lab_name, self.node, name, [tool(name), *arguments], env=self.environment, cwd=Path("/")
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

# SPDX-License-Identifier: Apache-2.0
"""`castover switch` on an Open vSwitch of somebody else: what is theirs stays, what is missing is added once."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab.namespaces import create_namespace, remove_namespace, run_inside
from lab.plan import Node
from lab.processes import end_processes, recorded_processes
from lab.requirements import missing_requirement
from lab.state import claim_lab_folder, remove_lab_folder
from lab.switch import Switch
from tests.support.documents import commands
from tests.support.terminal import Terminal, copy_repository

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDE = Path("docs/how-to/existing-switches.md")
NAME = f"cst-test-{os.getpid()}-existing"
THEIR_CONTROLLER = "tcp:127.0.0.1:6633"
THEIRS = ["add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=netdev", "protocols=OpenFlow10,OpenFlow13",
          "fail_mode=secure", "other_config:datapath-id=00000000000000aa", "--", "set-controller", "br0", THEIR_CONTROLLER,
          "--", "add-port", "br0", "tap7", "--", "set", "Interface", "tap7", "type=internal"]


class Host:
    """A host that has a switch with a bridge, a port and a controller of others."""

    def __init__(self, topology: Path) -> None:
        self.node = Node(name="mag1", kind="mag", namespace=NAME)
        self.switch = Switch(NAME, self.node)
        self.topology = topology

    def castover(self, *arguments: str) -> tuple[int, str]:
        return self.run([str(REPOSITORY / "castover"), "switch", *arguments, "--topology", str(self.topology)])

    def run(self, command: list[str]) -> tuple[int, str]:
        done: subprocess.CompletedProcess[str] = run_inside(NAME, lambda: subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, **self.switch.environment},
        ))
        return done.returncode, done.stdout + done.stderr

    def describe(self, **switch: object) -> None:
        """Write a topology in which mag1 is this host."""
        document = yaml.safe_load((REPOSITORY / "topology.yaml").read_text(encoding="utf-8"))
        document["mags"][0] |= {"datapath_id": 0xAA, "switch": {"integration_bridge": "br0", **switch}}
        self.topology.write_text(yaml.safe_dump(document), encoding="utf-8")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    claim_lab_folder(NAME)
    create_namespace(NAME)
    try:
        made = Host(tmp_path / "topology.yaml")
        made.switch.start(THEIRS)
        made.describe()
        yield made
    finally:
        end_processes([process.pid for process in recorded_processes(NAME)])
        remove_namespace(NAME)
        remove_lab_folder(NAME)


def test_what_is_missing_is_added_once_and_the_rest_stays(host: Host) -> None:
    code, said = host.castover("check", "mag1")
    assert code == 3
    assert "mag1: bridge br0 does not speak OpenFlow 1.5" in said
    assert f"(it has {THEIR_CONTROLLER}, which stays)" in said
    assert "datapath id" not in said

    before = host.switch.vsctl("show")
    code, commands = host.castover("setup", "mag1", "--dry-run")
    assert code == 0
    assert [line.split()[0] for line in commands.splitlines()] == [
        "ovs-vsctl", "ovs-ofctl", "ip", "ip", "sysctl", "ip", "ovs-appctl",
    ]
    assert host.switch.vsctl("show") == before

    code, said = host.castover("setup", "mag1")
    assert (code, said.splitlines()[-1]) == (0, "mag1: the switch is ready")
    # The switch was started without the kernel's routes, and has its own now.
    assert "User: 2001:db8:ff::/64 dev " in host.switch.appctl("ovs/route/show")
    # Access ports come with their mobile nodes.
    assert "mag1: port mn1 waits for its network interface" in host.castover("check", "mag1")[1]
    assert host.switch.vsctl("get", "Bridge", "br0", "protocols").strip() == "[OpenFlow10, OpenFlow13, OpenFlow15]"
    assert set(host.switch.vsctl("get-controller", "br0").split()) == {THEIR_CONTROLLER, "tcp:[fd00:ca57::1]:6653"}
    assert "tap7" in host.switch.vsctl("list-ports", "br0").split()

    ready = host.switch.vsctl("show")
    assert host.castover("setup", "mag1")[0] == 0
    assert host.castover("setup", "mag1", "--dry-run") == (0, "")
    assert host.switch.vsctl("show") == ready


def test_the_commands_of_a_dry_run_do_the_same_when_a_shell_runs_them(host: Host) -> None:
    _, commands = host.castover("setup", "mag1", "--dry-run")
    # ovs-vsctl says that mn1 and phy0 are not there, and ends with 0.
    assert host.run(["sh", "-e", "-c", commands])[0] == 0
    assert host.castover("check", "mag1")[0] == 0


def test_nothing_is_added_while_something_is_in_the_way(host: Host) -> None:
    host.describe(buffer_port="tap7", lma_port="tap8")
    host.switch.vsctl("add-br", "br-ex", "--", "set", "Bridge", "br-ex", "datapath_type=netdev",
                      "--", "add-port", "br-ex", "tap8", "--", "set", "Interface", "tap8", "type=internal")
    before = host.switch.vsctl("show")
    code, said = host.castover("setup", "mag1")
    assert code == 3
    assert "mag1: port tap8 is in br-ex, not in br0; name another port in topology.yaml" in said
    assert "mag1: nothing was changed" in said
    assert host.switch.vsctl("show") == before


def test_the_commands_of_the_guide(host: Host, tmp_path: Path) -> None:
    """On one host: the MAG's, which is the controller's, too."""
    folder = copy_repository(tmp_path / "castover")
    (folder / "topology.yaml").unlink()
    host.topology.rename(folder / "topology.yaml")
    switch, neighbours, processes = (
        block.script for block in commands(GUIDE) if block.way == "by test_existing_switch"
    )
    ground = ["ip", "netns", "exec", NAME]
    assert [host.run(["sh", "-c", f"cd '{folder}'; {line}"])[0] for line in switch.splitlines()] == [3, 0, 0, 0]
    host.run(["sh", "-ec", "ip link set lo up; for host in 1 11; do ip -6 addr add fd00:ca57::$host/64 dev lo nodad; done"])
    terminal = Terminal(folder, ground, host.switch.environment)
    try:
        terminal.run_beside(neighbours.replace("./castover", "echo begun; exec ./castover"), "begun")
        controller, agent, ready = processes.splitlines()
        terminal.run_beside(controller, "event=controller_started")
        terminal.run_beside(agent, "event=agent_started")
        until = time.monotonic() + 30
        # The LMA and the other MAG are on hosts that are not there.
        while '"mag1"' in (said := terminal.run(ready).output) or '"status"' not in said:
            assert time.monotonic() < until, said
            time.sleep(0.1)
    finally:
        terminal.close()

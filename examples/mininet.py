#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A network in Mininet becomes a Castover domain, and a mobile node moves through it without losing a packet.

    sudo apt-get install mininet
    sudo python3 examples/mininet.py --handovers 4

Everything below the line "Castover" is what has to be done on hosts that have an Open vSwitch already: two commands for
each switch, one for each agent, one for the controller. Above it is Mininet alone. Exit code 0: nothing was lost.
Ctrl-C and SIGTERM take everything down.

Needs Debian's python3, which Mininet is installed for; Castover itself runs in the repository's own environment.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
# This file has the name of what it imports: look for that elsewhere.
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

try:
    from mininet.net import Mininet
    from mininet.node import Node
except ModuleNotFoundError:
    sys.exit("no Mininet for this Python: apt-get install mininet, then run it with /usr/bin/python3")

TOPOLOGY = REPOSITORY / "examples" / "mininet.yaml"
CASTOVER = [str(REPOSITORY / "castover")]
PYTHON = str(REPOSITORY / ".venv" / "bin" / "python")
GROUP, PORT = "ff1e::101", "5001"
GAP_S = 0.05
READY_WITHIN_S = 60
ENDED_WITHIN_S = 10


class Segment(Node):
    """A network that all may be on: a Linux bridge."""

    def start(self) -> None:
        self.cmd("sysctl -q -w net.ipv6.conf.default.disable_ipv6=1; ip link add net0 type bridge mcast_snooping 0")
        for interface in self.intfNames():
            self.cmd(f"ip link set {interface} mtu 2000 master net0 up")
        self.cmd("ip link set net0 up")


class SwitchHost(Node):
    """A host with an Open vSwitch of its own, in user space, and one bridge: what is there before Castover comes.

    `Mininet.addSwitch(cls=OVSSwitch, datapath="user")` makes bridges of one Open vSwitch for all, as hosts of their own
    would never share it.
    """

    def start_switch(self, folder: Path) -> None:
        self.run = folder / self.name
        self.run.mkdir()
        self.environment = {name: str(self.run) for name in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR")}
        for name, value in self.environment.items():
            self.cmd(f"export {name}={value}")
        self.cmd("sysctl -q -w net.ipv6.conf.default.accept_dad=0; ip link set lo up")
        self.cmd(f"ovsdb-tool create {self.run}/conf.db /usr/share/openvswitch/vswitch.ovsschema")
        self.cmd(f"ovsdb-server {self.run}/conf.db --remote=punix:{self.run}/db.sock --pidfile --detach --log-file")
        self.cmd("ovs-vsctl --no-wait init")
        # Without the kernel's routes, which it would read again whenever a mobile node comes or goes, and lose packets.
        self.cmd("ovs-vswitchd --pidfile --detach --log-file --disable-system --disable-system-route")
        print(self.cmd("ovs-vsctl add-br br0 -- set Bridge br0 datapath_type=netdev"), end="")


class MobileHost(Node):
    """A host whose one interface, wlan0, has a link to each MAG; at most one of them is up."""

    def start(self, link_layer_id: str) -> None:
        self.cmd(f"ip link add wlan0 address {link_layer_id} type bridge mcast_snooping 0; ethtool -K wlan0 tx off")
        for interface in self.intfNames():
            self.cmd(f"sysctl -q -w net.ipv6.conf.{interface}.disable_ipv6=1; ethtool -K {interface} tx off")
            self.cmd(f"ip link set {interface} down; ip link set {interface} master wlan0")
        self.cmd("ip link set wlan0 up")

    def move(self, old: int | None, new: int, gap_s: float = 0.0) -> None:
        if old is not None:
            self.cmd(f"ip link set {self.name}-eth{old} down")
            time.sleep(gap_s)
        self.cmd(f"ip link set {self.name}-eth{new} up")


def build(net: Mininet) -> None:
    """Hosts and links; the first link of a node is its eth0."""
    add = {"ip": None}
    management, transport, multicast = (net.addHost(name, cls=Segment, **add) for name in ("s1", "s2", "s3"))
    controller = net.addHost("c0", cls=Node, **add)
    lma, mag1, mag2 = (net.addHost(name, cls=SwitchHost, **add) for name in ("lma", "mag1", "mag2"))
    source = net.addHost("source", cls=Node, **add)
    mobile_node = net.addHost("mn1", cls=MobileHost, **add)
    for node in (controller, lma, mag1, mag2):
        net.addLink(node, management, port1=0)
    for node in (lma, mag1, mag2):
        net.addLink(node, transport, port1=1)
    for node, port in ((lma, 2), (source, 0)):
        net.addLink(node, multicast, port1=port)
    for number, mag in enumerate((mag1, mag2)):
        net.addLink(mobile_node, mag, port1=number, port2=2)
    net.build()


def address(node: Node, interface: str, prefix: str) -> None:
    """Give an interface an address that is usable at once, and have the kernel write whole checksums."""
    node.cmd(f"ip link set {interface} up; ip -6 address add {prefix} dev {interface} nodad; ethtool -K {interface} tx off")


# --- Castover -----------------------------------------------------------------------------------------------------------


def set_up_switches(net: Mininet) -> None:
    """Add to each switch what its part in the domain needs, and nothing else."""
    for name in ("lma", "mag1", "mag2"):
        print(net[name].cmd(*CASTOVER, "switch", "setup", name, "--topology", str(TOPOLOGY)), end="")
        print(net[name].cmd(*CASTOVER, "switch", "check", name, "--topology", str(TOPOLOGY)), end="")


def start_programs(net: Mininet, folder: Path) -> None:
    """The controller, an agent beside each MAG's switch, and beside each switch what keeps its tunnels ready."""
    commands = [("c0", ["controller"]), ("mag1", ["agent", "mag1"]), ("mag2", ["agent", "mag2"]),
                *((name, ["switch", "neighbours", name]) for name in ("lma", "mag1", "mag2"))]
    for name, command in commands:
        with (folder / f"{name}-{command[0]}.log").open("w") as log:
            command = [*CASTOVER, *command, "--topology", str(TOPOLOGY)]
            environment = {**os.environ, **getattr(net[name], "environment", {})}
            net[name].popen(command, stdout=log, stderr=log, env=environment)


def await_neighbours(folder: Path) -> None:
    """Until each switch knows the way to the other two."""
    until = time.monotonic() + READY_WITHIN_S
    for name in ("lma", "mag1", "mag2"):
        log = folder / f"{name}-switch.log"
        while log.read_text().count(" is at ") < 2:
            if time.monotonic() > until:
                sys.exit(f"{name} does not find the others: {log.read_text()}")
            time.sleep(0.2)


def ask(net: Mininet, path: str) -> dict:
    """A document of the REST API, asked for where the controller is; empty when there is none."""
    with contextlib.suppress(ValueError):
        found = json.loads(net["c0"].cmd(f"curl -s --max-time 2 http://127.0.0.1:8080{path}"))
        return found if isinstance(found, dict) else {}
    return {}


def await_binding(net: Mininet) -> None:
    """Until switches and agents are connected, and the mobile node is bound."""
    until = time.monotonic() + READY_WITHIN_S
    while ask(net, "/readyz").get("status") != "ready" or not ask(net, "/v1/bindings").get("bindings"):
        if time.monotonic() > until:
            sys.exit(f"the domain is not ready after {READY_WITHIN_S} s: {ask(net, '/readyz')}")
        time.sleep(0.2)


def hand_over(net: Mininet, old: int, new: int) -> bool:
    """Ask for a handover, move as soon as the node may leave, and see it through; whether it completed."""
    command = [*CASTOVER, "handover", "mn1", f"mag{new + 1}", "--wait", "--topology", str(TOPOLOGY), "--rest",
               "http://127.0.0.1:8080"]
    running = net["c0"].popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in running.stdout:
        print(f"  {line}", end="")
        if "may leave" in line:
            net["mn1"].move(old, new, GAP_S)
    return running.wait() == 0


def stream(net: Mininet, folder: Path) -> tuple[subprocess.Popen, subprocess.Popen]:
    """1,000 packets/s from the source, received by the mobile node: both programs."""
    programs = [
        ("mn1", ["lab.traffic_sink", GROUP, PORT, "--report", str(folder / "received")]),
        ("source", ["lab.traffic_source", GROUP, PORT, "--interface", "source-eth0", "--report", str(folder / "sent")]),
    ]
    sink, source = ((net[name], [PYTHON, "-m", *arguments]) for name, arguments in programs)
    receiver = sink[0].popen(sink[1], cwd=str(REPOSITORY))
    until = time.monotonic() + READY_WITHIN_S
    while GROUP not in net["mn1"].cmd("ip -6 maddress show dev wlan0") and time.monotonic() < until:
        time.sleep(0.1)
    sender = source[0].popen(source[1], cwd=str(REPOSITORY))
    time.sleep(1)
    return sender, receiver


def programs(net: Mininet) -> set[int]:
    """Numbers of all processes on the hosts, their shells apart."""
    shells = {node.pid for node in net.hosts}
    found, hosts = set(), {os.stat(f"/proc/{shell}/ns/net").st_ino for shell in shells}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is none of ours
            if (process / "ns/net").stat().st_ino in hosts:
                found.add(int(process.name))
    return found - shells


def end(net: Mininet, wanted: Callable[[int], bool]) -> None:
    """End programs as Ctrl-C does (which itself does not reach them: Mininet detaches them), and wait for them."""
    until = time.monotonic() + ENDED_WITHIN_S
    number: int | None = signal.SIGINT
    while running := [program for program in programs(net) if wanted(program)]:
        if time.monotonic() > until:
            number = signal.SIGKILL
        for program in running if number else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(program, number)
        number = None
        time.sleep(0.02)


def run(net: Mininet, folder: Path, handovers: int) -> int:
    """The whole of it; the exit code. Whoever calls takes down what has been started, however this ends."""
    for name in ("s1", "s2", "s3"):
        net[name].start()
    net["mn1"].start("02:00:00:00:00:11")
    for name in ("lma", "mag1", "mag2"):
        net[name].start_switch(folder)
    for name, host in (("c0", "1"), ("lma", "f"), ("mag1", "11"), ("mag2", "12")):
        address(net[name], f"{name}-eth0", f"fd00:ca57::{host}/64")
    address(net["source"], "source-eth0", "2001:db8:c0::10/64")
    set_up_switches(net)
    start_programs(net, folder)
    net["mn1"].move(None, 0)
    await_binding(net)
    await_neighbours(folder)
    sender, receiver = stream(net, folder)
    completed = sum(hand_over(net, number % 2, (number + 1) % 2) for number in range(handovers))
    time.sleep(0.5)
    for program in (sender, receiver):
        program.terminate()
        program.wait()
        time.sleep(0.5)
    got = json.loads((folder / "received").read_text())
    # What is sent before the group's rule is there, in the first moments of the stream, is nobody's yet.
    unheard = json.loads((folder / "sent").read_text())["last_sequence"] - (got["last_sequence"] or 0)
    lost = got["missing"] + unheard
    sent = got["received"] - got["duplicated"] + lost
    print(f"handovers {completed}/{handovers}, sent {sent}, received {got['received']}, lost {lost}, "
          f"twice {got['duplicated']}, out of order {got['reordered']}")
    return 0 if completed == handovers and lost == 0 else 1


def take_down(net: Mininet, folder: Path) -> None:
    """End everything. No host is asked for it: its shell may be in the middle of a command."""
    switches = {int(written.read_text()) for written in folder.glob("*/*.pid")}
    end(net, lambda program: program not in switches)
    end(net, lambda _: True)
    for node in net.hosts:
        node.terminate()  # its links and bridges go with it


def leave(number: int, _: object) -> None:
    """SIGINT, SIGTERM or SIGHUP: end by way of every `finally`, where no other signal is heard."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> int:
    """Build, run, take down."""
    parser = argparse.ArgumentParser(description="Castover on a network that Mininet has built.")
    parser.add_argument("--handovers", type=int, default=4, metavar="N")
    parser.add_argument("--logs", type=Path, help="keep the logs of controller, agents and switches here")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    with tempfile.TemporaryDirectory(prefix="castover-mininet-") as folder:
        net = Mininet(controller=None)
        try:
            build(net)
            return run(net, Path(folder), options.handovers)
        finally:
            take_down(net, Path(folder))
            if options.logs is not None:
                shutil.copytree(folder, options.logs, dirs_exist_ok=True, ignore=lambda _, names: [
                    name for name in names if name.endswith((".sock", ".ctl", ".mgmt", ".snoop"))
                ])


if __name__ == "__main__":
    sys.exit(main())

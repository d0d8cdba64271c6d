# SPDX-License-Identifier: Apache-2.0
"""Delays on the paths of a lab's transport network: what the bridge must be told, and the process that does it.

What goes over a delayed path is dropped where it would enter the bridge, held by the forwarder, and enters the bridge
through a port of its own when it is due. Everything else, paths without delay above all, passes the bridge as if there
were no delays. (netem would do, but not every kernel has it.)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from lab import links
from lab.delay_forwarder import ask_delay_status
from lab.delay_plan import DelayedPath
from lab.errors import LabError
from lab.links import VethPair
from lab.namespaces import namespace_path, run_inside
from lab.packet_filter import INSTRUCTIONS_MAX, as_text, pair_filter
from lab.plan import Node
from lab.processes import LabProcess, last_log_lines
from lab.requirements import tool_search_path
from lab.state import lab_folder, write_json
from lab.switch_plan import TRANSPORT_MTU
from lab.transport import TRANSPORT_NETWORK

FORWARDER = "delay-forwarder"
_BRIDGE_PORT, _FORWARDER_PORT = "delay0", "delay1"
_NUMBER = 9000
"""Above every number that lab.transport gives to a veth."""
_NTF_MASTER, _NUD_NOARP = 0x04, 0x40
_TC_ACT_SHOT = 2
_START_TIMEOUT_S = 10.0
_COMMAND_TIMEOUT_S = 20
_POLL_S = 0.01


def delay_socket(lab_name: str) -> Path:
    """Where the forwarder of a lab tells its status."""
    return lab_folder(lab_name) / "delay.sock"


def install_delays(
    lab_name: str, transport: Node, paths: Sequence[DelayedPath], ports: Mapping[str, str], macs: Mapping[str, str]
) -> list[str]:
    """Prepare the bridge for these paths; the command that starts the forwarder. Raises LabError.

    `ports` and `macs`: by node name, the port of its transport link and its link-layer address there.
    """
    if shutil.which("tc", path=tool_search_path()) is None:
        raise LabError("not installed: tc (for the delays of topology.yaml)", "apt-get install iproute2")
    of_source: dict[str, list[DelayedPath]] = {}
    for path in paths:
        of_source.setdefault(path.source, []).append(path)

    def prepare() -> None:
        with IPRoute() as netlink:
            _add_own_port(netlink, transport)
            for node, port in ports.items():
                # What is delayed never enters the bridge by its node's port, so the bridge cannot learn who is there.
                netlink.fdb(
                    "add", ifindex=links.interface_index(port), lladdr=macs[node], flags=_NTF_MASTER, state=_NUD_NOARP
                )
        for source, leaving in of_source.items():
            _drop(ports[source], leaving)

    run_inside(transport.namespace, prepare)
    file = lab_folder(lab_name) / "delays.json"
    write_json(file, _wire(lab_name, of_source, ports))
    return [sys.executable, "-m", "lab.delay_forwarder", str(file)]


def await_forwarder(lab_name: str, forwarder: LabProcess, check: Callable[[], None] = lambda: None) -> None:
    """Wait until it takes frames. LabError when it does not, or ends."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        check()
        try:
            ask_delay_status(delay_socket(lab_name))
            return
        except OSError:
            if not forwarder.alive or time.monotonic() > deadline:
                said = last_log_lines(forwarder) or "no word"
                raise LabError(f"{forwarder.name} on {forwarder.node} does not take frames: {said}") from None
            time.sleep(_POLL_S)


def _add_own_port(netlink: IPRoute, transport: Node) -> None:
    links.add_veth(netlink, VethPair(
        name=_BRIDGE_PORT, peer_name=_FORWARDER_PORT, peer_namespace=namespace_path(transport.namespace), number=_NUMBER,
        mtu=TRANSPORT_MTU,
    ))
    index = links.interface_index(_BRIDGE_PORT)
    netlink.link("set", index=index, master=links.interface_index(TRANSPORT_NETWORK), state="up",
                 ifalias=f"{TRANSPORT_NETWORK} delayed")
    # Frames only come in here, and say nothing about where their senders are.
    netlink.brport("set", index=index, learning=0, unicast_flood=0, mcast_flood=0, bcast_flood=0)
    links.bring_up(netlink, _FORWARDER_PORT)


def _drop(port: str, leaving: Sequence[DelayedPath]) -> None:
    program = pair_filter(leaving[0].source_address, [path.destination_address for path in leaving], _TC_ACT_SHOT)
    if len(program) > INSTRUCTIONS_MAX:
        raise LabError(f"too many delayed paths from {leaving[0].source}", "remove some of the links with a delay")
    _tc("qdisc", "add", "dev", port, "clsact")
    _tc("filter", "add", "dev", port, "ingress", "protocol", "all", "bpf", "direct-action", "bytecode",
        as_text(program))


def _tc(*arguments: str) -> None:
    try:
        done = subprocess.run(
            [shutil.which("tc", path=tool_search_path()) or "tc", *arguments], capture_output=True, text=True,
            timeout=_COMMAND_TIMEOUT_S, check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"tc did not answer within {_COMMAND_TIMEOUT_S} s") from None
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise LabError(
            f"tc {' '.join(arguments[:4])} failed: {said}",
            "delays need a kernel with clsact and cls_bpf: modprobe cls_bpf, or remove the delays of `links`",
        )


def _wire(lab_name: str, of_source: Mapping[str, Sequence[DelayedPath]], ports: Mapping[str, str]) -> dict[str, Any]:
    return {
        "injector": _FORWARDER_PORT,
        "control": str(delay_socket(lab_name)),
        "ports": {
            ports[source]: {
                "source": str(leaving[0].source_address),
                "delays_ns": {str(path.destination_address): path.delay_ns for path in leaving},
            }
            for source, leaving in of_source.items()
        },
    }

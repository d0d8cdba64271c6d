# SPDX-License-Identifier: Apache-2.0
"""Look at the switch and host of one node, and add what is missing: all of it, or nothing where something is in the way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Network

from lab.errors import LabError
from lab.switch_plan import SwitchPlan, lma_switch, mag_switch
from lab.switch_tools import SwitchTools, tool
from node.host_changes import compare_host, read_host
from node.switch_changes import Difference, compare, datapath_type_for, transaction
from node.switch_state import SwitchState, read_switch
from node.tunnel_route import compare_route
from topology.model import Domain

NORMAL_FLOW = "cookie=0,priority=0,actions=NORMAL"
"""What a transport bridge does with all that the controller has no rule for: its own rules lie above."""


def switch_plan(domain: Domain, node: str) -> SwitchPlan:
    """Of the LMA, or of the MAG of this id. Raises LabError naming those there are."""
    if node == domain.lma.id:
        return lma_switch(domain)
    mag = domain.mag(node)
    if mag is None:
        allowed = ", ".join([domain.lma.id, *(known.id for known in domain.mags)])
        raise LabError(f"there is no LMA or MAG {node!r}", f"allowed: {allowed}")
    return mag_switch(domain, mag)


def find_differences(domain: Domain, node: str, tools: SwitchTools, *, datapath_type: str) -> list[Difference]:
    """Between what there is on this machine and what the node needs. Raises LabError."""
    plan = switch_plan(domain, node)
    state = read_switch(tools)
    found = compare(plan, state, datapath_type=datapath_type)
    bridges = [bridge.name for bridge in plan.bridges]
    transport_bridge = domain.switch_names(node).transport_bridge
    found += _normal_flow(transport_bridge, plan, state, tools)
    found += compare_host(domain, node, read_host(), bridges=bridges)
    # Last: the bridge has to have its address before. Tunnels in the kernel go by the kernel's routes.
    if datapath_type_for(plan, state, datapath_type) == "netdev":
        found += compare_route(domain.transport_network, transport_bridge, tools.appctl("ovs/route/show"))
    return found


def _normal_flow(bridge: str, plan: SwitchPlan, state: SwitchState, tools: SwitchTools) -> Iterable[Difference]:
    """A bridge that is secure, or under a controller, forwards nothing by itself."""
    there = state.bridges.get(bridge)
    controlled = any(wanted.name == bridge and wanted.controller is not None for wanted in plan.bridges)
    if there is not None:
        if there.fail_mode != "secure" and not controlled:
            return
        flows = tools.ofctl("dump-flows", bridge) if "OpenFlow15" in there.protocols else ""
        if "actions=NORMAL" in flows:
            return
    yield Difference(
        words=f"bridge {bridge} has no flow that forwards what is not Castover's",
        host_commands=(("ovs-ofctl", "-O", "OpenFlow15", "add-flow", bridge, NORMAL_FLOW),),
    )


def command_lines(differences: Sequence[Difference]) -> list[list[str]]:
    """What `carry_out` runs, in its order."""
    changes = transaction(differences)
    whole = [["ovs-vsctl", *changes]] if changes else []
    return [*whole, *(list(command) for difference in differences for command in difference.host_commands)]


def carry_out(differences: Sequence[Difference], tools: SwitchTools) -> None:
    """Add what is missing: the switch's part in one transaction, then the host's. Raises LabError."""
    for program, *arguments in command_lines(differences):
        if program == "ovs-vsctl":
            tools.vsctl(*arguments)
        elif (program, arguments[0]) == ("ovs-appctl", "ovs/route/add"):
            tools.add_route(IPv6Network(arguments[1]), arguments[2])
        elif program.startswith("ovs-"):
            tools.run(program, *arguments)
        else:
            _host(program, arguments)


def _host(program: str, arguments: list[str]) -> None:
    done = subprocess.run([tool(program), *arguments], capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        raise LabError(f"{program} {' '.join(arguments)} failed: {(done.stderr or done.stdout).strip()}")

# SPDX-License-Identifier: Apache-2.0
"""The ovs-vsctl transaction that makes a planned switch in an empty Open vSwitch. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.switch_plan import CONTROLLER_SETTINGS, SwitchPlan, WantedBridge, WantedPort

PROCESS_SETTINGS = {
    # A lab runs many switches on few cores; in the userspace datapath these threads do little.
    "other_config:n-handler-threads": "1", "other_config:n-revalidator-threads": "1",
    # Of groups and tunnels Open vSwitch counts at each revalidation what has passed since the last one, by itself every
    # 500 ms. Beside ports, which count at once, half a second of 1,000 packets/s looks like a loss or like too many.
    "other_config:max-revalidator": "100",
}


def whole_switch(plan: SwitchPlan) -> list[str]:
    """One transaction, '--' between its commands."""
    return joined([
        ["set", "Open_vSwitch", ".", *columns(PROCESS_SETTINGS)],
        *(command for bridge in plan.bridges for command in new_bridge(bridge)),
        *(command for port in plan.ports for command in new_port(port)),
        *(command for bridge in plan.bridges for command in controller_of(bridge)),
    ])


def new_bridge(bridge: WantedBridge) -> list[list[str]]:
    """Commands that make a bridge that is not there."""
    commands = [["add-br", bridge.name], ["set", "Bridge", bridge.name, *columns(bridge.settings())]]
    if bridge.mtu is not None:
        commands.append(["set", "Interface", bridge.name, f"mtu_request={bridge.mtu}"])
    return commands


def new_port(port: WantedPort) -> list[list[str]]:
    """Commands that make a port that is not there."""
    commands = [["add-port", port.bridge, port.name]]
    if port.interface:
        commands.append(["set", "Interface", port.name, *columns(port.interface)])
    return commands


def controller_of(bridge: WantedBridge) -> list[list[str]]:
    """Commands that put a new bridge under its controller; none when it has none."""
    if bridge.controller is None:
        return []
    return [
        ["set-controller", bridge.name, bridge.controller],
        ["set", "Controller", bridge.name, *columns(CONTROLLER_SETTINGS)],
    ]


def columns(values: Mapping[str, str]) -> list[str]:
    """Columns as ovs-vsctl takes them; a value with a colon in it needs quotes."""
    return [f'{name}="{value}"' if ":" in value else f"{name}={value}" for name, value in values.items()]


def joined(commands: Iterable[list[str]]) -> list[str]:
    """Several commands as one transaction."""
    words: list[str] = []
    for command in commands:
        words += ["--", *command] if words else command
    return words

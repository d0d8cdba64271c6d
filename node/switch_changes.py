# SPDX-License-Identifier: Apache-2.0
"""What an existing switch lacks of a plan, and the commands that add it. Pure.

Only what is missing is added. What somebody has chosen otherwise is never changed: it is said, with what mends it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.switch_configuration import columns, controller_of, new_bridge, new_port
from lab.switch_plan import CONTROLLER_SETTINGS, SwitchPlan, WantedBridge, WantedPort
from node.switch_state import Bridge, Port, SwitchState

OPENFLOW_VERSIONS = ("OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it has to be."""

    words: str
    commands: tuple[tuple[str, ...], ...] = ()
    """ovs-vsctl commands, without 'ovs-vsctl' itself, that add what is missing."""
    host_commands: tuple[tuple[str, ...], ...] = ()
    """Whole commands that do, after those."""
    mend: str = ""
    """What the operator has to decide, where nothing can be added."""
    waits: bool = False
    """Mends itself as soon as somebody else brings what it is about."""
    advice: bool = False
    """The switch can be the node's without; it is better with."""

    @property
    def lacking(self) -> bool:
        """Whether the switch cannot be the node's as long as it is so."""
        return not self.waits and not self.advice

    @property
    def conflict(self) -> bool:
        """Whether the operator has to decide something first."""
        return self.lacking and not self.commands and not self.host_commands


def datapath_type_for(plan: SwitchPlan, state: SwitchState, wanted: str) -> str:
    """Of bridges that are to be made: that of the other bridge of this node, if there is one already."""
    there = [state.bridges[bridge.name].datapath_type for bridge in plan.bridges if bridge.name in state.bridges]
    return (there[0] or "system") if there else wanted


def compare(plan: SwitchPlan, state: SwitchState, *, datapath_type: str = "netdev") -> list[Difference]:
    """Every difference, in the order in which they are mended. `datapath_type` is that of bridges still to be made."""
    found: list[Difference] = []
    for bridge in plan.bridges:
        existing = state.bridges.get(bridge.name)
        if existing is None:
            found.append(_new_bridge(bridge, state, datapath_type_for(plan, state, datapath_type)))
        else:
            found += _bridge(bridge, existing)
    there = [state.bridges[bridge.name] for bridge in plan.bridges if bridge.name in state.bridges]
    types = {bridge.datapath_type or "system" for bridge in there}
    if len(types) > 1:
        names = " and ".join(bridge.name for bridge in plan.bridges)
        found.append(Difference(
            words=f"bridges {names} have unlike datapath types ({', '.join(sorted(types))})",
            mend="tunnels of one find no way through the other: give both the same datapath_type",
        ))
    for port in plan.ports:
        found += _port(port, state)
    return found


def _new_bridge(bridge: WantedBridge, state: SwitchState, datapath_type: str) -> Difference:
    if bridge.name in state.ports:
        other = state.ports[bridge.name].bridge
        return Difference(words=f"bridge {bridge.name} is missing", mend=f"a port of {other} has its name: name another")
    commands = [
        [word if word != "datapath_type=netdev" else f"datapath_type={datapath_type}" for word in command]
        for command in (*new_bridge(bridge), *controller_of(bridge))
    ]
    return Difference(words=f"bridge {bridge.name} is missing", commands=tuple(map(tuple, commands)))


def _bridge(wanted: WantedBridge, there: Bridge) -> Iterable[Difference]:
    if wanted.datapath_id is not None:
        yield from _datapath_id(wanted, there)
    if wanted.controller is None:
        return  # forwards as it does
    if there.protocols and "OpenFlow15" not in there.protocols:
        yield _addition(wanted, "does not speak OpenFlow 1.5", ["add", "Bridge", wanted.name, "protocols", "OpenFlow15"])
    if not there.protocols:
        versions = ",".join(OPENFLOW_VERSIONS)
        yield _addition(wanted, "does not say that it speaks OpenFlow 1.5",
                        ["set", "Bridge", wanted.name, f"protocols={versions}"])
    if there.fail_mode == "":
        yield _addition(wanted, "has no fail_mode: without the controller it would forward as a learning switch",
                        ["set", "Bridge", wanted.name, "fail_mode=secure"])
    elif there.fail_mode != "secure":
        yield Difference(
            words=f"bridge {wanted.name}: fail_mode is {there.fail_mode}",
            mend="while the controller is away it would send everything twice: "
                 f"ovs-vsctl set-fail-mode {wanted.name} secure",
        )
    if wanted.controller not in there.controllers:
        others = f" (it has {', '.join(sorted(there.controllers))}, which stays)" if there.controllers else ""
        settings = columns(CONTROLLER_SETTINGS)
        target = 'target="' + wanted.controller + '"'
        yield Difference(
            words=f"bridge {wanted.name} is not under the controller {wanted.controller}{others}",
            commands=(
                ("--id=@castover", "create", "Controller", target, *settings),
                ("add", "Bridge", wanted.name, "controller", "@castover"),
            ),
        )


def _datapath_id(wanted: WantedBridge, there: Bridge) -> Iterable[Difference]:
    number = f"{wanted.datapath_id:016x}"
    if there.datapath_id == number:
        return
    chosen = there.other_config.get("datapath-id")
    if chosen is None:
        yield _addition(wanted, f"has datapath id {there.datapath_id or 'none'}, not {number}",
                        ["set", "Bridge", wanted.name, f"other_config:datapath-id={number}"])
    else:
        yield Difference(
            words=f"bridge {wanted.name}: datapath id was set to {chosen}",
            mend=f"topology.yaml has {number}: write datapath_id: 0x{there.datapath_id.lstrip('0') or chosen} there",
        )


def _addition(bridge: WantedBridge, what: str, command: list[str]) -> Difference:
    return Difference(words=f"bridge {bridge.name} {what}", commands=(tuple(command),))


def _port(wanted: WantedPort, state: SwitchState) -> Iterable[Difference]:
    there = state.ports.get(wanted.name)
    if there is None:
        commands = tuple(map(tuple, new_port(wanted)))
        yield Difference(words=f"port {wanted.name} is missing in {wanted.bridge}", commands=commands)
        return
    if there.bridge != wanted.bridge:
        yield Difference(
            words=f"port {wanted.name} is in {there.bridge}, not in {wanted.bridge}",
            mend="name another port in topology.yaml, or take it out there: "
                 f"ovs-vsctl del-port {there.bridge} {wanted.name}",
        )
        return
    yield from _interface(wanted, there)


def _interface(wanted: WantedPort, there: Port) -> Iterable[Difference]:
    missing = {}
    for column, value in wanted.interface.items():
        name, _, key = column.partition(":")
        has = there.type if name == "type" else there.options.get(key)
        if has is None:
            missing[column] = value
        elif has != value:
            yield Difference(
                words=f"port {wanted.name}: {column} is {has!r}, not {value!r}",
                mend=f"ovs-vsctl set Interface {wanted.name} {column}={value}, if nobody else uses it",
            )
    if missing:
        yield Difference(
            words=f"port {wanted.name} lacks {', '.join(missing)}",
            commands=(("set", "Interface", wanted.name, *columns(missing)),),
        )
    if there.error and not wanted.interface:
        yield Difference(words=f"port {wanted.name} waits for its network interface: {there.error}", waits=True)
    elif there.error:
        yield Difference(words=f"port {wanted.name} cannot be used: {there.error}", mend="see the log of ovs-vswitchd")


def transaction(differences: Iterable[Difference]) -> list[str]:
    """All additions as the arguments of one ovs-vsctl."""
    words: list[str] = []
    for number, difference in enumerate(differences):
        for command in difference.commands:
            words += ["--", *(word.replace("@castover", f"@castover{number}") for word in command)]
    return words

# SPDX-License-Identifier: Apache-2.0
"""What an Open vSwitch that runs has: bridges, ports, controllers, as its own database tells (ovsdb RFC 7047)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.errors import LabError
from lab.switch_tools import SwitchTools


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """One bridge."""

    name: str
    datapath_type: str = ""
    """'netdev', or 'system' (also as '')."""
    datapath_id: str = ""
    """In use: 16 hexadecimal digits."""
    fail_mode: str = ""
    protocols: frozenset[str] = frozenset()
    """Empty: Open vSwitch's own choice."""
    other_config: Mapping[str, str] = field(default_factory=dict)
    controllers: frozenset[str] = frozenset()
    """Targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One port, of one interface."""

    name: str
    bridge: str
    type: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    """Why Open vSwitch cannot use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchState:
    """Everything, by name."""

    bridges: Mapping[str, Bridge] = field(default_factory=dict)
    ports: Mapping[str, Port] = field(default_factory=dict)


def read_switch(tools: SwitchTools) -> SwitchState:
    """Ask the switch. Raises LabError when none answers."""
    tables = {}
    for name in ("Bridge", "Port", "Interface", "Controller"):
        try:
            tables[name] = tools.vsctl("--format=json", "list", name)
        except LabError as error:
            raise LabError(
                f"no Open vSwitch answers: {error.problem}",
                "start it (systemctl start openvswitch-switch), or say with OVS_RUNDIR where its sockets are",
            ) from None
    return parse_switch(tables)


def parse_switch(tables: Mapping[str, str]) -> SwitchState:
    """From the JSON of `ovs-vsctl list` for Bridge, Port, Interface and Controller. Raises LabError."""
    try:
        rows = {name: _rows(text) for name, text in tables.items()}
        targets = {row["_uuid"]: row["target"] for row in rows["Controller"]}
        interfaces = {row["_uuid"]: row for row in rows["Interface"]}
        ports = {row["_uuid"]: row for row in rows["Port"]}
        found = SwitchState(
            bridges={row["name"]: Bridge(
                name=row["name"], datapath_type=row["datapath_type"] or "", datapath_id=_one(row["datapath_id"]),
                fail_mode=_one(row["fail_mode"]), protocols=frozenset(_many(row["protocols"])),
                other_config=row["other_config"],
                controllers=frozenset(targets[controller] for controller in _many(row["controller"])),
            ) for row in rows["Bridge"]},
            ports={port.name: port for row in rows["Bridge"] for port in (
                _port(row["name"], ports[identifier], interfaces) for identifier in _many(row["ports"])
            )},
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise LabError(f"Open vSwitch's answer is not understood: {type(error).__name__}: {error}") from error
    return found


def _port(bridge: str, row: Mapping[str, Any], interfaces: Mapping[str, Mapping[str, Any]]) -> Port:
    interface = interfaces[_many(row["interfaces"])[0]]
    return Port(
        name=row["name"], bridge=bridge, type=interface["type"] or "", options=interface["options"],
        error=_one(interface["error"]),
    )


def _rows(text: str) -> list[dict[str, Any]]:
    table = json.loads(text)
    return [
        {name: _value(value) for name, value in zip(table["headings"], row, strict=True)} for row in table["data"]
    ]


def _value(value: Any) -> Any:
    """RFC 7047 section 5.1: ["uuid", X], ["set", [...]], ["map", [[k, v]...]], or an atom."""
    if isinstance(value, list):
        kind, content = value
        if kind == "uuid":
            return content
        if kind == "map":
            return {key: _value(item) for key, item in content}
        return [_value(item) for item in content]
    return value


def _many(value: Any) -> list[Any]:
    """A column that may hold several: a set of one is told as that one."""
    return value if isinstance(value, list) else [value]


def _one(value: Any) -> str:
    """A column that may be empty."""
    return "" if value == [] else str(value)

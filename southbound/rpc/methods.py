# SPDX-License-Identifier: Apache-2.0
"""Every method that controller and agents call on each other, with its parameters as a dataclass.

On the wire a call is msgpack-RPC with one parameter, a map of the dataclass's fields. Addresses travel as text,
memberships as maps {group, filter_mode, sources}, times as seconds since 1970 (float). `encode_params` and
`decode_params` are the only two ways in and out; the latter raises `RpcParameterError` naming the field.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address
from typing import Any, ClassVar

from southbound.mld.membership import FilterMode, GroupMembership


class RpcParameterError(ValueError):
    """A peer's parameters do not fit the method. `field` says which."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


Memberships = tuple[GroupMembership, ...]

# --- agent -> controller -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """First call of an agent. `attached` lists the MNs on its links now, so that a restarted controller learns them."""

    method: ClassVar[str] = "agent.hello"
    mag_id: str
    version: str
    process_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNodeAttached:
    """An MN is on this MAG's link."""

    method: ClassVar[str] = "mobile_node.attached"
    mn_id: str
    access_port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNodeDetached:
    """An MN has left this MAG's link."""

    method: ClassVar[str] = "mobile_node.detached"
    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipReported:
    """The whole multicast state of an MN at this MAG; replaces what was reported before."""

    method: ClassVar[str] = "listener.reported"
    mn_id: str
    memberships: Memberships


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareForwarding:
    """n-MAG: take these groups from the p-MAG's tunnel (and later natively) to the buffer. Answered when confirmed."""

    method: ClassVar[str] = "handover.prepare"
    handover_id: str
    mn_id: str
    previous_mag: str
    memberships: Memberships


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneGroups:
    """p-MAG: clone these groups into the tunnel to the n-MAG. Answered when the switch has confirmed."""

    method: ClassVar[str] = "handover.clone"
    handover_id: str
    mn_id: str
    new_mag: str
    memberships: Memberships


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverDirectly:
    """n-MAG: the native stream has been joined; the switch shall deliver to the MN itself. Answered when confirmed."""

    method: ClassVar[str] = "handover.deliver_directly"
    handover_id: str
    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseForwarding:
    """Either MAG: forwarding for this MN is over (completed, cancelled or failed); its rules go. Answered when gone."""

    method: ClassVar[str] = "handover.release"
    handover_id: str
    mn_id: str
    outcome: str
    """'completed' | 'cancelled' | 'failed'."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReached:
    """One of the eleven steps of the draft's Figure 2 has happened at this MAG. Notification."""

    method: ClassVar[str] = "handover.step"
    handover_id: str
    mn_id: str
    step: int
    """1..11; 41 and 42 are the HI(F) and its HAck of step 4, 21/31 sub-steps are not used."""
    name: str
    at: float
    previous_mag: str = ""
    new_mag: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferReport:
    """n-MAG: what the handover buffer did for one handover. Notification, at its end."""

    method: ClassVar[str] = "handover.buffer_report"
    handover_id: str
    mn_id: str
    counters: dict[str, int]


# --- controller -> agent -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StartHandover:
    """p-MAG: HO-Initiate over REST. Answered at once; the outcome comes as steps and `handover.release`."""

    method: ClassVar[str] = "handover.start"
    handover_id: str
    mn_id: str
    new_mag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishForwarding:
    """p-MAG: the n-MAG has the native stream; send HI 'forwarding completed' (step 11)."""

    method: ClassVar[str] = "handover.finish"
    handover_id: str
    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelHandover:
    """p-MAG: give the handover up before the MN has left."""

    method: ClassVar[str] = "handover.cancel"
    handover_id: str
    mn_id: str


CONTROLLER_METHODS: dict[str, type[Any]] = {
    cls.method: cls
    for cls in (
        Hello, MobileNodeAttached, MobileNodeDetached, MembershipReported, PrepareForwarding, CloneGroups,
        DeliverDirectly, ReleaseForwarding, StepReached, BufferReport,
    )
}
"""What an agent may call on the controller."""

AGENT_METHODS: dict[str, type[Any]] = {
    cls.method: cls for cls in (StartHandover, FinishForwarding, CancelHandover)
}
"""What the controller may call on an agent."""


def encode_params(call: Any) -> dict[str, Any]:
    """The wire map of one of the dataclasses above."""
    return {field.name: _to_wire(getattr(call, field.name)) for field in dataclasses.fields(call)}


def _to_wire(value: Any) -> Any:
    if isinstance(value, GroupMembership):
        return {
            "group": str(value.group),
            "filter_mode": value.filter_mode.value,
            "sources": sorted(str(source) for source in value.sources),
        }
    if isinstance(value, tuple):
        return [_to_wire(item) for item in value]
    if isinstance(value, IPv6Address):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    return value


def decode_params(cls: type[Any], wire: object, *, memberships_max: int = 50, sources_max: int = 62) -> Any:
    """The dataclass `cls` from a peer's map. Raises RpcParameterError; unknown fields are refused, missing ones named."""
    if not isinstance(wire, dict):
        raise RpcParameterError("params", f"found {type(wire).__name__}, allowed: a map")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    unknown = sorted(str(key) for key in wire if key not in fields)
    if unknown:
        raise RpcParameterError(unknown[0], f"unknown field; {cls.method} takes {', '.join(fields)}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in wire:
            if field.default is dataclasses.MISSING:
                raise RpcParameterError(name, "missing")
            continue
        values[name] = _from_wire(hints[name], wire[name], name, memberships_max, sources_max)
    return cls(**values)


def _from_wire(hint: Any, value: Any, name: str, memberships_max: int, sources_max: int) -> Any:
    if hint is Memberships or typing.get_origin(hint) is tuple:
        if not isinstance(value, list) or len(value) > memberships_max:
            raise RpcParameterError(name, f"allowed: a list of at most {memberships_max} memberships")
        return tuple(_membership(item, f"{name}[{index}]", sources_max) for index, item in enumerate(value))
    if typing.get_origin(hint) is dict:
        good = isinstance(value, dict) and len(value) <= 64 and all(
            isinstance(k, str) and isinstance(v, int) for k, v in value.items()
        )
        if not good:
            raise RpcParameterError(name, "allowed: a map of at most 64 names to whole numbers")
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    kind = hint if isinstance(hint, type) and not isinstance(hint, types.GenericAlias) else object
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise RpcParameterError(name, f"found {type(value).__name__}, allowed: {kind.__name__}")
    if isinstance(value, str) and len(value) > 1024:
        raise RpcParameterError(name, "longer than 1024 characters")
    return value


def _membership(value: Any, name: str, sources_max: int) -> GroupMembership:
    if not isinstance(value, dict) or set(value) != {"group", "filter_mode", "sources"}:
        raise RpcParameterError(name, "allowed: a map of group, filter_mode, sources")
    sources = value["sources"]
    if not isinstance(sources, list) or len(sources) > sources_max:
        raise RpcParameterError(f"{name}.sources", f"allowed: a list of at most {sources_max} addresses")
    try:
        group = IPv6Address(value["group"])
        parsed = frozenset(IPv6Address(source) for source in sources)
        mode = FilterMode(value["filter_mode"])
    except (ValueError, TypeError) as error:
        raise RpcParameterError(name, str(error)) from error
    if not group.is_multicast:
        raise RpcParameterError(f"{name}.group", f"{group} is not a multicast address")
    return GroupMembership(group=group, filter_mode=mode, sources=parsed)

# SPDX-License-Identifier: Apache-2.0
"""The map of parameters on the wire <-> the dataclass of a method.

Addresses travel as text, memberships as maps {group, filter_mode, sources}, times as float. A field whose metadata
has "allowed" takes only those values.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from southbound.codec.addresses import IpAddress
from southbound.mld.membership import FilterMode, GroupMembership

Memberships = tuple[GroupMembership, ...]

Names = tuple[str, ...]
Counts = tuple[int, ...]

_TEXT_MAX = 1024
_NAMES_MAX = 4096
COUNTS_MAX = 1024
COUNTERS_MAX = 256
"""Names in a map of counters."""
_FILTER_MODES = tuple(mode.value for mode in FilterMode)


class RpcParameterError(ValueError):
    """A peer's parameters do not fit the method. `field` says which."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


def encode_params(call: Any) -> dict[str, Any]:
    """The wire map of one of the dataclasses above."""
    return {name: _to_wire(getattr(call, name)) for name in _parameters(type(call))}


def _to_wire(value: Any) -> Any:
    if isinstance(value, GroupMembership):
        return {
            "group": str(value.group),
            "filter_mode": value.filter_mode.value,
            "sources": sorted(str(source) for source in value.sources),
        }
    if isinstance(value, tuple):
        return [_to_wire(item) for item in value]
    if isinstance(value, IPv4Address | IPv6Address):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parameter:
    hint: Any
    required: bool
    allowed: tuple[Any, ...] | None


_resolved: dict[type[Any], Mapping[str, _Parameter]] = {}


def _parameters(cls: type[Any]) -> Mapping[str, _Parameter]:
    # Resolving annotations costs more than all the rest of a call, so it is done once for each method.
    known = _resolved.get(cls)
    if known is None:
        hints = typing.get_type_hints(cls)
        known = _resolved[cls] = {
            item.name: _Parameter(
                hint=hints[item.name],
                required=item.default is dataclasses.MISSING,
                allowed=item.metadata.get("allowed"),
            )
            for item in dataclasses.fields(cls)
        }
    return known


def decode_params(cls: type[Any], wire: object, *, memberships_max: int = 50, sources_max: int = 62) -> Any:
    """The dataclass `cls` from a peer's map.

    Raises RpcParameterError; unknown fields are refused, missing ones named, lists are capped as the arguments say.
    """
    if not isinstance(wire, dict):
        raise RpcParameterError("params", f"found {type(wire).__name__}, allowed: a map")
    parameters = _parameters(cls)
    if not wire.keys() <= parameters.keys():
        unknown = sorted(key if isinstance(key, str) else repr(key) for key in wire if key not in parameters)
        raise RpcParameterError(unknown[0][:100], f"unknown field; {cls.method} takes {', '.join(parameters)}")
    values: dict[str, Any] = {}
    for name, parameter in parameters.items():
        if name in wire:
            values[name] = _from_wire(parameter, wire[name], name, memberships_max, sources_max)
        elif parameter.required:
            raise RpcParameterError(name, "missing")
    return cls(**values)


def _from_wire(parameter: _Parameter, value: Any, name: str, memberships_max: int, sources_max: int) -> Any:
    hint = parameter.hint
    if hint == Memberships:
        return _memberships(value, name, memberships_max, sources_max)
    if hint == Names:
        good = isinstance(value, list) and len(value) <= _NAMES_MAX and all(
            isinstance(item, str) and len(item) <= _TEXT_MAX for item in value
        )
        if not good:
            raise RpcParameterError(name, f"allowed: a list of at most {_NAMES_MAX} names")
        return tuple(value)
    if hint == Counts:
        good = isinstance(value, list) and len(value) <= COUNTS_MAX and all(type(v) is int and v >= 0 for v in value)
        if not good:
            raise RpcParameterError(name, f"allowed: a list of at most {COUNTS_MAX} whole numbers from 0")
        return tuple(value)
    if typing.get_origin(hint) is dict:
        good = isinstance(value, dict) and len(value) <= COUNTERS_MAX and all(
            isinstance(k, str) and len(k) <= _TEXT_MAX and type(v) is int for k, v in value.items()
        )
        if not good:
            raise RpcParameterError(name, f"allowed: a map of at most {COUNTERS_MAX} names to whole numbers")
        return value
    if hint is float and type(value) is int:
        value = float(value)
    kind = hint if isinstance(hint, type) and not isinstance(hint, types.GenericAlias) else object
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise RpcParameterError(name, f"found {type(value).__name__}, allowed: {kind.__name__}")
    if isinstance(value, str) and len(value) > _TEXT_MAX:
        raise RpcParameterError(name, f"longer than {_TEXT_MAX} characters")
    if isinstance(value, float) and not math.isfinite(value):
        raise RpcParameterError(name, f"found {value}, allowed: a finite number")
    if parameter.allowed is not None and value not in parameter.allowed:
        raise RpcParameterError(name, f"found {str(value)[:100]}, allowed: {', '.join(map(str, parameter.allowed))}")
    return value


def _memberships(value: Any, name: str, memberships_max: int, sources_max: int) -> Memberships:
    if not isinstance(value, list) or len(value) > memberships_max:
        raise RpcParameterError(name, f"allowed: a list of at most {memberships_max} memberships")
    memberships = tuple(_membership(item, f"{name}[{index}]", sources_max) for index, item in enumerate(value))
    seen = set()
    for index, membership in enumerate(memberships):
        # Two states for one group cannot both be true, and nothing says which one is.
        if membership.group in seen:
            raise RpcParameterError(f"{name}[{index}].group", f"{membership.group} is there twice")
        seen.add(membership.group)
    return memberships


def _address(value: object, name: str) -> IpAddress:
    # ip_address() also takes whole numbers and octets, and text with a zone; none of them is this wire's form.
    if not isinstance(value, str) or "%" in value:
        raise RpcParameterError(name, "allowed: an IP address as text, without a zone")
    try:
        return ip_address(value)
    except ValueError as error:
        raise RpcParameterError(name, str(error)[:_TEXT_MAX]) from error


def _membership(value: Any, name: str, sources_max: int) -> GroupMembership:
    if not isinstance(value, dict) or set(value) != {"group", "filter_mode", "sources"}:
        raise RpcParameterError(name, "allowed: a map of group, filter_mode, sources")
    sources = value["sources"]
    if not isinstance(sources, list) or len(sources) > sources_max:
        raise RpcParameterError(f"{name}.sources", f"allowed: a list of at most {sources_max} addresses")
    group = _address(value["group"], f"{name}.group")
    if not group.is_multicast:
        raise RpcParameterError(f"{name}.group", f"{group} is not a multicast address")
    parsed = frozenset(_address(source, f"{name}.sources[{index}]") for index, source in enumerate(sources))
    if any(source.version != group.version for source in parsed):
        raise RpcParameterError(f"{name}.sources", f"allowed: IPv{group.version} addresses, as {group}")
    mode = value["filter_mode"]
    if mode not in _FILTER_MODES:
        raise RpcParameterError(f"{name}.filter_mode", f"allowed: {', '.join(_FILTER_MODES)}")
    return GroupMembership(group=group, filter_mode=FilterMode(mode), sources=parsed)

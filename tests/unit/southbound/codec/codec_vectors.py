# SPDX-License-Identifier: Apache-2.0
"""Loads tests/vectors/*.yaml: packets and the values they say, built into the codec's own classes by field type."""

from __future__ import annotations

import dataclasses
import typing
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import yaml

from southbound.codec import mld, mobility, options
from southbound.codec.handover import Dialect

VECTORS = Path(__file__).parents[3] / "vectors"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One entry of a vector file."""

    name: str
    packet: bytes
    source: IPv6Address
    destination: IPv6Address
    message: Any
    dialect: Dialect
    option_length_unit: str


def load(name: str) -> list[Vector]:
    """The vectors of one file of tests/vectors."""
    entries = yaml.safe_load((VECTORS / name).read_text("utf-8"))
    return [
        Vector(
            name=entry["name"],
            packet=bytes.fromhex(entry["packet"]),
            source=IPv6Address(entry["source"]),
            destination=IPv6Address(entry["destination"]),
            message=_named(entry["message"]),
            dialect=Dialect(entry.get("dialect", "rfc")),
            option_length_unit=entry.get("option_length_unit", "words"),
        )
        for entry in entries
    ]


def _named(value: dict[str, Any]) -> Any:
    """{'ClassName': {fields}} -> an object of that message or option class."""
    ((name, fields),) = value.items()
    cls = next(getattr(module, name) for module in (mobility, options, mld) if hasattr(module, name))
    return _object(cls, fields)


def _object(cls: type[Any], fields: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(cls)
    return cls(**{name: _value(hints[name], value) for name, value in fields.items()})


def _value(hint: Any, value: Any) -> Any:
    if isinstance(value, list):
        item = typing.get_args(hint)[0]
        return tuple(_value(item, element) for element in value)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _object(hint, value)
    if isinstance(value, dict):
        return _named(value)
    if hint is bytes:
        return bytes.fromhex(value.replace(":", ""))
    if hint == IPv6Address | IPv4Address:
        return IPv6Address(value)
    if hint in (IPv6Address, IPv6Network, Dialect) or (isinstance(hint, type) and issubclass(hint, IntEnum)):
        return hint(value)
    return value


MOBILITY_VECTORS = [*load("handover.yaml"), *load("binding.yaml")]
MLD_VECTORS = load("mld.yaml")


def vector(number: int) -> Vector:
    """The vector whose name starts with this number."""
    return next(item for item in [*MOBILITY_VECTORS, *MLD_VECTORS] if item.name.startswith(f"v{number:02}_"))

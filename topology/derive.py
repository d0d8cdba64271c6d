# SPDX-License-Identifier: Apache-2.0
"""What follows from a document without being written in it: derived ids, effective ports, timers and limits.

The cross-checks judge these values and `topology.build` puts them into the model, so both ask here.
"""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from topology.address_values import ALL_MULTICAST, ALL_MULTICAST_IPV4
from topology.model import ETHERNET_MTU, Controller, Source
from topology.problem import Location
from topology.schema import (
    ControllerSection,
    Document,
    LmaSwitchSection,
    MagSwitchSection,
    MobileNodeSection,
    SourceSection,
)
from topology.section import Section
from topology.settings import Limits, Timers
from topology.switch_names import LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT, MAG_MAG_PORT, SwitchNames

DIALECT = "draft"
OPTION_LENGTH_UNIT = "words"
ATTACH_MODE = "policy-store"
BINDING_ORDER = "timestamps"
GRE_KEY_OPTION = "not-required"
TRANSPORT_MTU = ETHERNET_MTU
LMA_GRE_KEY = 100
MAG_GRE_KEY = 200
ALLOWED_GROUPS: tuple[IPv4Network | IPv6Network, ...] = (ALL_MULTICAST, ALL_MULTICAST_IPV4)

ALLOWED_PREFIXES: tuple[IPv6Network, ...] = (IPv6Network("::/0"),)

LMA_DATAPATH_ID = 0x1
LMA_TRANSPORT_DATAPATH_ID = 0x2
PORT_KEYS = {
    "lma_port": MAG_LMA_PORT, "mag_port": MAG_MAG_PORT, "buffer_port": MAG_BUFFER_PORT, "source_port": LMA_SOURCE_PORT,
}
"""Keys of a `switch` section -> our names of the ports that they are about."""
MAG_DATAPATH_ID_BASE = 0x10
"""Plus the MAG's 1-based index."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DatapathId:
    """The datapath id of one switch, and where it is, or would be, written."""

    location: Location
    value: int
    derived: bool


def datapath_ids(document: Document) -> list[DatapathId]:
    """Of the LMA's integration switch, its transport switch, and every MAG, in this order."""
    lma = document.lma
    wanted: list[tuple[Location, int | None, int]] = [
        (("lma", "datapath_id"), lma.datapath_id if lma else None, LMA_DATAPATH_ID),
        (("lma", "transport_datapath_id"), lma.transport_datapath_id if lma else None, LMA_TRANSPORT_DATAPATH_ID),
    ]
    for position, mag in enumerate(document.mags or ()):
        wanted.append((("mags", position, "datapath_id"), mag.datapath_id, MAG_DATAPATH_ID_BASE + position + 1))
    return [
        DatapathId(location=location, value=derived if given is None else given, derived=given is None)
        for location, given, derived in wanted
    ]


def mobile_node_name(mn_id: str) -> str:
    """The short name of an MN-ID: the part before '@'."""
    return mn_id.partition("@")[0]


def home_network_prefixes(profile: MobileNodeSection) -> tuple[IPv6Network, ...]:
    """The MN's own prefixes, whichever of the two keys gives them; empty when it is to have one from the pool."""
    if profile.home_network_prefix is not None:
        return (profile.home_network_prefix,)
    return tuple(prefix for prefix in profile.home_network_prefixes or () if prefix is not None)


def gre_keys(document: Document) -> tuple[int, int]:
    """The keys of the LMA-MAG and of the MAG-MAG tunnels."""
    domain = document.domain
    lma_key = domain.lma_gre_key if domain else None
    mag_key = domain.mag_gre_key if domain else None
    return (LMA_GRE_KEY if lma_key is None else lma_key), (MAG_GRE_KEY if mag_key is None else mag_key)


def switch_names(section: LmaSwitchSection | MagSwitchSection | None) -> SwitchNames:
    """How a host calls bridges and ports; those that are not said have our names."""
    fields = given(section)
    ports = {
        ours: fields.pop(key) for key, ours in PORT_KEYS.items() if key in fields
    }
    for item in fields.pop("access_ports", ()):
        if item.mobile_node is not None and item.port is not None:
            ports[item.mobile_node] = item.port
    return SwitchNames(ports=tuple((ours, theirs) for ours, theirs in ports.items() if ours != theirs), **fields)


def source_prefix_length(source: SourceSection) -> int:
    """The length of the prefix on a source's link."""
    return _defaults(Source)["prefix_length"] if source.prefix_length is None else source.prefix_length


def ports(controller: ControllerSection) -> dict[str, int]:
    """Port by key of the section `controller`."""
    defaults = _defaults(Controller)
    return {
        "openflow_port": controller.openflow_port or defaults["openflow_port"],
        "rpc_port": controller.rpc_port or defaults["rpc_port"],
        "rest": controller.rest[1] if controller.rest else defaults["rest_port"],
    }


def rest_host(controller: ControllerSection) -> str:
    """Where the REST API listens."""
    return controller.rest[0] if controller.rest else str(_defaults(Controller)["rest_host"])


def _defaults(kind: type[Controller | Source]) -> dict[str, Any]:
    return {field.name: field.default for field in dataclasses.fields(kind)}


def timers(document: Document) -> Timers:
    """The timers of the file over the defaults of the model."""
    return Timers(**given(document.timers))


def limits(document: Document) -> Limits:
    """The limits of the file over the defaults of the model."""
    return Limits(**given(document.limits))


def given(section: Section | None) -> dict[str, Any]:
    """The fields of a section that the file gives, for a dataclass whose own defaults fill in the rest."""
    if section is None:
        return {}
    return {key: value for key in type(section).model_fields if (value := getattr(section, key)) is not None}

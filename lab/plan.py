# SPDX-License-Identifier: Apache-2.0
"""Names and addresses of everything in a lab, worked out from the domain before anything is created. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Interface, IPv6Network

from lab.errors import LabError
from topology.model import Domain, MobileNode
from topology.switch_names import (
    INTEGRATION_BRIDGE,
    LMA_MAG_PORT,
    LMA_SOURCE_PORT,
    MAG_BUFFER_PORT,
    MAG_LMA_PORT,
    MAG_MAG_PORT,
    TRANSPORT_BRIDGE,
    TRANSPORT_PORT,
)

CONTROLLER_NODE = "controller"
TRANSPORT_NODE = "transport"
RADIO_BRIDGE = "wlan0"
"""The one interface a mobile node's programs see."""
MANAGEMENT_PORT = "mgmt0"
SOURCE_PORT = "eth0"

_INTERFACE_NAME_MAX = 15  # IFNAMSIZ (16) with its terminating zero
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SWITCH_NODE_PORTS = frozenset({
    "lo", INTEGRATION_BRIDGE, TRANSPORT_BRIDGE, LMA_SOURCE_PORT, LMA_MAG_PORT, MAG_LMA_PORT, MAG_MAG_PORT,
    MAG_BUFFER_PORT, MANAGEMENT_PORT, TRANSPORT_PORT, "ovs-netdev", "ovs-system",
})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One network namespace, or one container."""

    name: str
    """Short name: 'lma', a MAG id, a mobile node's short name, a source's name, 'controller', 'transport'."""
    kind: str
    """'lma' | 'mag' | 'mobile-node' | 'source' | 'controller' | 'transport'."""
    namespace: str
    """Empty: that of whoever acts, in a container."""


def plan_nodes(domain: Domain) -> tuple[Node, ...]:
    """Every node of the domain. Raises LabError when a name is used twice, or cannot name a namespace or interface."""
    _check_name("domain.name", domain.name, maximum=64)
    named = [
        (TRANSPORT_NODE, "transport"),
        (CONTROLLER_NODE, "controller"),
        (domain.lma.id, "lma"),
        *((mag.id, "mag") for mag in domain.mags),
        *((source.name, "source") for source in domain.sources),
        *((mobile_node.name, "mobile-node") for mobile_node in domain.mobile_nodes),
    ]
    seen: dict[str, str] = {}
    for name, kind in named:
        _check_name(f"{kind} name", name, maximum=_INTERFACE_NAME_MAX)
        if name in seen:
            raise LabError(f"{kind} {name!r} has the name of a {seen[name]}", "give each node of the lab its own name")
        seen[name] = kind
    for mobile_node in domain.mobile_nodes:
        _check_name("access port", mobile_node.access_port(), maximum=_INTERFACE_NAME_MAX)
        if mobile_node.access_port() in _SWITCH_NODE_PORTS:
            raise LabError(
                f"access port {mobile_node.access_port()!r} has the name of another port of a MAG",
                "rename the mobile node",
            )
        for prefix in mobile_node.home_network_prefixes:
            if prefix.prefixlen > 64:
                raise LabError(
                    f"mobile node {mobile_node.name}: {prefix} leaves no interface identifier",
                    "allowed: a prefix of at most 64 bits",
                )
    for mag in domain.mags:
        if mag.id in ("lo", RADIO_BRIDGE):
            raise LabError(f"mag {mag.id!r} has the name of an interface of the mobile nodes", "rename the MAG")
    return tuple(Node(name=name, kind=kind, namespace=f"{domain.name}-{name}") for name, kind in named)


def _check_name(what: str, name: str, *, maximum: int) -> None:
    if _NAME.fullmatch(name) is None or len(name) > maximum:
        raise LabError(
            f"{what} {name!r} cannot name a namespace or an interface",
            f"allowed: 1 to {maximum} letters, digits, '_', '.', '-', the first a letter or digit",
        )


def interface_identifier(link_layer_id: bytes) -> int:
    """The modified EUI-64 of a MAC address (RFC 4291 appendix A): what a Linux host gives itself by default."""
    first = link_layer_id[0] ^ 0x02
    return int.from_bytes(bytes([first]) + link_layer_id[1:3] + b"\xff\xfe" + link_layer_id[3:6], "big")


def home_addresses(mobile_node: MobileNode) -> tuple[IPv6Interface, ...]:
    """What a mobile node forms by SLAAC from those home network prefixes that it has for good (RFC 4862 section 5.5.3)."""
    identifier = interface_identifier(mobile_node.link_layer_id)
    return tuple(
        IPv6Interface((int(prefix.network_address) | identifier, prefix.prefixlen))
        for prefix in mobile_node.home_network_prefixes
    )


def on_network(address: IPv6Address, network: IPv6Network) -> IPv6Interface:
    """The address with the prefix length of its network."""
    return IPv6Interface((address, network.prefixlen))


def switch_mac(index: int) -> str:
    """Link-layer address of a switch node's transport bridge: 0 = the LMA, n = the MAG with that `Mag.index`.

    Fixed, so that every switch's neighbour table can be filled before the first packet.
    """
    return f"02:ca:57:ff:{index >> 8 & 0xFF:02x}:{index & 0xFF:02x}"


def switch_macs(domain: Domain) -> dict[str, str]:
    """Switch node -> link-layer address of its transport bridge."""
    return {domain.lma.id: switch_mac(0)} | {mag.id: switch_mac(mag.index) for mag in domain.mags}


def transport_neighbours(domain: Domain) -> dict[str, dict[IPv6Address, str]]:
    """Switch node -> {transport address: link-layer address} of every other switch node."""
    macs = switch_macs(domain)
    everyone = {domain.lma.id: (domain.lma.address, macs[domain.lma.id])}
    everyone |= {mag.id: (mag.address, macs[mag.id]) for mag in domain.mags}
    return {node: dict(value for name, value in everyone.items() if name != node) for node in everyone}

# SPDX-License-Identifier: Apache-2.0
"""Rules for what MNs send: which of it is let in, and where it goes; and for what is said to the LMA as a router. Pure.

A packet is let in by where it comes from: the access port and link-layer address of one MN, or the tunnel of a MAG where
it is, together with a source address in its home network prefix (RFC 5213 sections 5.6.2 and 6.10.5). All else is dropped
by the miss of the table. What is said on the link itself (link-local, multicast) stays there, with the agent.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network

from southbound.codec.neighbor_discovery import solicited_node
from southbound.openflow.intents import (
    AccessLink,
    FromMag,
    FromPeer,
    SwitchRole,
    ToDestination,
    ToLma,
    ToPeer,
    Uplink,
)
from southbound.openflow.pipeline import (
    INGRESS,
    PRIORITY_LINK_LOCAL,
    PRIORITY_UPLINK,
    REPLICATION,
)
from southbound.openflow.rules import (
    Action,
    DecrementHopLimit,
    FlowRule,
    Match,
    OpenFlowInvariantError,
    OutputController,
    OutputIngressPort,
    OutputPort,
    SetTunnelDestination,
    SetTunnelKey,
)
from topology.model import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_LMA_PORT, MAG_MAG_PORT

ETH_TYPE_IPV6 = 0x86DD
IP_PROTO_ICMPV6 = 58
MAG_TUNNELS_PATH = 1
"""Index of `intents.MagTunnels` among the paths of the LMA, which has no tunnel from a peer."""
_RULES_REMEMBERED = 1 << 14
"""As those of downlink in the compiler."""
LINK_LOCAL = IPv6Network("fe80::/10")
"""RFC 4291 section 2.4; routers forward nothing from or to it (section 2.5.6)."""


def uplink_flows(uplinks: Iterable[Uplink], role: SwitchRole) -> list[FlowRule]:
    """Raises OpenFlowInvariantError for an uplink that no switch of this kind has."""
    flows, ports = [], set()
    for uplink in uplinks:
        flows.append(_flow(uplink, role))
        if isinstance(uplink.ingress, AccessLink):
            ports.add(uplink.ingress.port)
    return [*flows, *(_stays_on_link(port) for port in ports)]


@lru_cache
def router_flows(router: IPv6Address, role: SwitchRole) -> tuple[FlowRule, ...]:
    """ICMPv6 for the LMA's own address on the network of the sources, Neighbor Discovery of it above all."""
    if role.kind != "lma":
        raise OpenFlowInvariantError(f"{role.name}: a switch of kind {role.kind} is no router")
    return tuple(
        FlowRule(
            table_id=INGRESS,
            priority=PRIORITY_LINK_LOCAL,
            match=Match(
                in_port=LMA_SOURCE_PORT, eth_type=ETH_TYPE_IPV6, ip_proto=IP_PROTO_ICMPV6, ipv6_destination=address
            ),
            actions=(OutputController(),),
        )
        for address in (router, solicited_node(router))
    )


@lru_cache(maxsize=_RULES_REMEMBERED)
def _stays_on_link(port: str) -> FlowRule:
    match = Match(in_port=port, eth_type=ETH_TYPE_IPV6, ipv6_destination=LINK_LOCAL)
    return FlowRule(table_id=INGRESS, priority=PRIORITY_LINK_LOCAL, match=match)


@lru_cache(maxsize=_RULES_REMEMBERED)
def _flow(uplink: Uplink, role: SwitchRole) -> FlowRule:
    match = _match(uplink, role)
    if isinstance(uplink.output, ToDestination):
        return FlowRule(
            table_id=INGRESS, priority=PRIORITY_UPLINK, match=match, write_metadata=MAG_TUNNELS_PATH + 1,
            goto_table=REPLICATION,
        )
    actions = (DecrementHopLimit(), *_actions(uplink, role))
    return FlowRule(table_id=INGRESS, priority=PRIORITY_UPLINK, match=match, actions=actions)


def _match(uplink: Uplink, role: SwitchRole) -> Match:
    match role.kind, uplink.ingress, uplink.output:
        case "mag", AccessLink(port=port, link_layer_id=link_layer_id), ToLma() | ToPeer():
            return Match(
                in_port=port, eth_source=link_layer_id, eth_destination=role.access_mac, eth_type=ETH_TYPE_IPV6,
                ipv6_source=uplink.prefix,
            )
        case "mag", FromPeer(peer=peer, key=key), ToLma() | ToPeer():
            return Match(
                in_port=MAG_MAG_PORT, tunnel_key=key, tunnel_source=peer, eth_type=ETH_TYPE_IPV6,
                ipv6_source=uplink.prefix,
            )
        case "lma", FromMag(mag=mag), ToDestination():
            return Match(
                in_port=LMA_MAG_PORT, tunnel_key=role.lma_gre_key, tunnel_source=mag, eth_type=ETH_TYPE_IPV6,
                ipv6_source=uplink.prefix,
            )
    raise OpenFlowInvariantError(f"{role.name}: a switch of kind {role.kind} has no uplink {uplink}")


def _actions(uplink: Uplink, role: SwitchRole) -> tuple[Action, ...]:
    if isinstance(uplink.output, ToPeer):
        # From one peer on to another it leaves by the port it came in on, which OpenFlow does only if told.
        onward = isinstance(uplink.ingress, FromPeer)
        return (
            SetTunnelKey(key=uplink.output.key),
            SetTunnelDestination(address=uplink.output.mag),
            OutputIngressPort() if onward else OutputPort(port=MAG_MAG_PORT),
        )
    # The port has the LMA as its fixed remote address.
    return SetTunnelKey(key=role.lma_gre_key), OutputPort(port=MAG_LMA_PORT)

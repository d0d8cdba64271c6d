# SPDX-License-Identifier: Apache-2.0
"""Rules for what MNs send: which of it is let in, and where it goes; and for what is said to the LMA as a router. Pure.

A packet is let in by where it comes from: the access port and link-layer address of one MN, or the tunnel of a MAG where
it is, together with a source address in its home network prefix (RFC 5213 sections 5.6.2 and 6.10.5). All else is dropped
by the miss of the table. What is said on the link itself (link-local, multicast) stays there, with the agent.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv6Address

from southbound.codec.iana import NeighborDiscoveryType
from southbound.codec.neighbor_discovery import solicited_node
from southbound.openflow.intents import (
    AccessLink,
    FromHandoverBuffer,
    FromMag,
    FromPeer,
    SwitchRole,
    ToDestination,
    ToHandoverBuffer,
    ToLma,
    ToPeer,
    Uplink,
)
from southbound.openflow.paths import CORRESPONDENTS_PATH, MAG_TUNNELS_PATH, TO_LMA_PATH, metadata_of
from southbound.openflow.pipeline import (
    INGRESS,
    LINK_LOCAL,
    PRIORITY_ANY_SOURCE,
    PRIORITY_LINK_LOCAL,
    PRIORITY_ROUTED,
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
    SetEthernetSource,
    SetTunnelDestination,
    SetTunnelKey,
)
from southbound.openflow.unforwarded import as_matched, check_size
from southbound.path_mark import UPLINK_PATH, path_mac
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT, MAG_MAG_PORT

ETH_TYPE_IPV6 = 0x86DD
IP_PROTO_ICMPV6 = 58
_RULES_REMEMBERED = 1 << 14
"""As in `replication`."""


def uplink_flows(uplinks: Collection[Uplink], role: SwitchRole) -> list[FlowRule]:
    """Raises OpenFlowInvariantError for an uplink that no switch of this kind has."""
    flows, ports = [], set()
    for uplink in uplinks:
        flows.append(_flow(uplink, role))
        if isinstance(uplink.ingress, AccessLink):
            ports.add(uplink.ingress.port)
    on_to_lma = [_on_to_lma(role)] if any(map(_by_routes, uplinks)) else []
    return [*flows, *on_to_lma, *(_stays_on_link(port) for port in ports)]


@lru_cache
def router_flows(router: IPv6Address, role: SwitchRole) -> tuple[FlowRule, ...]:
    """ICMPv6 for the LMA's own address on the network of the sources, Neighbor Discovery of it above all; who asks for a
    router there; and what it is to forward."""
    if role.kind != "lma":
        raise OpenFlowInvariantError(f"{role.name}: a switch of kind {role.kind} is no router")
    to_router = Match(in_port=LMA_SOURCE_PORT, eth_destination=role.source_mac, eth_type=ETH_TYPE_IPV6)
    routed = FlowRule(
        table_id=INGRESS, priority=PRIORITY_ROUTED, match=to_router, actions=(check_size(role),),
        write_metadata=metadata_of(CORRESPONDENTS_PATH), goto_table=REPLICATION,
    )
    solicitation = Match(
        in_port=LMA_SOURCE_PORT, eth_type=ETH_TYPE_IPV6, ip_proto=IP_PROTO_ICMPV6,
        icmpv6_type=int(NeighborDiscoveryType.ROUTER_SOLICITATION),
    )
    asked = FlowRule(
        table_id=INGRESS, priority=PRIORITY_LINK_LOCAL, match=solicitation, actions=(OutputController(),)
    )
    return routed, asked, *(
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


def _by_routes(uplink: Uplink) -> bool:
    """Whether the switch looks at the packet as a router first: at a MAG the ordinary way, from the link to the LMA. What
    goes or comes by another MAG is of a handover, and on its way at once."""
    return isinstance(uplink.ingress, AccessLink) and isinstance(uplink.output, ToLma)


@lru_cache
def _on_to_lma(role: SwitchRole) -> FlowRule:
    match = Match(metadata=metadata_of(TO_LMA_PATH), eth_type=ETH_TYPE_IPV6)
    return FlowRule(
        table_id=REPLICATION, priority=PRIORITY_ANY_SOURCE, match=match,
        actions=(DecrementHopLimit(), *_to_lma(role)),
    )


@lru_cache(maxsize=_RULES_REMEMBERED)
def _flow(uplink: Uplink, role: SwitchRole) -> FlowRule:
    match = _match(uplink, role)
    if isinstance(uplink.output, ToDestination):
        return FlowRule(
            table_id=INGRESS, priority=PRIORITY_UPLINK, match=match, write_metadata=metadata_of(MAG_TUNNELS_PATH),
            goto_table=REPLICATION,
        )
    if _by_routes(uplink):
        return FlowRule(
            table_id=INGRESS, priority=PRIORITY_UPLINK, match=match, actions=(check_size(role),),
            write_metadata=metadata_of(TO_LMA_PATH), goto_table=REPLICATION,
        )
    if isinstance(uplink.output, ToHandoverBuffer):
        # It has not gone anywhere yet; it comes back as it is.
        waits = (SetEthernetSource(address=path_mac(UPLINK_PATH)), OutputPort(port=MAG_BUFFER_PORT))
        return FlowRule(table_id=INGRESS, priority=PRIORITY_UPLINK, match=match, actions=waits)
    actions = (DecrementHopLimit(), *_actions(uplink, role))
    return FlowRule(table_id=INGRESS, priority=PRIORITY_UPLINK, match=match, actions=actions)


def _match(uplink: Uplink, role: SwitchRole) -> Match:
    match role.kind, uplink.ingress, uplink.output:
        case "mag", AccessLink(port=port, link_layer_id=link_layer_id), ToLma() | ToPeer() | ToHandoverBuffer():
            return Match(
                in_port=port, eth_source=link_layer_id, eth_destination=role.access_mac, eth_type=ETH_TYPE_IPV6,
                ipv6_source=as_matched(uplink.prefix),
            )
        case "mag", FromPeer(peer=peer, key=key), ToLma() | ToPeer():
            return Match(
                in_port=MAG_MAG_PORT, tunnel_key=key, tunnel_source=peer, eth_type=ETH_TYPE_IPV6,
                ipv6_source=as_matched(uplink.prefix),
            )
        case "mag", FromHandoverBuffer(), ToLma():
            return Match(
                in_port=MAG_BUFFER_PORT, eth_source=path_mac(UPLINK_PATH), eth_type=ETH_TYPE_IPV6,
                ipv6_source=as_matched(uplink.prefix),
            )
        case "lma", FromMag(mag=mag), ToDestination():
            return Match(
                in_port=LMA_MAG_PORT, tunnel_key=role.lma_gre_key, tunnel_source=mag, eth_type=ETH_TYPE_IPV6,
                ipv6_source=as_matched(uplink.prefix),
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
    return _to_lma(role)


def _to_lma(role: SwitchRole) -> tuple[Action, ...]:
    # The port has the LMA as its fixed remote address.
    return SetTunnelKey(key=role.lma_gre_key), OutputPort(port=MAG_LMA_PORT)

# SPDX-License-Identifier: Apache-2.0
"""Intent -> rules: pure and deterministic. The same intent and role give the same rules, ids included, on any machine.

One group per (ingress, source, group), and per (ingress, prefix); its id comes from that and not from who listens, so that
a listener who comes or goes changes a bucket and leaves the group, its flow and the other listeners' copies alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from southbound.codec.addresses import IpAddress
from southbound.codec.ethernet import ETHERTYPE_IPV4, multicast_mac
from southbound.openflow.intents import (
    Correspondents,
    ForwardingIntent,
    Ingress,
    Intent,
    LmaTunnel,
    MagTunnels,
    Output,
    PeerTunnel,
    Replication,
    SignallingIntent,
    SourceNetwork,
    SwitchRole,
    ToAccess,
    ToHandoverBuffer,
    ToMag,
    ToSourceNetwork,
    Unicast,
)
from southbound.openflow.listener_protocol import listener_protocol_flows
from southbound.openflow.paths import CORRESPONDENTS_PATH, MAG_TUNNELS_PATH, metadata_of
from southbound.openflow.pipeline import (
    INGRESS,
    PIPELINES,
    PRIORITY_ANY_SOURCE,
    PRIORITY_HOST,
    PRIORITY_INGRESS,
    PRIORITY_MISS,
    PRIORITY_OWN_PORT_MISS,
    PRIORITY_ROUTE,
    PRIORITY_SIGNALLING,
    PRIORITY_SOURCE_SPECIFIC,
    REPLICATION,
    SIGNALLING,
)
from southbound.openflow.rules import (
    BUCKET_ID_MAX,
    OWNED_GROUP_BIT,
    Action,
    Bucket,
    DecrementHopLimit,
    FlowRule,
    Group,
    Match,
    OpenFlowInvariantError,
    OutputController,
    OutputIngressPort,
    OutputPort,
    SetEthernetDestination,
    SetEthernetSource,
    SetTunnelDestination,
    SetTunnelKey,
    SwitchRules,
    ToGroup,
)
from southbound.openflow.unforwarded import home_network_flows, router_address_flows, sender_flows, unforwarded_flows
from southbound.openflow.uplink import ETH_TYPE_IPV6, router_flows, uplink_flows
from southbound.path_mark import NATIVE_PATH, path_mac
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT, MAG_MAG_PORT

IP_PROTO_MOBILITY_HEADER = 135
"""RFC 6275 section 6.1."""

OWN_PORTS = {"lma": (LMA_MAG_PORT, LMA_SOURCE_PORT), "mag": (MAG_LMA_PORT, MAG_MAG_PORT, MAG_BUFFER_PORT)}
"""Ports that nobody else has any business with, by kind of switch."""

HOST_PREFIX_LENGTH = 128
_RULES_REMEMBERED = 1 << 14
"""Rules that are looked up and not made again: an intent that changes for one MN is the same for all others."""
_REPLICATION_MISS = FlowRule(table_id=REPLICATION, priority=PRIORITY_MISS, match=Match())
_GROUP_ID_SPAN = 0x7FFF_FF01
"""How many ids have OWNED_GROUP_BIT set and are at most GROUP_ID_MAX."""


def compile_intent(intent: Intent, role: SwitchRole) -> SwitchRules:
    """The rules of one switch, checked against its pipeline.

    Raises OpenFlowInvariantError for an intent that no such switch can carry out: an ingress or output of another kind
    of switch, two replications for one ingress, source and group or prefix, a group that is not multicast, a prefix that
    is, equal ids.
    """
    pipeline = PIPELINES.get(role.kind)
    if pipeline is None:
        raise OpenFlowInvariantError(f"{role.name}: kind {role.kind!r} is not one of {sorted(PIPELINES)}")
    rules = _signalling(intent) if isinstance(intent, SignallingIntent) else _forwarding(intent, role)
    pipeline.check(rules)
    return rules


def group_id(ingress: Ingress, source: IpAddress | None, group: IpAddress | IPv6Network) -> int:
    """The id of the group that copies this stream; OWNED_GROUP_BIT is set in it. For unicast `group` is the prefix."""
    return OWNED_GROUP_BIT + _hash(f"{ingress!r} {source} {group}") % _GROUP_ID_SPAN


def bucket_id(actions: tuple[Action, ...]) -> int:
    """The id of the bucket that does this; the same wherever the same is done."""
    return _hash(repr(actions)) % BUCKET_ID_MAX


def _hash(content: str) -> int:
    # repr of the value types is part of the id: changing a field name there changes ids, which costs one resync.
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:8], "big")


def _signalling(intent: SignallingIntent) -> SwitchRules:
    match = Match(
        eth_type=ETH_TYPE_IPV6, ip_proto=IP_PROTO_MOBILITY_HEADER, ipv6_destination=intent.lma_address
    )
    to_controller = FlowRule(
        table_id=SIGNALLING, priority=PRIORITY_SIGNALLING, match=match, actions=(OutputController(),)
    )
    return SwitchRules(flows=frozenset({to_controller}))


def _forwarding(intent: ForwardingIntent, role: SwitchRole) -> SwitchRules:
    flows = [*_ingress_misses(role), _REPLICATION_MISS]
    groups: dict[int, Group] = {}
    streams: set[tuple[Ingress, IpAddress | None, IpAddress | IPv6Network]] = set()
    copies: list[Replication | Unicast] = [*intent.replications, *intent.unicast]
    for copied in copies:
        stream = _stream(copied)
        if stream in streams:
            raise OpenFlowInvariantError(f"{role.name}: two replications for {stream}")
        streams.add(stream)
        flow, group = _multicast_rules(copied, role) if isinstance(copied, Replication) else _unicast_rules(copied, role)
        if group is not None:
            if group.group_id in groups:
                raise OpenFlowInvariantError(f"{role.name}: group id {group.group_id:#x} of {stream} is taken")
            groups[group.group_id] = group
        flows.append(flow)
    flows.extend(_ingress_flows({copied.ingress for copied in copies}, role))
    flows.extend(uplink_flows(intent.uplinks, role))
    if intent.takes_mld:
        flows.extend(listener_protocol_flows(role))
    if intent.router is not None:
        flows.extend(router_flows(intent.router, role))
    if intent.reports_unforwarded:
        flows.extend(unforwarded_flows(role))
        flows.extend(sender_flows(intent.uplinks, role))
    if intent.router_address is not None:
        flows.extend(router_address_flows(intent.router_address, role))
    flows.extend(home_network_flows(intent.home_networks))
    return SwitchRules(flows=frozenset(flows), groups=frozenset(groups.values()))


def _stream(copied: Replication | Unicast) -> tuple[Ingress, IpAddress | None, IpAddress | IPv6Network]:
    if isinstance(copied, Replication):
        return copied.ingress, copied.source, copied.group
    return copied.ingress, None, copied.prefix


@lru_cache(maxsize=_RULES_REMEMBERED)
def _multicast_rules(replication: Replication, role: SwitchRole) -> tuple[FlowRule, Group | None]:
    if not replication.group.is_multicast:
        raise OpenFlowInvariantError(f"{role.name}: {replication.group} is not a multicast group")
    copied = _group(replication, replication.outputs, multicast_mac(replication.group), role)
    source, group, path = replication.source, replication.group, metadata_of(_path(replication.ingress))
    if isinstance(group, IPv6Address) and not isinstance(source, IPv4Address):
        match = Match(metadata=path, eth_type=ETH_TYPE_IPV6, ipv6_source=source, ipv6_destination=group)
    elif isinstance(group, IPv4Address) and not isinstance(source, IPv6Address):
        match = Match(metadata=path, eth_type=ETHERTYPE_IPV4, ipv4_source=source, ipv4_destination=group)
    else:
        raise OpenFlowInvariantError(f"{source} and {group} are of two families")
    priority = PRIORITY_ANY_SOURCE if replication.source is None else PRIORITY_SOURCE_SPECIFIC
    return FlowRule(table_id=REPLICATION, priority=priority, match=match, actions=_to(copied)), copied


@lru_cache(maxsize=_RULES_REMEMBERED)
def _unicast_rules(unicast: Unicast, role: SwitchRole) -> tuple[FlowRule, Group | None]:
    prefix = unicast.prefix
    if prefix.is_multicast:
        raise OpenFlowInvariantError(f"{role.name}: {prefix} is multicast")
    group = _group(unicast, unicast.outputs, unicast.link_layer_id, role)
    destination, priority = _destination(unicast)
    match = Match(metadata=metadata_of(_path(unicast.ingress)), eth_type=ETH_TYPE_IPV6, ipv6_destination=destination)
    return FlowRule(table_id=REPLICATION, priority=priority, match=match, actions=_to(group)), group


def _destination(unicast: Unicast) -> tuple[IPv6Address | IPv6Network | None, int]:
    """As a match has it, and the priority: the longest prefix wins."""
    prefix = unicast.prefix
    if prefix.prefixlen == HOST_PREFIX_LENGTH:
        return prefix.network_address, PRIORITY_HOST
    if ToSourceNetwork() in unicast.outputs:
        # A match on no bit at all is none, and no switch gives it back.
        return prefix if prefix.prefixlen else None, PRIORITY_ROUTE + prefix.prefixlen
    return prefix, PRIORITY_ANY_SOURCE


def _group(
    copied: Replication | Unicast, outputs: Iterable[Output], eth_destination: bytes, role: SwitchRole
) -> Group | None:
    """None when nothing is to be sent anywhere: the flow drops."""
    buckets = _buckets(copied.ingress, outputs, eth_destination, role)
    return Group(group_id=group_id(*_stream(copied)), buckets=buckets) if buckets else None


def _to(group: Group | None) -> tuple[Action, ...]:
    return () if group is None else (DecrementHopLimit(), ToGroup(group_id=group.group_id))


@lru_cache
def _ingress_misses(role: SwitchRole) -> tuple[FlowRule, ...]:
    """What drops all that no other rule of ours takes: everything, or on a shared switch what our own ports bring.

    Else the flows of others (NORMAL, say) would carry what comes out of our tunnels to everybody.
    """
    if not role.shared:
        return (FlowRule(table_id=INGRESS, priority=PRIORITY_MISS, match=Match()),)
    return tuple(
        FlowRule(table_id=INGRESS, priority=PRIORITY_OWN_PORT_MISS, match=Match(in_port=port))
        for port in OWN_PORTS[role.kind]
    )


def _path(ingress: Ingress) -> int:
    """Index of the path."""
    match ingress:
        case PeerTunnel(path_index=index):
            return index
        case MagTunnels():
            return MAG_TUNNELS_PATH
        case Correspondents():
            return CORRESPONDENTS_PATH
    return NATIVE_PATH


def _ingress_flows(ingresses: set[Ingress], role: SwitchRole) -> list[FlowRule]:
    # What comes through the tunnels of all MAGs is let in MN by MN, by the uplink's flows;
    # what hosts send, by the router's.
    ingresses = {ingress for ingress in ingresses if not isinstance(ingress, MagTunnels | Correspondents)}
    paths = {_path(ingress) for ingress in ingresses}
    matches = {_ingress_flow(ingress, role).match for ingress in ingresses}
    if len(paths) != len(ingresses) or len(matches) != len(ingresses):
        raise OpenFlowInvariantError(f"{role.name}: two ingresses share a path index or an address: {ingresses}")
    return [_ingress_flow(ingress, role) for ingress in ingresses]


@lru_cache(maxsize=_RULES_REMEMBERED)
def _ingress_flow(ingress: Ingress, role: SwitchRole) -> FlowRule:
    return FlowRule(
        table_id=INGRESS, priority=PRIORITY_INGRESS, match=_ingress_match(ingress, role),
        write_metadata=metadata_of(_path(ingress)), goto_table=REPLICATION,
    )


def _ingress_match(ingress: Ingress, role: SwitchRole) -> Match:
    match role.kind, ingress:
        case "lma", SourceNetwork():
            return Match(in_port=LMA_SOURCE_PORT)
        case "mag", LmaTunnel():
            # The port has the LMA as its fixed remote address, so the address needs no match of its own.
            return Match(in_port=MAG_LMA_PORT, tunnel_key=role.lma_gre_key)
        case "mag", PeerTunnel(peer=peer, key=key):
            return Match(
                in_port=MAG_MAG_PORT, tunnel_key=role.mag_gre_key if key is None else key, tunnel_source=peer
            )
    raise OpenFlowInvariantError(f"{role.name}: a switch of kind {role.kind} has no ingress {ingress}")


def _buckets(
    ingress: Ingress, outputs: Iterable[Output], eth_destination: bytes, role: SwitchRole
) -> frozenset[Bucket]:
    buckets: dict[int, Bucket] = {}
    for output in outputs:
        if _turns_back(ingress, output):
            continue
        actions = _output_actions(output, ingress, eth_destination, role)
        bucket = Bucket(bucket_id=bucket_id(actions), actions=actions)
        if bucket.bucket_id in buckets:
            raise OpenFlowInvariantError(f"{role.name}: bucket id {bucket.bucket_id:#x} of {output} is taken")
        buckets[bucket.bucket_id] = bucket
    return frozenset(buckets.values())


def _turns_back(ingress: Ingress, output: Output) -> bool:
    """Whether the copy would go to the MAG that sent it: it has the packet, and sending it back could loop."""
    return isinstance(ingress, PeerTunnel) and isinstance(output, ToMag) and ingress.peer == output.mag


def _output_actions(
    output: Output, ingress: Ingress, eth_destination: bytes, role: SwitchRole
) -> tuple[Action, ...]:
    # From one MAG on to the next the packet leaves by the port it came in on, which OpenFlow does only if told.
    relayed = isinstance(ingress, PeerTunnel | MagTunnels)
    match role.kind, output:
        case "lma", ToMag(mag=mag):
            return (
                SetTunnelKey(key=role.lma_gre_key),
                SetTunnelDestination(address=mag),
                OutputIngressPort() if relayed else OutputPort(port=LMA_MAG_PORT),
            )
        case "lma", ToSourceNetwork():
            return (
                SetEthernetSource(address=role.source_mac),
                SetEthernetDestination(address=eth_destination),
                OutputPort(port=LMA_SOURCE_PORT),
            )
        case "mag", ToMag(mag=mag):
            return (
                SetTunnelKey(key=role.mag_gre_key),
                SetTunnelDestination(address=mag),
                OutputIngressPort() if relayed else OutputPort(port=MAG_MAG_PORT),
            )
        case "mag", ToAccess(port=port):
            return (
                SetEthernetSource(address=role.access_mac),
                SetEthernetDestination(address=eth_destination),
                OutputPort(port=port),
            )
        case "mag", ToHandoverBuffer():
            return (
                SetEthernetSource(address=path_mac(_path(ingress))),
                SetEthernetDestination(address=eth_destination),
                OutputPort(port=MAG_BUFFER_PORT),
            )
    raise OpenFlowInvariantError(f"{role.name}: a switch of kind {role.kind} has no output {output}")

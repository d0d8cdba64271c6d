# SPDX-License-Identifier: Apache-2.0
"""Intent -> rules: pure and deterministic. The same intent and role give the same rules, ids included, on any machine.

One group per (ingress, source, group); its id comes from that triple and not from who listens, so that a listener who
comes or goes changes a bucket and leaves the group, its flow and the other listeners' copies alone.
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv6Address

from southbound.codec.addresses import IpAddress
from southbound.codec.ethernet import ETHERTYPE_IPV4, multicast_mac
from southbound.openflow.intents import (
    ForwardingIntent,
    Ingress,
    Intent,
    LmaTunnel,
    Output,
    PeerTunnel,
    Replication,
    SignallingIntent,
    SourceNetwork,
    SwitchRole,
    ToAccess,
    ToHandoverBuffer,
    ToMag,
)
from southbound.openflow.listener_protocol import listener_protocol_flows
from southbound.openflow.pipeline import (
    INGRESS,
    PIPELINES,
    PRIORITY_ANY_SOURCE,
    PRIORITY_INGRESS,
    PRIORITY_MISS,
    PRIORITY_OWN_PORT_MISS,
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
from southbound.path_mark import NATIVE_PATH, path_mac
from topology.model import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT, MAG_MAG_PORT

ETH_TYPE_IPV6 = 0x86DD
IP_PROTO_MOBILITY_HEADER = 135
"""RFC 6275 section 6.1."""

OWN_PORTS = {"lma": (LMA_MAG_PORT, LMA_SOURCE_PORT), "mag": (MAG_LMA_PORT, MAG_MAG_PORT, MAG_BUFFER_PORT)}
"""Ports that nobody else has any business with, by kind of switch."""

_GROUP_ID_SPAN = 0x7FFF_FF01
"""How many ids have OWNED_GROUP_BIT set and are at most GROUP_ID_MAX."""


def compile_intent(intent: Intent, role: SwitchRole) -> SwitchRules:
    """The rules of one switch, checked against its pipeline.

    Raises OpenFlowInvariantError for an intent that no such switch can carry out: an ingress or output of another kind
    of switch, two replications for one ingress, source and group, a destination that is not multicast, equal ids.
    """
    pipeline = PIPELINES.get(role.kind)
    if pipeline is None:
        raise OpenFlowInvariantError(f"{role.name}: kind {role.kind!r} is not one of {sorted(PIPELINES)}")
    rules = _signalling(intent) if isinstance(intent, SignallingIntent) else _forwarding(intent, role)
    pipeline.check(rules)
    return rules


def group_id(ingress: Ingress, source: IpAddress | None, group: IpAddress) -> int:
    """The id of the group that copies this stream; OWNED_GROUP_BIT is set in it."""
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
    flows = [*_ingress_misses(role), FlowRule(table_id=REPLICATION, priority=PRIORITY_MISS, match=Match())]
    groups: dict[int, Group] = {}
    streams: set[tuple[Ingress, IpAddress | None, IpAddress]] = set()
    for replication in intent.replications:
        stream = (replication.ingress, replication.source, replication.group)
        if stream in streams:
            raise OpenFlowInvariantError(f"{role.name}: two replications for {stream}")
        if not replication.group.is_multicast:
            raise OpenFlowInvariantError(f"{role.name}: {replication.group} is not a multicast group")
        streams.add(stream)
        buckets = _buckets(replication, role)
        actions: tuple[Action, ...] = ()
        if buckets:
            group = Group(group_id=group_id(*stream), buckets=buckets)
            if group.group_id in groups:
                raise OpenFlowInvariantError(f"{role.name}: group id {group.group_id:#x} of {stream} is taken")
            groups[group.group_id] = group
            actions = (DecrementHopLimit(), ToGroup(group_id=group.group_id))
        flows.append(_replication_flow(replication, actions))
    flows.extend(_ingress_flows({replication.ingress for replication in intent.replications}, role))
    if intent.takes_mld:
        flows.extend(listener_protocol_flows(role))
    return SwitchRules(flows=frozenset(flows), groups=frozenset(groups.values()))


def _ingress_misses(role: SwitchRole) -> list[FlowRule]:
    """What drops all that no other rule of ours takes: everything, or on a shared switch what our own ports bring.

    Else the flows of others (NORMAL, say) would carry what comes out of our tunnels to everybody.
    """
    if not role.shared:
        return [FlowRule(table_id=INGRESS, priority=PRIORITY_MISS, match=Match())]
    return [
        FlowRule(table_id=INGRESS, priority=PRIORITY_OWN_PORT_MISS, match=Match(in_port=port))
        for port in OWN_PORTS[role.kind]
    ]


def _replication_flow(replication: Replication, actions: tuple[Action, ...]) -> FlowRule:
    source, group, path = replication.source, replication.group, _path(replication.ingress) + 1
    if isinstance(group, IPv6Address) and not isinstance(source, IPv4Address):
        match = Match(metadata=path, eth_type=ETH_TYPE_IPV6, ipv6_source=source, ipv6_destination=group)
    elif isinstance(group, IPv4Address) and not isinstance(source, IPv6Address):
        match = Match(metadata=path, eth_type=ETHERTYPE_IPV4, ipv4_source=source, ipv4_destination=group)
    else:
        raise OpenFlowInvariantError(f"{source} and {group} are of two families")
    priority = PRIORITY_ANY_SOURCE if replication.source is None else PRIORITY_SOURCE_SPECIFIC
    return FlowRule(table_id=REPLICATION, priority=priority, match=match, actions=actions)


def _path(ingress: Ingress) -> int:
    """Index of the path; metadata is one more, because 0 is what metadata holds when nobody has written it."""
    return ingress.path_index if isinstance(ingress, PeerTunnel) else NATIVE_PATH


def _ingress_flows(ingresses: set[Ingress], role: SwitchRole) -> list[FlowRule]:
    paths = {_path(ingress) for ingress in ingresses}
    matches = {_ingress_match(ingress, role) for ingress in ingresses}
    if len(paths) != len(ingresses) or len(matches) != len(ingresses):
        raise OpenFlowInvariantError(f"{role.name}: two ingresses share a path index or an address: {ingresses}")
    return [
        FlowRule(
            table_id=INGRESS,
            priority=PRIORITY_INGRESS,
            match=_ingress_match(ingress, role),
            write_metadata=_path(ingress) + 1,
            goto_table=REPLICATION,
        )
        for ingress in ingresses
    ]


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


def _buckets(replication: Replication, role: SwitchRole) -> frozenset[Bucket]:
    buckets: dict[int, Bucket] = {}
    for output in replication.outputs:
        if _turns_back(replication.ingress, output):
            continue
        actions = _output_actions(output, replication, role)
        bucket = Bucket(bucket_id=bucket_id(actions), actions=actions)
        if bucket.bucket_id in buckets:
            raise OpenFlowInvariantError(f"{role.name}: bucket id {bucket.bucket_id:#x} of {output} is taken")
        buckets[bucket.bucket_id] = bucket
    return frozenset(buckets.values())


def _turns_back(ingress: Ingress, output: Output) -> bool:
    """Whether the copy would go to the MAG that sent it: it has the packet, and sending it back could loop."""
    return isinstance(ingress, PeerTunnel) and isinstance(output, ToMag) and ingress.peer == output.mag


def _output_actions(output: Output, replication: Replication, role: SwitchRole) -> tuple[Action, ...]:
    match role.kind, output:
        case "lma", ToMag(mag=mag):
            return (
                SetTunnelKey(key=role.lma_gre_key),
                SetTunnelDestination(address=mag),
                OutputPort(port=LMA_MAG_PORT),
            )
        case "mag", ToMag(mag=mag):
            # From one MAG on to the next the packet leaves by the port it came in on, which OpenFlow does only if told.
            relayed = isinstance(replication.ingress, PeerTunnel)
            return (
                SetTunnelKey(key=role.mag_gre_key),
                SetTunnelDestination(address=mag),
                OutputIngressPort() if relayed else OutputPort(port=MAG_MAG_PORT),
            )
        case "mag", ToAccess(port=port):
            return (
                SetEthernetSource(address=role.access_mac),
                SetEthernetDestination(address=multicast_mac(replication.group)),
                OutputPort(port=port),
            )
        case "mag", ToHandoverBuffer():
            return (
                SetEthernetSource(address=path_mac(_path(replication.ingress))),
                SetEthernetDestination(address=multicast_mac(replication.group)),
                OutputPort(port=MAG_BUFFER_PORT),
            )
    raise OpenFlowInvariantError(f"{role.name}: a switch of kind {role.kind} has no output {output}")

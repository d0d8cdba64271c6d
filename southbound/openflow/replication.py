# SPDX-License-Identifier: Apache-2.0
"""The table REPLICATION: one flow and one group for each multicast stream and for each prefix of MNs. Pure.

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
    Ingress,
    MagTunnels,
    Output,
    PeerTunnel,
    Replication,
    SwitchRole,
    ToAccess,
    ToHandoverBuffer,
    ToMag,
    ToSourceNetwork,
    Unicast,
)
from southbound.openflow.paths import metadata_of, path_of
from southbound.openflow.pipeline import (
    PRIORITY_ANY_SOURCE,
    PRIORITY_HOST,
    PRIORITY_ROUTE,
    PRIORITY_SOURCE_SPECIFIC,
    REPLICATION,
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
    OutputIngressPort,
    OutputPort,
    SetEthernetDestination,
    SetEthernetSource,
    SetTunnelDestination,
    SetTunnelKey,
    ToGroup,
)
from southbound.openflow.uplink import ETH_TYPE_IPV6
from southbound.path_mark import native_path, path_mac
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_MAG_PORT

HOST_PREFIX_LENGTH = 128
_RULES_REMEMBERED = 1 << 14
"""Rules that are looked up and not made again: an intent that changes for one MN is the same for all others."""
_GROUP_ID_SPAN = 0x7FFF_FF01
"""How many ids have OWNED_GROUP_BIT set and are at most GROUP_ID_MAX."""


def stream_of(copied: Replication | Unicast) -> tuple[Ingress, IpAddress | None, IpAddress | IPv6Network]:
    """What is copied: ingress, source, and group or prefix. No two replications of a switch have the same."""
    if isinstance(copied, Replication):
        return copied.ingress, copied.source, copied.group
    return copied.ingress, None, copied.prefix


def copy_rules(copied: Replication | Unicast, role: SwitchRole) -> tuple[FlowRule, Group | None]:
    """The flow that recognises the stream, and the group that copies it; None: it goes nowhere."""
    return _multicast_rules(copied, role) if isinstance(copied, Replication) else _unicast_rules(copied, role)


def group_id(ingress: Ingress, source: IpAddress | None, group: IpAddress | IPv6Network) -> int:
    """The id of the group that copies this stream; OWNED_GROUP_BIT is set in it. For unicast `group` is the prefix."""
    return OWNED_GROUP_BIT + _hash(f"{ingress!r} {source} {group}") % _GROUP_ID_SPAN


def bucket_id(actions: tuple[Action, ...]) -> int:
    """The id of the bucket that does this; the same wherever the same is done."""
    return _hash(repr(actions)) % BUCKET_ID_MAX


@lru_cache(maxsize=_RULES_REMEMBERED)
def _multicast_rules(replication: Replication, role: SwitchRole) -> tuple[FlowRule, Group | None]:
    if not replication.group.is_multicast:
        raise OpenFlowInvariantError(f"{role.name}: {replication.group} is not a multicast group")
    copied = _group(replication, replication.outputs, multicast_mac(replication.group), role)
    source, group, path = replication.source, replication.group, metadata_of(path_of(replication.ingress))
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
    match = Match(metadata=metadata_of(path_of(unicast.ingress)), eth_type=ETH_TYPE_IPV6, ipv6_destination=destination)
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
    return Group(group_id=group_id(*stream_of(copied)), buckets=buckets) if buckets else None


def _to(group: Group | None) -> tuple[Action, ...]:
    return () if group is None else (DecrementHopLimit(), ToGroup(group_id=group.group_id))


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
        case "mag", ToHandoverBuffer(mobile_node=mobile_node):
            path = native_path(mobile_node - 1) if mobile_node else path_of(ingress)
            return (
                SetEthernetSource(address=path_mac(path)),
                SetEthernetDestination(address=eth_destination),
                OutputPort(port=MAG_BUFFER_PORT),
            )
    raise OpenFlowInvariantError(f"{role.name}: a switch of kind {role.kind} has no output {output}")


def _hash(content: str) -> int:
    # repr of the value types is part of the id: changing a field name there changes ids, which costs one resync.
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:8], "big")

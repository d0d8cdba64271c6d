# SPDX-License-Identifier: Apache-2.0
"""Intent -> rules: pure and deterministic. The same intent and role give the same rules, ids included, on any machine."""

from __future__ import annotations

from ipaddress import IPv6Network

from southbound.codec.addresses import IpAddress
from southbound.openflow.ingress import ingress_flows, ingress_misses
from southbound.openflow.intents import (
    ForwardingIntent,
    Ingress,
    Intent,
    Replication,
    SignallingIntent,
    SwitchRole,
    Unicast,
)
from southbound.openflow.listener_protocol import listener_protocol_flows
from southbound.openflow.pipeline import PIPELINES, PRIORITY_MISS, PRIORITY_SIGNALLING, REPLICATION, SIGNALLING
from southbound.openflow.replication import copy_rules, stream_of
from southbound.openflow.rules import FlowRule, Group, Match, OpenFlowInvariantError, OutputController, SwitchRules
from southbound.openflow.unforwarded import home_network_flows, router_address_flows, sender_flows, unforwarded_flows
from southbound.openflow.uplink import ETH_TYPE_IPV6, router_flows, uplink_flows

IP_PROTO_MOBILITY_HEADER = 135
"""RFC 6275 section 6.1."""

_REPLICATION_MISS = FlowRule(table_id=REPLICATION, priority=PRIORITY_MISS, match=Match())


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


def _signalling(intent: SignallingIntent) -> SwitchRules:
    match = Match(
        eth_type=ETH_TYPE_IPV6, ip_proto=IP_PROTO_MOBILITY_HEADER, ipv6_destination=intent.lma_address
    )
    to_controller = FlowRule(
        table_id=SIGNALLING, priority=PRIORITY_SIGNALLING, match=match, actions=(OutputController(),)
    )
    return SwitchRules(flows=frozenset({to_controller}))


def _forwarding(intent: ForwardingIntent, role: SwitchRole) -> SwitchRules:
    flows = [*ingress_misses(role), _REPLICATION_MISS]
    groups: dict[int, Group] = {}
    streams: set[tuple[Ingress, IpAddress | None, IpAddress | IPv6Network]] = set()
    copies: list[Replication | Unicast] = [*intent.replications, *intent.unicast]
    for copied in copies:
        stream = stream_of(copied)
        if stream in streams:
            raise OpenFlowInvariantError(f"{role.name}: two replications for {stream}")
        streams.add(stream)
        flow, group = copy_rules(copied, role)
        if group is not None:
            if group.group_id in groups:
                raise OpenFlowInvariantError(f"{role.name}: group id {group.group_id:#x} of {stream} is taken")
            groups[group.group_id] = group
        flows.append(flow)
    flows.extend(ingress_flows({copied.ingress for copied in copies}, role))
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

# SPDX-License-Identifier: Apache-2.0
"""The tables of each kind of switch as data, and the check of compiled rules against them.

`lma` and `mag` integration switches: INGRESS tells by which tunnel a packet came and writes that into metadata;
REPLICATION matches metadata and source and group, or home network prefix, and copies; ahead of that it takes out what
the switch as a router cannot forward. What MNs send is let in by INGRESS; a MAG has only one way for it. UNFORWARDED tells
by whom, of those, what cannot be forwarded was sent. What no rule names is dropped by a flow of lowest priority in the
first two tables, so that what was dropped is counted where it happened. On a switch that is shared with flows of others
INGRESS drops only what comes by ports of ours.
`lma-transport`: one rule ahead of whatever else the transport bridge has; its other rules are not ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv6Network

from southbound.openflow.rules import (
    BUCKET_ID_MAX,
    GROUP_ID_MAX,
    OWNED_GROUP_BIT,
    Action,
    CheckSize,
    DecrementHopLimit,
    FlowRule,
    Group,
    Meter,
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

INGRESS = 0
REPLICATION = 1
UNFORWARDED = 2
MULTICAST = IPv6Network("ff00::/8")
"""RFC 4291 section 2.7."""
LINK_LOCAL = IPv6Network("fe80::/10")
"""RFC 4291 section 2.4; routers forward nothing from or to it (section 2.5.6)."""
SIGNALLING = 0
"""The only table that is used on the LMA's transport switch."""

PRIORITY_MISS = 0
PRIORITY_OWN_PORT_MISS = 99
"""On a switch that is shared: of the ports that are ours alone."""
PRIORITY_INGRESS = 100
PRIORITY_ROUTED = 110
"""What is sent to the LMA as a router, before what else comes by the same port."""
PRIORITY_LISTENER_PROTOCOL = 200
"""MLD and IGMP, ahead of what else comes by the same port."""
PRIORITY_UPLINK = 150
"""By where a packet comes from, before by which way: what an MN sends back through an inter-MAG tunnel is no downlink."""
PRIORITY_LINK_LOCAL = 200
PRIORITY_ANY_SOURCE = 100
PRIORITY_HOST = 150
"""A host on the network of the sources is more specific than a prefix."""
PRIORITY_SOURCE_SPECIFIC = 200
"""(S,G) is asked before (*,G): RFC 3810 filtering by source needs the more specific entry to win."""
PRIORITY_ROUTE = 20
"""And one more for each bit of the prefix, up to 64: the longest wins."""
PRIORITY_HOME_NETWORK = 90
"""Of all home networks, bound or not: after their prefixes, before every route."""
PRIORITY_NO_ROUTE = 10
"""What no route takes."""
PRIORITY_UNFORWARDED = 250
"""What a router cannot forward is taken out before the routes are asked."""
PRIORITY_SENDER = 100
"""Of what cannot be forwarded: who has sent it."""
PRIORITY_ROUTER = 260
"""Nor is what is for the router itself, whatever its hop limit."""
PRIORITY_EXCEPTED = 300
"""Groups and link-local addresses, where they are excepted from that."""
PRIORITY_SIGNALLING = 0xFFFF
"""Ahead of every rule that the transport bridge may have of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What rules of one table may look like."""

    table_id: int
    name: str
    priorities: frozenset[int]
    matches: tuple[frozenset[str], ...]
    """The allowed combinations of fields of `rules.Match`."""
    actions: frozenset[type]
    """Action types that a flow of this table may apply."""
    writes_metadata: bool = False
    next_tables: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The tables of one kind of switch, and what buckets of its groups may do."""

    kind: str
    tables: tuple[Table, ...]
    bucket_actions: frozenset[type] = frozenset()

    def check(self, rules: SwitchRules) -> None:
        """Raise OpenFlowInvariantError when any rule does not fit: a fault of the compiler, never of an input."""
        tables = {table.table_id: table for table in self.tables}
        for flow in rules.flows:
            table = tables.get(flow.table_id)
            if table is None:
                raise OpenFlowInvariantError(f"{self.kind}: no table {flow.table_id} for {flow}")
            _check_flow(table, flow, rules)
        for group in rules.groups:
            self._check_group(group)

    def _check_group(self, group: Group) -> None:
        if not (group.group_id & OWNED_GROUP_BIT and group.group_id <= GROUP_ID_MAX and group.type_all):
            raise OpenFlowInvariantError(f"{self.kind}: group {group.group_id:#x} is not one of ours")
        if len({bucket.bucket_id for bucket in group.buckets}) != len(group.buckets):
            raise OpenFlowInvariantError(f"{self.kind}: group {group.group_id:#x} has two buckets with one id")
        for bucket in group.buckets:
            if not 0 <= bucket.bucket_id <= BUCKET_ID_MAX:
                raise OpenFlowInvariantError(f"{self.kind}: bucket id {bucket.bucket_id:#x} is not allowed")
            _check_actions(f"{self.kind}: group {group.group_id:#x}", bucket.actions, self.bucket_actions)


def _check_flow(table: Table, flow: FlowRule, rules: SwitchRules) -> None:
    where = f"table {table.name}"
    if flow.priority not in table.priorities:
        raise OpenFlowInvariantError(f"{where}: priority {flow.priority} is not one of {sorted(table.priorities)}")
    if flow.match.fields() not in table.matches:
        raise OpenFlowInvariantError(f"{where}: match on {sorted(flow.match.fields())} is not allowed")
    if flow.write_metadata is not None and not table.writes_metadata:
        raise OpenFlowInvariantError(f"{where}: may not write metadata")
    if flow.goto_table is not None and flow.goto_table not in table.next_tables:
        raise OpenFlowInvariantError(f"{where}: table {flow.goto_table} does not follow")
    _check_actions(where, flow.actions, table.actions)
    for group_id in flow.groups():
        if rules.group(group_id) is None:
            raise OpenFlowInvariantError(f"{where}: group {group_id:#x} does not exist")


def _check_actions(where: str, actions: tuple[Action, ...], allowed: frozenset[type]) -> None:
    for action in actions:
        if type(action) not in allowed:
            raise OpenFlowInvariantError(f"{where}: {type(action).__name__} is not allowed")


_ANY: frozenset[str] = frozenset()
_MLD = frozenset({"in_port", "eth_type", "ip_proto", "icmpv6_type"})
_IGMP = frozenset({"in_port", "eth_type", "ip_proto"})
_INGRESS_PRIORITIES = frozenset({
    PRIORITY_MISS, PRIORITY_OWN_PORT_MISS, PRIORITY_INGRESS, PRIORITY_UPLINK, PRIORITY_LISTENER_PROTOCOL,
    PRIORITY_LINK_LOCAL, PRIORITY_ROUTED,
})
_FROM_TUNNEL = frozenset({"in_port", "tunnel_key", "tunnel_source", "eth_type", "ipv6_source"})

_TO_LMA_ACTIONS = frozenset({SetTunnelKey, OutputPort})
"""What MNs send has one way there, and no group."""

_REPLICATION_TABLE = Table(
    table_id=REPLICATION,
    name="REPLICATION",
    priorities=frozenset({
        PRIORITY_MISS, PRIORITY_ANY_SOURCE, PRIORITY_HOST, PRIORITY_SOURCE_SPECIFIC, PRIORITY_UNFORWARDED,
        PRIORITY_EXCEPTED, PRIORITY_ROUTER, PRIORITY_NO_ROUTE, PRIORITY_HOME_NETWORK,
        *range(PRIORITY_ROUTE, PRIORITY_ROUTE + 65),
    }),
    matches=(
        _ANY,
        frozenset({"metadata", "eth_type", "ipv6_destination"}),
        frozenset({"metadata", "eth_type", "ipv6_source", "ipv6_destination"}),
        frozenset({"metadata", "eth_type", "ipv4_destination"}),
        frozenset({"metadata", "eth_type", "ipv4_source", "ipv4_destination"}),
        frozenset({"metadata", "eth_type"}),
        frozenset({"metadata", "eth_type", "hop_limit"}),
        frozenset({"metadata", "eth_type", "hop_limit", "ipv6_destination"}),
        frozenset({"metadata", "eth_type", "too_large"}),
    ),
    actions=frozenset({DecrementHopLimit, ToGroup, Meter, OutputController}),
    next_tables=frozenset({UNFORWARDED}),
)


def _senders(match: frozenset[str]) -> Table:
    return Table(
        table_id=UNFORWARDED, name="UNFORWARDED", priorities=frozenset({PRIORITY_SENDER}), matches=(match,),
        actions=frozenset({Meter, OutputController}),
    )


LMA = Pipeline(
    kind="lma",
    tables=(
        Table(
            table_id=INGRESS,
            name="INGRESS",
            priorities=_INGRESS_PRIORITIES,
            matches=(
                _ANY,
                frozenset({"in_port"}),
                _MLD,
                _MLD | {"tunnel_key"},
                _IGMP,
                _IGMP | {"tunnel_key"},
                _FROM_TUNNEL,
                frozenset({"in_port", "eth_type", "ip_proto", "ipv6_destination"}),
                frozenset({"in_port", "eth_destination", "eth_type"}),
            ),
            actions=frozenset({OutputController, CheckSize}),
            writes_metadata=True,
            next_tables=frozenset({REPLICATION}),
        ),
        _REPLICATION_TABLE,
        _senders(frozenset({"metadata", "eth_type", "ipv6_source"})),
    ),
    bucket_actions=frozenset({
        SetTunnelKey, SetTunnelDestination, SetEthernetSource, SetEthernetDestination, OutputPort, OutputIngressPort,
    }),
)

MAG = Pipeline(
    kind="mag",
    tables=(
        Table(
            table_id=INGRESS,
            name="INGRESS",
            priorities=_INGRESS_PRIORITIES,
            matches=(
                _ANY,
                frozenset({"in_port"}),
                frozenset({"in_port", "tunnel_key"}),
                frozenset({"in_port", "tunnel_key", "tunnel_source"}),
                _MLD | {"tunnel_key"},
                _IGMP | {"tunnel_key"},
                _FROM_TUNNEL,
                frozenset({"in_port", "eth_source", "eth_destination", "eth_type", "ipv6_source"}),
                frozenset({"in_port", "eth_source", "eth_type", "ipv6_source"}),
                frozenset({"in_port", "eth_type", "ipv6_destination"}),
            ),
            actions=frozenset({
                CheckSize, DecrementHopLimit, SetTunnelKey, SetTunnelDestination, SetEthernetSource,
                SetEthernetDestination, OutputPort, OutputIngressPort,
            }),
            writes_metadata=True,
            next_tables=frozenset({REPLICATION}),
        ),
        replace(_REPLICATION_TABLE, actions=_REPLICATION_TABLE.actions | _TO_LMA_ACTIONS),
        _senders(frozenset({"in_port", "metadata"})),
    ),
    bucket_actions=frozenset({
        SetTunnelKey, SetTunnelDestination, SetEthernetSource, SetEthernetDestination, OutputPort, OutputIngressPort,
    }),
)

LMA_TRANSPORT = Pipeline(
    kind="lma-transport",
    tables=(
        Table(
            table_id=SIGNALLING,
            name="SIGNALLING",
            priorities=frozenset({PRIORITY_SIGNALLING}),
            matches=(frozenset({"eth_type", "ip_proto", "ipv6_destination"}),),
            actions=frozenset({OutputController}),
        ),
    ),
)

PIPELINES = {pipeline.kind: pipeline for pipeline in (LMA, MAG, LMA_TRANSPORT)}
"""By `intents.SwitchRole.kind`."""

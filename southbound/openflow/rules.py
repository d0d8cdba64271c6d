# SPDX-License-Identifier: Apache-2.0
"""Flow rules and groups as values of our own (Ryu's compare by identity), in the terms of OpenFlow 1.5.1 section 5.

Ports appear by name; numbers exist only in `southbound.openflow.ofp15`. All types are frozen, hashable and compared by
content, so that wanted and installed rules can be told apart by `==`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from southbound.codec.addresses import IpAddress

COOKIE = 0x00CA_5700_0000_0001
"""Cookie of every flow of ours; flows with another cookie on the same switch are never touched."""

OWNED_GROUP_BIT = 0x8000_0000
"""Groups carry no cookie: those with this bit in their id are ours, others are never touched."""

GROUP_ID_MAX = 0xFFFF_FF00
"""OFPG_MAX (OpenFlow 1.5.1 section 7.3.4.3)."""

BUCKET_ID_MAX = 0xFFFF_FF00
"""OFPG_BUCKET_MAX (OpenFlow 1.5.1 section 7.3.4.3)."""


class OpenFlowInvariantError(RuntimeError):
    """Our own code asked for something that no rule can say; never the fault of a peer or an operator."""


# --- actions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPort:
    """Send the packet out of this port. OpenFlow drops it when that is the port by which it came in."""

    port: str


@dataclass(frozen=True, slots=True)
class OutputIngressPort:
    """Send the packet out of the port by which it came in (OFPP_IN_PORT), towards another tunnel endpoint."""


@dataclass(frozen=True, slots=True)
class OutputController:
    """Send the whole packet to the controller (OFPP_CONTROLLER, OFPCML_NO_BUFFER)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEthernetSource:
    """Rewrite eth_src; six octets."""

    address: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEthernetDestination:
    """Rewrite eth_dst; six octets."""

    address: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTunnelKey:
    """Set tunnel_id: the GRE key (RFC 2890, RFC 5845) of what a tunnel port sends."""

    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTunnelDestination:
    """Set tun_ipv6_dst: the remote address of what a tunnel port sends."""

    address: IPv6Address


@dataclass(frozen=True, slots=True)
class DecrementHopLimit:
    """Forwarding takes one from the hop limit; a packet that has none left goes no further (RFC 8200 section 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSize:
    """Set `Match.too_large` to 1 for a packet of more than so many octets, link-layer header and all, else to 0."""

    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Drop the packet here when the meter has seen too many."""

    meter_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToGroup:
    """Hand the packet to a group."""

    group_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownAction:
    """An action or instruction seen on a switch that this version never writes. Cannot be encoded."""

    text: str


Action = (
    OutputPort
    | OutputIngressPort
    | OutputController
    | SetEthernetSource
    | SetEthernetDestination
    | SetTunnelKey
    | SetTunnelDestination
    | DecrementHopLimit
    | CheckSize
    | Meter
    | ToGroup
    | UnknownAction
)


# --- flows and groups ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Fields that must be equal, or of addresses lie in a network; None = any value."""

    in_port: str | None = None
    tunnel_key: int | None = None
    tunnel_source: IPv6Address | None = None
    metadata: int | None = None
    eth_source: bytes | None = None
    """Six octets."""
    eth_destination: bytes | None = None
    eth_type: int | None = None
    ip_proto: int | None = None
    icmpv6_type: int | None = None
    hop_limit: int | None = None
    too_large: int | None = None
    """1 when CheckSize has found the packet so."""
    ipv6_source: IPv6Address | IPv6Network | None = None
    """A network: any address in it. One of 128 bits is written as its address."""
    ipv6_destination: IPv6Address | IPv6Network | None = None
    ipv4_source: IPv4Address | None = None
    ipv4_destination: IPv4Address | None = None
    unknown: tuple[tuple[str, object], ...] = ()
    """(OXM name, value) seen on a switch that this version never writes; kept to name the flow for its deletion."""

    # Worked out once: a switch's rules are compared and looked up as a whole each time that anything is wanted of it.
    _fields: frozenset[str] = field(init=False, repr=False, compare=False)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        values = [(name, getattr(self, name)) for name in _MATCH_FIELDS]
        named = frozenset(name for name, value in values if value is not None and value != ())
        object.__setattr__(self, "_fields", named)
        object.__setattr__(self, "_hash", hash(tuple(value for _, value in values)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def source(self) -> IpAddress | IPv6Network | None:
        """Of the packet, of either family; None = any."""
        return self.ipv4_source if self.ipv6_source is None else self.ipv6_source

    @property
    def destination(self) -> IpAddress | IPv6Network | None:
        """Of the packet, of either family; None = any."""
        return self.ipv4_destination if self.ipv6_destination is None else self.ipv6_destination

    def fields(self) -> frozenset[str]:
        """Names of the fields that are matched on."""
        return self._fields


_MATCH_FIELDS = (
    "in_port", "tunnel_key", "tunnel_source", "metadata", "eth_source", "eth_destination", "eth_type", "ip_proto",
    "icmpv6_type", "hop_limit", "too_large", "ipv6_source", "ipv6_destination", "ipv4_source", "ipv4_destination",
    "unknown",
)

FlowKey = tuple[int, int, Match]
"""(table, priority, match): what makes a flow the same flow on a switch (OpenFlow 1.5.1 section 6.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRule:
    """One flow. No actions and no next table = drop."""

    table_id: int
    priority: int
    match: Match
    actions: tuple[Action, ...] = ()
    """Applied at once, in this order."""
    write_metadata: int | None = None
    """Whole 64-bit value, unmasked."""
    goto_table: int | None = None

    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        content = (self.table_id, self.priority, self.match, self.actions, self.write_metadata, self.goto_table)
        object.__setattr__(self, "_hash", hash(content))

    def __hash__(self) -> int:
        return self._hash

    @property
    def key(self) -> FlowKey:
        """The flow's identity on a switch."""
        return (self.table_id, self.priority, self.match)

    def ports(self) -> frozenset[str]:
        """Names of the ports that the flow cannot be installed without."""
        named = {action.port for action in self.actions if isinstance(action, OutputPort)}
        return frozenset(named if self.match.in_port is None else named | {self.match.in_port})

    def groups(self) -> frozenset[int]:
        """Ids of the groups that the flow uses."""
        return frozenset(action.group_id for action in self.actions if isinstance(action, ToGroup))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One copy that a group makes. Within a group the id names the bucket; equal ids with other actions differ."""

    bucket_id: int
    actions: tuple[Action, ...]

    @property
    def tunnelled(self) -> bool:
        """Whether its copy leaves by a tunnel, and so without Ethernet header."""
        return any(isinstance(action, SetTunnelDestination) for action in self.actions)

    @property
    def place(self) -> tuple[bool, int]:
        """Its place among the buckets of its group: those into tunnels are last.

        A packet that came out of a tunnel has no Ethernet header; it gets one for the first bucket that needs one. When a
        tunnel bucket is before that, Open vSwitch 3.1 forgets that it is still to be given (`commit_encap_decap_action`),
        and aborts.
        """
        return self.tunnelled, self.bucket_id

    def ports(self) -> frozenset[str]:
        """Names of the ports that the bucket cannot be installed without."""
        return frozenset(action.port for action in self.actions if isinstance(action, OutputPort))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of type ALL: each bucket gets a copy of the packet."""

    group_id: int
    buckets: frozenset[Bucket] = frozenset()
    type_all: bool = True
    """False only for a group seen on a switch that somebody made with our id and another type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRules:
    """All flows of our cookie and all groups of ours: what a switch shall have, or has."""

    flows: frozenset[FlowRule] = frozenset()
    groups: frozenset[Group] = frozenset()

    _flows_by_key: dict[FlowKey, FlowRule] = field(init=False, repr=False, compare=False, hash=False)
    _groups_by_id: dict[int, Group] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_flows_by_key", {flow.key: flow for flow in self.flows})
        object.__setattr__(self, "_groups_by_id", {group.group_id: group for group in self.groups})
        if len(self._flows_by_key) != len(self.flows) or len(self._groups_by_id) != len(self.groups):
            raise OpenFlowInvariantError("two flows with one key, or two groups with one id")

    def flow(self, key: FlowKey) -> FlowRule | None:
        """The flow with this table, priority and match, or None."""
        return self._flows_by_key.get(key)

    def group(self, group_id: int) -> Group | None:
        """The group with this id, or None."""
        return self._groups_by_id.get(group_id)

    def ports(self) -> frozenset[str]:
        """Names of all ports that any flow or bucket needs."""
        flows = (flow.ports() for flow in self.flows)
        buckets = (bucket.ports() for group in self.groups for bucket in group.buckets)
        return frozenset().union(*flows, *buckets)

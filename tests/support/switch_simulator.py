# SPDX-License-Identifier: Apache-2.0
"""A multi-table switch on rules of our own: which packet comes out where, and what a switch would refuse.

Behaves as OpenFlow 1.5.1 says, not as our compiler means it: highest priority wins, a miss drops (section 5.4), a
group of type ALL copies (5.10), no packet leaves by its ingress port unless OFPP_IN_PORT says so (7.2.6.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Any

from southbound.openflow.changes import (
    AddFlow,
    AddGroup,
    Change,
    DeleteFlow,
    DeleteGroup,
    InsertBuckets,
    RemoveBucket,
    ReplaceGroup,
)
from southbound.openflow.rules import (
    Action,
    CheckSize,
    DecrementHopLimit,
    FlowKey,
    FlowRule,
    Group,
    Meter,
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

CONTROLLER = "CONTROLLER"
ETHERNET_OCTETS = 14


class RefusedError(Exception):
    """The switch would answer with an error message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """The fields of a packet that any rule of ours matches or sets."""

    in_port: str
    ipv6_source: IPv6Address | None = None
    ipv6_destination: IPv6Address | None = None
    ipv4_source: IPv4Address | None = None
    ipv4_destination: IPv4Address | None = None
    hop_limit: int = 64
    octets: int = 100
    """Of the packet, without a link-layer header."""
    too_large: int = 0
    ip_proto: int = 17
    icmpv6_type: int | None = None
    eth_type: int = 0x86DD
    eth_source: bytes = bytes(6)
    eth_destination: bytes = bytes(6)
    tunnel_key: int | None = None
    tunnel_source: IPv6Address | None = None
    tunnel_destination: IPv6Address | None = None
    metadata: int = 0


Sent = tuple[str, Packet]
Conditions = tuple[tuple[str, object], ...]
"""(field, what it must be)."""


@dataclass
class SwitchSimulator:
    """Flows and groups, changed one by one or all at once, and packets through them."""

    flows: dict[FlowKey, FlowRule] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    meter_packets: int | None = None
    """So many each meter lets pass from now on; None: all."""
    matched: Counter[FlowKey] = field(default_factory=Counter, repr=False, compare=False)
    """Packets that each flow has taken: OFPXST_OFB_PACKET_COUNT."""
    _metered: Counter[int] = field(default_factory=Counter, repr=False, compare=False)
    _tables: dict[int, list[tuple[Conditions, FlowRule]]] = field(default_factory=dict, repr=False, compare=False)
    """Of each table that a packet has met since the flows changed: what each flow asks for, the highest priority first."""

    @classmethod
    def of(cls, rules: SwitchRules) -> SwitchSimulator:
        """A switch that has exactly these rules."""
        return cls({flow.key: flow for flow in rules.flows}, {group.group_id: group for group in rules.groups})

    def rules(self) -> SwitchRules:
        """What the switch has."""
        return SwitchRules(flows=frozenset(self.flows.values()), groups=frozenset(self.groups.values()))

    # --- modifications -----------------------------------------------------------------------------------------------

    def apply_bundle(self, changes: tuple[Change, ...]) -> None:
        """All or nothing, in order (OpenFlow 1.5.1 section 6.9). Raises RefusedError and then has changed nothing."""
        trial = SwitchSimulator(dict(self.flows), dict(self.groups))
        for change in changes:
            trial.apply(change)
        self.flows, self.groups = trial.flows, trial.groups
        self._tables.clear()

    def apply(self, change: Change) -> None:
        """One modification. Raises RefusedError."""
        self._tables.clear()
        match change:
            case AddGroup(group=group):
                self._require(group.group_id not in self.groups, "OFPGMFC_GROUP_EXISTS")
                self.groups[group.group_id] = group
            case ReplaceGroup(group=group):
                self._require(group.group_id in self.groups, "OFPGMFC_UNKNOWN_GROUP")
                self.groups[group.group_id] = group
            case InsertBuckets(group_id=group_id, buckets=buckets):
                group = self._group(group_id)
                ids = [bucket.bucket_id for bucket in (*group.buckets, *buckets)]
                self._require(len(set(ids)) == len(ids), "OFPGMFC_BUCKET_EXISTS")
                self.groups[group_id] = replace(group, buckets=group.buckets | set(buckets))
            case RemoveBucket(group_id=group_id, bucket_id=bucket_id):
                group = self._group(group_id)
                left = frozenset(bucket for bucket in group.buckets if bucket.bucket_id != bucket_id)
                self._require(len(left) == len(group.buckets) - 1, "OFPGMFC_UNKNOWN_BUCKET")
                self.groups[group_id] = replace(group, buckets=left)
            case DeleteGroup(group_id=group_id):
                # The switch would take the flows along in silence (section 6.7); ours must have gone before.
                users = [flow for flow in self.flows.values() if group_id in flow.groups()]
                self._require(not users, f"flows still use group {group_id:#x}")
                self.groups.pop(group_id, None)
            case AddFlow(flow=flow):
                for group_id in flow.groups():
                    self._require(group_id in self.groups, "OFPBAC_BAD_OUT_GROUP")
                self.flows[flow.key] = flow
            case DeleteFlow(flow=flow):
                self.flows.pop(flow.key, None)

    def _group(self, group_id: int) -> Group:
        self._require(group_id in self.groups, "OFPGMFC_UNKNOWN_GROUP")
        return self.groups[group_id]

    @staticmethod
    def _require(condition: bool, error: str) -> None:
        if not condition:
            raise RefusedError(error)

    # --- packets -----------------------------------------------------------------------------------------------------

    def inject(self, packet: Packet) -> list[Sent]:
        """(port, packet as it leaves), sorted by port and tunnel destination; empty when the packet is dropped."""
        sent = self._table(0, packet)
        return sorted(sent, key=lambda copy: (copy[0], str(copy[1].tunnel_destination)))

    def _table(self, table_id: int, packet: Packet) -> list[Sent]:
        if table_id not in self._tables:
            self._tables[table_id] = _in_order(flow for flow in self.flows.values() if flow.table_id == table_id)
        flow = next((flow for conditions, flow in self._tables[table_id] if _meets(packet, conditions)), None)
        if flow is None:
            return []
        self.matched[flow.key] += 1
        sent, rest = self._run(flow.actions, packet)
        if rest is None:
            return sent
        if flow.write_metadata is not None:
            rest = replace(rest, metadata=flow.write_metadata)
        return sent if flow.goto_table is None else sent + self._table(flow.goto_table, rest)

    def _run(self, actions: tuple[Action, ...], packet: Packet) -> tuple[list[Sent], Packet | None]:
        """(what was sent, the packet after the actions or None when it went no further)."""
        sent: list[Sent] = []
        for action in actions:
            match action:
                case OutputPort(port=port):
                    sent += [(port, packet)] if port != packet.in_port else []
                case OutputIngressPort():
                    sent.append((packet.in_port, packet))
                case OutputController():
                    sent.append((CONTROLLER, packet))
                case SetEthernetSource(address=address):
                    packet = replace(packet, eth_source=address)
                case SetEthernetDestination(address=address):
                    packet = replace(packet, eth_destination=address)
                case SetTunnelKey(key=key):
                    packet = replace(packet, tunnel_key=key)
                case SetTunnelDestination(address=remote):
                    packet = replace(packet, tunnel_destination=remote)
                case DecrementHopLimit():
                    if packet.hop_limit <= 1:
                        return sent, None
                    packet = replace(packet, hop_limit=packet.hop_limit - 1)
                case CheckSize(octets=octets):
                    has = packet.octets + (ETHERNET_OCTETS if packet.tunnel_key is None else 0)
                    packet = replace(packet, too_large=int(has > octets))
                case Meter(meter_id=meter_id):
                    self._metered[meter_id] += 1
                    if self.meter_packets is not None and self._metered[meter_id] > self.meter_packets:
                        return sent, None
                case ToGroup(group_id=group_id):
                    for bucket in self.groups[group_id].buckets:
                        sent += self._run(bucket.actions, packet)[0]
        return sent, packet


def _in_order(flows: Iterable[FlowRule]) -> list[tuple[Conditions, FlowRule]]:
    """As a packet meets them. What this version never writes (`unknown`) matches nothing here."""
    return [
        (tuple((name, getattr(flow.match, name)) for name in sorted(flow.match.fields())), flow)
        for flow in sorted(flows, key=lambda flow: -flow.priority) if not flow.match.unknown
    ]


def _meets(packet: Packet, conditions: Conditions) -> bool:
    return all(_fits(wanted, getattr(packet, name)) for name, wanted in conditions)


def _fits(wanted: object, found: object) -> bool:
    if isinstance(wanted, IPv6Network):
        return isinstance(found, IPv6Address) and found in wanted
    return wanted == found


def addressed(source: IPv4Address | IPv6Address, group: IPv4Address | IPv6Address, **fields: Any) -> Packet:
    """A packet of either family."""
    if isinstance(group, IPv4Address):
        return Packet(ipv4_source=source, ipv4_destination=group, eth_type=0x0800, **fields)  # type: ignore[arg-type]
    return Packet(ipv6_source=source, ipv6_destination=group, **fields)  # type: ignore[arg-type]

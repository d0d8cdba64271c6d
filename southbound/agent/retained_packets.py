# SPDX-License-Identifier: Apache-2.0
"""The p-MAG's store in a reactive handover: packets for MNs that have left unannounced, until a MAG wants them. Pure.

What several MNs of one n-MAG want is sent to it once (one copy a tunnel): it is the n-MAG that knows its MNs.
Bounded as the handover buffer is: packets and octets an MN, octets in total, age. What has to go is the oldest.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Address

from southbound.agent.packet_digest import IPV6_HEADER_OCTETS, addresses_of, stream_key
from southbound.mld.membership import GroupMembership
from topology.model import Limits

Relayed = list[tuple[IPv6Address, bytes]]
"""(Proxy-CoA of the n-MAG, IPv6 packet), in order."""


@dataclass(slots=True)
class _Kept:
    number: int
    at: float
    packet: bytes


@dataclass(slots=True)
class _Absent:
    memberships: dict[IPv6Address, GroupMembership]
    kept: deque[_Kept] = field(default_factory=deque)
    octets: int = 0
    destination: IPv6Address | None = None


class RetainedPackets:
    """Of all MNs that are absent. Counters: retained, relayed, overflow_dropped, expired_dropped, released_unsent."""

    def __init__(self, limits: Limits) -> None:
        self.counters: Counter[str] = Counter()
        self._limits = limits
        self._absent: dict[str, _Absent] = {}
        self._sent: dict[IPv6Address, set[int]] = {}
        """Numbers of packets that have gone to a MAG and that another MN's store still holds."""
        self._count = 0
        self._octets = 0

    @property
    def is_empty(self) -> bool:
        """Whether no MN is absent: then packets need not be shown."""
        return not self._absent

    def retain(self, mn_id: str, memberships: Iterable[GroupMembership]) -> None:
        """The MN has left: keep what comes for it."""
        self.drop(mn_id)
        self._absent[mn_id] = _Absent({membership.group: membership for membership in memberships})

    def relay(self, mn_id: str, destination: IPv6Address, now: float) -> Relayed:
        """What is kept goes there, and so does what comes from now on. Nothing for an MN that is not absent."""
        absent = self._absent.get(mn_id)
        if absent is None:
            return []
        absent.destination = destination
        sent = self._sent.setdefault(destination, set())
        self._expire(absent, now)
        relayed: Relayed = []
        while absent.kept:
            kept = self._take(absent)
            if kept.number not in sent:
                sent.add(kept.number)
                relayed.append((destination, kept.packet))
        self._forget_sent()
        self.counters["relayed"] += len(relayed)
        return relayed

    def drop(self, mn_id: str) -> None:
        """Nothing more is kept or relayed for this MN."""
        absent = self._absent.pop(mn_id, None)
        if absent is not None:
            self.counters["released_unsent"] += len(absent.kept)
            self._octets -= absent.octets
            self._forget_sent()

    def on_packet(self, packet: bytes, now: float) -> Relayed:
        """A native packet has come by the buffer port."""
        key = stream_key(packet[:IPV6_HEADER_OCTETS])
        if key is None:
            return []
        source, group = addresses_of(key)
        self._count += 1
        destinations: dict[IPv6Address, None] = {}
        holders = 0
        for absent in self._absent.values():
            membership = absent.memberships.get(group)
            if membership is None or not membership.wants(source):
                continue
            if absent.destination is not None:
                destinations[absent.destination] = None
                continue
            holders += 1
            self._keep(absent, _Kept(self._count, now, packet))
        for destination in destinations if holders else ():
            self._sent[destination].add(self._count)
        self.counters["relayed"] += len(destinations)
        return [(destination, packet) for destination in destinations]

    def _keep(self, absent: _Absent, kept: _Kept) -> None:
        limits = self._limits
        absent.kept.append(kept)
        absent.octets += len(kept.packet)
        self._octets += len(kept.packet)
        self.counters["retained"] += 1
        self._expire(absent, kept.at)
        while absent.kept and (
            len(absent.kept) > limits.buffer_packets_per_mobile_node
            or absent.octets > limits.buffer_bytes_per_mobile_node
            or self._octets > limits.buffer_bytes_total
        ):
            self._take(absent)
            self.counters["overflow_dropped"] += 1

    def _expire(self, absent: _Absent, now: float) -> None:
        oldest = now - self._limits.buffer_age_ms / 1000
        while absent.kept and absent.kept[0].at <= oldest:
            self._take(absent)
            self.counters["expired_dropped"] += 1

    def _take(self, absent: _Absent) -> _Kept:
        kept = absent.kept.popleft()
        absent.octets -= len(kept.packet)
        self._octets -= len(kept.packet)
        return kept

    def _forget_sent(self) -> None:
        """What no store holds any more cannot be sent twice."""
        held = [absent.kept[0].number for absent in self._absent.values() if absent.kept]
        oldest = min(held, default=self._count + 1)
        in_use = {absent.destination for absent in self._absent.values()}
        self._sent = {
            destination: {number for number in numbers if number >= oldest}
            for destination, numbers in self._sent.items()
            if destination in in_use
        }

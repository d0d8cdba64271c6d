# SPDX-License-Identifier: Apache-2.0
"""The p-MAG's store of packets for MNs that are on their way to another MAG, until that MAG wants them. Pure.

For MNs that have left unannounced (reactive handover), or are not buffered at the n-MAG, it keeps what comes natively. For
MNs that go on before the stream was the switch's alone here, it keeps what the handover buffer delivers. Each MN's packets
go under a GRE key of its own, so what several MNs want goes several times, but to each of them exactly once.
Bounded as the handover buffer is: packets and octets an MN, octets in total, age. What has to go is the oldest.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network

from southbound.agent.packet_digest import LONGEST_HEADER_OCTETS, addresses_of, prefix_key, stream_key
from southbound.codec.addresses import IpAddress
from southbound.mld.membership import GroupMembership
from topology.settings import Limits

Tunnel = tuple[IPv6Address, int | None]
"""(Proxy-CoA of the n-MAG, GRE key); without a key the one of all inter-MAG tunnels."""
Relayed = list[tuple[Tunnel, bytes]]
"""(tunnel, IPv6 packet), in order."""


@dataclass(slots=True)
class _Kept:
    at: float
    packet: bytes


@dataclass(slots=True)
class _Away:
    memberships: dict[IpAddress, GroupMembership] | None
    """None: it is given what the handover buffer delivers, and nothing natively."""
    prefixes: frozenset[bytes] = frozenset()
    """Stream keys of its home networks, of which it is given what comes natively."""
    kept: deque[_Kept] = field(default_factory=deque)
    octets: int = 0
    tunnels: dict[IPv6Address, int | None] = field(default_factory=dict)


class RetainedPackets:
    """Of all MNs. Counters: retained, relayed, overflow_dropped, expired_dropped, released_unsent."""

    def __init__(self, limits: Limits) -> None:
        self.counters: Counter[str] = Counter()
        self._limits = limits
        self._away: dict[tuple[str, str], _Away] = {}
        """By MN-ID and the handover whose deliveries are kept ('': what comes natively)."""
        self._octets = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept or relayed for anybody."""
        return not self._away

    @property
    def takes_native(self) -> bool:
        """Whether native packets are wanted for anybody: else they need not be shown."""
        return any(away.memberships is not None for away in self._away.values())

    @property
    def held_bytes(self) -> int:
        """Octets of the packets that are kept."""
        return self._octets

    def retain(
        self, mn_id: str, memberships: Iterable[GroupMembership], prefixes: Iterable[IPv6Network] = ()
    ) -> None:
        """Keep what comes natively for this MN: of its groups, and for its home networks."""
        self.drop(mn_id)
        self._away[mn_id, ""] = _Away(
            {membership.group: membership for membership in memberships}, frozenset(map(prefix_key, prefixes))
        )

    def retain_deliveries(self, mn_id: str, fed_by: str) -> None:
        """Keep what `on_delivery` shows of this MN under this handover."""
        self.drop(mn_id, fed_by)
        self._away[mn_id, fed_by] = _Away(None)

    def relay(
        self, mn_id: str, destination: IPv6Address, key: int | None, now: float, *, fed_by: str = ""
    ) -> Relayed:
        """What is kept goes there, and so does what comes from now on. Nothing for an MN that is not known."""
        away = self._away.get((mn_id, fed_by))
        if away is None:
            return []
        away.tunnels[destination] = key
        self._expire(away, now)
        relayed: Relayed = [((destination, key), self._take(away).packet) for _ in range(len(away.kept))]
        self.counters["relayed"] += len(relayed)
        return relayed

    def drop(self, mn_id: str, fed_by: str = "", destination: IPv6Address | None = None) -> None:
        """Nothing more is kept or relayed for this MN; with a destination: not to there."""
        away = self._away.get((mn_id, fed_by))
        if away is None:
            return
        if destination is not None:
            away.tunnels.pop(destination, None)
            return
        del self._away[mn_id, fed_by]
        self.counters["released_unsent"] += len(away.kept)
        self._octets -= away.octets

    def on_packet(self, mn_id: str, packet: bytes, now: float) -> Relayed:
        """A native packet has come by the buffer port, in a copy for this MN."""
        key = stream_key(packet[:LONGEST_HEADER_OCTETS])
        if key is None:
            return []
        away = self._away.get((mn_id, ""))
        if away is None:
            return []
        source, group = addresses_of(key)
        membership = away.memberships.get(group) if away.memberships is not None else None
        wanted = key in away.prefixes or (membership is not None and membership.wants(source))
        return self._pass_on(away, packet, now) if wanted else []

    def on_delivery(self, mn_id: str, fed_by: str, packet: bytes, now: float) -> Relayed:
        """The handover buffer delivers this packet to the MN, whom this handover has brought."""
        away = self._away.get((mn_id, fed_by))
        return self._pass_on(away, packet, now) if away is not None else []

    def _pass_on(self, away: _Away, packet: bytes, now: float) -> Relayed:
        if not away.tunnels:
            self._keep(away, _Kept(now, packet))
            return []
        self.counters["relayed"] += len(away.tunnels)
        return [(tunnel, packet) for tunnel in away.tunnels.items()]

    def _keep(self, away: _Away, kept: _Kept) -> None:
        limits = self._limits
        away.kept.append(kept)
        away.octets += len(kept.packet)
        self._octets += len(kept.packet)
        self.counters["retained"] += 1
        self._expire(away, kept.at)
        while away.kept and (
            len(away.kept) > limits.buffer_packets_per_mobile_node
            or away.octets > limits.buffer_bytes_per_mobile_node
            or self._octets > limits.buffer_bytes_total
        ):
            self._take(away)
            self.counters["overflow_dropped"] += 1

    def _expire(self, away: _Away, now: float) -> None:
        oldest = now - self._limits.buffer_age_ms / 1000
        while away.kept and away.kept[0].at <= oldest:
            self._take(away)
            self.counters["expired_dropped"] += 1

    def _take(self, away: _Away) -> _Kept:
        kept = away.kept.popleft()
        away.octets -= len(kept.packet)
        self._octets -= len(kept.packet)
        return kept

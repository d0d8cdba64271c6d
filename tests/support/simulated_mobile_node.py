# SPDX-License-Identifier: Apache-2.0
"""A mobile node of a simulation: a host that configures itself by router advertisements, joins groups, answers MLD queries
and may ask for its own handover.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address

from southbound.codec.addresses import IpAddress
from southbound.codec.castover_options import NewMagIdentifier
from southbound.codec.ethernet import (
    ETHERTYPE_IPV6,
    EthernetFrame,
    decode_ethernet,
    encode_ethernet,
    ethertype_of,
    multicast_mac,
)
from southbound.codec.handover import HandoverIndication
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.igmp import Igmpv2Report, Igmpv3Query, Igmpv3Report
from southbound.codec.ipv6 import decode_ipv6
from southbound.codec.listener_packet import LinkAddresses, decode_listener_packet, listener_frame
from southbound.codec.mld import Mldv1Report, Mldv2Query, Mldv2Report
from southbound.codec.mld_packet import ALL_ROUTERS
from southbound.codec.mobility import encode_mobility_packet
from southbound.codec.neighbor_discovery import (
    NeighborPacket,
    RouterAdvertisement,
    RouterSolicitation,
    decode_neighbor_packet,
    encode_neighbor_packet,
    is_neighbor_discovery,
)
from southbound.codec.neighbor_options import PrefixInformation, SourceLinkLayerAddress
from southbound.codec.options import MobileNodeIdentifier
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.membership import FilterMode, GroupMembership
from tests.support.simulated_clock import SimulatedClock
from topology.model import MobileNode

_ANSWER_AFTER_S = 0.02
_CHANGES = {
    FilterMode.INCLUDE: Mldv2RecordType.CHANGE_TO_INCLUDE_MODE,
    FilterMode.EXCLUDE: Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE,
}
_STATES = {
    FilterMode.INCLUDE: Mldv2RecordType.MODE_IS_INCLUDE,
    FilterMode.EXCLUDE: Mldv2RecordType.MODE_IS_EXCLUDE,
}


class SimulatedMobileNode:
    """One host. `mag_id` is where its link is up now."""

    def __init__(
        self, profile: MobileNode, clock: SimulatedClock, send: Callable[[SimulatedMobileNode, bytes], None]
    ) -> None:
        self.profile = profile
        self.mag_id: str | None = None
        self.answers_queries = True
        self.advertisements: list[tuple[float, RouterAdvertisement]] = []
        """(when, what) of every router advertisement heard."""
        self.queries: list[tuple[float, Mldv2Query | Igmpv3Query]] = []
        """(when, what) of every query heard."""
        self.default_router: IPv6Address | None = None
        self.prefixes: set[IPv6Network] = set()
        """That it forms addresses from."""
        self.wants: dict[IpAddress, GroupMembership] = {
            subscription.group: GroupMembership(
                group=subscription.group,
                filter_mode=FilterMode.INCLUDE if subscription.sources else FilterMode.EXCLUDE,
                sources=subscription.sources,
            )
            for subscription in profile.subscriptions
        }
        self._clock, self._send = clock, send
        octets = profile.link_layer_id
        self.link_local = IPv6Address(
            b"\xfe\x80" + bytes(6) + bytes((octets[0] ^ 2,)) + octets[1:3] + b"\xff\xfe" + octets[3:]
        )

    def join(self, group: str, *sources: str, exclude: bool = False) -> None:
        """IPV6_JOIN_GROUP or IP_ADD_MEMBERSHIP, or with sources MCAST_JOIN_SOURCE_GROUP (`exclude`: MCAST_BLOCK_SOURCE)."""
        mode = FilterMode.INCLUDE if sources and not exclude else FilterMode.EXCLUDE
        addresses = frozenset(ip_address(source) for source in sources)
        wanted = GroupMembership(group=ip_address(group), filter_mode=mode, sources=addresses)
        self.wants[wanted.group] = wanted
        self._report(_CHANGES, (wanted,))

    def join_by_older_version(self, group: str) -> None:
        """What a host of MLDv1 or IGMPv2 sends; it leaves queries unanswered here."""
        wanted = GroupMembership(group=ip_address(group), filter_mode=FilterMode.EXCLUDE)
        self.wants[wanted.group] = wanted
        self.answers_queries = False
        older = Mldv1Report if isinstance(wanted.group, IPv6Address) else Igmpv2Report
        addresses = LinkAddresses(ipv6=self.link_local)
        self._send(self, listener_frame(older(group=wanted.group), addresses, self.profile.link_layer_id))

    def leave(self, group: str) -> None:
        """IPV6_LEAVE_GROUP."""
        address = ip_address(group)
        self.wants.pop(address, None)
        gone = GroupMembership(group=address, filter_mode=FilterMode.INCLUDE)
        self._report(_CHANGES, (gone,))

    def receive(self, frame: bytes) -> None:
        """A frame of the MAG: queries are answered with the current state (RFC 3810 section 5.2.11)."""
        packet = decode_ethernet(frame).payload
        if ethertype_of(packet) == ETHERTYPE_IPV6 and is_neighbor_discovery(decode_ipv6(packet)):
            self._neighbor(decode_neighbor_packet(packet))
            return
        message = decode_listener_packet(packet)
        assert isinstance(message, Mldv2Query | Igmpv3Query)
        self.queries.append((self._clock.now, message))
        if self.answers_queries:
            mag_id = self.mag_id
            self._clock.after(_ANSWER_AFTER_S, lambda: self._answer(mag_id, message))

    def indicate_handover(self, new_mag: str, mn_id: str | None = None) -> None:
        """HO-Initiate: the draft's step 1 (b)."""
        message = HandoverIndication(
            sequence=1,
            options=(
                MobileNodeIdentifier(identifier=self.profile.id if mn_id is None else mn_id),
                NewMagIdentifier(identifier=new_mag),
            ),
        )
        self._frame(encode_mobility_packet(message, self.link_local, ALL_ROUTERS), ALL_ROUTERS)

    def solicit_router(self) -> None:
        """A Router Solicitation (RFC 4861 section 6.3.7)."""
        own = (SourceLinkLayerAddress(address=self.profile.link_layer_id),)
        packet = encode_neighbor_packet(RouterSolicitation(options=own), self.link_local, ALL_ROUTERS)
        self._frame(packet, ALL_ROUTERS)

    def _neighbor(self, packet: NeighborPacket) -> None:
        message = packet.message
        assert isinstance(message, RouterAdvertisement)
        self.advertisements.append((self._clock.now, message))
        self.default_router = packet.source if message.router_lifetime_s else None
        for option in message.options:
            if isinstance(option, PrefixInformation) and option.autonomous:
                self.prefixes.discard(option.prefix)
                if option.preferred_lifetime_s:
                    self.prefixes.add(option.prefix)

    def _answer(self, mag_id: str | None, query: Mldv2Query | Igmpv3Query) -> None:
        if self.mag_id != mag_id:
            return
        asked = [m for m in self.wants.values() if m.group.version == query.group.version]
        wanted = [m for m in asked if query.group.is_unspecified or m.group == query.group]
        self._report(_STATES, tuple(wanted))

    def _report(
        self, kinds: dict[FilterMode, Mldv2RecordType], memberships: tuple[GroupMembership, ...]
    ) -> None:
        records = [
            MulticastAddressRecord(
                record_type=kinds[membership.filter_mode], group=membership.group,
                sources=tuple(sorted(membership.sources)),
            )
            for membership in memberships
        ]
        addresses = LinkAddresses(ipv6=self.link_local)
        for kind, version in ((Mldv2Report, 6), (Igmpv3Report, 4)):
            told = tuple(record for record in records if record.group.version == version)
            if told:
                self._send(self, listener_frame(kind(records=told), addresses, self.profile.link_layer_id))

    def _frame(self, packet: bytes, destination: IPv6Address) -> None:
        frame = EthernetFrame(
            destination=multicast_mac(destination), source=self.profile.link_layer_id, payload=packet
        )
        self._send(self, encode_ethernet(frame))

# SPDX-License-Identifier: Apache-2.0
"""The access links of a MAG: who is on which port, what each MN listens to, what it says. Pure.

One point-to-point link an MN (RFC 5213 section 6.9, RFC 6224 section 4.2), so the link's MLD and IGMP states are the MN's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from southbound.agent.commands import Command, NotifyController, SendAccessFrame
from southbound.agent.context import MagContext
from southbound.codec.errors import DecodeError
from southbound.codec.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, decode_ethernet
from southbound.codec.handover import Dialect, HandoverIndication
from southbound.codec.iana import NEXT_HEADER_MOBILITY
from southbound.codec.ipv6 import Ipv6Packet, decode_ipv6
from southbound.codec.listener_packet import LinkAddresses, decode_listener_packet, listener_frame
from southbound.codec.mobility import decode_mobility
from southbound.codec.neighbor_discovery import NeighborPacket, decode_neighbor_packet, is_neighbor_discovery
from southbound.codec.records import Version
from southbound.mld.dual_stack import DualStackRouter, Effects
from southbound.mld.effects import MembershipChanged, RecordIgnored, SendGeneralQuery, SendGroupQuery
from southbound.mld.membership import GroupMembership
from southbound.mld.messages import is_igmp, is_mld, query_message
from southbound.mld.parameters import MldParameters
from southbound.rpc.methods import MembershipReported
from topology.model import MAG_ACCESS_MAC, MAG_IPV4_ADDRESS, MAG_LINK_LOCAL_ADDRESS, MobileNode

_ADDRESSES = LinkAddresses(ipv6=MAG_LINK_LOCAL_ADDRESS, ipv4=MAG_IPV4_ADDRESS)


@dataclass(slots=True)
class Heard:
    """What one frame of an MN comes to."""

    profile: MobileNode | None = None
    effects: list[Command] = field(default_factory=list)
    indication: HandoverIndication | None = None
    """The MN's own HO-Initiate."""
    neighbor: NeighborPacket | None = None
    """What it asks or tells the router at its end of the link."""
    dropped: str = ""
    """Why the frame was dropped and counted; '' when it was not."""


@dataclass(slots=True)
class _Link:
    profile: MobileNode
    attached: bool = False
    router: DualStackRouter | None = None
    """While what the MN listens to is tracked."""
    older: frozenset[Version] = frozenset()
    """Families in an older mode when it left, or as its context says that is on the way here."""


class AccessLinks:
    """All access ports of one MAG."""

    def __init__(self, context: MagContext) -> None:
        self._context = context
        self._parameters = MldParameters.of_access_link(context.domain)
        self._by_port = {profile.access_port(): _Link(profile) for profile in context.domain.mobile_nodes}
        self._by_mn = {link.profile.id: link for link in self._by_port.values()}

    def is_attached(self, mn_id: str) -> bool:
        """Whether the MN is on its link here."""
        link = self._by_mn.get(mn_id)
        return link is not None and link.attached

    def attached(self) -> list[MobileNode]:
        """All MNs that are here."""
        return [link.profile for link in self._by_port.values() if link.attached]

    def memberships(self, mn_id: str) -> tuple[GroupMembership, ...]:
        """What the MN listens to, as far as known here."""
        link = self._by_mn.get(mn_id)
        return link.router.memberships() if link is not None and link.router is not None else ()

    def mobile_node(self, port: str) -> str | None:
        """Whose port it is."""
        link = self._by_port.get(port)
        return link.profile.id if link is not None else None

    def is_tracked(self, mn_id: str) -> bool:
        """Whether it is followed what the MN, which is here, listens to."""
        link = self._by_mn.get(mn_id)
        return link is not None and link.router is not None

    def memberships_on(self, port: str) -> tuple[GroupMembership, ...]:
        """The same by access port."""
        link = self._by_port.get(port)
        return link.router.memberships() if link is not None and link.router is not None else ()

    def up(self, port: str) -> MobileNode | None:
        """Carrier: the MN whose link this is has attached; None when it was here already or the port is nobody's."""
        link = self._by_port.get(port)
        if link is None or link.attached:
            return None
        link.attached = True
        return link.profile

    def down(self, port: str) -> MobileNode | None:
        """No carrier: the MN has left, and with it its state (RFC 7411 section 4.2.2)."""
        link = self._by_port.get(port)
        if link is None or not link.attached:
            return None
        if link.router is not None:
            link.older = link.router.older()
        link.attached, link.router = False, None
        return link.profile

    def older(self, mn_id: str) -> frozenset[Version]:
        """The families whose listener on the MN speaks an older version (RFC 7411 section 5.6)."""
        link = self._by_mn.get(mn_id)
        if link is None:
            return frozenset()
        return link.router.older() if link.router is not None else link.older

    def expect(self, mn_id: str, older: frozenset[Version]) -> None:
        """A context of the MN has come: what is installed next is that kind of state."""
        self._by_mn[mn_id].older = older

    def install(self, profile: MobileNode, memberships: tuple[GroupMembership, ...], now: float) -> list[Command]:
        """Start tracking with a context that came ahead, or with the policy store's word."""
        link = self._by_mn[profile.id]
        link.router = DualStackRouter(self._parameters)
        return self.merge(profile, memberships, now)

    def merge(self, profile: MobileNode, memberships: tuple[GroupMembership, ...], now: float) -> list[Command]:
        """Add a context that came after its MN, as if it had been a Current State Report."""
        link = self._by_mn[profile.id]
        if link.router is None:
            return []
        return self._commands(link, link.router.install(memberships, now, older=link.older))

    def query(self, profile: MobileNode, now: float) -> list[Command]:
        """General Query at attachment (RFC 6224 section 4.2, RFC 7411 section 4.2.3)."""
        link = self._by_mn[profile.id]
        return self._commands(link, link.router.start(now)) if link.router is not None else []

    def frame(self, port: str, frame: bytes, now: float) -> Heard:
        """Take one frame: MLD, Neighbor Discovery and HO-Initiate are understood, anything else is not for us."""
        link = self._by_port.get(port)
        if link is None:
            return self._dropped("frame_on_unknown_port")
        if not link.attached:
            # Only carrier attaches. A frame that was still queued when the MN left must not register it here again;
            # one that overtakes the carrier is made good by the query at attachment.
            return self._dropped("frame_without_carrier")
        try:
            ethernet = decode_ethernet(frame)
            if ethernet.source != link.profile.link_layer_id:
                # The identity of an MN is bound to its link-layer address (RFC 5213 section 11).
                return self._dropped("frame_of_unknown_link_layer_id")
            heard = Heard(profile=link.profile)
            if ethernet.ethertype == ETHERTYPE_IPV6:
                self._packet(link, ethernet.payload, heard, now)
            elif ethernet.ethertype == ETHERTYPE_IPV4 and is_igmp(ethernet.payload):
                self._listener_packet(link, ethernet.payload, heard, now)
        except DecodeError as error:
            return self._dropped(f"access_{error.reason}")
        return heard

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        times = [
            at for link in self._by_port.values()
            if link.router is not None and (at := link.router.next_deadline()) is not None
        ]
        return min(times, default=None)

    def tick(self, now: float) -> list[Command]:
        """Queries and expiries that are due."""
        commands: list[Command] = []
        for link in self._by_port.values():
            deadline = link.router.next_deadline() if link.router is not None else None
            if link.router is not None and deadline is not None and deadline <= now:
                commands += self._commands(link, link.router.tick(now))
        return commands

    def _packet(self, link: _Link, octets: bytes, heard: Heard, now: float) -> None:
        packet = decode_ipv6(octets)
        if packet.next_header == NEXT_HEADER_MOBILITY:
            heard.indication = self._indication(packet)
        elif is_neighbor_discovery(packet):
            heard.neighbor = decode_neighbor_packet(octets)
        elif is_mld(packet):
            self._listener_packet(link, octets, heard, now)

    def _listener_packet(self, link: _Link, octets: bytes, heard: Heard, now: float) -> None:
        if link.router is None:
            return
        effects = link.router.hear(decode_listener_packet(octets), now)
        if effects is None:
            raise DecodeError("mld_query_of_mobile_node", 0, "type")
        heard.effects = self._commands(link, effects)

    def _indication(self, packet: Ipv6Packet) -> HandoverIndication:
        message = decode_mobility(packet.payload, packet.source, packet.destination, Dialect.RFC)
        if not isinstance(message, HandoverIndication):
            # An MN has no business with HI, HAck, PBU or PBA.
            raise DecodeError("mobility_header_not_for_mobile_nodes", 2, "mh_type")
        return message

    def _commands(self, link: _Link, effects: Effects) -> list[Command]:
        """What they come to; of changed memberships the controller is told once, and of both families."""
        commands: list[Command] = []
        for version, effect in effects:
            match effect:
                case SendGeneralQuery() | SendGroupQuery():
                    message = query_message(effect, self._parameters, version)
                    frame = listener_frame(message, _ADDRESSES, MAG_ACCESS_MAC)
                    commands.append(SendAccessFrame(port=link.profile.access_port(), frame=frame))
                case RecordIgnored(reason=reason):
                    self._context.counters[reason.value] += 1
        if link.router is not None and any(isinstance(effect, MembershipChanged) for _, effect in effects):
            call = MembershipReported(mn_id=link.profile.id, memberships=link.router.memberships())
            commands.append(NotifyController(call=call))
        return commands

    def _dropped(self, reason: str) -> Heard:
        self._context.counters[reason] += 1
        return Heard(dropped=reason)

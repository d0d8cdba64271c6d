# SPDX-License-Identifier: Apache-2.0
"""The router that every MN sees on its link, the same at every MAG (RFC 5213 section 6.9.3, RFC 4861 section 6.2). Pure.

One link-local and one link-layer address for the whole domain, so an MN that moves keeps its default router, and the
prefix of its home network follows it. What is advertised is that MN's alone: the link has nobody else on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from southbound.agent.commands import PACKET_DROPPED, Command, RecordFact, SendAccessFrame
from southbound.agent.context import MagContext
from southbound.codec.ethernet import EthernetFrame, encode_ethernet, multicast_mac
from southbound.codec.mld_packet import ALL_NODES
from southbound.codec.neighbor_discovery import (
    UNSPECIFIED,
    NeighborAdvertisement,
    NeighborMessage,
    NeighborPacket,
    NeighborSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
    encode_neighbor_packet,
)
from southbound.codec.neighbor_options import (
    LinkMtu,
    PrefixInformation,
    SourceLinkLayerAddress,
    TargetLinkLayerAddress,
)
from topology.model import MAG_ACCESS_MAC, MAG_LINK_LOCAL_ADDRESS, MobileNode

Prefixes = tuple[IPv6Network, ...]

HOP_LIMIT = 64
MAX_RA_DELAY_TIME_S = 0.5
MIN_DELAY_BETWEEN_RAS_S = 3.0
"""Between multicast ones."""
MAX_INITIAL_RTR_ADVERTISEMENTS = 3
MAX_FINAL_RTR_ADVERTISEMENTS = 3
"""These are of RFC 4861 section 10; MAX_INITIAL_RTR_ADVERT_INTERVAL (at most 16 s) is MIN_DELAY_BETWEEN_RAS_S here: a link
that has just come up loses frames."""


@dataclass(slots=True, kw_only=True)
class _Link:
    profile: MobileNode
    prefixes: Prefixes
    ceasing: bool = False
    """Service has been denied: what is sent says so (RFC 4861 section 6.2.5)."""
    hurried: int
    """Unsolicited advertisements that still follow each other closely."""
    next_at: float | None
    """The next unsolicited one; None when there is none to come."""
    multicast_at: float
    """The last one to all nodes."""
    answer_at: float | None = None
    """A solicitation is answered then; further ones meanwhile get the same answer."""
    answer_to: IPv6Address = UNSPECIFIED


class DefaultRouter:
    """All access links of one MAG. `uniform(low, high)` draws from that range (RFC 4861 asks for jitter)."""

    def __init__(self, context: MagContext, uniform: Callable[[float, float], float]) -> None:
        self._context, self._uniform = context, uniform
        self._links: dict[str, _Link] = {}

    def advertise(self, profile: MobileNode, prefixes: Prefixes, now: float) -> list[Command]:
        """The MN is served here with these prefixes: say so at once (RFC 5949 section 5.2), and from now on."""
        known = self._links.get(profile.id)
        if known is not None and known.prefixes == prefixes and not known.ceasing:
            return []
        gone = tuple(prefix for prefix in known.prefixes if prefix not in prefixes) if known is not None else ()
        withdrawn = [self._withdrawal(profile, gone)] if gone else []
        link = self._links[profile.id] = _Link(
            profile=profile, prefixes=prefixes, hurried=MAX_INITIAL_RTR_ADVERTISEMENTS, next_at=now, multicast_at=now
        )
        return [*withdrawn, *self._unsolicited(link, now)]

    def withdraw(self, mn_id: str, now: float) -> list[Command]:
        """Service is denied: prefixes that were advertised here are withdrawn (RFC 5213 section 6.9.1.2 rule 11)."""
        link = self._links.get(mn_id)
        if link is None or link.ceasing:
            return []
        link.ceasing, link.hurried, link.answer_at = True, MAX_FINAL_RTR_ADVERTISEMENTS, None
        return self._unsolicited(link, now)

    def gone(self, mn_id: str) -> None:
        """The MN has left the link."""
        self._links.pop(mn_id, None)

    def heard(self, profile: MobileNode, packet: NeighborPacket, now: float) -> list[Command]:
        """A message of the MN."""
        match packet.message:
            case RouterSolicitation():
                return self._solicited(profile, packet.source, now)
            case NeighborSolicitation(target=target) if target == MAG_LINK_LOCAL_ADDRESS:
                return [self._neighbor_advertisement(profile, packet.source)]
            case NeighborAdvertisement(target=target) if target == MAG_LINK_LOCAL_ADDRESS:
                return self._dropped("router_address_claimed_by_mobile_node")
            case RouterAdvertisement():
                return self._dropped("router_advertisement_of_mobile_node")
        return []

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        times = (at for link in self._links.values() for at in (link.next_at, link.answer_at) if at is not None)
        return min(times, default=None)

    def tick(self, now: float) -> list[Command]:
        """Advertisements that are due."""
        commands: list[Command] = []
        for link in self._links.values():
            if link.answer_at is not None and link.answer_at <= now:
                commands += self._answer(link, now)
            if link.next_at is not None and link.next_at <= now:
                commands += self._unsolicited(link, now)
        return commands

    # --- router advertisements ------------------------------------------------------------------------------------

    def _solicited(self, profile: MobileNode, source: IPv6Address, now: float) -> list[Command]:
        link = self._links.get(profile.id)
        if link is None or link.ceasing:
            # Its PBU is under way, and the acceptance will be told at once; or it has been refused.
            return []
        if link.answer_at is None:
            link.answer_at = now + self._uniform(0.0, MAX_RA_DELAY_TIME_S)
        link.answer_to = source
        if source == UNSPECIFIED:
            link.answer_at = max(link.answer_at, link.multicast_at + MIN_DELAY_BETWEEN_RAS_S)
        return []

    def _answer(self, link: _Link, now: float) -> list[Command]:
        link.answer_at = None
        if link.answer_to == UNSPECIFIED:
            link.multicast_at = now
            return [self._advertisement(link, ALL_NODES)]
        return [self._advertisement(link, link.answer_to)]

    def _unsolicited(self, link: _Link, now: float) -> list[Command]:
        timers = self._context.domain.timers
        link.hurried = max(link.hurried - 1, 0)
        link.multicast_at = now
        if link.hurried:
            link.next_at = now + MIN_DELAY_BETWEEN_RAS_S
        elif link.ceasing:
            link.next_at = None
        else:
            longest = timers.router_advertisement_interval_s
            link.next_at = now + self._uniform(longest / 3, longest)
        return [self._advertisement(link, ALL_NODES)]

    def _advertisement(self, link: _Link, destination: IPv6Address) -> Command:
        if link.ceasing:
            return self._withdrawal(link.profile, link.prefixes)
        timers = self._context.domain.timers
        message = RouterAdvertisement(
            hop_limit=HOP_LIMIT,
            router_lifetime_s=timers.router_lifetime_s,
            options=(
                SourceLinkLayerAddress(address=MAG_ACCESS_MAC),
                LinkMtu(mtu=self._context.domain.access_mtu),
                *(_information(prefix, timers.prefix_valid_lifetime_s, timers.prefix_preferred_lifetime_s)
                  for prefix in link.prefixes),
            ),
        )
        return self._frame(link.profile, destination, message)

    def _withdrawal(self, profile: MobileNode, prefixes: Prefixes) -> Command:
        """No default router, and prefixes that no new connection shall use. A host keeps addresses for two hours at least
        (RFC 4862 section 5.5.3 (e)), deprecated."""
        message = RouterAdvertisement(options=tuple(_information(prefix, 0, 0) for prefix in prefixes))
        return self._frame(profile, ALL_NODES, message)

    # --- neighbours -----------------------------------------------------------------------------------------------

    def _neighbor_advertisement(self, profile: MobileNode, source: IPv6Address) -> Command:
        """To whoever resolves or probes the router (RFC 4861 section 7.2.4), or wants its address (RFC 4862 5.4.4)."""
        duplicate = source == UNSPECIFIED
        message = NeighborAdvertisement(
            target=MAG_LINK_LOCAL_ADDRESS, router=True, solicited=not duplicate, override=True,
            options=(TargetLinkLayerAddress(address=MAG_ACCESS_MAC),),
        )
        return self._frame(profile, ALL_NODES if duplicate else source, message)

    def _frame(self, profile: MobileNode, destination: IPv6Address, message: NeighborMessage) -> Command:
        frame = EthernetFrame(
            destination=multicast_mac(destination) if destination.is_multicast else profile.link_layer_id,
            source=MAG_ACCESS_MAC,
            payload=encode_neighbor_packet(message, MAG_LINK_LOCAL_ADDRESS, destination),
        )
        return SendAccessFrame(port=profile.access_port(), frame=encode_ethernet(frame))

    def _dropped(self, reason: str) -> list[Command]:
        self._context.counters[reason] += 1
        return [RecordFact(name=PACKET_DROPPED, fields={"reason": reason})]


def _information(prefix: IPv6Network, valid_s: int, preferred_s: int) -> PrefixInformation:
    # "Hosted on-link prefixes" (RFC 5213 section 6.9.1.2 rule 14): what is in them is the MN's own.
    return PrefixInformation(
        prefix=prefix, on_link=True, autonomous=True, valid_lifetime_s=valid_s, preferred_lifetime_s=preferred_s
    )

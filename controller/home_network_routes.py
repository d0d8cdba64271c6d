# SPDX-License-Identifier: Apache-2.0
"""The home networks as routes by the LMA, told to whoever is on the network of the sources (RFC 5213 section 5.6.2). Pure.

By Router Advertisements with Route Information (RFC 4191) and a router lifetime of 0: the LMA is the way to the home
networks and no default router, and says nothing of the link, which is not its own. Times are those of RFC 4861 section 6.2.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.lma_routes import home_networks
from southbound.codec.ethernet import EthernetFrame, encode_ethernet, multicast_mac
from southbound.codec.mld_packet import ALL_NODES
from southbound.codec.neighbor_discovery import RouterAdvertisement, encode_neighbor_packet
from southbound.codec.neighbor_options import OPTIONS_MAX, RouteInformation, SourceLinkLayerAddress
from topology.model import LMA_LINK_LOCAL_ADDRESS, LMA_SOURCE_MAC, Domain

MAX_INITIAL_RTR_ADVERTISEMENTS = 3
MAX_INITIAL_RTR_ADVERT_INTERVAL_S = 16.0
MAX_RA_DELAY_TIME_S = 0.5
MIN_DELAY_BETWEEN_RAS_S = 3.0
"""RFC 4861 section 10."""
_ROUTES_MAX = OPTIONS_MAX - 1
"""In one advertisement, beside its Source Link-Layer Address: 544 octets at most, so it fits into any link's MTU."""


class HomeNetworkRoutes:
    """Says them at once when the LMA's switch is there, seldom from then on, and to whoever asks for a router."""

    def __init__(self, domain: Domain, random_delay: Callable[[float], float]) -> None:
        self._interval_s = domain.timers.router_advertisement_interval_s
        self._random_delay = random_delay
        self._frames = tuple(_frames(domain)) if domain.lma.advertise_home_networks and domain.sources else ()
        self._hurried = 0
        """Unsolicited ones that still follow each other closely."""
        self._sent_at = 0.0
        self._next_at: float | None = None
        """None while the switch is away, or there is nothing to say."""

    def connected(self, now: float) -> list[bytes]:
        """The LMA's switch is there. Frames to be sent, as of `tick`."""
        if not self._frames:
            return []
        self._hurried = MAX_INITIAL_RTR_ADVERTISEMENTS
        return self._said(now)

    def disconnected(self) -> None:
        """Nothing can be said. Hosts keep what they have heard for as long as it lasts, and the switch forwards on."""
        self._next_at = None

    def solicited(self, now: float) -> None:
        """Some host wants to hear it; all are told, so that many who ask at once cause one answer."""
        if self._next_at is not None:
            answer_at = max(now + self._random_delay(MAX_RA_DELAY_TIME_S), self._sent_at + MIN_DELAY_BETWEEN_RAS_S)
            self._next_at = min(self._next_at, answer_at)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        return self._next_at

    def tick(self, now: float) -> list[bytes]:
        """What is due."""
        return self._said(now) if self._next_at is not None and self._next_at <= now else []

    def _said(self, now: float) -> list[bytes]:
        self._sent_at = now
        self._hurried = max(self._hurried - 1, 0)
        longest = self._interval_s
        if self._hurried:
            self._next_at = now + min(MAX_INITIAL_RTR_ADVERT_INTERVAL_S, longest)
        else:
            self._next_at = now + longest / 3 + self._random_delay(longest * 2 / 3)
        return list(self._frames)


def _frames(domain: Domain) -> list[bytes]:
    """As many advertisements as it takes (RFC 4861 section 6.2.3)."""
    routes = [
        RouteInformation(prefix=network, lifetime_s=domain.timers.router_lifetime_s) for network in home_networks(domain)
    ]
    parts = [routes[first : first + _ROUTES_MAX] for first in range(0, len(routes), _ROUTES_MAX)]
    return [_frame(tuple(part)) for part in parts]


def _frame(routes: tuple[RouteInformation, ...]) -> bytes:
    message = RouterAdvertisement(options=(SourceLinkLayerAddress(address=LMA_SOURCE_MAC), *routes))
    packet = encode_neighbor_packet(message, LMA_LINK_LOCAL_ADDRESS, ALL_NODES)
    return encode_ethernet(
        EthernetFrame(destination=multicast_mac(ALL_NODES), source=LMA_SOURCE_MAC, payload=packet)
    )

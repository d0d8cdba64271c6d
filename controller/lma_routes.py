# SPDX-License-Identifier: Apache-2.0
"""Where the LMA, as a router, has no way to: what its switch has no rule for is judged here. Pure."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, collapse_addresses

from controller.binding_cache import BindingCache
from controller.source_neighbours import SourceNeighbours
from southbound.codec.icmpv6_error import UnreachableCode
from topology.model import HOME_NETWORK_PREFIX_LENGTH, Domain

BINDING_ENDS = "binding_ends"
"""A session whose MN has left: its packets are dropped without a word for as long as it may come back (RFC 5213 5.3.5)."""

FOR_THE_ROUTER = "for_the_router"
"""Not to be forwarded at all (RFC 4291 section 2.5.6), and nothing that the LMA listens for."""


def home_networks(domain: Domain) -> tuple[IPv6Network, ...]:
    """All that home network prefixes are in, as few networks as say it: never reached by a route."""
    fixed = (prefix for node in domain.mobile_nodes for prefix in node.home_network_prefixes)
    return tuple(collapse_addresses([*domain.lma.home_network_prefix_pool, *fixed]))


class LmaRoutes:
    """Home networks by their bindings, the network of the sources and what is beyond by what is known of neighbours."""

    def __init__(self, domain: Domain, cache: BindingCache, neighbours: SourceNeighbours) -> None:
        self._cache, self._neighbours = cache, neighbours
        self._own = domain.lma.address
        self._routes, self._home_networks = domain.lma.routes, home_networks(domain)
        self._kept = frozenset(self._home_networks if self._routes else ())
        self._on_link = {
            IPv6Network((source.address, source.prefix_length), strict=False) for source in domain.sources
        }

    @property
    def kept_from_routes(self) -> frozenset[IPv6Network]:
        """The home networks, when there is any route that could lead to them."""
        return self._kept

    def unreachable(self, destination: IPv6Address, *, from_mobile_node: bool) -> UnreachableCode | str | None:
        """The code of RFC 4443 section 3.1; or why nothing is said; or None: there is a way."""
        if destination.is_link_local or destination == self._own:
            return FOR_THE_ROUTER
        prefix = IPv6Network((destination, HOME_NETWORK_PREFIX_LENGTH), strict=False)
        entry = self._cache.by_prefix(prefix)
        if entry is not None:
            return None if entry.active else BINDING_ENDS
        next_hop = self._next_hop(destination) if from_mobile_node else None
        if next_hop is None:
            # From the network of the sources there is a way to home networks only.
            return UnreachableCode.NO_ROUTE
        known = next_hop in self._neighbours.link_layer_ids()
        return None if known else UnreachableCode.ADDRESS_UNREACHABLE

    def _next_hop(self, destination: IPv6Address) -> IPv6Address | None:
        if any(destination in network for network in self._on_link):
            return destination
        if any(destination in network for network in self._home_networks):
            return None
        fitting = [route for route in self._routes if destination in route.prefix]
        return max(fitting, key=lambda route: route.prefix.prefixlen).via if fitting else None

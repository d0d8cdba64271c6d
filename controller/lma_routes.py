# SPDX-License-Identifier: Apache-2.0
"""Where the LMA, as a router, has no way to: what its switch has no rule for is judged here. Pure."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from controller.binding_cache import BindingCache
from controller.source_neighbours import SourceNeighbours
from southbound.codec.icmpv6_error import UnreachableCode
from topology.model import HOME_NETWORK_PREFIX_LENGTH, Domain

BINDING_ENDS = "binding_ends"
"""A session whose MN has left: its packets are dropped without a word for as long as it may come back (RFC 5213 5.3.5)."""

FOR_THE_ROUTER = "for_the_router"
"""Not to be forwarded at all (RFC 4291 section 2.5.6), and nothing that the LMA listens for."""


class LmaRoutes:
    """Home networks by their bindings, hosts on the network of the sources by what is known of neighbours."""

    def __init__(self, domain: Domain, cache: BindingCache, neighbours: SourceNeighbours) -> None:
        self._cache, self._neighbours = cache, neighbours
        self._own = domain.lma.address
        self._on_link = {
            IPv6Network((source.address, source.prefix_length), strict=False) for source in domain.sources
        }

    def unreachable(self, destination: IPv6Address, *, from_mobile_node: bool) -> UnreachableCode | str | None:
        """The code of RFC 4443 section 3.1; or why nothing is said; or None: there is a way."""
        if destination.is_link_local or destination == self._own:
            return FOR_THE_ROUTER
        prefix = IPv6Network((destination, HOME_NETWORK_PREFIX_LENGTH), strict=False)
        entry = self._cache.by_prefix(prefix)
        if entry is not None:
            return None if entry.active else BINDING_ENDS
        if not from_mobile_node or not any(destination in network for network in self._on_link):
            # From the network of the sources there is a way to home networks only.
            return UnreachableCode.NO_ROUTE
        known = destination in self._neighbours.link_layer_ids()
        return None if known else UnreachableCode.ADDRESS_UNREACHABLE

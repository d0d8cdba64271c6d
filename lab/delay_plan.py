# SPDX-License-Identifier: Apache-2.0
"""Which paths of the transport network are slow, and by how much, worked out from `links` of topology.yaml. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from ipaddress import IPv6Address
from itertools import permutations

from topology.model import Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayedPath:
    """One direction between two nodes of the transport network."""

    source: str
    """Node name: the LMA's or a MAG's id."""
    destination: str
    source_address: IPv6Address
    """Transport address: the outer source of every packet that goes this way."""
    destination_address: IPv6Address
    delay_ns: int
    """One way; greater than 0."""

    @property
    def delay_ms(self) -> float:
        """The same in ms."""
        return self.delay_ns / 1e6


def delayed_paths(domain: Domain) -> tuple[DelayedPath, ...]:
    """Every path with a delay, both directions; paths without any are left out, so a domain without delays has none.

    What lies on a path adds up: the links of both its nodes, and what is between the two.
    """
    of_node: defaultdict[str, int] = defaultdict(int)
    of_pair: defaultdict[frozenset[str], int] = defaultdict(int)
    for link in domain.links:
        delay_ns = round(link.delay_ms * 1e6)
        if link.node is not None:
            of_node[link.node] += delay_ns
        if link.between is not None:
            of_pair[frozenset(link.between)] += delay_ns
    addresses = {domain.lma.id: domain.lma.address} | {mag.id: mag.address for mag in domain.mags}
    found = []
    for source, destination in permutations(addresses, 2):
        delay_ns = of_node[source] + of_node[destination] + of_pair[frozenset((source, destination))]
        if delay_ns > 0:
            found.append(DelayedPath(
                source=source, destination=destination, source_address=addresses[source],
                destination_address=addresses[destination], delay_ns=delay_ns,
            ))
    return tuple(found)

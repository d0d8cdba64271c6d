# SPDX-License-Identifier: Apache-2.0
"""The LMA as a router on the network of the sources: who is there (RFC 4861 sections 7.2 and 7.3). Pure.

Known are the sources and next hops of topology.yaml, which are asked for, and those who ask for the router's link-layer
address because they have something for an MN. Addresses that nobody has named are not resolved for MNs: every one of them
could have the controller ask for a whole network, address by address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from southbound.codec.ethernet import EthernetFrame, encode_ethernet, multicast_mac
from southbound.codec.mld_packet import ALL_NODES
from southbound.codec.neighbor_discovery import (
    UNSPECIFIED,
    NeighborAdvertisement,
    NeighborMessage,
    NeighborPacket,
    NeighborSolicitation,
    encode_neighbor_packet,
    solicited_node,
)
from southbound.codec.neighbor_options import SourceLinkLayerAddress, TargetLinkLayerAddress
from topology.model import LMA_LINK_LOCAL_ADDRESS, LMA_SOURCE_MAC, Domain

RETRANSMIT_S = 1.0
"""RETRANS_TIMER (RFC 4861 section 10): a source that is not known is asked for as often."""
REACHABLE_S = 30.0
"""REACHABLE_TIME: a neighbour that is known is asked again after this time."""
SOLICITATIONS_MAX = 3
"""MAX_UNICAST_SOLICIT: unanswered ones, after which a neighbour is gone."""
NEIGHBOURS_MAX = 256
"""Each is a rule of the LMA's switch; beyond this nobody is learned who is not in topology.yaml."""


@dataclass(slots=True)
class _Neighbour:
    link_layer_id: bytes | None
    solicit_at: float
    unanswered: int = 0


class SourceNeighbours:
    """All neighbours of the LMA there. Counts in `counters`: neighbour_learned, neighbour_lost, neighbour_not_taken."""

    def __init__(self, domain: Domain, counters: Counter[str]) -> None:
        self._counters = counters
        self._networks = {
            IPv6Network((source.address, source.prefix_length), strict=False) for source in domain.sources
        }
        # Next hops are asked for as the sources are: nothing else would tell where they are.
        wanted = [source.address for source in domain.sources] + [route.via for route in domain.lma.routes]
        self._asked_for = tuple(dict.fromkeys(wanted))
        self._neighbours: dict[IPv6Address, _Neighbour] = {}
        self._connected = False

    def link_layer_ids(self) -> Mapping[IPv6Address, bytes]:
        """The neighbours whose link-layer address is known."""
        return {
            address: neighbour.link_layer_id
            for address, neighbour in self._neighbours.items() if neighbour.link_layer_id is not None
        }

    def connected(self, now: float) -> list[bytes]:
        """The LMA's switch is there: ask for sources and next hops. Frames to be sent, as of all methods."""
        self._connected = True
        for address in self._asked_for:
            self._neighbours.setdefault(address, _Neighbour(None, now)).solicit_at = now
        return self.tick(now)

    def disconnected(self) -> None:
        """Nothing can be asked; what is known stays."""
        self._connected = False

    def heard(self, link_layer_id: bytes, packet: NeighborPacket, now: float) -> list[bytes]:
        """A message for the router. `link_layer_id`: who sent the frame."""
        match packet.message:
            case NeighborSolicitation(target=target, options=options) if target == LMA_LINK_LOCAL_ADDRESS:
                if any(isinstance(option, SourceLinkLayerAddress) for option in options):
                    self._learn(packet.source, _address_in(options) or link_layer_id, now)
                elif packet.source in self._neighbours:
                    self._learn(packet.source, link_layer_id, now)
                return [_advertisement(packet.source, link_layer_id)]
            case NeighborAdvertisement(target=target, options=options):
                self._learn(target, _address_in(options) or link_layer_id, now, solicited=target in self._neighbours)
        return []

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        if not self._connected:
            return None
        return min((neighbour.solicit_at for neighbour in self._neighbours.values()), default=None)

    def tick(self, now: float) -> list[bytes]:
        """Ask for those who are not known, and those who have not been heard for long."""
        if not self._connected:
            return []
        frames = []
        for address, neighbour in list(self._neighbours.items()):
            if neighbour.solicit_at > now:
                continue
            if neighbour.unanswered >= SOLICITATIONS_MAX and neighbour.link_layer_id is not None:
                self._counters["neighbour_lost"] += 1
                neighbour.link_layer_id = None
            if neighbour.link_layer_id is None and address not in self._asked_for:
                del self._neighbours[address]
                continue
            neighbour.unanswered += 1
            neighbour.solicit_at = now + RETRANSMIT_S
            frames.append(_solicitation(address))
        return frames

    def _learn(self, address: IPv6Address, link_layer_id: bytes, now: float, *, solicited: bool = True) -> None:
        known = self._neighbours.get(address)
        if known is None:
            on_link = any(address in network for network in self._networks)
            if not on_link or not solicited or len(self._neighbours) >= NEIGHBOURS_MAX:
                self._counters["neighbour_not_taken"] += 1
                return
            known = self._neighbours[address] = _Neighbour(None, now)
        if link_layer_id[0] & 1:
            self._counters["neighbour_not_taken"] += 1  # a group is nobody's address
            return
        if known.link_layer_id != link_layer_id:
            self._counters["neighbour_learned"] += 1
        known.link_layer_id, known.unanswered, known.solicit_at = link_layer_id, 0, now + REACHABLE_S


def _address_in(options: tuple[object, ...]) -> bytes | None:
    found = (
        option.address for option in options if isinstance(option, SourceLinkLayerAddress | TargetLinkLayerAddress)
    )
    return next(found, None)


def _solicitation(target: IPv6Address) -> bytes:
    group = solicited_node(target)
    message = NeighborSolicitation(target=target, options=(SourceLinkLayerAddress(address=LMA_SOURCE_MAC),))
    return _frame(message, group, multicast_mac(group))


def _advertisement(asked_by: IPv6Address, link_layer_id: bytes) -> bytes:
    """To whoever resolves or probes the router (RFC 4861 section 7.2.4), or wants its address (RFC 4862 section 5.4.4)."""
    duplicate = asked_by == UNSPECIFIED
    message = NeighborAdvertisement(
        target=LMA_LINK_LOCAL_ADDRESS, router=True, solicited=not duplicate, override=True,
        options=(TargetLinkLayerAddress(address=LMA_SOURCE_MAC),),
    )
    destination = ALL_NODES if duplicate else asked_by
    return _frame(message, destination, multicast_mac(ALL_NODES) if duplicate else link_layer_id)


def _frame(message: NeighborMessage, destination: IPv6Address, link_layer_id: bytes) -> bytes:
    payload = encode_neighbor_packet(message, LMA_LINK_LOCAL_ADDRESS, destination)
    return encode_ethernet(EthernetFrame(destination=link_layer_id, source=LMA_SOURCE_MAC, payload=payload))

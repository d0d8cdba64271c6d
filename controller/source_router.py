# SPDX-License-Identifier: Apache-2.0
"""The LMA as a router on the network of the sources: its neighbours there, and what it says that it is a way to. Pure."""

from __future__ import annotations

from controller.home_network_routes import HomeNetworkRoutes
from controller.source_neighbours import SourceNeighbours
from southbound.codec.neighbor_discovery import NeighborPacket, RouterSolicitation


class SourceRouter:
    """Both by one switch and one port. Methods give the frames to be sent there."""

    def __init__(self, neighbours: SourceNeighbours, routes: HomeNetworkRoutes) -> None:
        self._neighbours, self._routes = neighbours, routes

    def connected(self, now: float) -> list[bytes]:
        """The LMA's switch is there."""
        return [*self._neighbours.connected(now), *self._routes.connected(now)]

    def disconnected(self) -> None:
        """It is away."""
        self._neighbours.disconnected()
        self._routes.disconnected()

    def heard(self, link_layer_id: bytes, packet: NeighborPacket, now: float) -> list[bytes]:
        """A message for the router, or for all routers. `link_layer_id`: who sent the frame."""
        if isinstance(packet.message, RouterSolicitation):
            self._routes.solicited(now)
            return []
        return self._neighbours.heard(link_layer_id, packet, now)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        times = (self._neighbours.next_deadline(), self._routes.next_deadline())
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> list[bytes]:
        """What is due."""
        return [*self._neighbours.tick(now), *self._routes.tick(now)]

# SPDX-License-Identifier: Apache-2.0
"""Neighbor Discovery on the network of the sources, between a packet-in and the core. Pure."""

from __future__ import annotations

from controller.events import NeighborHeard, NeighborPacketDropped
from southbound.codec.errors import DecodeError
from southbound.codec.ethernet import decode_ethernet
from southbound.codec.ipv6 import decode_ipv6
from southbound.codec.neighbor_discovery import decode_neighbor_packet, is_neighbor_discovery


def neighbor_event(frame: bytes) -> NeighborHeard | NeighborPacketDropped:
    """What a packet-in of the LMA's integration switch is to the core."""
    try:
        ethernet = decode_ethernet(frame)
        return NeighborHeard(link_layer_id=ethernet.source, packet=decode_neighbor_packet(ethernet.payload))
    except DecodeError as error:
        return NeighborPacketDropped(reason=error.reason)


def is_neighbor_frame(frame: bytes) -> bool:
    """Whether the frame is one of Neighbor Discovery, well formed or not; else it is MLD."""
    try:
        return is_neighbor_discovery(decode_ipv6(decode_ethernet(frame).payload))
    except DecodeError:
        return False

# SPDX-License-Identifier: Apache-2.0
"""Packets of MLD and IGMP between the LMA's switch and the core: packet-in -> event, command -> frame. Pure."""

from __future__ import annotations

from ipaddress import IPv6Address

from controller.commands import SendListenerPacket
from controller.events import ListenerMessageReceived, ListenerPacketDropped
from southbound.codec.errors import DecodeError
from southbound.codec.ethernet import (
    ETHERTYPE_IPV4,
    EthernetFrame,
    decode_ethernet,
    encode_ethernet,
    ethertype_of,
    multicast_mac,
)
from southbound.codec.ipv4 import decode_ipv4
from southbound.codec.ipv6 import decode_ipv6
from southbound.codec.listener_packet import decode_listener_packet
from topology.model import LMA_SOURCE_MAC


def listener_event(frame: bytes, tunnel: str | None) -> ListenerMessageReceived | ListenerPacketDropped:
    """What a packet-in is to the core. `tunnel`: source of the tunnel it came through, None for the multicast network.

    Out of a tunnel a packet has an Ethernet header, too: the switch puts an empty one before it.
    """
    try:
        message = decode_listener_packet(decode_ethernet(frame).payload)
    except DecodeError as error:
        return ListenerPacketDropped(reason=error.reason)
    return ListenerMessageReceived(message=message, tunnel=None if tunnel is None else IPv6Address(tunnel))


def listener_frame(command: SendListenerPacket) -> bytes:
    """The Ethernet frame to hand to the switch, which takes the header off before a tunnel."""
    packet = command.packet
    group = decode_ipv4(packet).destination if ethertype_of(packet) == ETHERTYPE_IPV4 else decode_ipv6(packet).destination
    return encode_ethernet(
        EthernetFrame(
            destination=multicast_mac(group), source=LMA_SOURCE_MAC, payload=packet, ethertype=ethertype_of(packet)
        )
    )

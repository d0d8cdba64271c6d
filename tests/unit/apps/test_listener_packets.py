# SPDX-License-Identifier: Apache-2.0
"""MLD between packet-in, packet-out and the core."""

from __future__ import annotations

from ipaddress import IPv6Address

from apps.listener_packets import listener_event, listener_frame
from controller.commands import SendListenerPacket
from controller.events import ListenerMessageReceived, ListenerPacketDropped
from southbound.codec.ethernet import EthernetFrame, decode_ethernet, encode_ethernet
from southbound.codec.mld import Mldv2Query
from southbound.codec.mld_packet import encode_mld_packet
from topology.model import LMA_LINK_LOCAL_ADDRESS, LMA_SOURCE_MAC

QUERY = Mldv2Query(group=IPv6Address("ff1e::101"), maximum_response_delay_ms=1000)
PACKET = encode_mld_packet(QUERY, IPv6Address("fe80::1"))


def frame_of(packet: bytes) -> bytes:
    return encode_ethernet(EthernetFrame(destination=bytes(6), source=bytes(6), payload=packet))


def test_a_packet_in_becomes_a_message_with_the_tunnel_it_came_through() -> None:
    assert listener_event(frame_of(PACKET), None) == ListenerMessageReceived(message=QUERY, tunnel=None)
    mag = IPv6Address("2001:db8:ff::12")
    assert listener_event(frame_of(PACKET), str(mag)) == ListenerMessageReceived(message=QUERY, tunnel=mag)


def test_what_is_no_mld_is_dropped_with_its_reason() -> None:
    cases = {
        b"": "truncated",
        frame_of(PACKET[:-1]): "truncated",
        frame_of(PACKET[:-1] + b"\x01"): "bad_checksum",
        frame_of(PACKET[:7] + b"\x02" + PACKET[8:]): "bad_hop_limit",
    }
    for frame, reason in cases.items():
        assert listener_event(frame, None) == ListenerPacketDropped(reason=reason)


def test_a_packet_out_goes_to_the_groups_link_layer_address() -> None:
    packet = encode_mld_packet(QUERY, LMA_LINK_LOCAL_ADDRESS)
    frame = decode_ethernet(listener_frame(SendListenerPacket(packet=packet)))
    assert (frame.destination.hex(), frame.source, frame.payload) == ("333300000101", LMA_SOURCE_MAC, packet)

# SPDX-License-Identifier: Apache-2.0
"""Mobility Header packets between a packet-in and the core: frame -> event, PBA -> frame. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import Any

from controller.events import (
    MobilityHeaderFaulty,
    MobilityPacketDropped,
    MobilityTypeUnknown,
    ProxyBindingUpdateReceived,
)
from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.binding_error import BindingError
from southbound.codec.errors import DecodeError
from southbound.codec.ethernet import EthernetFrame, decode_ethernet, encode_ethernet
from southbound.codec.handover import Dialect
from southbound.codec.iana import NEXT_HEADER_MOBILITY
from southbound.codec.ipv6 import HEADER_OCTETS, Ipv6Packet, decode_ipv6, encode_ipv6
from southbound.codec.mobility import UnknownMobilityMessage, decode_mobility_packet, encode_mobility
from southbound.mobility_authentication import MobilityAuthentication

_SENDER_IS_TOLD = frozenset({"bad_payload_proto", "header_too_short"})
"""Of what is wrong with a Mobility Header: with these the sender is to be told where (RFC 6275 section 9.2)."""

MobilityEvent = ProxyBindingUpdateReceived | MobilityTypeUnknown | MobilityHeaderFaulty | MobilityPacketDropped


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTo:
    """Where an answer goes: back on the port it came by, to the neighbour that sent it."""

    datapath: Any
    port: int
    neighbour_mac: bytes
    own_mac: bytes


def frame_event(
    frame: bytes,
    lma_address: IPv6Address,
    datapath: Any,
    port: int,
    received_at: float,
    authentication: MobilityAuthentication | None = None,
) -> MobilityEvent:
    """What a packet-in is to the core: a PBU, something unknown or faulty, or a drop with its reason.

    `received_at`: seconds since 1970. `authentication`: of the LMA, where messages are authenticated.
    """
    try:
        ethernet = decode_ethernet(frame)
        plain = _authenticated(ethernet.payload, lma_address, authentication)
        outer = decode_ipv6(plain)
    except DecodeError as error:
        return MobilityPacketDropped(reason=error.reason)
    if outer.destination != lma_address:
        return MobilityPacketDropped(reason="not_for_this_lma")
    reply_to = ReplyTo(datapath=datapath, port=port, neighbour_mac=ethernet.source, own_mac=ethernet.destination)
    try:
        # The dialect concerns HI and HAck only, which no LMA receives.
        packet = decode_mobility_packet(plain, Dialect.RFC)
    except DecodeError as error:
        if error.reason not in _SENDER_IS_TOLD:
            return MobilityPacketDropped(reason=error.reason)
        return MobilityHeaderFaulty(
            source=outer.source, reason=error.reason, packet=ethernet.payload, pointer=HEADER_OCTETS + error.offset,
            reply_to=reply_to,
        )
    if isinstance(packet.message, UnknownMobilityMessage):
        return MobilityTypeUnknown(source=packet.source, reply_to=reply_to)
    if not isinstance(packet.message, ProxyBindingUpdate):
        return MobilityPacketDropped(reason="not_a_binding_update")
    if not packet.message.proxy:
        return MobilityPacketDropped(reason="not_a_proxy_registration")
    return ProxyBindingUpdateReceived(
        update=packet.message,
        source=packet.source,
        received_at=received_at,
        reply_to=reply_to,
    )


def _authenticated(
    packet: bytes, lma_address: IPv6Address, authentication: MobilityAuthentication | None
) -> bytes:
    """The packet without its authenticator. Raises DecodeError."""
    outer = decode_ipv6(packet)
    ours = outer.next_header == NEXT_HEADER_MOBILITY and outer.destination == lma_address
    if authentication is None or not ours:
        return packet
    return encode_ipv6(replace(outer, payload=authentication.open(outer.payload, outer.source)))


def answer_frame(
    answer: ProxyBindingAcknowledgement | BindingError,
    source: IPv6Address,
    destination: IPv6Address,
    reply_to: ReplyTo,
    authentication: MobilityAuthentication | None = None,
) -> bytes:
    """The Ethernet frame of a PBA or Binding Error."""
    header = encode_mobility(answer, source, destination)
    if authentication is not None:
        header = authentication.sign(header, destination)
    packet = encode_ipv6(
        Ipv6Packet(source=source, destination=destination, next_header=NEXT_HEADER_MOBILITY, payload=header)
    )
    return frame_back(packet, reply_to)


def frame_back(packet: bytes, reply_to: ReplyTo) -> bytes:
    """The Ethernet frame of a packet that answers another one."""
    return encode_ethernet(
        EthernetFrame(destination=reply_to.neighbour_mac, source=reply_to.own_mac, payload=packet)
    )

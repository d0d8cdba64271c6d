# SPDX-License-Identifier: Apache-2.0
"""Plain IPv4 packets (RFC 791): the header, the Router Alert of IGMP (RFC 2113), and the Internet checksum (RFC 1071)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError, EncodeError

HEADER_OCTETS = 20
ROUTER_ALERT = b"\x94\x04\x00\x00"
"""The option Router Alert, value 0: every router shall examine the packet (RFC 2113 section 2.1)."""
INTERNETWORK_CONTROL = 0xC0
"""Type of Service of IGMP: IP Precedence of Internetwork Control (RFC 3376 section 4)."""
_OPTION_END, _OPTION_NO_OPERATION, _OPTION_ROUTER_ALERT = 0, 1, 148
_FRAGMENT_MASK = 0x3FFF
"""More Fragments, and the offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv4Packet:
    """One IPv4 packet that is whole, not a fragment."""

    source: IPv4Address
    destination: IPv4Address
    protocol: int
    payload: bytes
    time_to_live: int = 64
    router_alert: bool = False
    type_of_service: int = 0


def internet_checksum(octets: bytes) -> int:
    """The value to send, with the checksum field zeroed; 0 over what was received intact."""
    padded = octets + b"\0" if len(octets) % 2 else octets
    return (0xFFFF - int.from_bytes(padded, "big") % 0xFFFF) % 0xFFFF


def encode_ipv4(packet: Ipv4Packet) -> bytes:
    """The octets of the packet, header checksum filled. Raises EncodeError for a value without room."""
    options = ROUTER_ALERT if packet.router_alert else b""
    header_octets = HEADER_OCTETS + len(options)
    if not 0 <= packet.type_of_service < 1 << 8:
        raise EncodeError("type_of_service", f"{packet.type_of_service} does not fit into 8 bits")
    header = b"".join((
        bytes((0x40 | header_octets // 4, packet.type_of_service)),
        unsigned(header_octets + len(packet.payload), 2, "payload"),
        b"\0\0\x40\0",  # Identification 0, Don't Fragment: an atomic datagram (RFC 6864 section 4.1)
        unsigned(packet.time_to_live, 1, "time_to_live"),
        unsigned(packet.protocol, 1, "protocol"),
        b"\0\0",
        packet.source.packed,
        packet.destination.packed,
        options,
    ))
    checksum = internet_checksum(header)
    return header[:10] + checksum.to_bytes(2, "big") + header[12:] + packet.payload


def decode_ipv4(data: bytes) -> Ipv4Packet:
    """The packet at the start of `data`; octets behind its Total Length (link-layer padding) are ignored.

    Raises DecodeError: truncated, bad_ip_version, bad_header_length, bad_header_checksum, bad_ip_option, fragmented.
    """
    cursor = Cursor(data)
    first = cursor.u8("version")
    if first >> 4 != 4:
        raise DecodeError("bad_ip_version", 0, "version")
    header_octets = 4 * (first & 0x0F)
    type_of_service = cursor.u8("type_of_service")
    total = cursor.u16("total_length")
    if header_octets < HEADER_OCTETS or total < header_octets:
        raise DecodeError("bad_header_length", 0, "header_length")
    if len(data) < total:
        raise DecodeError("truncated", 2, "total_length")
    if internet_checksum(data[:header_octets]) != 0:
        raise DecodeError("bad_header_checksum", 10, "header_checksum")
    cursor.u16("identification")
    if cursor.u16("fragment") & _FRAGMENT_MASK:
        raise DecodeError("fragmented", 6, "fragment")
    time_to_live, protocol = cursor.u8("time_to_live"), cursor.u8("protocol")
    cursor.u16("header_checksum")
    source, destination = cursor.ipv4("source"), cursor.ipv4("destination")
    router_alert = _router_alert(cursor.window(header_octets - HEADER_OCTETS, "options"))
    return Ipv4Packet(
        source=source, destination=destination, protocol=protocol, payload=data[header_octets:total],
        time_to_live=time_to_live, router_alert=router_alert, type_of_service=type_of_service,
    )


def _router_alert(options: Cursor) -> bool:
    found = False
    while len(options):
        at = options.offset
        kind = options.u8("option")
        if kind == _OPTION_END:
            break
        if kind == _OPTION_NO_OPERATION:
            continue
        length = options.u8("option_length")
        if length < 2:
            raise DecodeError("bad_ip_option", at, "option_length")
        options.take(length - 2, "option")
        found = found or kind == _OPTION_ROUTER_ALERT
    return found

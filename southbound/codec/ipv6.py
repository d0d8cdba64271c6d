# SPDX-License-Identifier: Apache-2.0
"""Plain IPv6 packets: fixed header, the hop-by-hop Router Alert of MLD, and the upper-layer checksum."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import NEXT_HEADER_FRAGMENT, NEXT_HEADER_HOP_BY_HOP

HEADER_OCTETS = 40
ROUTER_ALERT_MLD = 0
"""Router Alert value of a datagram that carries MLD (RFC 2711 2.1)."""
DEFAULT_HOP_LIMIT = 64

_OPTION_PAD1 = 0
_OPTION_PADN = 1
_OPTION_ROUTER_ALERT = 5
_MAY_SKIP_MASK = 0xC0
"""RFC 8200 4.2: an unknown option is skipped only when its two highest bits are 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv6Packet:
    """One IPv6 packet. `payload` starts at the upper layer (or at the first extension header not handled here)."""

    source: IPv6Address
    destination: IPv6Address
    next_header: int
    """Of `payload`; a hop-by-hop header is not counted."""
    payload: bytes
    hop_limit: int = DEFAULT_HOP_LIMIT
    router_alert: int | None = None
    """Value of the hop-by-hop Router Alert option (RFC 2711), or None without one."""
    traffic_class: int = 0
    flow_label: int = 0


def upper_layer_checksum(source: IPv6Address, destination: IPv6Address, next_header: int, payload: bytes) -> int:
    """The Internet checksum over pseudo-header and `payload` (RFC 8200 8.1, RFC 1071), 0..0xFFFF.

    With the checksum field of `payload` zeroed it is the value to send; with the field as received it is 0 when the
    packet is intact.
    """
    # A one's complement sum of 16-bit words is the number they spell modulo 0xFFFF: one division instead of a loop.
    octets = b"".join(
        (
            source.packed,
            destination.packed,
            len(payload).to_bytes(4, "big"),
            next_header.to_bytes(4, "big"),
            payload,
            b"\0" if len(payload) % 2 else b"",
        )
    )
    return (0xFFFF - int.from_bytes(octets, "big") % 0xFFFF) % 0xFFFF


def encode_ipv6(packet: Ipv6Packet) -> bytes:
    """The octets of the packet. Raises EncodeError for a value without room, also a payload beyond 65535 octets."""
    next_header = packet.next_header
    payload = packet.payload
    if packet.router_alert is not None:
        # RFC 8200 4.3, RFC 2711 2.1: one 8-octet hop-by-hop header, Router Alert and PadN(0).
        alert = unsigned(packet.router_alert, 2, "router_alert")
        payload = unsigned(next_header, 1, "next_header") + b"\0\x05\x02" + alert + b"\x01\0" + payload
        next_header = NEXT_HEADER_HOP_BY_HOP
    if not 0 <= packet.flow_label < 1 << 20:
        raise EncodeError("flow_label", f"{packet.flow_label} does not fit into 20 bits")
    if not 0 <= packet.traffic_class < 1 << 8:
        raise EncodeError("traffic_class", f"{packet.traffic_class} does not fit into 8 bits")
    first_word = 6 << 28 | packet.traffic_class << 20 | packet.flow_label
    return b"".join(
        (
            first_word.to_bytes(4, "big"),
            unsigned(len(payload), 2, "payload"),
            unsigned(next_header, 1, "next_header"),
            unsigned(packet.hop_limit, 1, "hop_limit"),
            packet.source.packed,
            packet.destination.packed,
            payload,
        )
    )


def decode_ipv6(data: bytes) -> Ipv6Packet:
    """The packet at the start of `data`; octets behind its Payload Length (link-layer padding) are ignored.

    Raises DecodeError: truncated, bad_ip_version, bad_extension_header, unknown_hop_by_hop_option, fragmented.
    """
    cursor = Cursor(data)
    first_word = cursor.u32("version")
    if first_word >> 28 != 6:
        raise DecodeError("bad_ip_version", 0, "version")
    length = cursor.u16("payload_length")
    next_header = cursor.u8("next_header")
    hop_limit = cursor.u8("hop_limit")
    source = cursor.ipv6("source")
    destination = cursor.ipv6("destination")
    payload = cursor.window(length, "payload")
    router_alert = None
    if next_header == NEXT_HEADER_HOP_BY_HOP:
        next_header, router_alert = _hop_by_hop(payload)
    if next_header == NEXT_HEADER_FRAGMENT:
        # Signalling stays below 1280 octets; a fragment has no whole upper layer to check.
        raise DecodeError("fragmented", payload.offset, "next_header")
    return Ipv6Packet(
        source=source,
        destination=destination,
        next_header=next_header,
        payload=payload.rest(),
        hop_limit=hop_limit,
        router_alert=router_alert,
        traffic_class=first_word >> 20 & 0xFF,
        flow_label=first_word & 0xFFFFF,
    )


def _hop_by_hop(payload: Cursor) -> tuple[int, int | None]:
    """(next header, Router Alert value) of the hop-by-hop options header under the cursor (RFC 8200 4.3)."""
    start = payload.offset
    next_header = payload.u8("hop_by_hop.next_header")
    length = 8 * payload.u8("hop_by_hop.length") + 6
    options = payload.window(length, "hop_by_hop.options")
    router_alert = None
    while len(options):
        at = options.offset
        kind = options.u8("hop_by_hop.option_type")
        if kind == _OPTION_PAD1:
            continue
        data = options.window(options.u8("hop_by_hop.option_length"), "hop_by_hop.option")
        if kind == _OPTION_ROUTER_ALERT:
            if len(data) != 2:
                raise DecodeError("bad_extension_header", at, "router_alert")
            router_alert = data.u16("router_alert")
        elif kind != _OPTION_PADN and kind & _MAY_SKIP_MASK:
            raise DecodeError("unknown_hop_by_hop_option", at, "hop_by_hop.option_type")
    if next_header == NEXT_HEADER_HOP_BY_HOP:
        # RFC 8200 4.1: it stands only directly behind the fixed header.
        raise DecodeError("bad_extension_header", start, "hop_by_hop.next_header")
    return next_header, router_alert

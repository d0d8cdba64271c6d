# SPDX-License-Identifier: Apache-2.0
"""ICMPv6 Echo at whoever is asked (RFC 4443 section 4).

    Echo Request | 128 | 0 | Checksum | Identifier (16) | Sequence Number (16) | any data
    Echo Reply   | 129 | 0 | Checksum | the same        | the same             | the same data
"""

from __future__ import annotations

from southbound.codec.iana import NEXT_HEADER_ICMPV6
from southbound.codec.icmpv6_error import InvokingPacket
from southbound.codec.ipv6 import HEADER_OCTETS, Ipv6Packet, encode_ipv6, upper_layer_checksum

ECHO_REQUEST, ECHO_REPLY = 128, 129
_ECHO_HEADER_OCTETS = 8


def encode_echo_reply(packet: InvokingPacket) -> bytes | None:
    """The reply to an Echo Request, from the address that was asked (section 4.2); None: the packet is none, or not as
    it was sent. One with extension headers, or in fragments, is not looked into."""
    request = packet.data[HEADER_OCTETS:]
    if packet.next_header != NEXT_HEADER_ICMPV6 or len(request) < _ECHO_HEADER_OCTETS or request[0] != ECHO_REQUEST:
        return None
    if upper_layer_checksum(packet.source, packet.destination, NEXT_HEADER_ICMPV6, request) != 0:
        return None
    source, destination = packet.destination, packet.source
    start, rest = bytes((ECHO_REPLY, 0)), request[4:]
    checksum = upper_layer_checksum(source, destination, NEXT_HEADER_ICMPV6, start + b"\0\0" + rest)
    return encode_ipv6(Ipv6Packet(
        source=source, destination=destination, next_header=NEXT_HEADER_ICMPV6,
        payload=start + checksum.to_bytes(2, "big") + rest,
    ))

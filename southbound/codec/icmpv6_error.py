# SPDX-License-Identifier: Apache-2.0
"""ICMPv6 errors of a router (RFC 4443 sections 2.4 and 3): which packet is answered with one, and its octets.

    Destination Unreachable | 1 | Code | Checksum | Unused (32) | as much of the packet as fits
    Packet Too Big          | 2 | 0    | Checksum | MTU (32)    | likewise
    Time Exceeded           | 3 | Code | Checksum | Unused (32) | likewise
    Parameter Problem       | 4 | Code | Checksum | Pointer (32)| likewise

What is answered is somebody else's packet in full: nothing of it is taken for granted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address
from typing import ClassVar

from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError
from southbound.codec.iana import (
    NEXT_HEADER_FRAGMENT,
    NEXT_HEADER_HOP_BY_HOP,
    NEXT_HEADER_ICMPV6,
    NEXT_HEADER_MOBILITY,
)
from southbound.codec.ipv6 import HEADER_OCTETS, Ipv6Packet, encode_ipv6, upper_layer_checksum

MINIMUM_MTU = 1280
"""No error is longer (RFC 4443 section 2.4 c): every link carries it (RFC 8200 section 5)."""
INFORMATIONAL = 128
"""ICMPv6 types below this are errors (RFC 4443 section 2.1)."""
REDIRECT = 137
"""RFC 4861 section 4.5: as good as an error, where errors are answered (RFC 4443 section 2.4 e.2)."""

_ICMPV6_HEADER_OCTETS = 8
_QUOTED_OCTETS = MINIMUM_MTU - HEADER_OCTETS - _ICMPV6_HEADER_OCTETS
_AUTHENTICATION_HEADER = 51
_IN_EIGHT_OCTETS = frozenset({NEXT_HEADER_HOP_BY_HOP, 43, 60, NEXT_HEADER_MOBILITY, 139, 140})
"""Extension headers whose length counts eight octets, without the first (RFC 8200 section 4, RFC 6564)."""


class UnreachableCode(IntEnum):
    """Codes of Destination Unreachable (RFC 4443 section 3.1) that a router here has a use for."""

    NO_ROUTE = 0
    ADDRESS_UNREACHABLE = 3
    PORT_UNREACHABLE = 4


@dataclass(frozen=True, slots=True)
class DestinationUnreachable:
    """There is no way to the destination, or nobody there who would take the packet."""

    TYPE: ClassVar[int] = 1
    unreachable: UnreachableCode

    @property
    def code(self) -> int:
        return int(self.unreachable)

    @property
    def word(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class PacketTooBig:
    """The next link carries packets of `mtu` octets."""

    TYPE: ClassVar[int] = 2
    mtu: int
    code: ClassVar[int] = 0

    @property
    def word(self) -> int:
        return self.mtu


@dataclass(frozen=True, slots=True)
class TimeExceeded:
    """The hop limit was used up in transit."""

    TYPE: ClassVar[int] = 3
    code: ClassVar[int] = 0
    word: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class ParameterProblem:
    """A field of the packet, `pointer` octets from its start, has a value that it cannot have."""

    TYPE: ClassVar[int] = 4
    pointer: int
    code: ClassVar[int] = 0

    @property
    def word(self) -> int:
        return self.pointer


Icmpv6Error = DestinationUnreachable | PacketTooBig | TimeExceeded | ParameterProblem

NOT_ANSWERED = frozenset({
    "icmpv6_error", "icmpv6_redirect", "link_local_source", "multicast_destination", "no_single_source",
    "upper_layer_unknown",
})
"""Everything that `why_not` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokingPacket:
    """What a router reads of a packet that it cannot forward."""

    source: IPv6Address
    destination: IPv6Address
    next_header: int
    """Of what is behind the IPv6 header, an extension header or not."""
    hop_limit: int
    octets: int
    """Of the whole packet, by its Payload Length."""
    data: bytes
    """The packet, without what the link has put behind it."""


def decode_invoking(data: bytes) -> InvokingPacket:
    """The packet at the start of `data`. Raises DecodeError: truncated, bad_ip_version."""
    cursor = Cursor(data)
    if cursor.u32("version") >> 28 != 6:
        raise DecodeError("bad_ip_version", 0, "version")
    octets = HEADER_OCTETS + cursor.u16("payload_length")
    next_header = cursor.u8("next_header")
    hop_limit = cursor.u8("hop_limit")
    source, destination = cursor.ipv6("source"), cursor.ipv6("destination")
    return InvokingPacket(
        source=source, destination=destination, next_header=next_header, hop_limit=hop_limit, octets=octets,
        data=data[:octets],
    )


def why_not(error: Icmpv6Error, packet: InvokingPacket) -> str | None:
    """Why the packet must not be answered (RFC 4443 section 2.4 e), one of NOT_ANSWERED; None: it is to be."""
    if packet.destination.is_multicast and not isinstance(error, PacketTooBig):
        return "multicast_destination"
    if packet.source.is_multicast or packet.source.is_unspecified or packet.source.is_loopback:
        return "no_single_source"
    if packet.source.is_link_local:
        # Routers forward nothing of it (RFC 4291 section 2.5.6), and the answer might be for another link.
        return "link_local_source"
    try:
        icmpv6_type = _icmpv6_type(packet.data)
    except DecodeError:
        # It may be an error as well as not, and of two errors that answer each other there is no end.
        return "upper_layer_unknown"
    if icmpv6_type is not None and icmpv6_type < INFORMATIONAL:
        return "icmpv6_error"
    return "icmpv6_redirect" if icmpv6_type == REDIRECT else None


def encode_icmpv6_error(error: Icmpv6Error, packet: InvokingPacket, router: IPv6Address) -> bytes:
    """The whole IPv6 packet from this router to the packet's source, of at most MINIMUM_MTU octets."""
    start, word = bytes((error.TYPE, error.code)), unsigned(error.word, 4, "mtu or pointer")
    quoted = packet.data[:_QUOTED_OCTETS]
    checksum = upper_layer_checksum(router, packet.source, NEXT_HEADER_ICMPV6, start + b"\0\0" + word + quoted)
    return encode_ipv6(Ipv6Packet(
        source=router, destination=packet.source, next_header=NEXT_HEADER_ICMPV6,
        payload=start + checksum.to_bytes(2, "big") + word + quoted,
    ))


def _icmpv6_type(data: bytes) -> int | None:
    """None when the upper layer is not ICMPv6. Raises DecodeError when it cannot be told: cut short, or a later fragment
    of ICMPv6."""
    kind, cursor = data[6], Cursor(data, HEADER_OCTETS)
    while kind != NEXT_HEADER_ICMPV6:
        if kind == NEXT_HEADER_FRAGMENT:
            kind = cursor.u8("next_header")
            cursor.u8("reserved")
            later = cursor.u16("fragment_offset") >> 3 != 0
            cursor.u32("identification")
            if later:
                # Whatever stands here is the middle of something.
                if kind == NEXT_HEADER_ICMPV6 or _is_extension(kind):
                    raise DecodeError("fragmented", HEADER_OCTETS, "fragment_offset")
                return None
        elif kind in _IN_EIGHT_OCTETS:
            kind = cursor.u8("next_header")
            cursor.take(8 * cursor.u8("length") + 6, "extension_header")
        elif kind == _AUTHENTICATION_HEADER:
            # RFC 4302 section 2.2: in words of four octets, without the first two.
            kind = cursor.u8("next_header")
            cursor.take(4 * cursor.u8("length") + 6, "authentication_header")
        else:
            return None
    return cursor.u8("icmpv6_type")


def _is_extension(kind: int) -> bool:
    return kind in _IN_EIGHT_OCTETS or kind in (_AUTHENTICATION_HEADER, NEXT_HEADER_FRAGMENT)

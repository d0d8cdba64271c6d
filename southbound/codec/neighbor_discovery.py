# SPDX-License-Identifier: Apache-2.0
"""Neighbor Discovery (RFC 4861 section 4): solicitations and advertisements as ICMPv6 messages and whole packets.

    Router Solicitation     | 133 | 0 | Checksum | Reserved (32) | options
    Router Advertisement    | 134 | 0 | Checksum | Cur Hop Limit | M O reserved | Router Lifetime (16)
                            | Reachable Time (32) | Retrans Timer (32) | options
    Neighbor Solicitation   | 135 | 0 | Checksum | Reserved (32) | target (16 octets) | options
    Neighbor Advertisement  | 136 | 0 | Checksum | R S O reserved (32) | target (16 octets) | options
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import ClassVar, Self

from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError
from southbound.codec.iana import NEXT_HEADER_ICMPV6, NeighborDiscoveryType
from southbound.codec.ipv6 import Ipv6Packet, decode_ipv6, encode_ipv6, upper_layer_checksum
from southbound.codec.neighbor_options import (
    NeighborOption,
    SourceLinkLayerAddress,
    decode_neighbor_options,
    encode_neighbor_options,
)

HOP_LIMIT = 255
"""Proof that no router has forwarded it (RFC 4861 section 3.1)."""
UNSPECIFIED = IPv6Address(0)
_SOLICITED_NODE = IPv6Address("ff02::1:ff00:0")
_TYPES = frozenset(NeighborDiscoveryType)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSolicitation:
    """A host asks for an advertisement at once."""

    TYPE: ClassVar[NeighborDiscoveryType] = NeighborDiscoveryType.ROUTER_SOLICITATION
    options: tuple[NeighborOption, ...] = ()

    @classmethod
    def decode(cls, body: Cursor) -> Self:
        body.u32("reserved")
        return cls(options=decode_neighbor_options(body))

    def encode_body(self) -> bytes:
        return bytes(4) + encode_neighbor_options(self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterAdvertisement:
    """A router and its link. Zero means 'not said' where the RFC has it so."""

    TYPE: ClassVar[NeighborDiscoveryType] = NeighborDiscoveryType.ROUTER_ADVERTISEMENT
    hop_limit: int = 0
    """Cur Hop Limit: what hosts shall send with."""
    managed: bool = False
    """M: addresses by DHCPv6."""
    other: bool = False
    """O: other configuration by DHCPv6."""
    router_lifetime_s: int = 0
    """0: no default router."""
    reachable_time_ms: int = 0
    retransmit_timer_ms: int = 0
    options: tuple[NeighborOption, ...] = ()

    @classmethod
    def decode(cls, body: Cursor) -> Self:
        hop_limit, flags = body.u8("hop_limit"), body.u8("flags")
        return cls(
            hop_limit=hop_limit,
            managed=bool(flags & 0x80),
            other=bool(flags & 0x40),
            router_lifetime_s=body.u16("router_lifetime"),
            reachable_time_ms=body.u32("reachable_time"),
            retransmit_timer_ms=body.u32("retransmit_timer"),
            options=decode_neighbor_options(body),
        )

    def encode_body(self) -> bytes:
        return b"".join((
            unsigned(self.hop_limit, 1, "hop_limit"),
            bytes(((0x80 if self.managed else 0) | (0x40 if self.other else 0),)),
            unsigned(self.router_lifetime_s, 2, "router_lifetime_s"),
            unsigned(self.reachable_time_ms, 4, "reachable_time_ms"),
            unsigned(self.retransmit_timer_ms, 4, "retransmit_timer_ms"),
            encode_neighbor_options(self.options),
        ))


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborSolicitation:
    """Who has the target? Or: is the target still there? From '::': does anybody have it already (RFC 4862 5.4)?"""

    TYPE: ClassVar[NeighborDiscoveryType] = NeighborDiscoveryType.NEIGHBOR_SOLICITATION
    target: IPv6Address
    options: tuple[NeighborOption, ...] = ()

    @classmethod
    def decode(cls, body: Cursor) -> Self:
        body.u32("reserved")
        return cls(target=_target(body), options=decode_neighbor_options(body))

    def encode_body(self) -> bytes:
        return bytes(4) + self.target.packed + encode_neighbor_options(self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborAdvertisement:
    """The target is here."""

    TYPE: ClassVar[NeighborDiscoveryType] = NeighborDiscoveryType.NEIGHBOR_ADVERTISEMENT
    target: IPv6Address
    router: bool
    """R."""
    solicited: bool
    """S: the answer to a solicitation, hence a proof of reachability."""
    override: bool
    """O: the link-layer address replaces one that is known."""
    options: tuple[NeighborOption, ...] = ()

    @classmethod
    def decode(cls, body: Cursor) -> Self:
        flags = body.u32("flags")
        return cls(
            target=_target(body),
            router=bool(flags & 0x8000_0000),
            solicited=bool(flags & 0x4000_0000),
            override=bool(flags & 0x2000_0000),
            options=decode_neighbor_options(body),
        )

    def encode_body(self) -> bytes:
        flags = (self.router << 31) | (self.solicited << 30) | (self.override << 29)
        return flags.to_bytes(4, "big") + self.target.packed + encode_neighbor_options(self.options)


NeighborMessage = RouterSolicitation | RouterAdvertisement | NeighborSolicitation | NeighborAdvertisement

_MESSAGES: dict[int, type[NeighborMessage]] = {
    kind.TYPE: kind
    for kind in (RouterSolicitation, RouterAdvertisement, NeighborSolicitation, NeighborAdvertisement)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborPacket:
    """A message and who sent it where."""

    source: IPv6Address
    destination: IPv6Address
    message: NeighborMessage


def solicited_node(address: IPv6Address) -> IPv6Address:
    """The group in which the owner of an address listens for solicitations (RFC 4291 section 2.7.1)."""
    return IPv6Address(_SOLICITED_NODE.packed[:13] + address.packed[13:])


def is_neighbor_discovery(packet: Ipv6Packet) -> bool:
    """Whether the packet is one of Neighbor Discovery, well formed or not."""
    return packet.next_header == NEXT_HEADER_ICMPV6 and packet.payload[:1] != b"" and packet.payload[0] in _TYPES


def encode_neighbor_packet(message: NeighborMessage, source: IPv6Address, destination: IPv6Address) -> bytes:
    """The whole IPv6 packet. Raises EncodeError."""
    start, body = bytes((message.TYPE, 0)), message.encode_body()
    checksum = upper_layer_checksum(source, destination, NEXT_HEADER_ICMPV6, start + b"\0\0" + body)
    return encode_ipv6(
        Ipv6Packet(
            source=source,
            destination=destination,
            next_header=NEXT_HEADER_ICMPV6,
            payload=start + checksum.to_bytes(2, "big") + body,
            hop_limit=HOP_LIMIT,
        )
    )


def decode_neighbor_packet(packet: bytes) -> NeighborPacket:
    """The message in a whole IPv6 packet, valid by RFC 4861 sections 6.1.1, 6.1.2, 7.1.1 and 7.1.2.

    Raises DecodeError: not_neighbor_discovery, bad_hop_limit, bad_checksum, bad_code, source_not_link_local (of a Router
    Advertisement), bad_neighbor_message (what only together is not allowed), and those of decode_ipv6 and options.
    Offsets of errors in the message count from its own start.
    """
    outer = decode_ipv6(packet)
    if not is_neighbor_discovery(outer):
        raise DecodeError("not_neighbor_discovery", 6, "next_header")
    if outer.hop_limit != HOP_LIMIT:
        raise DecodeError("bad_hop_limit", 7, "hop_limit")
    cursor = Cursor(outer.payload)
    kind = _MESSAGES.get(cursor.u8("icmp_type"))
    if kind is None:
        raise DecodeError("not_neighbor_discovery", 0, "icmp_type")
    if cursor.u8("code") != 0:
        raise DecodeError("bad_code", 1, "code")
    cursor.u16("checksum")
    if upper_layer_checksum(outer.source, outer.destination, NEXT_HEADER_ICMPV6, outer.payload) != 0:
        raise DecodeError("bad_checksum", 2, "checksum")
    message = kind.decode(cursor)
    _check(message, outer)
    return NeighborPacket(source=outer.source, destination=outer.destination, message=message)


def _check(message: NeighborMessage, outer: Ipv6Packet) -> None:
    match message:
        case RouterAdvertisement() if not outer.source.is_link_local:
            raise DecodeError("source_not_link_local", 8, "source")
        case NeighborAdvertisement(solicited=True) if outer.destination.is_multicast:
            raise DecodeError("bad_neighbor_message", 4, "solicited")
        case RouterSolicitation(options=options) | NeighborSolicitation(options=options):
            if outer.source != UNSPECIFIED:
                return
            if any(isinstance(option, SourceLinkLayerAddress) for option in options):
                raise DecodeError("bad_neighbor_message", 8, "source_link_layer_address")
            if isinstance(message, NeighborSolicitation) and outer.destination != solicited_node(message.target):
                raise DecodeError("bad_neighbor_message", 24, "destination")


def _target(body: Cursor) -> IPv6Address:
    at = body.offset
    target = body.ipv6("target")
    if target.is_multicast:
        raise DecodeError("bad_neighbor_message", at, "target")
    return target

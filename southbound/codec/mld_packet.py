# SPDX-License-Identifier: Apache-2.0
"""MLD messages as whole IPv6 packets: link-local source, hop limit 1, Router Alert (RFC 3810 section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import NEXT_HEADER_ICMPV6
from southbound.codec.ipv6 import ROUTER_ALERT_MLD, Ipv6Packet, decode_ipv6, encode_ipv6
from southbound.codec.mld import (
    UNSPECIFIED,
    MldMessage,
    Mldv1Done,
    Mldv1Query,
    Mldv1Report,
    Mldv2Query,
    Mldv2Report,
    decode_mld,
    encode_mld,
)

ALL_NODES = IPv6Address("ff02::1")
ALL_ROUTERS = IPv6Address("ff02::2")
ALL_MLDV2_ROUTERS = IPv6Address("ff02::16")
_HOP_LIMIT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MldPacket:
    """A message and who sent it where."""

    source: IPv6Address
    destination: IPv6Address
    message: MldMessage


def default_destination(message: MldMessage) -> IPv6Address:
    """Where the RFCs send this message (RFC 3810 5.1.15 and 5.2.14, RFC 2710 section 5)."""
    match message:
        case Mldv2Query() | Mldv1Query():
            return ALL_NODES if message.group == UNSPECIFIED else message.group
        case Mldv2Report():
            return ALL_MLDV2_ROUTERS
        case Mldv1Report():
            return message.group
        case Mldv1Done():
            return ALL_ROUTERS


def encode_mld_packet(message: MldMessage, source: IPv6Address, destination: IPv6Address | None = None) -> bytes:
    """The whole packet. `destination` None = default_destination. EncodeError when `source` is not link-local."""
    if not source.is_link_local:
        raise EncodeError("source", f"{source} is not link-local")
    if destination is None:
        destination = default_destination(message)
    return encode_ipv6(
        Ipv6Packet(
            source=source,
            destination=destination,
            next_header=NEXT_HEADER_ICMPV6,
            payload=encode_mld(message, source, destination),
            hop_limit=_HOP_LIMIT,
            router_alert=ROUTER_ALERT_MLD,
        )
    )


def decode_mld_packet(packet: bytes) -> MldPacket:
    """The message in a whole IPv6 packet; offsets of errors in it count from the ICMPv6 message.

    Raises DecodeError: not_mld, source_not_link_local (also '::', which hosts use before their address is confirmed,
    RFC 3810 5.2.13), bad_hop_limit, no_router_alert, and those of decode_ipv6 and decode_mld.
    """
    outer = decode_ipv6(packet)
    if outer.next_header != NEXT_HEADER_ICMPV6:
        raise DecodeError("not_mld", 6, "next_header")
    message = decode_mld(outer.payload, outer.source, outer.destination)
    if not outer.source.is_link_local:
        raise DecodeError("source_not_link_local", 8, "source")
    if outer.hop_limit != _HOP_LIMIT:
        raise DecodeError("bad_hop_limit", 7, "hop_limit")
    if outer.router_alert != ROUTER_ALERT_MLD:
        raise DecodeError("no_router_alert", 40, "router_alert")
    return MldPacket(source=outer.source, destination=outer.destination, message=message)

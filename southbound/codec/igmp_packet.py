# SPDX-License-Identifier: Apache-2.0
"""IGMP messages as whole IPv4 packets: TTL 1, Internetwork Control, Router Alert (RFC 3376 section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from southbound.codec.errors import DecodeError
from southbound.codec.iana import IP_PROTOCOL_IGMP, IgmpType
from southbound.codec.igmp import (
    ANY_GROUP,
    IgmpMessage,
    Igmpv2Leave,
    Igmpv2Query,
    Igmpv2Report,
    Igmpv3Query,
    Igmpv3Report,
    decode_igmp,
    encode_igmp,
)
from southbound.codec.ipv4 import INTERNETWORK_CONTROL, Ipv4Packet, decode_ipv4, encode_ipv4

ALL_SYSTEMS = IPv4Address("224.0.0.1")
ALL_ROUTERS = IPv4Address("224.0.0.2")
ALL_IGMPV3_ROUTERS = IPv4Address("224.0.0.22")
UNKNOWN_SOURCE = IPv4Address(0)
"""Of a report from a host that has no address (RFC 3376 section 4.2.13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IgmpPacket:
    """A message and who sent it where."""

    source: IPv4Address
    destination: IPv4Address
    message: IgmpMessage


def igmp_destination(message: IgmpMessage) -> IPv4Address:
    """Where the RFCs send this message (RFC 3376 4.1.12 and 4.2.14, RFC 2236 section 9)."""
    match message:
        case Igmpv3Query() | Igmpv2Query():
            return ALL_SYSTEMS if message.group == ANY_GROUP else message.group
        case Igmpv3Report():
            return ALL_IGMPV3_ROUTERS
        case Igmpv2Report():
            return message.group
        case Igmpv2Leave():
            return ALL_ROUTERS


def encode_igmp_packet(message: IgmpMessage, source: IPv4Address) -> bytes:
    """The whole packet."""
    return encode_ipv4(
        Ipv4Packet(
            source=source,
            destination=igmp_destination(message),
            protocol=IP_PROTOCOL_IGMP,
            payload=encode_igmp(message),
            time_to_live=1,
            router_alert=True,
            type_of_service=INTERNETWORK_CONTROL,
        )
    )


def decode_igmp_packet(packet: bytes) -> IgmpPacket:
    """The message in a whole IPv4 packet; offsets of errors in it count from the IGMP message.

    Raises DecodeError: not_igmp, bad_hop_limit, no_router_alert (but of version 1, which knows none), and those of
    decode_ipv4 and decode_igmp.
    """
    outer = decode_ipv4(packet)
    if outer.protocol != IP_PROTOCOL_IGMP:
        raise DecodeError("not_igmp", 9, "protocol")
    message = decode_igmp(outer.payload)
    if outer.time_to_live != 1:
        raise DecodeError("bad_hop_limit", 8, "time_to_live")
    if not outer.router_alert and outer.payload[0] != IgmpType.V1_REPORT:
        raise DecodeError("no_router_alert", 20, "router_alert")
    return IgmpPacket(source=outer.source, destination=outer.destination, message=message)

# SPDX-License-Identifier: Apache-2.0
"""Messages between listeners and routers as whole packets: MLD over IPv6, IGMP over IPv4."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from southbound.codec.addresses import IpAddress
from southbound.codec.ethernet import EthernetFrame, encode_ethernet, ethertype_of, multicast_mac
from southbound.codec.iana import IP_PROTOCOL_IGMP, NEXT_HEADER_ICMPV6, MldType
from southbound.codec.igmp import IgmpMessage, Igmpv2Leave, Igmpv2Query, Igmpv2Report, Igmpv3Query, Igmpv3Report
from southbound.codec.igmp_packet import UNKNOWN_SOURCE, decode_igmp_packet, encode_igmp_packet, igmp_destination
from southbound.codec.mld import MldMessage
from southbound.codec.mld_packet import decode_mld_packet, default_destination, encode_mld_packet
from southbound.codec.records import Version

ListenerMessage = MldMessage | IgmpMessage
_IGMP = (Igmpv3Query, Igmpv2Query, Igmpv3Report, Igmpv2Report, Igmpv2Leave)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAddresses:
    """What a node sends such messages from."""

    ipv6: IPv6Address
    """Link-local (RFC 3810 section 5)."""
    ipv4: IPv4Address = UNKNOWN_SOURCE
    """0.0.0.0: it has none there, which a host may say (RFC 3376 section 4.2.13)."""


def version_of(message: ListenerMessage) -> Version:
    """Of the addresses that it speaks of."""
    return 4 if isinstance(message, _IGMP) else 6


def destination_of(message: ListenerMessage) -> IpAddress:
    """Where the RFCs send this message."""
    return igmp_destination(message) if isinstance(message, _IGMP) else default_destination(message)


def encode_listener_packet(message: ListenerMessage, addresses: LinkAddresses) -> bytes:
    """The whole packet. Raises EncodeError."""
    if isinstance(message, _IGMP):
        return encode_igmp_packet(message, addresses.ipv4)
    return encode_mld_packet(message, addresses.ipv6)


def decode_listener_packet(packet: bytes) -> ListenerMessage:
    """The message in a whole packet. Raises DecodeError, those of decode_igmp_packet and decode_mld_packet."""
    if packet[:1] and packet[0] >> 4 == 4:
        return decode_igmp_packet(packet).message
    return decode_mld_packet(packet).message


def listener_frame(message: ListenerMessage, addresses: LinkAddresses, source_mac: bytes) -> bytes:
    """The Ethernet frame that carries it to its group. Raises EncodeError."""
    packet = encode_listener_packet(message, addresses)
    destination = multicast_mac(destination_of(message))
    return encode_ethernet(
        EthernetFrame(destination=destination, source=source_mac, payload=packet, ethertype=ethertype_of(packet))
    )


def is_query(packet: bytes) -> bool:
    """Whether the octets look like those of a query: told by looking at a few, for those who see many packets."""
    if len(packet) > 40 and packet[0] >> 4 == 6:
        return len(packet) > 48 and packet[6] == 0 and packet[40] == NEXT_HEADER_ICMPV6 and packet[48] == MldType.QUERY
    header_octets = 4 * (packet[0] & 0x0F) if packet else 0
    return len(packet) > max(header_octets, 20) and packet[9] == IP_PROTOCOL_IGMP and packet[header_octets] == 0x11

# SPDX-License-Identifier: Apache-2.0
"""Ethernet frames that carry IP, and the Ethernet address of a multicast group (RFC 2464, RFC 1112)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from southbound.codec.addresses import IpAddress
from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import EncodeError

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
MAC_OCTETS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class EthernetFrame:
    """One Ethernet II frame without FCS. A VLAN tag is not interpreted: it shows as `ethertype` 0x8100."""

    destination: bytes
    source: bytes
    payload: bytes
    ethertype: int = ETHERTYPE_IPV6


def multicast_mac(group: IpAddress) -> bytes:
    """33:33 and the last four octets of an IPv6 group (RFC 2464 section 7), 01:00:5e and the last 23 bits of an IPv4 one
    (RFC 1112 section 6.4)."""
    if isinstance(group, IPv6Address):
        return b"\x33\x33" + group.packed[12:]
    return b"\x01\x00\x5e" + bytes((group.packed[1] & 0x7F,)) + group.packed[2:]


def ethertype_of(packet: bytes) -> int:
    """Of an IP packet, by its version."""
    return ETHERTYPE_IPV4 if packet[:1] and packet[0] >> 4 == 4 else ETHERTYPE_IPV6


def encode_ethernet(frame: EthernetFrame) -> bytes:
    """The octets of the frame. Raises EncodeError for an address that has not six octets."""
    for field, address in (("destination", frame.destination), ("source", frame.source)):
        if len(address) != MAC_OCTETS:
            raise EncodeError(field, f"{len(address)} octets, allowed: {MAC_OCTETS}")
    return frame.destination + frame.source + unsigned(frame.ethertype, 2, "ethertype") + frame.payload


def decode_ethernet(data: bytes) -> EthernetFrame:
    """The frame in `data`. Raises DecodeError("truncated") below 14 octets."""
    cursor = Cursor(data)
    destination = cursor.take(MAC_OCTETS, "destination")
    source = cursor.take(MAC_OCTETS, "source")
    ethertype = cursor.u16("ethertype")
    return EthernetFrame(destination=destination, source=source, ethertype=ethertype, payload=cursor.rest())

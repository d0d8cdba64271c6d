# SPDX-License-Identifier: Apache-2.0
"""What identifies a multicast packet: (S,G) data has no sequence number, so its content has to.

A packet reaches the n-MAG by two paths. What routers change on the way (hop limit, flow label, traffic class) is not
part of its identity; source, destination and everything behind the IPv6 header are.
"""

from __future__ import annotations

from hashlib import blake2b
from ipaddress import IPv6Address

DIGEST_OCTETS = 8
IPV6_HEADER_OCTETS = 40
STREAM_KEY_OCTETS = 32
_MULTICAST = 0xFF


def packet_digest(packet: bytes) -> bytes:
    """Eight octets of BLAKE2b over source, destination and the payload of a bare IPv6 packet.

    Octets behind the IPv6 payload length (link padding) do not count. The packet is at least 40 octets long.
    """
    end = IPV6_HEADER_OCTETS + (packet[4] << 8 | packet[5])
    return blake2b(packet[8:end], digest_size=DIGEST_OCTETS).digest()


def stream_key(packet: bytes) -> bytes | None:
    """Source and group as 32 octets, or None when this is no IPv6 packet to a multicast address."""
    if len(packet) < IPV6_HEADER_OCTETS or packet[0] >> 4 != 6 or packet[24] != _MULTICAST:
        return None
    return packet[8:40]


def key_of(source: IPv6Address, group: IPv6Address) -> bytes:
    """The stream key of (source, group)."""
    return source.packed + group.packed


def addresses_of(key: bytes) -> tuple[IPv6Address, IPv6Address]:
    """(source, group) of a stream key."""
    return IPv6Address(key[:16]), IPv6Address(key[16:32])

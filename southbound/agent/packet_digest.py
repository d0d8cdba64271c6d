# SPDX-License-Identifier: Apache-2.0
"""What identifies a packet: neither (S,G) data nor IPv6 itself has a sequence number, so its content has to.

A stream is what takes one way and has one order: a source and its group, or all that is for one home network prefix.

A packet reaches the n-MAG by two paths. What routers change on the way (hop limit, flow label, traffic class; of IPv4
also the header checksum) is not part of its identity; source, destination and everything behind the header are.
"""

from __future__ import annotations

from hashlib import blake2b
from ipaddress import IPv6Address, IPv6Network

from southbound.codec.addresses import IpAddress, of_packed

DIGEST_OCTETS = 8
IPV6_HEADER_OCTETS = 40
IPV4_HEADER_OCTETS = 20
LONGEST_HEADER_OCTETS = 60
"""Of either family: what `stream_key` looks at lies in it."""
ANY_SOURCE = IPv6Address(0)
"""What stands for the source where a stream is that of a prefix."""
_IPV6_VERSION = 0x60
"""The first octet's least value in IPv6."""
_MULTICAST = 0xFF
_LINK_LOCAL = 0xFE80
_LINK_LOCAL_MASK = 0xFFC0
_PREFIX_OCTETS = 8
"""Home network prefixes have 64 bits (topology.model.HOME_NETWORK_PREFIX_LENGTH)."""
_NO_SOURCE, _NO_IDENTIFIER = bytes(16), bytes(16 - _PREFIX_OCTETS)


def packet_digest(packet: bytes) -> bytes:
    """Eight octets of BLAKE2b over source, destination and the payload of a bare IP packet.

    Octets behind the packet's own length (link padding) do not count. The packet has at least a whole header. Of IPv4
    the identification counts, too: it is the source's, and tells the fragments of one datagram from another's.
    """
    if packet[0] < _IPV6_VERSION:
        end = packet[2] << 8 | packet[3]
        return blake2b(packet[4:8] + packet[9:10] + packet[12:end], digest_size=DIGEST_OCTETS).digest()
    length = packet[4] << 8 | packet[5]
    return blake2b(packet[8 : IPV6_HEADER_OCTETS + length], digest_size=DIGEST_OCTETS).digest()


def stream_key(packet: bytes) -> bytes | None:
    """Source and group as octets (32, of IPv4 8), of IPv6 unicast ANY_SOURCE and the prefix; None for what is of no stream:
    no IP packet, IPv4 unicast, what stays on a link."""
    if len(packet) >= IPV6_HEADER_OCTETS and packet[0] >> 4 == 6:
        if packet[24] == _MULTICAST:
            return packet[8:40]
        if (packet[24] << 8 | packet[25]) & _LINK_LOCAL_MASK == _LINK_LOCAL:
            return None
        return _NO_SOURCE + packet[24:32] + _NO_IDENTIFIER
    if len(packet) >= IPV4_HEADER_OCTETS and packet[0] >> 4 == 4 and packet[16] >> 4 == 0xE:
        return packet[12:20]
    return None


def key_of(source: IpAddress, group: IpAddress) -> bytes:
    """The stream key of (source, group)."""
    return source.packed + group.packed


def prefix_key(prefix: IPv6Network) -> bytes:
    """The stream key of a home network prefix."""
    return key_of(ANY_SOURCE, prefix.network_address)


def addresses_of(key: bytes) -> tuple[IpAddress, IpAddress]:
    """(source, group) of a stream key; of a prefix (ANY_SOURCE, its address)."""
    middle = len(key) // 2
    return of_packed(key[:middle]), of_packed(key[middle:])


def group_of(key: bytes) -> bytes:
    """The group of a stream key, as octets."""
    return key[len(key) // 2:]


def source_of(key: bytes) -> bytes:
    """The source of a stream key, as octets."""
    return key[: len(key) // 2]

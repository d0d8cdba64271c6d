# SPDX-License-Identifier: Apache-2.0
"""Addresses of either family: what groups and sources are, whoever signals them (MLD or IGMP)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

IpAddress = IPv4Address | IPv6Address

_MAPPED = IPv6Address("::ffff:0:0").packed[:12]
MAPPED_OCTETS = 16


def address_order(address: IpAddress) -> tuple[int, int]:
    """Key to sort addresses of both families by; IPv4 comes first."""
    return address.version, int(address)


def of_packed(octets: bytes) -> IpAddress:
    """The address that 4 or 16 octets are."""
    return IPv4Address(octets) if len(octets) == 4 else IPv6Address(octets)


def mapped_octets(address: IpAddress) -> bytes:
    """Sixteen octets that tell the address and its family: an IPv4 one as IPv4-mapped (RFC 4291 section 2.5.5.2)."""
    return address.packed if isinstance(address, IPv6Address) else _MAPPED + address.packed


def of_mapped_octets(octets: bytes) -> IpAddress:
    """What `mapped_octets` makes the octets of."""
    return IPv4Address(octets[12:]) if octets[:12] == _MAPPED else IPv6Address(octets)

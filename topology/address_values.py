# SPDX-License-Identifier: Apache-2.0
"""What single addresses and networks of topology.yaml may be."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network

from topology.model import LMA_LINK_LOCAL_ADDRESS
from topology.rule import RefusedValueError, Rule, plain_text

ROUTE_PREFIX_LENGTH_MAX = 64
"""As of home network prefixes, which come before routes."""

ALL_MULTICAST = IPv6Network("ff00::/8")
ALL_MULTICAST_IPV4 = IPv4Network("224.0.0.0/4")
_LINK_SCOPE_IPV4 = IPv4Network("224.0.0.0/24")
_SSM_IPV4 = IPv4Network("232.0.0.0/8")


def is_ssm(group: IPv4Address | IPv6Address) -> bool:
    """Whether the group is in the source-specific range, ff3x::/32 or 232/8 (RFC 4607 section 1)."""
    if isinstance(group, IPv4Address):
        return group in _SSM_IPV4
    return int(group) >> 96 & 0xFFF0_FFFF == 0xFF30_0000


def multicast_scope(group: IPv6Address) -> int:
    """The scope field of a multicast address (RFC 4291 section 2.7)."""
    return int(group) >> 112 & 0xF


def _address(value: object) -> IPv6Address:
    try:
        address = IPv6Address(plain_text(value))
    except ValueError as error:
        raise RefusedValueError from error
    if address.scope_id is not None:
        raise RefusedValueError("with a zone")
    return address


def _unicast(value: object) -> IPv6Address:
    address = _address(value)
    _refuse({
        "multicast": address.is_multicast,
        "the unspecified address": address.is_unspecified,
        "the loopback address": address.is_loopback,
        "link-local": address.is_link_local,
        "an IPv4-mapped address": address.ipv4_mapped is not None,
    })
    return address


def _unicast_ipv4(address: IPv4Address) -> IPv4Address:
    _refuse({
        "multicast": address.is_multicast,
        "in 0.0.0.0/8": int(address) >> 24 == 0,
        "the loopback address": address.is_loopback,
        "link-local": address.is_link_local,
        "in 240.0.0.0/4": int(address) >> 28 == 0xF,
    })
    return address


def _refuse(kinds: dict[str, bool]) -> None:
    """The first kind that the address is of is what it is refused for."""
    for kind, applies in kinds.items():
        if applies:
            raise RefusedValueError(kind)


def _ipv4_or_ipv6(value: object) -> IPv4Address | IPv6Address:
    text = plain_text(value)
    try:
        return IPv4Address(text)
    except ValueError:
        return _address(value)


def _group(value: object) -> IPv4Address | IPv6Address:
    address = _ipv4_or_ipv6(value)
    if not address.is_multicast:
        raise RefusedValueError("not multicast")
    if isinstance(address, IPv4Address):
        if address in _LINK_SCOPE_IPV4:
            raise RefusedValueError("of link scope")
        return address
    # Scopes 0 and f are reserved (RFC 7346 section 2); interface and link scope are never forwarded.
    if not 3 <= multicast_scope(address) <= 0xE:
        raise RefusedValueError(f"scope {multicast_scope(address):x}")
    return address


def _source(value: object) -> IPv4Address | IPv6Address:
    address = _ipv4_or_ipv6(value)
    return _unicast_ipv4(address) if isinstance(address, IPv4Address) else _unicast(value)


def _ipv4_interface(value: object) -> IPv4Interface:
    text = plain_text(value)
    if "/" not in text:
        raise RefusedValueError("without a prefix length")
    try:
        interface = IPv4Interface(text)
    except ValueError as error:
        raise RefusedValueError from error
    _unicast_ipv4(interface.ip)
    if interface.network.prefixlen < 31 and interface.ip in (interface.network[0], interface.network[-1]):
        raise RefusedValueError("the network's own or its broadcast address")
    return interface


def _network(value: object) -> IPv6Network:
    text = plain_text(value)
    if "/" not in text:
        raise RefusedValueError("without a prefix length")
    try:
        return IPv6Network(text)
    except ValueError as error:
        reason = "with bits set after the prefix" if "host bits" in str(error) else ""
        raise RefusedValueError(reason) from error


def _network_of_unicast(value: object) -> IPv6Network:
    network = _network(value)
    _unicast(str(network.network_address + 1) if network.prefixlen < 128 else str(network.network_address))
    return network


def _unicast_network(value: object) -> IPv6Network:
    network = _network_of_unicast(value)
    if not 16 <= network.prefixlen <= 120:
        raise RefusedValueError
    return network


def _pool_network(value: object) -> IPv6Network:
    network = _network_of_unicast(value)
    if not 16 <= network.prefixlen <= 64:
        raise RefusedValueError(f"a /{network.prefixlen}")
    return network


def _route_prefix(value: object) -> IPv6Network:
    network = _network(value)
    if network.subnet_of(ALL_MULTICAST):
        raise RefusedValueError("a multicast one")
    if network.prefixlen > ROUTE_PREFIX_LENGTH_MAX:
        raise RefusedValueError(f"a /{network.prefixlen}")
    return network


def _next_hop(value: object) -> IPv6Address:
    address = _address(value)
    if address == LMA_LINK_LOCAL_ADDRESS:
        raise RefusedValueError("the LMA's own")
    return address if address.is_link_local else _unicast(value)


def _home_network_prefix(value: object) -> IPv6Network:
    network = _network(value)
    if network.prefixlen != 64:
        raise RefusedValueError(f"a /{network.prefixlen}")
    _unicast(str(network.network_address + 1))
    return network


def _group_network(value: object) -> IPv4Network | IPv6Network:
    text = plain_text(value)
    if ":" not in text and "/" in text:
        try:
            found = IPv4Network(text)
        except ValueError as error:
            raise RefusedValueError from error
        if not found.subnet_of(ALL_MULTICAST_IPV4):
            raise RefusedValueError("not within 224.0.0.0/4")
        return found
    network = _network(value)
    if not network.subnet_of(ALL_MULTICAST):
        raise RefusedValueError("not within ff00::/8")
    return network


UNICAST_ADDRESS = Rule("an IPv6 unicast address that is not link-local", _unicast)
SOURCE_ADDRESS = Rule("an IPv6 or IPv4 unicast address that is not link-local", _source)
IPV4_INTERFACE = Rule("an IPv4 unicast address with its prefix length, such as 192.0.2.1/24", _ipv4_interface)
GROUP = Rule("an IPv6 multicast address of scope 3 to e (RFC 7346), or an IPv4 one beyond 224.0.0.0/24", _group)
NETWORK = Rule("an IPv6 network, such as 2001:db8:100::/48", _network)
UNICAST_NETWORK = Rule("an IPv6 unicast network of /16 to /120", _unicast_network)
HOME_NETWORK_PREFIX = Rule("an IPv6 unicast /64", _home_network_prefix)
POOL_NETWORK = Rule("an IPv6 unicast network of /16 to /64", _pool_network)
ROUTE_PREFIX = Rule(f"an IPv6 network of /0 to /{ROUTE_PREFIX_LENGTH_MAX} beyond the domain, such as ::/0", _route_prefix)
NEXT_HOP = Rule("an IPv6 unicast address on a network of the sources, or a link-local one", _next_hop)
GROUP_NETWORK = Rule("a network within ff00::/8 or 224.0.0.0/4", _group_network)

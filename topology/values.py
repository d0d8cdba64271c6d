# SPDX-License-Identifier: Apache-2.0
"""What a single value of topology.yaml may be: one `Rule` per kind, each with the sentence that says what is allowed.

A rule stands in the `Annotated` of a schema field: pydantic calls it, and the same object documents the field.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from pydantic_core import PydanticCustomError, core_schema

from topology.model import LMA_LINK_LOCAL_ADDRESS
from topology.problem import show_value

NODE_NAME_CHARACTERS_MAX = 15
"""Linux interface names have at most 15 characters (IFNAMSIZ - 1); nodes give their names to interfaces."""
DOMAIN_NAME_CHARACTERS_MAX = 32
MOBILE_NODE_NAME_CHARACTERS_MAX = 10
"""Leaves five characters for what is put before or after it in interface names."""
NAI_CHARACTERS_MAX = 253
"""RFC 4282 section 2.2; also fits the one-octet length of the MN-ID option (RFC 4283 section 3)."""
DATAPATH_ID_MAX = 2**64 - 1
GRE_KEY_MAX = 2**32 - 1
OWN_LINK_LAYER_PREFIX = bytes.fromhex("02ca57")
"""Of the path marks (southbound.path_mark) and of the switches' and MAGs' own ports; no mobile node may share it."""
ROUTE_PREFIX_LENGTH_MAX = 64
"""As of home network prefixes, which come before routes."""

ALL_MULTICAST = IPv6Network("ff00::/8")
ALL_MULTICAST_IPV4 = IPv4Network("224.0.0.0/4")
_LINK_SCOPE_IPV4 = IPv4Network("224.0.0.0/24")
_SSM_IPV4 = IPv4Network("232.0.0.0/8")

_NODE_NAME = re.compile(r"[a-z][a-z0-9-]*")
_MOBILE_NODE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_INTERFACE_NAME = re.compile(r"[A-Za-z0-9_.@+-]+")
_REALM_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_LINK_LAYER_ID = re.compile(r"[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})")


class RefusedValueError(ValueError):
    """The value is not what the rule allows; the message, when there is one, goes on after the value found."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Mark of a schema field that holds a mapping or a list."""

    allowed: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Mark of a schema field that holds one value, and its parser."""

    allowed: str
    parse: Callable[[object], object]
    """Raises RefusedValueError."""
    required: bool = False

    def needed(self) -> Rule:
        """The same rule for a field that must be there."""
        return replace(self, required=True)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def _validate(self, value: object) -> object:
        # None is only seen for a list item that was refused already and keeps its place.
        if value is None:
            return None
        try:
            return self.parse(value)
        except RefusedValueError as refused:
            reason = f", {refused}" if str(refused) else ""
            context = {"found": show_value(value) + reason, "allowed": self.allowed}
            raise PydanticCustomError("refused", "{found}", context) from refused


def is_ssm(group: IPv4Address | IPv6Address) -> bool:
    """Whether the group is in the source-specific range, ff3x::/32 or 232/8 (RFC 4607 section 1)."""
    if isinstance(group, IPv4Address):
        return group in _SSM_IPV4
    return int(group) >> 96 & 0xFFF0_FFFF == 0xFF30_0000


def multicast_scope(group: IPv6Address) -> int:
    """The scope field of a multicast address (RFC 4291 section 2.7)."""
    return int(group) >> 112 & 0xF


def whole_number(minimum: int, maximum: int, *, step: int = 1) -> Rule:
    """A rule for int fields; both ends included."""

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise RefusedValueError
        if not minimum <= value <= maximum or value % step:
            raise RefusedValueError
        return value

    multiple = f", a multiple of {step}" if step > 1 else ""
    return Rule(f"a whole number from {minimum} to {maximum}{multiple}", parse)


def number(minimum: float, maximum: float) -> Rule:
    """A rule for float fields; both ends included; whole numbers are taken as well."""

    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RefusedValueError
        # The comparison comes before float(), which cannot take every int.
        if not minimum <= value <= maximum or not math.isfinite(value):
            raise RefusedValueError
        return float(value)

    return Rule(f"a number from {minimum:g} to {maximum:g}", parse)


def one_of(*choices: str) -> Rule:
    """A rule for a word out of a few."""

    def parse(value: object) -> str:
        if isinstance(value, str) and value in choices:
            return value
        raise RefusedValueError(did_you_mean(value, choices))

    return Rule(" or ".join(choices), parse)


def did_you_mean(value: object, choices: tuple[str, ...]) -> str:
    """'did you mean x?' for the nearest choice, or '' when none is near."""
    near = difflib.get_close_matches(value[:100], choices, n=1) if isinstance(value, str) else []
    return f"did you mean {near[0]}?" if near else ""


def plain_text(value: object) -> str:
    """The value as text. Raises RefusedValueError."""
    if not isinstance(value, str):
        raise RefusedValueError
    return value


def _version(value: object) -> int:
    if isinstance(value, bool) or value != 1:
        raise RefusedValueError
    return 1


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise RefusedValueError
    return value


def _name(characters_max: int) -> Callable[[object], str]:
    def parse(value: object) -> str:
        name = plain_text(value)
        if not _NODE_NAME.fullmatch(name):
            raise RefusedValueError
        if len(name) > characters_max:
            raise RefusedValueError(f"{len(name)} characters")
        return name

    return parse


def _interface_name(value: object) -> str:
    name = plain_text(value)
    if not _INTERFACE_NAME.fullmatch(name) or name in (".", ".."):
        raise RefusedValueError
    if len(name) > NODE_NAME_CHARACTERS_MAX:
        raise RefusedValueError(f"{len(name)} characters")
    return name


def _datapath_id(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RefusedValueError
    if not 1 <= value <= DATAPATH_ID_MAX:
        raise RefusedValueError
    return value


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
    kinds = {
        "multicast": address.is_multicast,
        "the unspecified address": address.is_unspecified,
        "the loopback address": address.is_loopback,
        "link-local": address.is_link_local,
        "an IPv4-mapped address": address.ipv4_mapped is not None,
    }
    for kind, applies in kinds.items():
        if applies:
            raise RefusedValueError(kind)
    return address


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


def _unicast_ipv4(address: IPv4Address) -> IPv4Address:
    kinds = {
        "multicast": address.is_multicast,
        "in 0.0.0.0/8": int(address) >> 24 == 0,
        "the loopback address": address.is_loopback,
        "link-local": address.is_link_local,
        "in 240.0.0.0/4": int(address) >> 28 == 0xF,
    }
    for kind, applies in kinds.items():
        if applies:
            raise RefusedValueError(kind)
    return address


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


def _unicast_network(value: object) -> IPv6Network:
    network = _network(value)
    _unicast(str(network.network_address + 1) if network.prefixlen < 128 else str(network.network_address))
    if not 16 <= network.prefixlen <= 120:
        raise RefusedValueError
    return network


def _pool_network(value: object) -> IPv6Network:
    network = _network(value)
    _unicast(str(network.network_address + 1) if network.prefixlen < 128 else str(network.network_address))
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


def _nai(value: object) -> str:
    nai = plain_text(value)
    if len(nai) > NAI_CHARACTERS_MAX:
        raise RefusedValueError
    user, at, realm = nai.partition("@")
    labels = realm.split(".")
    # RFC 4282 section 2.1: the realm has at least two labels.
    if not at or len(labels) < 2 or not all(_REALM_LABEL.fullmatch(label) for label in labels):
        raise RefusedValueError
    if not _MOBILE_NODE_NAME.fullmatch(user):
        raise RefusedValueError
    if len(user) > MOBILE_NODE_NAME_CHARACTERS_MAX:
        raise RefusedValueError(f"{len(user)} characters before '@'")
    return nai


def _link_layer_id(value: object) -> bytes:
    text = plain_text(value)
    if not _LINK_LAYER_ID.fullmatch(text):
        raise RefusedValueError
    octets = bytes.fromhex(text.replace(":", "").replace("-", ""))
    if not any(octets):
        raise RefusedValueError("all zero")
    if octets[0] & 1:
        raise RefusedValueError("a multicast address")
    if octets.startswith(OWN_LINK_LAYER_PREFIX):
        raise RefusedValueError("one of Castover's own")
    return octets


VERSION = Rule("1, the version of this format", _version)
TRUTH = Rule("true or false", _truth)
DOMAIN_NAME = Rule(
    f"a name of 1 to {DOMAIN_NAME_CHARACTERS_MAX} characters a-z, 0-9 and '-', starting with a letter",
    _name(DOMAIN_NAME_CHARACTERS_MAX),
)
NODE_NAME = Rule(
    f"a name of 1 to {NODE_NAME_CHARACTERS_MAX} characters a-z, 0-9 and '-', starting with a letter",
    _name(NODE_NAME_CHARACTERS_MAX),
)
DATAPATH_ID = Rule("a number from 0x1 to 0xffffffffffffffff, such as 0x11", _datapath_id)
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
NAI = Rule(
    f"user@realm (RFC 4283): a user of 1 to {MOBILE_NODE_NAME_CHARACTERS_MAX} characters A-Z, a-z, 0-9, '_', '.' and "
    f"'-' starting with a letter, a realm such as example.net, at most {NAI_CHARACTERS_MAX} characters",
    _nai,
)
LINK_LAYER_ID = Rule("six octets of a unicast MAC address, such as 02:00:00:00:00:11, not 02:ca:57:...", _link_layer_id)
CLIENT_NAME = Rule(
    f"a name of 1 to {DOMAIN_NAME_CHARACTERS_MAX} characters a-z, 0-9 and '-', starting with a letter",
    _name(DOMAIN_NAME_CHARACTERS_MAX),
)
INTERFACE_NAME = Rule(
    f"the name of a bridge or network interface: 1 to {NODE_NAME_CHARACTERS_MAX} letters, digits, '_', '.', '@', '+', '-'",
    _interface_name,
)
NAME_OF_MOBILE_NODE = Rule("the short name of a mobile node", plain_text)
NAME_OF_MAG = Rule("the id of a MAG", plain_text)
NAME_OF_NODE = Rule("the id of the LMA or of a MAG", plain_text)

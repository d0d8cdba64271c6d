# SPDX-License-Identifier: Apache-2.0
"""Options of Neighbor Discovery messages (RFC 4861 section 4.6). Their Length counts eight octets each, itself included.

    | Type | Length | data, padded with zeros to whole units |
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import ClassVar, Self

from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import NeighborOptionType

OPTIONS_MAX = 32
"""In one message; a real one has a handful."""
UNIT_OCTETS = 8
MAC_OCTETS = 6
INFINITY_S = 0xFFFF_FFFF
"""A lifetime that never ends (RFC 4861 section 4.6.2)."""


def _mac(cursor: Cursor) -> bytes:
    """An Ethernet address (RFC 2464 section 6); longer options are of other link types."""
    if len(cursor) != MAC_OCTETS:
        raise DecodeError("bad_option_length", cursor.offset, "link_layer_address")
    return cursor.take(MAC_OCTETS, "link_layer_address")


def _mac_octets(address: bytes) -> bytes:
    if len(address) != MAC_OCTETS:
        raise EncodeError("link_layer_address", f"{len(address)} octets, allowed: {MAC_OCTETS}")
    return address


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLinkLayerAddress:
    """Who sends the message (RFC 4861 section 4.6.1)."""

    TYPE: ClassVar[NeighborOptionType] = NeighborOptionType.SOURCE_LINK_LAYER_ADDRESS
    address: bytes

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        return cls(address=_mac(cursor))

    def encode_data(self) -> bytes:
        return _mac_octets(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLinkLayerAddress:
    """Whom the message speaks of (RFC 4861 section 4.6.1)."""

    TYPE: ClassVar[NeighborOptionType] = NeighborOptionType.TARGET_LINK_LAYER_ADDRESS
    address: bytes

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        return cls(address=_mac(cursor))

    def encode_data(self) -> bytes:
        return _mac_octets(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixInformation:
    """A prefix of the link (RFC 4861 section 4.6.2).

    | 3 | 4 | Prefix Length | L A reserved | Valid Lifetime (32) | Preferred Lifetime (32) | Reserved (32) | Prefix |
    """

    TYPE: ClassVar[NeighborOptionType] = NeighborOptionType.PREFIX_INFORMATION
    prefix: IPv6Network
    on_link: bool
    """L: addresses of the prefix are neighbours."""
    autonomous: bool
    """A: hosts may form addresses from it (RFC 4862)."""
    valid_lifetime_s: int
    preferred_lifetime_s: int

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        at = cursor.offset
        length = cursor.u8("prefix_length")
        flags = cursor.u8("prefix_flags")
        valid_s, preferred_s = cursor.u32("valid_lifetime"), cursor.u32("preferred_lifetime")
        cursor.u32("reserved")
        address = cursor.ipv6("prefix")
        if length > 128:
            raise DecodeError("bad_prefix_length", at, "prefix_length")
        return cls(
            # Bits after the prefix length are reserved and ignored (section 4.6.2).
            prefix=IPv6Network((address, length), strict=False),
            on_link=bool(flags & 0x80),
            autonomous=bool(flags & 0x40),
            valid_lifetime_s=valid_s,
            preferred_lifetime_s=preferred_s,
        )

    def encode_data(self) -> bytes:
        flags = (0x80 if self.on_link else 0) | (0x40 if self.autonomous else 0)
        return b"".join((
            bytes((self.prefix.prefixlen, flags)),
            unsigned(self.valid_lifetime_s, 4, "valid_lifetime_s"),
            unsigned(self.preferred_lifetime_s, 4, "preferred_lifetime_s"),
            bytes(4),
            self.prefix.network_address.packed,
        ))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMtu:
    """What the link carries (RFC 4861 section 4.6.4)."""

    TYPE: ClassVar[NeighborOptionType] = NeighborOptionType.MTU
    mtu: int

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        cursor.u16("reserved")
        return cls(mtu=cursor.u32("mtu"))

    def encode_data(self) -> bytes:
        return b"\0\0" + unsigned(self.mtu, 4, "mtu")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteInformation:
    """The sender is a way to this prefix, whether it is a default router or not (RFC 4191 section 2.3).

    | 24 | 1, 2 or 3 | Prefix Length | reserved Prf reserved | Route Lifetime (32) | Prefix (0, 8 or 16 octets) |
    """

    TYPE: ClassVar[NeighborOptionType] = NeighborOptionType.ROUTE_INFORMATION
    prefix: IPv6Network
    lifetime_s: int
    """0: it is one no more."""
    preference: int = 0
    """Prf, two bits: 0 medium, 1 high, 3 low."""

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        at = cursor.offset
        length, flags = cursor.u8("prefix_length"), cursor.u8("route_flags")
        lifetime_s = cursor.u32("route_lifetime")
        octets = cursor.rest()
        if len(octets) not in (0, 8, 16):
            raise DecodeError("bad_option_length", at, "prefix")
        if length > 8 * len(octets):
            raise DecodeError("bad_prefix_length", at, "prefix_length")
        # Bits after the prefix length are reserved and ignored.
        prefix = IPv6Network((octets.ljust(16, b"\0"), length), strict=False)
        return cls(prefix=prefix, lifetime_s=lifetime_s, preference=flags >> 3 & 3)

    def encode_data(self) -> bytes:
        length = self.prefix.prefixlen
        octets = self.prefix.network_address.packed[: -(-length // 64) * 8]
        return bytes((length, self.preference << 3)) + unsigned(self.lifetime_s, 4, "lifetime_s") + octets


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownNeighborOption:
    """An option that is skipped (RFC 4861 section 4.6), kept as it came."""

    option_type: NeighborOptionType
    data: bytes
    """Everything behind Type and Length: a multiple of eight octets, less two."""

    @property
    def TYPE(self) -> NeighborOptionType:  # noqa: N802 - as the constants of the other options
        return self.option_type

    def encode_data(self) -> bytes:
        return self.data


_Known = SourceLinkLayerAddress | TargetLinkLayerAddress | PrefixInformation | LinkMtu | RouteInformation
NeighborOption = _Known | UnknownNeighborOption

_NEIGHBOR_OPTIONS: dict[int, type[_Known]] = {
    NeighborOptionType.SOURCE_LINK_LAYER_ADDRESS: SourceLinkLayerAddress,
    NeighborOptionType.TARGET_LINK_LAYER_ADDRESS: TargetLinkLayerAddress,
    NeighborOptionType.PREFIX_INFORMATION: PrefixInformation,
    NeighborOptionType.MTU: LinkMtu,
    NeighborOptionType.ROUTE_INFORMATION: RouteInformation,
}


def decode_neighbor_options(cursor: Cursor) -> tuple[NeighborOption, ...]:
    """All options that are left. Raises DecodeError: bad_option_length (among others for a Length of 0, section 4.6),
    option_overruns_header, too_many_options, bad_prefix_length.
    """
    options: list[NeighborOption] = []
    while len(cursor):
        if len(options) == OPTIONS_MAX:
            raise DecodeError("too_many_options", cursor.offset, "option")
        options.append(_decode_option(cursor))
    return tuple(options)


def encode_neighbor_options(options: tuple[NeighborOption, ...]) -> bytes:
    """The octets of the options, each padded to whole units. Raises EncodeError."""
    if len(options) > OPTIONS_MAX:
        raise EncodeError("options", f"{len(options)} options, allowed: {OPTIONS_MAX}")
    return b"".join(_encode_option(option) for option in options)


def _decode_option(cursor: Cursor) -> NeighborOption:
    start = cursor.offset
    option_type = NeighborOptionType(cursor.u8("option_type"))
    octets = UNIT_OCTETS * cursor.u8("option_length") - 2
    if octets < 0:
        raise DecodeError("bad_option_length", start + 1, "option_length")
    if octets > len(cursor):
        raise DecodeError("option_overruns_header", start, "option_length")
    data = cursor.window(octets, "option")
    kind = _NEIGHBOR_OPTIONS.get(option_type)
    if kind is None:
        return UnknownNeighborOption(option_type=option_type, data=data.rest())
    try:
        option = kind.decode(data)
    except DecodeError as error:
        if error.reason == "truncated":
            raise DecodeError("bad_option_length", start + 1, error.field) from error
        raise
    if len(data):
        raise DecodeError("bad_option_length", start + 1, "option_length")
    return option


def _encode_option(option: NeighborOption) -> bytes:
    data = option.encode_data()
    padding = -(2 + len(data)) % UNIT_OCTETS
    units = (2 + len(data) + padding) // UNIT_OCTETS
    return bytes((option.TYPE,)) + unsigned(units, 1, "option_length") + data + bytes(padding)

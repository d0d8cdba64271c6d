# SPDX-License-Identifier: Apache-2.0
"""Mobility options of Proxy Mobile IPv6 registration: RFC 6275, 4283, 5094, 5213 and 5845.

Every option class has TYPE, ALIGNMENT (x, y) for "xn+y" counted from the start of the Mobility Header (RFC 6275
6.2.1), `decode` from a cursor over the octets behind the Length octet, and `encode_data` back to them. `decode` returns
None for a variant that it has no meaning for: the option is then kept as UnknownOption.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from typing import ClassVar, Self

from southbound.codec.cursor import Cursor, text_octets, unsigned
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import AccessTechnologyType, HandoffIndicator, OptionType

NAI_SUBTYPE = 1
"""Subtype of the MN-ID option: network access identifier (RFC 4283 3.1)."""
TIMESTAMP_UNITS_PER_SECOND = 65536
_LONGEST_IDENTIFIER = 254
_LONGEST_VENDOR_DATA = 250
_LONGEST_LINK_LAYER_ID = 253


def expect_length(cursor: Cursor, octets: int, field: str) -> None:
    """Raise DecodeError("bad_option_length") unless exactly this many octets follow the Length octet."""
    if len(cursor) != octets:
        raise DecodeError("bad_option_length", cursor.offset - 1, field)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternateCareOfAddress:
    """RFC 6275 6.2.5: the Proxy-CoA when it is not the source of the PBU.

    | 3 | 16 | address (16 octets) |, alignment 8n+6
    """

    TYPE: ClassVar[OptionType] = OptionType.ALTERNATE_CARE_OF_ADDRESS
    ALIGNMENT: ClassVar[tuple[int, int]] = (8, 6)
    address: IPv6Address

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        expect_length(cursor, 16, "alternate_care_of_address")
        return cls(address=cursor.ipv6("alternate_care_of_address"))

    def encode_data(self) -> bytes:
        return self.address.packed


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNodeIdentifier:
    """RFC 4283 3: the MN-ID as a network access identifier. Empty in a PBA that answers a PBU without one.

    | 8 | 1 + n | Subtype = 1 | identifier (n octets, UTF-8) |
    """

    TYPE: ClassVar[OptionType] = OptionType.MOBILE_NODE_IDENTIFIER
    ALIGNMENT: ClassVar[tuple[int, int]] = (1, 0)
    identifier: str

    @classmethod
    def decode(cls, cursor: Cursor) -> Self | None:
        if cursor.u8("mobile_node_identifier.subtype") != NAI_SUBTYPE:
            return None
        return cls(identifier=cursor.text("mobile_node_identifier"))

    def encode_data(self) -> bytes:
        return bytes((NAI_SUBTYPE,)) + text_octets(self.identifier, _LONGEST_IDENTIFIER, "mobile_node_identifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorSpecific:
    """RFC 5094 2: an option of some vendor. Those of this project have classes in castover_options.

    | 19 | 5 + n | Vendor-ID (32) | Sub-Type | data (n octets) |
    """

    TYPE: ClassVar[OptionType] = OptionType.VENDOR_SPECIFIC
    ALIGNMENT: ClassVar[tuple[int, int]] = (1, 0)
    vendor_id: int
    sub_type: int
    data: bytes

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        vendor_id = cursor.u32("vendor_specific.vendor_id")
        sub_type = cursor.u8("vendor_specific.sub_type")
        return cls(vendor_id=vendor_id, sub_type=sub_type, data=cursor.rest())

    def encode_data(self) -> bytes:
        if len(self.data) > _LONGEST_VENDOR_DATA:
            raise EncodeError("vendor_specific.data", f"{len(self.data)} octets, allowed: {_LONGEST_VENDOR_DATA}")
        return (
            unsigned(self.vendor_id, 4, "vendor_specific.vendor_id")
            + unsigned(self.sub_type, 1, "vendor_specific.sub_type")
            + self.data
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeNetworkPrefix:
    """RFC 5213 8.3. ::/0 asks the LMA to choose. Bits behind the prefix length are ignored on receipt.

    | 22 | 18 | Reserved | Prefix Length | prefix (16 octets) |, alignment 8n+4
    """

    TYPE: ClassVar[OptionType] = OptionType.HOME_NETWORK_PREFIX
    ALIGNMENT: ClassVar[tuple[int, int]] = (8, 4)
    prefix: IPv6Network

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        expect_length(cursor, 18, "home_network_prefix")
        cursor.u8("home_network_prefix.reserved")
        length_at = cursor.offset
        length = cursor.u8("home_network_prefix.prefix_length")
        if length > 128:
            raise DecodeError("bad_prefix_length", length_at, "home_network_prefix.prefix_length")
        return cls(prefix=IPv6Network((cursor.take(16, "home_network_prefix"), length), strict=False))

    def encode_data(self) -> bytes:
        return bytes((0, self.prefix.prefixlen)) + self.prefix.network_address.packed


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffIndicatorOption:
    """RFC 5213 8.4.

    | 23 | 2 | Reserved | indicator |
    """

    TYPE: ClassVar[OptionType] = OptionType.HANDOFF_INDICATOR
    ALIGNMENT: ClassVar[tuple[int, int]] = (1, 0)
    indicator: HandoffIndicator

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        expect_length(cursor, 2, "handoff_indicator")
        cursor.u8("handoff_indicator.reserved")
        return cls(indicator=HandoffIndicator(cursor.u8("handoff_indicator")))

    def encode_data(self) -> bytes:
        return b"\0" + unsigned(self.indicator, 1, "handoff_indicator")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTechnologyTypeOption:
    """RFC 5213 8.5.

    | 24 | 2 | Reserved | access technology type |
    """

    TYPE: ClassVar[OptionType] = OptionType.ACCESS_TECHNOLOGY_TYPE
    ALIGNMENT: ClassVar[tuple[int, int]] = (1, 0)
    technology: AccessTechnologyType

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        expect_length(cursor, 2, "access_technology_type")
        cursor.u8("access_technology_type.reserved")
        return cls(technology=AccessTechnologyType(cursor.u8("access_technology_type")))

    def encode_data(self) -> bytes:
        return b"\0" + unsigned(self.technology, 1, "access_technology_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNodeLinkLayerIdentifier:
    """RFC 5213 8.6: the MN's link-layer address. The RFC gives no fixed alignment.

    | 25 | 2 + n | Reserved (16) | identifier (n octets) |
    """

    TYPE: ClassVar[OptionType] = OptionType.MOBILE_NODE_LINK_LAYER_IDENTIFIER
    ALIGNMENT: ClassVar[tuple[int, int]] = (1, 0)
    identifier: bytes

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        cursor.u16("link_layer_identifier.reserved")
        return cls(identifier=cursor.rest())

    def encode_data(self) -> bytes:
        if len(self.identifier) > _LONGEST_LINK_LAYER_ID:
            raise EncodeError("link_layer_identifier", f"{len(self.identifier)} octets")
        return b"\0\0" + self.identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLocalAddress:
    """RFC 5213 8.7: the link-local address of the MAG on the access link.

    | 26 | 16 | address (16 octets) |, alignment 8n+6
    """

    TYPE: ClassVar[OptionType] = OptionType.LINK_LOCAL_ADDRESS
    ALIGNMENT: ClassVar[tuple[int, int]] = (8, 6)
    address: IPv6Address

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        expect_length(cursor, 16, "link_local_address")
        return cls(address=cursor.ipv6("link_local_address"))

    def encode_data(self) -> bytes:
        return self.address.packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    """RFC 5213 8.8: 48 bits of seconds since 1970, 16 bits of 1/65536 s, held as one number so that it stays exact.

    | 27 | 8 | seconds (48) | fraction (16) |, alignment 8n+2
    """

    TYPE: ClassVar[OptionType] = OptionType.TIMESTAMP
    ALIGNMENT: ClassVar[tuple[int, int]] = (8, 2)
    units: int
    """Time since 1970-01-01 UTC in 1/65536 s."""

    @classmethod
    def from_seconds(cls, seconds: float) -> Self:
        """The last whole unit not after `seconds` (since 1970). EncodeError when it has no place in 64 bits."""
        if not 0 <= seconds < 1 << 48:
            raise EncodeError("timestamp", f"{seconds} s is not in 0..2^48")
        return cls(units=int(seconds * TIMESTAMP_UNITS_PER_SECOND))

    @property
    def seconds(self) -> float:
        """Seconds since 1970; exact until the year 6325 (2^53 units)."""
        return self.units / TIMESTAMP_UNITS_PER_SECOND

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        expect_length(cursor, 8, "timestamp")
        return cls(units=cursor.u64("timestamp"))

    def encode_data(self) -> bytes:
        return unsigned(self.units, 8, "timestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class GreKey:
    """RFC 5845 6.1. Without a key it asks the peer for one.

    | 33 | 2 or 6 | Reserved (16) | [key (32)] |, alignment 4n
    """

    TYPE: ClassVar[OptionType] = OptionType.GRE_KEY
    ALIGNMENT: ClassVar[tuple[int, int]] = (4, 0)
    key: int | None

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        if len(cursor) not in (2, 6):
            raise DecodeError("bad_option_length", cursor.offset - 1, "gre_key")
        cursor.u16("gre_key.reserved")
        return cls(key=cursor.u32("gre_key") if len(cursor) else None)

    def encode_data(self) -> bytes:
        return b"\0\0" if self.key is None else b"\0\0" + unsigned(self.key, 4, "gre_key")

# SPDX-License-Identifier: Apache-2.0
"""Multicast Listener Discovery, versions 1 (RFC 2710) and 2 (RFC 3810): the ICMPv6 messages.

    Query (RFC 3810 5.1): 24 octets are version 1, 28 and more version 2 (8.1)
        | 130 | Code | Checksum | Maximum Response Code (16) | Reserved (16) | group (16 octets) |
        | Resv (4) S (1) QRV (3) | QQIC | Number of Sources (16) | sources |
    Version 2 Report (5.2)
        | 143 | Reserved | Checksum | Reserved (16) | Number of Records (16) | records |
    Version 1 Report and Done (RFC 2710 3)
        | 131 or 132 | Code | Checksum | 0 (16) | Reserved (16) | group (16 octets) |

Octets behind the fields named here count for the checksum and are ignored (RFC 3810 5.1.12 and 5.2.11).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import ClassVar, Self

from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import NEXT_HEADER_ICMPV6, MldType
from southbound.codec.ipv6 import upper_layer_checksum
from southbound.codec.mld_codes import decode_code, encode_code
from southbound.codec.records import MulticastAddressRecord, decode_records, encode_records

RECORDS_MAX = 256
SOURCES_MAX = 256
"""Caps of a report from a link: about what fits into 9000 and 4096 octets; no listener here needs a tenth of it."""
_V1_OCTETS = 24
_V2_QUERY_OCTETS = 28
UNSPECIFIED = IPv6Address(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mldv2Query:
    """A version 2 Query: general (group ::), for a group, or for a group and sources. From a querier."""

    TYPE: ClassVar[MldType] = MldType.QUERY

    group: IPv6Address = UNSPECIFIED
    maximum_response_delay_ms: int = 10_000
    """0..8387584; sent as the largest value of its float code that is not above it (RFC 3810 5.1.3)."""
    suppress_router_processing: bool = False
    """S flag."""
    robustness: int = 2
    """QRV, 0..7."""
    query_interval_s: int = 125
    """QQI, 0..31744; sent as the largest value of its float code that is not above it (RFC 3810 5.1.9)."""
    sources: tuple[IPv6Address, ...] = ()

    @classmethod
    def decode(cls, body: Cursor) -> Self:
        delay_ms = decode_code(body.u16("maximum_response_code"), mantissa_bits=12)
        body.u16("reserved")
        group = _group_or_unspecified(body)
        flags = body.u8("flags")
        interval_s = decode_code(body.u8("qqic"), mantissa_bits=4)
        count_at = body.offset
        count = body.u16("number_of_sources")
        if count > SOURCES_MAX:
            raise DecodeError("too_many_sources", count_at, "number_of_sources")
        return cls(
            group=group,
            maximum_response_delay_ms=delay_ms,
            suppress_router_processing=bool(flags & 0x08),
            robustness=flags & 0x07,
            query_interval_s=interval_s,
            sources=tuple(body.ipv6("source_address") for _ in range(count)),
        )

    def encode_body(self) -> bytes:
        if not 0 <= self.robustness <= 7:
            raise EncodeError("robustness", f"{self.robustness}, allowed: 0..7")
        if len(self.sources) > SOURCES_MAX:
            raise EncodeError("sources", f"{len(self.sources)} sources, allowed: {SOURCES_MAX}")
        delay = encode_code(self.maximum_response_delay_ms, mantissa_bits=12, field="maximum_response_delay_ms")
        interval = encode_code(self.query_interval_s, mantissa_bits=4, field="query_interval_s")
        return b"".join(
            (
                delay.to_bytes(2, "big"),
                b"\0\0",
                self.group.packed,
                bytes(((0x08 if self.suppress_router_processing else 0) | self.robustness, interval)),
                unsigned(len(self.sources), 2, "sources"),
                *(source.packed for source in self.sources),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mldv1Query:
    """A version 1 Query, general (group ::) or for a group: whoever hears it speaks version 1 (RFC 3810 8.2.1)."""

    TYPE: ClassVar[MldType] = MldType.QUERY

    group: IPv6Address = UNSPECIFIED
    maximum_response_delay_ms: int = 10_000
    """0..65535, plain."""

    @classmethod
    def decode(cls, body: Cursor) -> Self:
        delay_ms = body.u16("maximum_response_delay")
        body.u16("reserved")
        return cls(group=_group_or_unspecified(body), maximum_response_delay_ms=delay_ms)

    def encode_body(self) -> bytes:
        return unsigned(self.maximum_response_delay_ms, 2, "maximum_response_delay_ms") + b"\0\0" + self.group.packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Mldv2Report:
    """A Version 2 Multicast Listener Report."""

    TYPE: ClassVar[MldType] = MldType.V2_REPORT

    records: tuple[MulticastAddressRecord, ...]

    @classmethod
    def decode(cls, body: Cursor) -> Self:
        return cls(records=decode_records(body, records_max=RECORDS_MAX, sources_max=SOURCES_MAX))

    def encode_body(self) -> bytes:
        return encode_records(self.records, records_max=RECORDS_MAX, sources_max=SOURCES_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mldv1Report:
    """A version 1 Report: the sender listens to the group, any source."""

    TYPE: ClassVar[MldType] = MldType.V1_REPORT

    group: IPv6Address

    @classmethod
    def decode(cls, body: Cursor) -> Self:
        return cls(group=_group_of_v1(body))

    def encode_body(self) -> bytes:
        return bytes(4) + self.group.packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Mldv1Done:
    """A version 1 Done: the sender stops listening to the group."""

    TYPE: ClassVar[MldType] = MldType.V1_DONE

    group: IPv6Address

    @classmethod
    def decode(cls, body: Cursor) -> Self:
        return cls(group=_group_of_v1(body))

    def encode_body(self) -> bytes:
        return bytes(4) + self.group.packed


MldMessage = Mldv2Query | Mldv1Query | Mldv2Report | Mldv1Report | Mldv1Done


def decode_mld(icmp: bytes, source: IPv6Address, destination: IPv6Address) -> MldMessage:
    """The MLD message in an ICMPv6 message. Raises DecodeError: not_mld, bad_checksum, bad_query_length,
    not_a_multicast_group, truncated, too_many_records, too_many_sources.
    """
    cursor = Cursor(icmp)
    mld_type = MldType(cursor.u8("icmp_type"))
    kind = _message_class(mld_type, len(icmp))
    cursor.u8("code")
    cursor.u16("checksum")
    if upper_layer_checksum(source, destination, NEXT_HEADER_ICMPV6, icmp) != 0:
        raise DecodeError("bad_checksum", 2, "checksum")
    return kind.decode(cursor)


def encode_mld(message: MldMessage, source: IPv6Address, destination: IPv6Address) -> bytes:
    """The ICMPv6 message, checksum filled. Raises EncodeError."""
    start, body = bytes((message.TYPE, 0)), message.encode_body()
    checksum = upper_layer_checksum(source, destination, NEXT_HEADER_ICMPV6, start + b"\0\0" + body)
    return start + checksum.to_bytes(2, "big") + body


def _message_class(mld_type: MldType, octets: int) -> type[MldMessage]:
    match mld_type:
        case MldType.V2_REPORT:
            return Mldv2Report
        case MldType.V1_REPORT:
            return Mldv1Report
        case MldType.V1_DONE:
            return Mldv1Done
        case MldType.QUERY if octets == _V1_OCTETS:
            return Mldv1Query
        case MldType.QUERY if octets >= _V2_QUERY_OCTETS:
            return Mldv2Query
        case MldType.QUERY:
            # RFC 3810 8.1: any other length is silently ignored.
            raise DecodeError("bad_query_length", 0, "query")
        case _:
            raise DecodeError("not_mld", 0, "icmp_type")


def _group_of_v1(body: Cursor) -> IPv6Address:
    body.u32("reserved")
    at = body.offset
    group = body.ipv6("multicast_address")
    if not group.is_multicast:
        raise DecodeError("not_a_multicast_group", at, "multicast_address")
    return group


def _group_or_unspecified(body: Cursor) -> IPv6Address:
    at = body.offset
    group = body.ipv6("multicast_address")
    if not group.is_multicast and group != UNSPECIFIED:
        raise DecodeError("not_a_multicast_group", at, "multicast_address")
    return group

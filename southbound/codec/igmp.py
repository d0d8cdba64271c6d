# SPDX-License-Identifier: Apache-2.0
"""Internet Group Management Protocol, versions 1 (RFC 1112), 2 (RFC 2236) and 3 (RFC 3376, RFC 9776): the messages.

    Query (RFC 3376 4.1): 8 octets are version 1 or 2, 12 and more version 3 (7.1)
        | 0x11 | Max Resp Code | Checksum | group | Resv (4) S (1) QRV (3) | QQIC | Number of Sources (16) | sources |
    Version 3 Report (4.2)
        | 0x22 | Reserved | Checksum | Reserved (16) | Number of Group Records (16) | group records |
    Version 2 Report and Leave (RFC 2236 2), Version 1 Report (RFC 1112 appendix I)
        | 0x16, 0x17 or 0x12 | 0 | Checksum | group |

Octets behind the fields named here count for the checksum and are ignored (RFC 3376 4.1.10 and 4.2.11).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import ClassVar, Self

from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import IgmpType
from southbound.codec.ipv4 import internet_checksum
from southbound.codec.mld_codes import decode_code, encode_code
from southbound.codec.records import MulticastAddressRecord, decode_records, encode_records

RECORDS_MAX = 256
SOURCES_MAX = 256
"""Caps of a report from a link; no listener here needs a tenth of it."""
ANY_GROUP = IPv4Address(0)
_OLDER_OCTETS = 8
_V3_QUERY_OCTETS = 12
_VERSION_1_RESPONSE_TENTHS = 100
"""A Max Resp Code of 0 is a version 1 query: ten seconds (RFC 3376 7.2.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Igmpv3Query:
    """A version 3 Query: general (group 0.0.0.0), for a group, or for a group and sources. From a querier."""

    TYPE: ClassVar[IgmpType] = IgmpType.QUERY

    group: IPv4Address = ANY_GROUP
    maximum_response_delay_ms: int = 10_000
    """In steps of 100; sent as the largest value of its float code that is not above it (RFC 3376 4.1.1)."""
    suppress_router_processing: bool = False
    robustness: int = 2
    query_interval_s: int = 125
    sources: tuple[IPv4Address, ...] = ()

    @classmethod
    def decode(cls, body: Cursor, code: int) -> Self:
        group = _group_or_any(body)
        flags = body.u8("flags")
        interval_s = decode_code(body.u8("qqic"), mantissa_bits=4)
        count_at = body.offset
        count = body.u16("number_of_sources")
        if count > SOURCES_MAX:
            raise DecodeError("too_many_sources", count_at, "number_of_sources")
        return cls(
            group=group,
            maximum_response_delay_ms=100 * decode_code(code, mantissa_bits=4),
            suppress_router_processing=bool(flags & 0x08),
            robustness=flags & 0x07,
            query_interval_s=interval_s,
            sources=tuple(body.ipv4("source_address") for _ in range(count)),
        )

    @property
    def code(self) -> int:
        return encode_code(self.maximum_response_delay_ms // 100, mantissa_bits=4, field="maximum_response_delay_ms")

    def encode_body(self) -> bytes:
        if not 0 <= self.robustness <= 7:
            raise EncodeError("robustness", f"{self.robustness}, allowed: 0..7")
        if len(self.sources) > SOURCES_MAX:
            raise EncodeError("sources", f"{len(self.sources)} sources, allowed: {SOURCES_MAX}")
        interval = encode_code(self.query_interval_s, mantissa_bits=4, field="query_interval_s")
        return b"".join((
            self.group.packed,
            bytes(((0x08 if self.suppress_router_processing else 0) | self.robustness, interval)),
            unsigned(len(self.sources), 2, "sources"),
            *(source.packed for source in self.sources),
        ))


@dataclass(frozen=True, slots=True, kw_only=True)
class Igmpv2Query:
    """A version 2 Query, general or for a group, or one of version 1 (which is always general)."""

    TYPE: ClassVar[IgmpType] = IgmpType.QUERY

    group: IPv4Address = ANY_GROUP
    maximum_response_delay_ms: int = 10_000
    """100..25500, plain tenths of a second."""

    @classmethod
    def decode(cls, body: Cursor, code: int) -> Self:
        tenths = code or _VERSION_1_RESPONSE_TENTHS
        return cls(group=_group_or_any(body), maximum_response_delay_ms=100 * tenths)

    @property
    def code(self) -> int:
        return self.maximum_response_delay_ms // 100

    def encode_body(self) -> bytes:
        return self.group.packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Igmpv3Report:
    """A Version 3 Membership Report."""

    TYPE: ClassVar[IgmpType] = IgmpType.V3_REPORT

    records: tuple[MulticastAddressRecord, ...]
    code: ClassVar[int] = 0

    @classmethod
    def decode(cls, body: Cursor, _code: int) -> Self:
        return cls(records=decode_records(body, records_max=RECORDS_MAX, sources_max=SOURCES_MAX, version=4))

    def encode_body(self) -> bytes:
        return encode_records(self.records, records_max=RECORDS_MAX, sources_max=SOURCES_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Igmpv2Report:
    """A version 2 Report (or one of version 1, which says the same): the sender listens to the group, any source."""

    TYPE: ClassVar[IgmpType] = IgmpType.V2_REPORT

    group: IPv4Address
    code: ClassVar[int] = 0

    @classmethod
    def decode(cls, body: Cursor, _code: int) -> Self:
        return cls(group=_group(body))

    def encode_body(self) -> bytes:
        return self.group.packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Igmpv2Leave:
    """A version 2 Leave: the sender stops listening to the group."""

    TYPE: ClassVar[IgmpType] = IgmpType.V2_LEAVE

    group: IPv4Address
    code: ClassVar[int] = 0

    @classmethod
    def decode(cls, body: Cursor, _code: int) -> Self:
        return cls(group=_group(body))

    def encode_body(self) -> bytes:
        return self.group.packed


IgmpMessage = Igmpv3Query | Igmpv2Query | Igmpv3Report | Igmpv2Report | Igmpv2Leave


def decode_igmp(octets: bytes) -> IgmpMessage:
    """The IGMP message. Raises DecodeError: not_igmp, bad_checksum, bad_query_length, not_a_multicast_group, truncated,
    too_many_records, too_many_sources.
    """
    cursor = Cursor(octets)
    igmp_type = IgmpType(cursor.u8("igmp_type"))
    kind = _message_class(igmp_type, len(octets))
    code = cursor.u8("max_resp_code")
    cursor.u16("checksum")
    if internet_checksum(octets) != 0:
        raise DecodeError("bad_checksum", 2, "checksum")
    if kind is Igmpv3Report:
        # The two octets before the number of records: reserved, and read with it.
        return Igmpv3Report.decode(cursor, code)
    return kind.decode(cursor, code)


def encode_igmp(message: IgmpMessage) -> bytes:
    """The octets of the message, checksum filled. Raises EncodeError."""
    start, body = bytes((message.TYPE, message.code)), message.encode_body()
    return start + internet_checksum(start + b"\0\0" + body).to_bytes(2, "big") + body


def _message_class(igmp_type: IgmpType, octets: int) -> type[IgmpMessage]:
    match igmp_type:
        case IgmpType.V3_REPORT:
            return Igmpv3Report
        case IgmpType.V2_REPORT | IgmpType.V1_REPORT:
            return Igmpv2Report
        case IgmpType.V2_LEAVE:
            return Igmpv2Leave
        case IgmpType.QUERY if octets == _OLDER_OCTETS:
            return Igmpv2Query
        case IgmpType.QUERY if octets >= _V3_QUERY_OCTETS:
            return Igmpv3Query
        case IgmpType.QUERY:
            # RFC 3376 7.1: any other length is silently ignored.
            raise DecodeError("bad_query_length", 0, "query")
        case _:
            raise DecodeError("not_igmp", 0, "igmp_type")


def _group(body: Cursor) -> IPv4Address:
    at = body.offset
    group = body.ipv4("group_address")
    if not group.is_multicast:
        raise DecodeError("not_a_multicast_group", at, "group_address")
    return group


def _group_or_any(body: Cursor) -> IPv4Address:
    at = body.offset
    group = body.ipv4("group_address")
    if not group.is_multicast and group != ANY_GROUP:
        raise DecodeError("not_a_multicast_group", at, "group_address")
    return group

# SPDX-License-Identifier: Apache-2.0
"""The multicast address record: how a group, its filter mode and its sources look in MLDv2, IGMPv3, HI, HAck and PBU.

RFC 3810 section 5.2, unchanged in the draft's section 5 and in RFC 7411 and RFC 7161:

     0                   1                   2                   3
    +---------------+---------------+-------------------------------+
    |  Record Type  |  Aux Data Len |     Number of Sources (N)     |
    +---------------+---------------+-------------------------------+
    |                  Multicast Address (16 octets)                |
    +---------------------------------------------------------------+
    |               Source Address [1..N] (16 octets each)          |
    +---------------------------------------------------------------+
    |              Auxiliary Data (4 * Aux Data Len octets)         |
    +---------------------------------------------------------------+

The group record of IGMPv3 (RFC 3376 section 4.2.4) is the same with addresses of 4 octets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from southbound.codec.addresses import IpAddress
from southbound.codec.cursor import Cursor, unsigned
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import Mldv2RecordType

RECORD_OCTETS = 20
"""A record without sources and auxiliary data."""
SOURCE_OCTETS = 16
RECORD_OCTETS_IPV4 = 8
SOURCE_OCTETS_IPV4 = 4

Version = Literal[4, 6]
"""Of IP: which addresses a record has is told by what carries it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MulticastAddressRecord:
    """One record. Sources stay in the order of the wire; what they mean is `southbound.mld`'s business.

    Group and sources are of one family.
    """

    record_type: Mldv2RecordType
    """The types of IGMPv3 are the same (RFC 3376 section 4.2.12)."""
    group: IpAddress
    sources: tuple[IpAddress, ...] = ()
    auxiliary_data: bytes = b""
    """Whole 32-bit words. MLDv2 defines none and sends none (RFC 3810 5.2.3); received octets are ignored."""


def record_octets(record: MulticastAddressRecord) -> int:
    """How long it is, without auxiliary data."""
    if record.group.version == 4:
        return RECORD_OCTETS_IPV4 + SOURCE_OCTETS_IPV4 * len(record.sources)
    return RECORD_OCTETS + SOURCE_OCTETS * len(record.sources)


def encode_record(record: MulticastAddressRecord, *, sources_max: int) -> bytes:
    """The octets of one record. Raises EncodeError: too many sources, sources of another family than the group's,
    auxiliary data not in 32-bit words."""
    if any(source.version != record.group.version for source in record.sources):
        raise EncodeError("sources", f"not all of IPv{record.group.version}, as {record.group}")
    if len(record.sources) > sources_max:
        raise EncodeError("sources", f"{len(record.sources)} sources, allowed: {sources_max}")
    if len(record.auxiliary_data) % 4:
        raise EncodeError("auxiliary_data", f"{len(record.auxiliary_data)} octets, allowed: a multiple of 4")
    return b"".join(
        (
            unsigned(record.record_type, 1, "record_type"),
            unsigned(len(record.auxiliary_data) // 4, 1, "auxiliary_data"),
            unsigned(len(record.sources), 2, "sources"),
            record.group.packed,
            *(source.packed for source in record.sources),
            record.auxiliary_data,
        )
    )


def decode_record(cursor: Cursor, *, sources_max: int, version: Version = 6) -> MulticastAddressRecord:
    """The record under the cursor. Raises DecodeError: truncated, too_many_sources."""
    record_type = Mldv2RecordType(cursor.u8("record_type"))
    auxiliary_octets = 4 * cursor.u8("auxiliary_data_length")
    count_at = cursor.offset
    count = cursor.u16("number_of_sources")
    if count > sources_max:
        raise DecodeError("too_many_sources", count_at, "number_of_sources")
    address = cursor.ipv6 if version == 6 else cursor.ipv4
    group = address("multicast_address")
    return MulticastAddressRecord(
        record_type=record_type,
        group=group,
        sources=tuple(address("source_address") for _ in range(count)),
        auxiliary_data=cursor.take(auxiliary_octets, "auxiliary_data"),
    )


def encode_records(records: Iterable[MulticastAddressRecord], *, records_max: int, sources_max: int) -> bytes:
    """`Reserved (16) | Number of Records (16)` and the records: an MLDv2 report behind its ICMPv6 header, an IGMPv3
    report behind its checksum.

    RFC 3810 5.2, RFC 3376 4.2, RFC 7411 5.3. Raises EncodeError: too many records, and what encode_record raises.
    """
    octets = [encode_record(record, sources_max=sources_max) for record in records]
    if len(octets) > records_max:
        raise EncodeError("records", f"{len(octets)} records, allowed: {records_max}")
    return b"\0\0" + unsigned(len(octets), 2, "records") + b"".join(octets)


def decode_records(
    cursor: Cursor, *, records_max: int, sources_max: int, version: Version = 6
) -> tuple[MulticastAddressRecord, ...]:
    """What encode_records writes; what follows the last record is left under the cursor.

    The first 16 bits are ignored: reserved in RFC 3810, Flags in RFC 9777 5.2.3. Raises DecodeError: truncated,
    too_many_records, too_many_sources.
    """
    cursor.u16("reserved")
    count_at = cursor.offset
    count = cursor.u16("number_of_records")
    if count > records_max:
        raise DecodeError("too_many_records", count_at, "number_of_records")
    return tuple(decode_record(cursor, sources_max=sources_max, version=version) for _ in range(count))

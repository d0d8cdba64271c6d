# SPDX-License-Identifier: Apache-2.0
"""Records into reports that fit into one packet (RFC 3810 section 5.2.15). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from southbound.codec.records import (
    RECORD_OCTETS,
    RECORD_OCTETS_IPV4,
    SOURCE_OCTETS,
    SOURCE_OCTETS_IPV4,
    MulticastAddressRecord,
    record_octets,
)
from southbound.mld.transitions import REPLACING

ROOM_OCTETS = 1280 - 40 - 8 - 8
"""For records in a packet of the IPv6 minimum MTU: without IPv6 header, Router Alert, and the report's own header."""
SOURCES_MAX = 256
"""Of one record, as our own codec takes them."""


def reports(
    records: Iterable[MulticastAddressRecord], room_octets: int = ROOM_OCTETS
) -> tuple[tuple[MulticastAddressRecord, ...], ...]:
    """The records of each report, in order.

    A source list that is too long goes on in further records; of EXCLUDE it must not, so it ends there and more is let
    through than was asked for.
    """
    found: list[list[MulticastAddressRecord]] = []
    room = 0
    for record in records:
        for piece in _pieces(record, _sources_max(record, room_octets)):
            octets = record_octets(piece)
            if not found or octets > room:
                found.append([])
                room = room_octets
            found[-1].append(piece)
            room -= octets
    return tuple(tuple(report) for report in found)


def _sources_max(record: MulticastAddressRecord, room_octets: int) -> int:
    if record.group.version == 4:
        return min((room_octets - RECORD_OCTETS_IPV4) // SOURCE_OCTETS_IPV4, SOURCES_MAX)
    return (room_octets - RECORD_OCTETS) // SOURCE_OCTETS


def _pieces(record: MulticastAddressRecord, sources_max: int) -> list[MulticastAddressRecord]:
    if len(record.sources) <= sources_max:
        return [record]
    if record.record_type in REPLACING:
        return [replace(record, sources=record.sources[:sources_max])]
    starts = range(0, len(record.sources), sources_max)
    return [replace(record, sources=record.sources[at : at + sources_max]) for at in starts]

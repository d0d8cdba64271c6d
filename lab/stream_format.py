# SPDX-License-Identifier: Apache-2.0
"""What the test stream's datagrams carry, and the file in which source and sinks leave their records. Pure.

Payload: sequence number (8 octets), send time in ns since 1970 (8 octets), zeros up to the wanted size; big-endian.
Record file: b"CSTR", version (16 bits), reserved (16 bits), number of records (64 bits), then for each record its
sequence number and its time in ns since 1970 (64 bits each); little-endian.
"""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass

PAYLOAD_HEADER = struct.Struct("!QQ")
PAYLOAD_OCTETS_MAX = 1452
"""IPv6 (40) and UDP (8) on top make 1500."""
RECORDS_MAX = 5_000_000
"""What a source or a sink keeps at most: 80 MB; later packets are only counted."""

_FILE_HEADER = struct.Struct("<4sHxxQ")
_MAGIC, _VERSION = b"CSTR", 1


class StreamFormatError(ValueError):
    """A record file that is not one, or not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One packet as a source or a sink saw it."""

    sequence: int
    time_ns: int
    """Since 1970: when the source handed it to the kernel, or when the sink's kernel received it."""


class RecordList:
    """Records in 16 octets each, up to a cap; what comes after that is counted."""

    def __init__(self, maximum: int = RECORDS_MAX) -> None:
        self._values = array("Q")
        self._maximum = maximum
        self.not_recorded = 0

    def __len__(self) -> int:
        return len(self._values) // 2

    def add(self, sequence: int, time_ns: int) -> None:
        """Append one record, or count it as not recorded."""
        if len(self._values) >= 2 * self._maximum:
            self.not_recorded += 1
            return
        self._values.append(sequence)
        self._values.append(time_ns)

    def encode(self) -> bytes:
        """The whole file."""
        values = self._values
        if sys.byteorder == "big":
            values = array("Q", values)
            values.byteswap()
        return _FILE_HEADER.pack(_MAGIC, _VERSION, len(self)) + values.tobytes()


def decode_records(octets: bytes) -> list[Record]:
    """The records of a file, in their order. Raises StreamFormatError."""
    if len(octets) < _FILE_HEADER.size:
        raise StreamFormatError(f"{len(octets)} octets are no record file")
    magic, version, count = _FILE_HEADER.unpack_from(octets)
    if (magic, version) != (_MAGIC, _VERSION):
        raise StreamFormatError(f"not a record file of version {_VERSION}")
    if len(octets) != _FILE_HEADER.size + 16 * count:
        raise StreamFormatError(f"{count} records announced, {len(octets) - _FILE_HEADER.size} octets found")
    values = array("Q")
    values.frombytes(octets[_FILE_HEADER.size :])
    if sys.byteorder == "big":
        values.byteswap()
    return [Record(sequence=values[i], time_ns=values[i + 1]) for i in range(0, len(values), 2)]

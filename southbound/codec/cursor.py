# SPDX-License-Identifier: Apache-2.0
"""Reading octets with every access checked, and the checked way back from numbers and text to octets."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from southbound.codec.errors import DecodeError, EncodeError


class Cursor:
    """A position in octets with an end that cannot be crossed.

    Offsets, also those in errors, count from the first octet of `data`, so that a cursor over one option reports
    positions inside the whole message. Every read past the end raises DecodeError("truncated").
    """

    __slots__ = ("_data", "_end", "offset")

    def __init__(self, data: bytes, offset: int = 0, end: int | None = None) -> None:
        self._data = data
        self._end = len(data) if end is None else min(end, len(data))
        self.offset = offset

    def __len__(self) -> int:
        """Octets that are left."""
        return max(self._end - self.offset, 0)

    def take(self, count: int, field: str) -> bytes:
        """The next `count` octets."""
        start = self.offset
        stop = start + count
        if stop > self._end or count < 0:
            raise DecodeError("truncated", start, field)
        self.offset = stop
        return self._data[start:stop]

    def rest(self) -> bytes:
        """All octets that are left."""
        return self.take(len(self), "rest")

    def u8(self, field: str) -> int:
        """An unsigned octet."""
        start = self.offset
        if start >= self._end:
            raise DecodeError("truncated", start, field)
        self.offset = start + 1
        return self._data[start]

    def u16(self, field: str) -> int:
        """An unsigned 16-bit number in network order."""
        return int.from_bytes(self.take(2, field), "big")

    def u32(self, field: str) -> int:
        """An unsigned 32-bit number in network order."""
        return int.from_bytes(self.take(4, field), "big")

    def u64(self, field: str) -> int:
        """An unsigned 64-bit number in network order."""
        return int.from_bytes(self.take(8, field), "big")

    def ipv6(self, field: str) -> IPv6Address:
        """An IPv6 address."""
        return IPv6Address(self.take(16, field))

    def ipv4(self, field: str) -> IPv4Address:
        """An IPv4 address."""
        return IPv4Address(self.take(4, field))

    def text(self, field: str) -> str:
        """All octets that are left as UTF-8 text without control characters; DecodeError("bad_text") otherwise.

        Identifiers end up in logs and in JSON, hence no control characters (RFC 4282 section 2.1 has none either).
        """
        start = self.offset
        try:
            value = self.rest().decode("utf-8")
        except UnicodeDecodeError as error:
            raise DecodeError("bad_text", start + error.start, field) from error
        if not value.isprintable():
            raise DecodeError("bad_text", start, field)
        return value

    def window(self, count: int, field: str) -> Cursor:
        """A cursor over the next `count` octets only; this one moves behind them."""
        start = self.offset
        stop = start + count
        if stop > self._end:
            raise DecodeError("truncated", start, field)
        self.offset = stop
        return Cursor(self._data, start, stop)

    def finish(self, field: str) -> None:
        """Raise DecodeError("trailing_octets") unless everything has been read."""
        if self.offset != self._end:
            raise DecodeError("trailing_octets", self.offset, field)


def unsigned(value: int, octets: int, field: str) -> bytes:
    """`value` in network order; EncodeError when it does not fit into that many octets."""
    if not 0 <= value < 1 << 8 * octets:
        raise EncodeError(field, f"{value} does not fit into {octets} octets")
    return int(value).to_bytes(octets, "big")


def text_octets(value: str, longest: int, field: str) -> bytes:
    """`value` in UTF-8; EncodeError when it has control characters or is longer than `longest` octets."""
    if not value.isprintable():
        raise EncodeError(field, "has characters that are not printable")
    try:
        octets = value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise EncodeError(field, "is not encodable as UTF-8") from error
    if len(octets) > longest:
        raise EncodeError(field, f"{len(octets)} octets, allowed: {longest}")
    return octets

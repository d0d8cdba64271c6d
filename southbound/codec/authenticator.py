# SPDX-License-Identifier: Apache-2.0
"""The authenticator of a Mobility Header: Castover's own vendor option, the last one of the message.

     0                   1                   2                   3
    +---------------+---------------+-------------------------------+
    |   Type = 19   |  Length = 22  |     Vendor-ID = 32473 ...     |
    +---------------+---------------+---------------+---------------+
    |       ... Vendor-ID           | Sub-Type = 5  | Algorithm = 1 |
    +-------------------------------+---------------+---------------+
    |                  Authenticator (16 octets)                    |
    +---------------------------------------------------------------+

HMAC-SHA-256 (RFC 2104, FIPS 180-4), its first 16 octets as in RFC 4868, over source address, destination address and the
whole Mobility Header with Checksum and Authenticator zero. The option has 24 octets, so it follows any message without
padding. It says who wrote a message and that nobody changed it; it hides nothing, and by itself it does not show that a
message is an old one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from ipaddress import IPv6Address

from southbound.codec.castover_options import AUTHENTICATOR_OCTETS, MobilityAuthenticator
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import NEXT_HEADER_MOBILITY
from southbound.codec.ipv6 import upper_layer_checksum
from southbound.codec.mobility import HEADER_OCTETS_MAX

OPTION_OCTETS = 24
HEADER_OCTETS_MIN = 8
"""Of any Mobility Header (RFC 6275 section 6.1.1)."""
_CHECKSUM = slice(4, 6)
_EMPTY = MobilityAuthenticator(authenticator=bytes(AUTHENTICATOR_OCTETS))
_OPTION_START = bytes((_EMPTY.TYPE, OPTION_OCTETS - 2)) + _EMPTY.encode_data()[:-AUTHENTICATOR_OCTETS]


def pair_key(domain_key: bytes, one: IPv6Address, other: IPv6Address) -> bytes:
    """The key of two peers, from one that the whole domain has; the same whoever asks."""
    low, high = sorted((one, other))
    return hmac.digest(domain_key, b"castover mobility header" + low.packed + high.packed, hashlib.sha256)


def append_authenticator(header: bytes, source: IPv6Address, destination: IPv6Address, key: bytes) -> bytes:
    """The message with the option behind it, Header Len and Checksum to match. Raises EncodeError when it gets too long."""
    octets = len(header) + OPTION_OCTETS
    if octets > HEADER_OCTETS_MAX:
        raise EncodeError("options", f"the message has {octets} octets, allowed: {HEADER_OCTETS_MAX}")
    longer = _with_length(header + _OPTION_START + bytes(AUTHENTICATOR_OCTETS))
    signed = longer[:-AUTHENTICATOR_OCTETS] + _authenticator(longer, source, destination, key)
    return _with_checksum(signed, source, destination)


def take_authenticator(header: bytes, source: IPv6Address, destination: IPv6Address, keys: Sequence[bytes]) -> bytes:
    """The message without the option, when one of the keys made it: as it was before `append_authenticator`.

    Raises DecodeError: truncated, header_length_mismatch, bad_checksum, authenticator_missing, authenticator_wrong.
    """
    if len(header) < HEADER_OCTETS_MIN:
        raise DecodeError("truncated", len(header), "mobility_header")
    if 8 * (header[1] + 1) != len(header):
        raise DecodeError("header_length_mismatch", 1, "header_len")
    if upper_layer_checksum(source, destination, NEXT_HEADER_MOBILITY, header) != 0:
        raise DecodeError("bad_checksum", 4, "checksum")
    at = len(header) - OPTION_OCTETS
    if at < HEADER_OCTETS_MIN or not header.startswith(_OPTION_START, at):
        raise DecodeError("authenticator_missing", len(header), "authenticator")
    found, empty = header[-AUTHENTICATOR_OCTETS:], bytes(AUTHENTICATOR_OCTETS)
    bare = header[:-AUTHENTICATOR_OCTETS] + empty
    # Every key is tried, and each comparison takes the same time whatever it finds.
    matches = [hmac.compare_digest(found, _authenticator(bare, source, destination, key)) for key in keys]
    if not any(matches):
        raise DecodeError("authenticator_wrong", at, "authenticator")
    return _with_checksum(_with_length(header[:at]), source, destination)


def _authenticator(header: bytes, source: IPv6Address, destination: IPv6Address, key: bytes) -> bytes:
    """`header` has its Authenticator zero."""
    bare = header[: _CHECKSUM.start] + b"\0\0" + header[_CHECKSUM.stop :]
    digest = hmac.digest(key, source.packed + destination.packed + bare, hashlib.sha256)
    return digest[:AUTHENTICATOR_OCTETS]


def _with_length(header: bytes) -> bytes:
    return header[:1] + bytes((len(header) // 8 - 1,)) + header[2:]


def _with_checksum(header: bytes, source: IPv6Address, destination: IPv6Address) -> bytes:
    bare = header[: _CHECKSUM.start] + b"\0\0" + header[_CHECKSUM.stop :]
    checksum = upper_layer_checksum(source, destination, NEXT_HEADER_MOBILITY, bare)
    return bare[: _CHECKSUM.start] + checksum.to_bytes(2, "big") + bare[_CHECKSUM.stop :]

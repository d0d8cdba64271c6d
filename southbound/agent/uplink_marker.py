# SPDX-License-Identifier: Apache-2.0
"""The marker behind what an MN has sent: an IPv6 packet from its home network to its home network. Pure.

The LMA lets it in and sends it back down as it does with what one MN sends to another (RFC 5213 section 5.6.2), in the
switch alone. It has no next header, so whoever gets it besides the agent ignores it (RFC 8200 section 4.7).

    IPv6 header (40), Next Header = 59 | word (8)
"""

from __future__ import annotations

import struct
from ipaddress import IPv6Network

WORD_OCTETS = 8
_NO_NEXT_HEADER = 59
_HEADER = struct.Struct("!IHBB")
_HOP_LIMIT = 64
_INTERFACE_IDENTIFIER = 0x00CA_57FF_FE00_0000
"""Locally administered (RFC 4291 appendix A), of no MN."""
_SIZE = 40 + WORD_OCTETS


def marker(prefix: IPv6Network, word: bytes) -> bytes:
    """The packet that carries this word."""
    address = int(prefix.network_address) | _INTERFACE_IDENTIFIER & int(prefix.hostmask)
    octets = address.to_bytes(16, "big")
    return _HEADER.pack(6 << 28, WORD_OCTETS, _NO_NEXT_HEADER, _HOP_LIMIT) + octets + octets + word


def word_of(packet: bytes) -> bytes | None:
    """The word of what may be a marker; None when it cannot be one."""
    if len(packet) != _SIZE or packet[6] != _NO_NEXT_HEADER or packet[0] >> 4 != 6 or packet[8:24] != packet[24:40]:
        return None
    return packet[40:]

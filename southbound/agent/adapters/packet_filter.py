# SPDX-License-Identifier: Apache-2.0
"""Classic BPF programs that keep the kernel from waking the agent for frames it has no use for.

Pure: a program is the array of 8-octet `struct sock_filter` of linux/filter.h, in host byte order. What a program
returns is how many octets of the frame the socket gets; 0 drops the frame before the socket sees or counts it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_OPCODES = {
    "load_word": 0x20, "load_half": 0x28, "load_byte": 0x30, "load_byte_at_x": 0x50, "load_length": 0x80,
    "jump_equal": 0x15, "jump_greater": 0x25, "jump_at_least": 0x35,
    "add": 0x04, "and": 0x54, "shift_left": 0x64, "copy_to_x": 0x07, "return": 0x06,
}  # fmt: skip
_NEXT = ""
_WHOLE_FRAME = 0x40000
COUNTED_ONLY_OCTETS = 1
"""What is left of a frame that `SENT_STREAMS` lets through only so that it can be counted in its place."""

Line = tuple[str, str, int, str, str]
"""(label of this line or "", operation, operand, label to jump to when true, when false); "" is the next line."""


def assemble(lines: Sequence[Line]) -> bytes:
    """The `sock_filter` array of a program. Raises KeyError for a label or an operation that does not exist."""
    position = {label: number for number, (label, *_) in enumerate(lines) if label}
    program = bytearray()
    for number, (_, operation, operand, when_true, when_false) in enumerate(lines):
        true_distance, false_distance = (
            position[target] - number - 1 if target != _NEXT else 0 for target in (when_true, when_false)
        )
        program += struct.pack("=HBBI", _OPCODES[operation], true_distance, false_distance, operand)
    return bytes(program)


# Ethernet type at 12; IPv4 protocol at 23, destination at 30; IPv6 next header at 20, destination at 38, payload at 54.
SIGNALLING_FROM_MOBILE_NODE = assemble([
    ("", "load_half", 12, "", ""),
    ("", "jump_equal", 0x0800, "ipv4", ""),
    ("", "jump_equal", 0x86DD, "", "drop"),
    ("", "load_byte", 20, "", ""),
    ("", "jump_equal", 135, "take", ""),          # Mobility Header: HO-Initiate
    ("", "jump_equal", 58, "icmpv6", ""),
    ("", "jump_equal", 0, "", "drop"),            # hop-by-hop options: MLD's Router Alert
    ("", "load_byte", 54, "", ""),
    ("", "jump_equal", 58, "", "drop"),
    ("", "load_byte", 55, "", ""),                # its length in 8-octet units without the first (RFC 8200 4.3)
    ("", "add", 1, "", ""),
    ("", "shift_left", 3, "", ""),
    ("", "copy_to_x", 0, "", ""),
    ("", "load_byte_at_x", 54, "", ""),
    ("", "jump_at_least", 0, "type", ""),         # always
    ("icmpv6", "load_byte", 54, "", ""),
    ("type", "jump_equal", 143, "take", ""),      # MLDv2 report
    ("", "jump_at_least", 130, "", "drop"),       # 130-132 MLD, 133-137 neighbour discovery
    ("", "jump_greater", 137, "drop", "take"),
    ("ipv4", "load_byte", 23, "", ""),
    ("", "jump_equal", 2, "", "drop"),            # IGMP
    ("take", "return", _WHOLE_FRAME, "", ""),
    ("drop", "return", 0, "", ""),
])  # fmt: skip
"""MLD and IGMP (with or without Router Alert: their layer refuses and counts the latter), ND, Mobility Header."""

_PACKET_TYPE = 0xFFFFF004  # SKF_AD_OFF + SKF_AD_PKTTYPE
_PACKET_OUTGOING = 4

OUTGOING_ONLY = assemble([
    ("", "load_word", _PACKET_TYPE, "", ""),
    ("", "jump_equal", _PACKET_OUTGOING, "go on", ""),
    ("", "return", 0, "", ""),
    ("go on", "load_length", 0, "", ""),
])  # fmt: skip
"""Head of a program: drops what came in through the interface."""

SENT_STREAMS = assemble([
    ("", "load_length", 0, "", ""),
    ("", "jump_at_least", 34, "", "count"),
    ("", "load_half", 12, "", ""),
    ("", "jump_equal", 0x86DD, "ipv6", ""),
    ("", "jump_equal", 0x0800, "", "count"),
    ("", "load_byte", 30, "", ""),
    ("", "and", 0xF0, "", ""),
    ("", "jump_equal", 0xE0, "", "count"),
    ("", "load_word", 30, "", ""),
    ("", "and", 0xFFFFFF00, "", ""),
    ("", "jump_equal", 0xE0000000, "count", "take"),  # RFC 5771 section 4: of the link
    ("ipv6", "load_length", 0, "", ""),
    ("", "jump_at_least", 54, "", "count"),
    ("", "load_byte", 38, "", ""),
    ("", "jump_equal", 0xFF, "", "unicast"),
    ("", "load_byte", 39, "", ""),
    ("", "and", 0x0F, "", ""),
    ("", "jump_greater", 2, "take", "count"),     # RFC 4291 2.7: 1 interface-local, 2 link-local
    ("unicast", "load_half", 38, "", ""),
    ("", "and", 0xFFC0, "", ""),
    ("", "jump_equal", 0xFE80, "count", ""),      # RFC 4291 2.5.6
    ("take", "return", _WHOLE_FRAME, "", ""),
    ("count", "return", COUNTED_ONLY_OCTETS, "", ""),
])  # fmt: skip
"""Multicast of a scope that is forwarded, and IPv6 unicast that does not stay on the link, come whole; anything else as one
octet: see `sent_watch`."""

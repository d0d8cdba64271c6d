# SPDX-License-Identifier: Apache-2.0
"""Classic BPF programs that pick IPv6 packets by source and destination address. Pure.

The same program serves a packet socket (verdict: octets to keep) and a traffic-control filter in direct-action mode
(verdict: TC_ACT_*), so that what the one takes is exactly what the other drops. Both see the frame from its Ethernet
header on. Instructions are `struct sock_filter` of <linux/filter.h>.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv6Address

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand."""

INSTRUCTIONS_MAX = 4096
"""BPF_MAXINSNS."""
_LOAD_WORD, _LOAD_HALF, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x28, 0x15, 0x06
_ETHERNET_TYPE, _IPV6 = 12, 0x86DD
_SOURCE, _DESTINATION = 14 + 8, 14 + 24
"""Offsets of the addresses in an Ethernet frame (RFC 8200 section 3)."""
_MISS: Instruction = (_RETURN, 0, 0, 0)


def pair_filter(source: IPv6Address, destinations: Iterable[IPv6Address], verdict: int) -> tuple[Instruction, ...]:
    """`verdict` for IPv6 packets from `source` to one of `destinations`, 0 for every other frame.

    A load beyond the end of a short frame ends the program with 0 (Documentation/networking/filter.rst).
    """
    program: list[Instruction] = [(_LOAD_HALF, 0, 0, _ETHERNET_TYPE), (_JUMP_IF_EQUAL, 1, 0, _IPV6), _MISS]
    for offset, word in _words(source, _SOURCE):
        program += [(_LOAD_WORD, 0, 0, offset), (_JUMP_IF_EQUAL, 1, 0, word), _MISS]
    for destination in destinations:
        block: list[Instruction] = []
        for number, (offset, word) in enumerate(_words(destination, _DESTINATION)):
            # A word that differs leads past the rest of this block: two instructions a word, and the return.
            block += [(_LOAD_WORD, 0, 0, offset), (_JUMP_IF_EQUAL, 0, 2 * (3 - number) + 1, word)]
        program += [*block, (_RETURN, 0, 0, verdict)]
    return (*program, _MISS)


def as_octets(program: Iterable[Instruction]) -> bytes:
    """The program as the kernel takes it from a socket option."""
    return b"".join(struct.pack("@HBBI", *instruction) for instruction in program)


def as_text(program: tuple[Instruction, ...]) -> str:
    """The program as tc(8) takes it after the word `bytecode`."""
    return f"{len(program)},{','.join(' '.join(map(str, instruction)) for instruction in program)}"


def _words(address: IPv6Address, offset: int) -> list[tuple[int, int]]:
    return [(offset + 4 * number, word) for number, word in enumerate(struct.unpack("!4I", address.packed))]

# SPDX-License-Identifier: Apache-2.0
"""The filter programs, judged by the kernel: it runs them on any socket, a pair of Unix ones needs no root."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from lab.packet_filter import INSTRUCTIONS_MAX, Instruction, as_octets, as_text, pair_filter

SO_ATTACH_FILTER = 26
LMA, MAG1, MAG2 = (IPv6Address(text) for text in ("2001:db8:ff::1", "2001:db8:ff::11", "2001:db8:ff::12"))
ADDRESSES = st.sampled_from([LMA, MAG1, MAG2, IPv6Address("2001:db8:ff::1:12"), IPv6Address("3001:db8:ff::12")])


def frame(source: IPv6Address, destination: IPv6Address, ethernet_type: int = 0x86DD) -> bytes:
    """Ethernet and IPv6 (RFC 8200 section 3), no payload."""
    header = struct.pack("!IHBB", 6 << 28, 0, 59, 64) + source.packed + destination.packed
    return bytes(12) + struct.pack("!H", ethernet_type) + header


@contextmanager
def filtered(program: tuple[Instruction, ...]) -> Iterator[tuple[socket.socket, socket.socket]]:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        octets = as_octets(program)
        instructions = ctypes.create_string_buffer(octets, len(octets))
        option = struct.pack("@HP", len(octets) // 8, ctypes.addressof(instructions))
        receiver.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, option)
        receiver.setblocking(False)
        yield sender, receiver


def kept(program: tuple[Instruction, ...], octets: bytes) -> bytes | None:
    """What the kernel keeps of a datagram; None when it drops it."""
    with filtered(program) as (sender, receiver):
        try:
            sender.send(octets)
        except PermissionError:
            return None  # a Unix sender is told that the filter of the other end refused it
        try:
            return receiver.recv(4096)
        except BlockingIOError:
            return None


@given(source=ADDRESSES, destination=ADDRESSES, wanted=st.lists(ADDRESSES, max_size=5))
def test_the_kernel_keeps_exactly_the_pairs(
    source: IPv6Address, destination: IPv6Address, wanted: list[IPv6Address]
) -> None:
    octets = frame(source, destination)
    answer = kept(pair_filter(LMA, wanted, 0xFFFFFFFF), octets)
    assert answer == (octets if source == LMA and destination in wanted else None)


def test_other_protocols_and_short_frames_are_left_alone() -> None:
    program = pair_filter(LMA, [MAG1], 0xFFFFFFFF)
    assert kept(program, frame(LMA, MAG1, ethernet_type=0x0800)) is None
    for length in range(1, 54):
        assert kept(program, frame(LMA, MAG1)[:length]) is None
    assert kept(program, frame(LMA, MAG1)) == frame(LMA, MAG1)


def test_the_verdict_is_what_the_program_returns() -> None:
    assert kept(pair_filter(LMA, [MAG1, MAG2], 20), frame(LMA, MAG2)) == frame(LMA, MAG2)[:20]


def test_the_greatest_domain_fits() -> None:
    mags = [IPv6Address(f"2001:db8:ff::1:{number:x}") for number in range(64)]
    program = pair_filter(LMA, mags, 0xFFFFFFFF)
    assert len(program) <= INSTRUCTIONS_MAX
    with filtered(program) as (sender, receiver):
        for mag in mags:
            sender.send(frame(LMA, mag))
            assert receiver.recv(4096) == frame(LMA, mag)


def test_the_text_is_that_of_tc() -> None:
    # The example of tc-bpf(8): a number of instructions, then each as four decimal numbers.
    assert as_text(((0x28, 0, 0, 12), (0x15, 0, 1, 0x806), (6, 0, 0, 0xFFFFFFFF), (6, 0, 0, 0))) == (
        "4,40 0 0 12,21 0 1 2054,6 0 0 4294967295,6 0 0 0"
    )

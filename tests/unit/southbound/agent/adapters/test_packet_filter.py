# SPDX-License-Identifier: Apache-2.0
"""The classic BPF programs, run by the kernel: a filter works on a UNIX datagram socket too, and needs no privilege."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from southbound.agent.adapters.packet_filter import (
    COUNTED_ONLY_OCTETS,
    OUTGOING_ONLY,
    SENT_STREAMS,
    SIGNALLING_FROM_MOBILE_NODE,
    assemble,
)
from southbound.agent.adapters.packet_socket import attach_filter


def passed(program: bytes, frame: bytes) -> bytes | None:
    """What the kernel lets through of the frame; None when it drops it."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    with left, right:
        attach_filter(right, program)
        left.send(frame)
        try:
            return right.recv(65_536)
        except BlockingIOError:
            return None


def ipv6(next_header: int, payload: bytes, destination: bytes = b"\xff\x1e" + bytes(13) + b"\x01") -> bytes:
    header = struct.pack("!IHBB", 6 << 28, len(payload), next_header, 1) + bytes(16) + destination
    return bytes(12) + b"\x86\xdd" + header + payload


ROUTER_ALERT = bytes.fromhex("3a00050200000100")  # next header ICMPv6, RFC 2711
LONGER_OPTIONS = bytes.fromhex("3a01050200000108") + bytes(8)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        *((ipv6(0, ROUTER_ALERT + bytes([kind]) + bytes(27)), True) for kind in (130, 131, 132, 143)),
        *((ipv6(58, bytes([kind]) + bytes(27)), True) for kind in (130, 131, 132, 133, 134, 135, 136, 137, 143)),
        *((ipv6(58, bytes([kind]) + bytes(27)), False) for kind in (0, 1, 128, 129, 138, 142, 144, 255)),
        (ipv6(0, LONGER_OPTIONS + b"\x8f" + bytes(7)), True),
        (ipv6(0, LONGER_OPTIONS + b"\x80" + bytes(7)), False),
        (ipv6(0, b"\x11" + ROUTER_ALERT[1:] + b"\x8f" + bytes(7)), False),
        (ipv6(0, ROUTER_ALERT), False),
        (ipv6(0, b"\x3a\xff" + bytes(20)), False),
        (ipv6(135, bytes(8)), True),
        (ipv6(17, bytes(8)), False),
        (bytes(12) + b"\x08\x00" + bytes(60), False),
        (b"\x00", False),
    ],
)
def test_signalling_from_the_mobile_node(frame: bytes, expected: bool) -> None:
    assert passed(SIGNALLING_FROM_MOBILE_NODE, frame) == (frame if expected else None)


@pytest.mark.parametrize("scope", range(16))
@pytest.mark.parametrize("flags", [0, 1, 3, 7])
def test_sent_multicast_of_each_scope(scope: int, flags: int) -> None:
    frame = ipv6(17, bytes(20), destination=bytes([0xFF, flags << 4 | scope]) + bytes(13) + b"\x01")
    assert passed(SENT_STREAMS, frame) == (frame if scope > 2 else frame[:COUNTED_ONLY_OCTETS])


@pytest.mark.parametrize(
    ("destination", "whole"),
    [("20010db8", True), ("fd00ca57", True), ("fe800000", False), ("febf0000", False), ("fec00000", True)],
)
def test_sent_unicast_is_a_stream_unless_it_stays_on_the_link(destination: str, whole: bool) -> None:
    frame = ipv6(17, bytes(20), destination=bytes.fromhex(destination) + bytes(12))
    assert passed(SENT_STREAMS, frame) == (frame if whole else frame[:COUNTED_ONLY_OCTETS])


def ipv4(protocol: int, destination: str, payload: bytes = bytes(8)) -> bytes:
    addresses = bytes(4) + socket.inet_aton(destination)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 1, protocol, 0) + addresses
    return bytes(12) + b"\x08\x00" + header + payload


@pytest.mark.parametrize(("protocol", "expected"), [(2, True), (17, False), (1, False)])
def test_of_ipv4_only_igmp_is_signalling(protocol: int, expected: bool) -> None:
    frame = ipv4(protocol, "224.0.0.22")
    assert passed(SIGNALLING_FROM_MOBILE_NODE, frame) == (frame if expected else None)


@pytest.mark.parametrize(
    ("destination", "whole"),
    [
        ("224.0.0.251", False), ("224.0.1.0", True), ("232.1.2.3", True), ("239.255.255.255", True),
        ("223.255.255.255", False), ("240.0.0.1", False),
    ],
)
def test_sent_ipv4_multicast(destination: str, whole: bool) -> None:
    frame = ipv4(17, destination)
    assert passed(SENT_STREAMS, frame) == (frame if whole else frame[:COUNTED_ONLY_OCTETS])


@pytest.mark.parametrize(
    "frame",
    [
        bytes(12) + b"\x08\x06" + bytes(28),
        ipv6(17, b"")[:53],
        b"\x01",
    ],
)
def test_anything_else_that_is_sent_is_only_counted(frame: bytes) -> None:
    assert passed(SENT_STREAMS, frame) == frame[:COUNTED_ONLY_OCTETS]


def test_a_frame_that_was_not_sent_is_dropped() -> None:
    frame = ipv6(17, bytes(20))  # packet type "to this host" on this socket
    assert passed(OUTGOING_ONLY + SENT_STREAMS, frame) is None


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=120))
def test_no_frame_is_cut_by_the_signalling_filter_and_none_lost_to_the_count(frame: bytes) -> None:
    assert passed(SIGNALLING_FROM_MOBILE_NODE, frame) in (None, frame)
    assert passed(SENT_STREAMS, frame) in (frame, frame[:COUNTED_ONLY_OCTETS])


def test_names_that_do_not_exist_are_refused() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        assemble([("", "jump_equal", 1, "nowhere", "")])
    with pytest.raises(KeyError, match="divine"):
        assemble([("", "divine", 1, "", "")])

# SPDX-License-Identifier: Apache-2.0
"""Frames on the handover-buffer port, taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from southbound.agent.adapters.buffer_port import parse_buffered_frame
from southbound.path_mark import path_mac


def frame(source: str, payload: bytes) -> bytes:
    """A datagram as a switch hands it over, built by somebody else's encoder."""
    built = Ether(dst="33:33:00:00:01:01", src=source) / IPv6(src="2001:db8:c0::10", dst="ff1e::101")
    return bytes(built / UDP(sport=5000, dport=5001) / Raw(payload))


@settings(deadline=None)
@given(st.integers(0, 0xFFFF), st.binary(max_size=64), st.binary(max_size=46))
def test_path_and_packet_without_padding(index: int, payload: bytes, padding: bytes) -> None:
    whole = frame(":".join(f"{octet:02x}" for octet in path_mac(index)), payload)
    assert parse_buffered_frame(whole + padding) == (index, whole[14:])


WHOLE = frame("02:ca:57:00:00:03", b"abcd")


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"", "short"),
        (WHOLE[:53], "short"),
        (WHOLE[:-1], "cut"),
        (WHOLE[:12] + b"\x08\x00" + WHOLE[14:], "not_ip"),
        (WHOLE[:14] + b"\x45" + WHOLE[15:], "not_ip"),
        (WHOLE[:6] + bytes.fromhex("020000000001") + WHOLE[12:], "no_path_mark"),
    ],
)
def test_why_a_frame_is_discarded(damaged: bytes, reason: str) -> None:
    assert parse_buffered_frame(damaged) == reason


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_octets_have_an_outcome(octets: bytes) -> None:
    outcome = parse_buffered_frame(octets)
    assert isinstance(outcome, str) or octets[14:].startswith(outcome[1])

# SPDX-License-Identifier: Apache-2.0
"""CXTP octets against the figures of RFC 4067, and against everything that is no CXTP."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.codec.cxtp import (
    BLOCKS_MAX,
    ContextDataBlock,
    ContextTransferData,
    ContextTransferDataReply,
    ContextTransferMessage,
    ContextTransferRequest,
    decode_context_transfer,
    encode_context_transfer,
    listener_block,
    record_of,
)
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import FeatureProfileType, Mldv2RecordType
from southbound.codec.records import MulticastAddressRecord

ADDRESS = IPv6Address("2001:db8:100:1::11")
PREFIX = IPv6Network("2001:db8:100:1::/64")
ADDRESS_HEX = "20010db8010000010000000000000011"
GROUP = IPv6Address("ff1e::101")
GROUP4 = IPv4Address("232.1.1.1")
GROUP_HEX = "ff1e0000000000000000000000000101"
SOURCE = IPv6Address("2001:db8:c0::10")

# Version 1 in three bits, type in five; V, A or S, reserved; length of the whole message in octets.
WRITTEN_OUT: list[tuple[ContextTransferMessage, str]] = [
    (
        ContextTransferRequest(previous_address=ADDRESS, sequence=0x01020304),
        f"27 00 001c {ADDRESS_HEX} 01020304 00000000",
    ),
    (
        ContextTransferData(
            previous_address=ADDRESS, elapsed_ms=100, acknowledge=True,
            blocks=(
                listener_block(
                    PREFIX, MulticastAddressRecord(record_type=Mldv2RecordType.MODE_IS_EXCLUDE, group=GROUP)
                ),
            ),
        ),
        # Appendix B in a block of four words: prefix, group, four octets of padding.
        f"23 40 0038 00000064 {ADDRESS_HEX} 0001 04 00 20010db801000001 {GROUP_HEX} 00000000",
    ),
    (
        ContextTransferData(
            previous_address=ADDRESS,
            blocks=(
                listener_block(
                    PREFIX,
                    MulticastAddressRecord(
                        record_type=Mldv2RecordType.MODE_IS_INCLUDE, group=GROUP4, sources=(IPv4Address("192.0.2.10"),)
                    ),
                ),
            ),
        ),
        # Our own, three words: prefix and an IGMPv3 group record (RFC 3376 section 4.2.4) fill them.
        f"23 00 0030 00000000 {ADDRESS_HEX} ff04 03 00 20010db801000001 01 00 0001 e8010101 c000020a",
    ),
    (ContextTransferData(previous_address=ADDRESS), f"23 00 0018 00000000 {ADDRESS_HEX}"),
    (
        ContextTransferDataReply(
            previous_address=ADDRESS, success=True,
            statuses=((FeatureProfileType.IPV6_MULTICAST_LISTENER, 0), (FeatureProfileType.MLDV2_LISTENER, 0)),
        ),
        f"25 40 001c {ADDRESS_HEX} 0001 00 00 ff03 00 00",
    ),
]


@pytest.mark.parametrize(("message", "octets"), WRITTEN_OUT)
def test_the_figures_of_the_rfc(message: ContextTransferMessage, octets: str) -> None:
    assert encode_context_transfer(message) == bytes.fromhex(octets)
    assert decode_context_transfer(bytes.fromhex(octets)) == message


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", "truncated"),
        ("47 00 001c" + "00" * 24, "unknown_version"),
        ("27 80 001c" + "00" * 24, "ipv4_address"),
        ("27 00 001d" + "00" * 24, "bad_length"),
        ("27 00 001b" + "00" * 24, "bad_length"),
        ("21 00 001c" + "00" * 24, "unknown_type"),
        ("27 00 0018" + "00" * 20, "truncated"),
        (f"23 00 001c 00000000 {ADDRESS_HEX} 0001 00 00", "bad_block_length"),
        (f"23 00 001c 00000000 {ADDRESS_HEX} 0001 01 00", "truncated"),
        (f"25 00 0016 {ADDRESS_HEX} 0001", "truncated"),
    ],
)
def test_what_is_refused_has_a_name(octets: str, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_context_transfer(bytes.fromhex(octets))
    assert caught.value.reason == reason


def test_a_request_may_name_what_it_wants() -> None:
    octets = bytes.fromhex(f"27 00 0024 {ADDRESS_HEX} 00000001 00000000 0001 01 00 00000000")
    assert decode_context_transfer(octets) == ContextTransferRequest(previous_address=ADDRESS, sequence=1)


def test_a_block_with_a_presence_vector_is_kept_and_not_understood() -> None:
    octets = bytes.fromhex(f"23 00 0020 00000000 {ADDRESS_HEX} 0001 01 80 80000000")
    message = decode_context_transfer(octets)
    assert isinstance(message, ContextTransferData)
    assert message.blocks == (
        ContextDataBlock(profile=FeatureProfileType.IPV6_MULTICAST_LISTENER, data=b"", presence=0x80000000),
    )
    assert record_of(message.blocks[0]) is None
    assert encode_context_transfer(message) == octets


def test_an_unknown_profile_is_nothing_to_us() -> None:
    assert record_of(ContextDataBlock(profile=FeatureProfileType(7), data=bytes(4))) is None


@pytest.mark.parametrize("sources", [0, 1, 62])
@pytest.mark.parametrize("kind", [Mldv2RecordType.MODE_IS_INCLUDE, Mldv2RecordType.MODE_IS_EXCLUDE])
def test_every_state_survives_its_block(kind: Mldv2RecordType, sources: int) -> None:
    listed = tuple(IPv6Address(int(SOURCE) + number) for number in range(sources))
    record = MulticastAddressRecord(record_type=kind, group=GROUP, sources=listed)
    block = listener_block(PREFIX, record)
    message = ContextTransferData(previous_address=ADDRESS, blocks=(block,))
    read = decode_context_transfer(encode_context_transfer(message))
    assert isinstance(read, ContextTransferData)
    assert record_of(read.blocks[0]) == record


@pytest.mark.parametrize("sources", [0, 1, 2, 252])
@pytest.mark.parametrize("kind", [Mldv2RecordType.MODE_IS_INCLUDE, Mldv2RecordType.MODE_IS_EXCLUDE])
def test_every_ipv4_state_survives_its_block(kind: Mldv2RecordType, sources: int) -> None:
    listed = tuple(IPv4Address(int(IPv4Address("198.18.0.1")) + number) for number in range(sources))
    record = MulticastAddressRecord(record_type=kind, group=GROUP4, sources=listed)
    message = ContextTransferData(previous_address=ADDRESS, blocks=(listener_block(PREFIX, record),))
    read = decode_context_transfer(encode_context_transfer(message))
    assert isinstance(read, ContextTransferData)
    assert record_of(read.blocks[0]) == record


def test_too_much_is_not_sent() -> None:
    block = ContextDataBlock(profile=FeatureProfileType(7), data=bytes(4))
    unaligned = ContextDataBlock(profile=FeatureProfileType(7), data=bytes(3))
    for blocks in ((block,) * (BLOCKS_MAX + 1), (unaligned,)):
        with pytest.raises(EncodeError):
            encode_context_transfer(ContextTransferData(previous_address=ADDRESS, blocks=blocks))


@given(st.binary(max_size=120) | st.binary(max_size=100).map(lambda tail: _framed(tail)))
def test_any_octets_are_a_message_or_a_named_error(octets: bytes) -> None:
    try:
        message = decode_context_transfer(octets)
    except DecodeError:
        return
    if isinstance(message, ContextTransferData):
        for block in message.blocks:
            with contextlib.suppress(DecodeError):
                record_of(block)
        assert len(encode_context_transfer(message)) == len(octets)


def _framed(tail: bytes) -> bytes:
    kind = (0x23, 0x25, 0x27)[len(tail) % 3]
    return bytes((kind, 0)) + (4 + len(tail)).to_bytes(2, "big") + tail

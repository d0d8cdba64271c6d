# SPDX-License-Identifier: Apache-2.0
"""The receive checks of RFC 6275 section 9.2, what may not be sent, and how long decoding takes."""

from __future__ import annotations

import time
from typing import Any

import pytest

from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import MobilityHeaderType, MulticastAcknowledgementStatus, OptionType
from southbound.codec.mobility import (
    Dialect,
    HandoverAcknowledge,
    HandoverIndication,
    HandoverInitiate,
    ProxyBindingUpdate,
    UnknownMobilityMessage,
    decode_mobility,
    decode_mobility_packet,
    encode_mobility,
)
from southbound.codec.options import (
    MobileNodeIdentifier,
    MulticastAcknowledgement,
    MulticastMobility,
    NewMagIdentifier,
    Timestamp,
    UnknownOption,
)
from tests.unit.southbound.codec.codec_script import DESTINATION, SOURCE, decode, record, refusal
from tests.unit.southbound.codec.codec_vectors import vector


def test_checksum_comes_before_everything_else() -> None:
    header = bytearray(vector(1).packet[40:])
    header[0] = 17
    with pytest.raises(DecodeError) as caught:
        decode_mobility(bytes(header), SOURCE, DESTINATION, Dialect.RFC)
    assert (caught.value.reason, caught.value.offset) == ("bad_checksum", 4)


def test_unknown_type_comes_before_payload_proto() -> None:
    message = decode(bytes.fromhex("1100 63 00 0000 abcd"))
    assert message == UnknownMobilityMessage(message_type=MobilityHeaderType(99), data=bytes.fromhex("abcd"))
    assert message.message_type.name == "UNKNOWN_99"


def test_payload_proto_other_than_none_points_at_its_octet() -> None:
    error = refusal(bytes.fromhex("1101 0e00 0000 0000 6000 0100 00000000"))
    assert (error.reason, error.offset) == ("bad_payload_proto", 0)


@pytest.mark.parametrize(
    ("mh_type", "dialect"), [(5, Dialect.RFC), (6, Dialect.RFC), (14, Dialect.RFC), (15, Dialect.DRAFT)]
)
def test_header_below_the_fixed_part_points_at_header_len(mh_type: int, dialect: Dialect) -> None:
    error = refusal(bytes((59, 0, mh_type, 0, 0, 0, 0, 0)), dialect)
    assert (error.reason, error.offset) == ("header_too_short", 1)


@pytest.mark.parametrize("octets", [vector(1).packet[40:-8], vector(1).packet[40:] + bytes(8)])
def test_header_len_must_be_the_payload_length(octets: bytes) -> None:
    assert refusal(octets).reason == "header_length_mismatch"


def test_less_than_the_header_start_is_truncated() -> None:
    assert refusal(b"").reason == "truncated"
    assert refusal(bytes.fromhex("3b010e0000")).reason == "truncated"


def test_a_packet_with_another_next_header_is_not_mobility() -> None:
    with pytest.raises(DecodeError) as caught:
        decode_mobility_packet(vector(15).packet, Dialect.RFC)
    assert caught.value.reason == "not_mobility"


def test_the_wrong_dialect_does_not_read_the_same_message() -> None:
    """Nothing on the wire marks the dialect: it must come from the configuration."""
    header = vector(6).packet[40:]
    with pytest.raises(DecodeError):
        decode(header, Dialect.RFC)
    read = decode(header, Dialect.DRAFT)
    assert read.sequence == 0x1234


@pytest.mark.parametrize("kind", [60, 61])
def test_reserved_fields_of_multicast_options_are_ignored(kind: int) -> None:
    """RFC 7411 sections 5.3 and 5.4; that ours are 0, the vectors say."""
    item = vector({60: 2, 61: 3}[kind])
    header = bytearray(item.packet[40:])
    length, code = {60: (15, 2), 61: (6, 0)}[kind]
    at = header.index(bytes((kind, length, code)))
    reserved = (at + 3, at + 4, at + 5) if kind == 60 else (at + 4, at + 5)
    for octet in reserved:
        assert header[octet] == 0
        header[octet] = 0xFF
    assert decode(bytes(header)) == item.message


def test_reserved_bits_are_ignored() -> None:
    header = bytearray(vector(1).packet[40:])
    header[3] = 0xFF
    header[8] |= 0x8F
    assert decode(bytes(header)) == vector(1).message


def test_the_largest_header_has_2048_octets() -> None:
    largest = UnknownMobilityMessage(message_type=MobilityHeaderType(99), data=bytes(2042))
    header = encode_mobility(largest, SOURCE, DESTINATION)
    assert decode_mobility(header, SOURCE, DESTINATION, Dialect.RFC) == largest
    filler = UnknownOption(option_type=OptionType(200), data=bytes(250))
    for message in (
        UnknownMobilityMessage(message_type=MobilityHeaderType(99), data=bytes(2050)),
        ProxyBindingUpdate(sequence=1, lifetime_s=4, options=(filler,) * 9),
        UnknownMobilityMessage(message_type=MobilityHeaderType(99), data=b"odd"),
    ):
        with pytest.raises(EncodeError):
            encode_mobility(message, SOURCE, DESTINATION)


@pytest.mark.parametrize(
    "message",
    [
        HandoverInitiate(dialect=Dialect.RFC, sequence=65536, proxy=True),
        HandoverInitiate(dialect=Dialect.RFC, sequence=1, proxy=False),
        HandoverInitiate(dialect=Dialect.DRAFT, sequence=1, proxy=True),
        HandoverInitiate(dialect=Dialect.DRAFT, sequence=1, code=256),
        HandoverInitiate(dialect=Dialect.DRAFT, sequence=1, multicast=True),
        HandoverInitiate(dialect=Dialect.DRAFT, sequence=1, options=(MulticastMobility(records=()),)),
        HandoverAcknowledge(dialect=Dialect.RFC, sequence=1),
        HandoverAcknowledge(dialect=Dialect.DRAFT, sequence=1, forward=True),
        HandoverIndication(sequence=-1),
        ProxyBindingUpdate(sequence=1, lifetime_s=5),
        ProxyBindingUpdate(sequence=1, lifetime_s=4 * 65536),
        ProxyBindingUpdate(sequence=1, lifetime_s=4, options=(MobileNodeIdentifier(identifier="a\nb"),)),
        ProxyBindingUpdate(sequence=1, lifetime_s=4, options=(MobileNodeIdentifier(identifier="a" * 255),)),
        ProxyBindingUpdate(sequence=1, lifetime_s=4, options=(NewMagIdentifier(identifier="a" * 251),)),
        ProxyBindingUpdate(sequence=1, lifetime_s=4, options=(UnknownOption(option_type=OptionType.PAD1, data=b""),)),
        ProxyBindingUpdate(sequence=1, lifetime_s=4, options=(Timestamp(units=1 << 64),)),
        ProxyBindingUpdate(
            sequence=1,
            lifetime_s=4,
            options=(
                MulticastAcknowledgement(
                    status=MulticastAcknowledgementStatus.PAYLOAD_TYPE_UNSUPPORTED, records=(record(),)
                ),
            ),
        ),
    ],
)
def test_what_may_not_be_sent(message: Any) -> None:
    with pytest.raises(EncodeError):
        encode_mobility(message, SOURCE, DESTINATION)


def test_proxy_false_of_a_peer_is_readable() -> None:
    header = bytearray(vector(4).packet[40:])
    header[8] = 0x10
    assert decode(bytes(header)).proxy is False


def test_handover_indication_layout() -> None:
    """Derived by hand: sequence at octet 6, options from 8; vendor option 32473 = 0x7ed9, Sub-Type 1."""
    message = HandoverIndication(
        sequence=0x0102, options=(MobileNodeIdentifier(identifier="mn1"), NewMagIdentifier(identifier="mag2"))
    )
    header = encode_mobility(message, SOURCE, DESTINATION)
    assert header[:4].hex() == "3b030b00"
    assert header[6:].hex() == "0102" + "0804016d6e31" + "130900007ed9016d616732" + "0105" + "00" * 5
    assert decode(header, Dialect.DRAFT) == message


def test_decoding_a_handover_initiate_takes_less_than_a_millisecond() -> None:
    item = vector(2)
    header = item.packet[40:]
    best = float("inf")
    for _ in range(200):
        started = time.perf_counter()
        decode_mobility(header, item.source, item.destination, Dialect.RFC)
        best = min(best, time.perf_counter() - started)
    assert best < 0.001

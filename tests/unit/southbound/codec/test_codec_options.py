# SPDX-License-Identifier: Apache-2.0
"""The walk over options, hostile ones too, and the caps on what they carry."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Any

import pytest

from southbound.codec.cursor import Cursor
from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.iana import MulticastAcknowledgementStatus, OptionType
from southbound.codec.options import (
    ActiveMulticastSubscription,
    LastDelivered,
    MobileNodeIdentifier,
    MulticastAcknowledgement,
    MulticastMobility,
    Timestamp,
    UnknownOption,
    UnreadableMulticastMobility,
    VendorSpecific,
    decode_options,
    encode_options,
)
from tests.unit.southbound.codec.codec_script import GROUP, SOURCE, decode, record, refusal
from tests.unit.southbound.codec.codec_vectors import vector


def walk(octets: str, **how: Any) -> Any:
    return decode_options(Cursor(bytes.fromhex(octets)), **how)


def walk_refusal(octets: str, **how: Any) -> str:
    with pytest.raises(DecodeError) as caught:
        walk(octets, **how)
    return caught.value.reason


def test_unknown_options_are_kept_and_do_not_disturb_the_rest() -> None:
    options = walk("c8 03 010203 00 08 04 01 6d6e31 01 02 ffff")
    assert options == (
        UnknownOption(option_type=OptionType(200), data=b"\1\2\3"),
        MobileNodeIdentifier(identifier="mn1"),
    )


@pytest.mark.parametrize(
    "octets", ["08 04 00 000000", "08 02 07 61", "29 06 09 00 01020304", "39 03 80 0000", "13 05 00000001 07"]
)
def test_variants_without_a_meaning_here_are_kept(octets: str) -> None:
    (option,) = walk(octets)
    if not isinstance(option, VendorSpecific):
        assert isinstance(option, UnknownOption)
    assert encode_options((option,), 0)[: len(bytes.fromhex(octets))] == bytes.fromhex(octets)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("08", "truncated"),
        ("08 05 01 61", "option_overruns_header"),
        ("01 09 00", "option_overruns_header"),
        ("08 00", "truncated"),
        ("08 02 01 ff", "bad_text"),
        ("08 03 01 610a", "bad_text"),
        ("16 12 00 81" + "00" * 16, "bad_prefix_length"),
        ("16 11 00 40" + "00" * 15, "bad_option_length"),
        ("17 01 00", "bad_option_length"),
        ("18 03 000000", "bad_option_length"),
        ("19 01 00", "truncated"),
        ("1a 0f" + "00" * 15, "bad_option_length"),
        ("1b 04 00000000", "bad_option_length"),
        ("21 03 000000", "bad_option_length"),
        ("28 04 0000 1605", "truncated"),
        ("28 82 0000" + "1600" * 64, "ok"),
        ("28 84 0000" + "1600" * 65, "bad_context_request"),
        ("29 06 01 00 00000000", "bad_option_length"),
        ("2a 08 0000 000000000000", "bad_option_length"),
        ("39 15 8f 02000000" + "ff" * 16, "ok"),
        ("39 16 8f 02000000" + "ff" * 16 + "00", "trailing_octets"),
        ("39 15 8f 0200000f" + "ff" * 16, "too_many_sources"),
        ("13 04 00007ed9", "truncated"),
        ("13 06 00007ed9 01 0a", "bad_text"),
        ("13 27 00007ed9 02" + "00" * 32 + "01 00", "truncated"),
        ("3d 01 0000 00000001", "truncated"),
        ("3d 02 0000 00000000 00000000", "trailing_octets"),
        ("3d 00 0000", "truncated"),
    ],
)
def test_options_that_are_not_what_they_say(octets: str, reason: str) -> None:
    if reason == "ok":
        assert len(walk(octets)) == 1
    else:
        assert walk_refusal(octets) == reason


def test_sixty_four_options_pass_and_padding_does_not_count() -> None:
    one = "170200 03 00 0100"
    assert len(walk(one * 64)) == 64
    assert walk_refusal(one * 65) == "too_many_options"
    option = MobileNodeIdentifier(identifier="")
    assert encode_options((option,) * 64, 0)
    with pytest.raises(EncodeError):
        encode_options((option,) * 65, 0)


def test_unreadable_multicast_state_leaves_the_message_alone() -> None:
    neither = "3c 01 05 00 0000 0000"
    short = "3c 01 02 00 0000 0001"
    long = "3c 02 02 00 0000 0000 00000000"
    many = "3c 01 02 00 0000 0033"
    options = walk(neither + short + long + many + "08 02 01 61")
    assert [option.reason for option in options[:4]] == [
        "payload_type_unsupported",
        "truncated",
        "trailing_octets",
        "too_many_records",
    ]
    assert all(isinstance(option, UnreadableMulticastMobility) for option in options[:4])
    assert options[4] == MobileNodeIdentifier(identifier="a")


def test_multicast_state_first_is_walked_in_words() -> None:
    """Option 60 before the others: only a walk in words finds them behind it."""
    header = vector(2).packet[40:]
    state, others = header[84:148], header[10:80]
    first = header[:10] + bytes((1, 0)) + state + others + bytes((1, 4, 0, 0, 0, 0))
    assert len(first) == len(header)
    message = decode(first)
    assert [type(option).__name__ for option in message.options] == [
        "MulticastMobility",
        "MobileNodeIdentifier",
        "HomeNetworkPrefix",
        "MobileNodeLinkLayerIdentifier",
        "LocalMobilityAnchorAddress",
    ]
    assert set(message.options) == set(vector(2).message.options)


@pytest.mark.parametrize("length", range(256))
def test_a_false_length_of_multicast_state_never_reads_past_the_header(length: int) -> None:
    header = bytearray(vector(2).packet[40:])
    header[85] = length
    for unit in ("words", "octets"):
        refused_at, options = 0, vector(2).message.options
        try:
            options = decode(bytes(header), option_length_unit=unit).options
        except DecodeError as error:
            refused_at = error.offset
        assert refused_at <= len(header)
        assert options[:4] == vector(2).message.options[:4]
    if length > 16:
        assert refusal(bytes(header)).reason == "option_overruns_header"


def test_octet_counted_state_is_refused_where_words_are_configured() -> None:
    assert refusal(vector(17).packet[40:]).reason == "option_overruns_header"


def test_multicast_state_goes_last_whatever_the_caller_says() -> None:
    state, name = MulticastMobility(records=()), MobileNodeIdentifier(identifier="mn1")
    assert walk(encode_options((state, name), 12).hex()) == (name, state)


def test_fifty_records_pass_and_fifty_one_do_not() -> None:
    option = MulticastMobility(records=tuple(record(group=index) for index in range(50)))
    octets = encode_options((option,), 12)
    assert octets[0:2] != b"\0\0"
    assert decode_options(Cursor(octets)) == (option,)
    with pytest.raises(EncodeError) as caught:
        encode_options((MulticastMobility(records=(*option.records, record())),), 12)
    assert caught.value.field == "records"


def test_sixty_two_sources_pass_and_sixty_three_do_not() -> None:
    option = MulticastMobility(records=(record(sources=62),))
    assert decode_options(Cursor(encode_options((option,), 12))) == (option,)
    for kind in (
        MulticastMobility(records=(record(sources=63),)),
        MulticastAcknowledgement(status=MulticastAcknowledgementStatus.SUCCESS, records=(record(sources=63),)),
    ):
        with pytest.raises(EncodeError):
            encode_options((kind,), 12)


def test_records_that_fit_one_by_one_must_also_fit_together() -> None:
    with pytest.raises(EncodeError) as caught:
        encode_options((MulticastMobility(records=(record(sources=40), record(sources=40))),), 12)
    assert caught.value.field == "option_length"


def test_a_subscription_takes_fourteen_sources_and_not_fifteen() -> None:
    option = ActiveMulticastSubscription(record=record(sources=14))
    assert decode_options(Cursor(encode_options((option,), 12))) == (option,)
    with pytest.raises(EncodeError):
        encode_options((ActiveMulticastSubscription(record=record(sources=15)),), 12)


def test_last_delivered_takes_twenty_seven_digests_and_not_twenty_eight() -> None:
    digests = tuple(index.to_bytes(8, "big") for index in range(28))
    option = LastDelivered(source=SOURCE, group=GROUP, digests=digests[:27])
    octets = encode_options((option,), 8)
    assert octets[1] == 254
    assert decode_options(Cursor(octets)) == (option,)
    for wrong in (digests, (b"short",)):
        with pytest.raises(EncodeError):
            encode_options((LastDelivered(source=SOURCE, group=GROUP, digests=wrong),), 8)


def test_timestamp_is_exact_both_ways() -> None:
    stamp = Timestamp.from_seconds(1760000000.5)
    assert stamp.units == 0x000068E778008000
    assert stamp.seconds == 1760000000.5
    assert Timestamp.from_seconds(stamp.seconds + 1 / 65536).units == stamp.units + 1
    for wrong in (-1.0, float("nan"), float("inf"), 2.0**48):
        with pytest.raises(EncodeError):
            Timestamp.from_seconds(wrong)


def test_host_bits_of_a_received_prefix_are_ignored() -> None:
    (option,) = walk("16 12 00 40 20010db801000001 0000000000000099")
    assert option.prefix == IPv6Network("2001:db8:100:1::/64")


def test_an_unknown_unit_is_a_configuration_error() -> None:
    with pytest.raises(ValueError, match="option_length_unit"):
        walk("", option_length_unit="bytes")

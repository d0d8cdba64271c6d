# SPDX-License-Identifier: Apache-2.0
"""Packets derived by hand from the documents, byte for byte in both directions."""

from __future__ import annotations

import pytest

from southbound.codec import accessors
from southbound.codec.errors import DecodeError
from southbound.codec.mld_packet import MldPacket, decode_mld_packet, encode_mld_packet
from southbound.codec.mobility import (
    Dialect,
    HandoverInitiate,
    InitiatePurpose,
    MobilityPacket,
    decode_mobility,
    decode_mobility_packet,
    encode_mobility_packet,
)
from tests.unit.southbound.codec.codec_vectors import MLD_VECTORS, MOBILITY_VECTORS, Vector, vector


def _ids(item: Vector) -> str:
    return item.name


@pytest.mark.parametrize("item", MOBILITY_VECTORS, ids=_ids)
def test_mobility_packet_decodes_to_its_values(item: Vector) -> None:
    packet = decode_mobility_packet(item.packet, item.dialect, option_length_unit=item.option_length_unit)
    assert packet == MobilityPacket(source=item.source, destination=item.destination, message=item.message)


@pytest.mark.parametrize("item", MOBILITY_VECTORS, ids=_ids)
def test_mobility_values_encode_to_the_packet(item: Vector) -> None:
    packet = encode_mobility_packet(
        item.message, item.source, item.destination, option_length_unit=item.option_length_unit
    )
    assert packet.hex() == item.packet.hex()


@pytest.mark.parametrize("item", MLD_VECTORS, ids=_ids)
def test_mld_packet_decodes_to_its_values(item: Vector) -> None:
    assert decode_mld_packet(item.packet) == MldPacket(
        source=item.source, destination=item.destination, message=item.message
    )


@pytest.mark.parametrize("item", MLD_VECTORS, ids=_ids)
def test_mld_values_encode_to_the_packet(item: Vector) -> None:
    assert encode_mld_packet(item.message, item.source).hex() == item.packet.hex()


def test_all_seventeen_vectors_are_there() -> None:
    numbers = sorted(int(item.name[1:3]) for item in [*MOBILITY_VECTORS, *MLD_VECTORS])
    assert numbers == list(range(1, 18))


@pytest.mark.parametrize(
    ("number", "purpose"),
    [
        (1, InitiatePurpose.CONTEXT),
        (4, InitiatePurpose.FORWARDING_REQUEST),
        (5, InitiatePurpose.FORWARDING_COMPLETED),
        (6, InitiatePurpose.CONTEXT),
        (16, InitiatePurpose.FORWARDING_REQUEST),
    ],
)
def test_purpose(number: int, purpose: InitiatePurpose) -> None:
    assert vector(number).message.purpose is purpose


def test_code_two_means_opposite_things_in_the_dialects() -> None:
    rfc = HandoverInitiate(dialect=Dialect.RFC, sequence=1, code=2, forward=True, proxy=True)
    draft = HandoverInitiate(dialect=Dialect.DRAFT, sequence=1, code=2, forward=True)
    assert rfc.purpose is InitiatePurpose.FORWARDING_COMPLETED
    assert draft.purpose is InitiatePurpose.FORWARDING_REQUEST


@pytest.mark.parametrize("item", MOBILITY_VECTORS, ids=_ids)
def test_every_single_flipped_bit_breaks_the_checksum(item: Vector) -> None:
    header = item.packet[40:]
    for bit in range(8 * len(header)):
        flipped = bytearray(header)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(DecodeError) as caught:
            decode_mobility(bytes(flipped), item.source, item.destination, item.dialect)
        assert caught.value.reason == "bad_checksum"


@pytest.mark.parametrize("item", MLD_VECTORS, ids=_ids)
def test_every_flipped_bit_of_mld_is_refused(item: Vector) -> None:
    for bit in range(8 * 48, 8 * len(item.packet)):
        flipped = bytearray(item.packet)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(DecodeError) as caught:
            decode_mld_packet(bytes(flipped))
        # A flip in the type octet is another message before it is a wrong checksum.
        assert caught.value.reason in {"bad_checksum", "not_mld", "bad_query_length"}


def test_accessors_read_the_predictive_handover_initiate() -> None:
    message = vector(2).message
    assert accessors.mn_id(message) == "mn1@example.net"
    assert [str(prefix) for prefix in accessors.home_network_prefixes(message)] == ["2001:db8:100:1::/64"]
    assert accessors.link_layer_id(message) == bytes.fromhex("020000000011")
    assert str(accessors.lma_address(message)) == "2001:db8:f::1"
    assert [str(record.group) for record in accessors.multicast_records(message)] == ["ff3e::8000:1", "ff1e::101"]
    assert accessors.handover_id(message) is None
    assert accessors.new_mag_id(message) is None
    assert accessors.last_delivered(message) == ()


def test_accessors_read_registrations() -> None:
    message = vector(11).message
    assert accessors.handoff_indicator(message) == 3
    assert accessors.access_technology_type(message) == 4
    stamp = accessors.timestamp(message)
    assert stamp is not None
    assert stamp.seconds == 1760000000.5
    assert len(accessors.multicast_records(message)) == 2
    assert accessors.gre_key(vector(16).message) == 0x11223344
    (refusal,) = accessors.multicast_acknowledgements(vector(3).message)
    assert refusal.status == 3

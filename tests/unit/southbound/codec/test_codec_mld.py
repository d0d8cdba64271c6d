# SPDX-License-Identifier: Apache-2.0
"""MLD on the wire: what makes a packet valid, version 1, and the floating-point codes."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv6Address
from typing import Any

import pytest

from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.ethernet import EthernetFrame, encode_ethernet, multicast_mac
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.ipv6 import Ipv6Packet, decode_ipv6, encode_ipv6, upper_layer_checksum
from southbound.codec.mld import Mldv1Done, Mldv1Query, Mldv1Report, Mldv2Query, Mldv2Report, decode_mld, encode_mld
from southbound.codec.mld_codes import decode_code, encode_code
from southbound.codec.mld_packet import decode_mld_packet, encode_mld_packet
from southbound.codec.records import MulticastAddressRecord
from tests.unit.southbound.codec.codec_vectors import vector

ROUTER = IPv6Address("fe80::1")
GROUP = IPv6Address("ff1e::101")
REPORT = vector(14)


def reason_of(packet: bytes) -> str:
    with pytest.raises(DecodeError) as caught:
        decode_mld_packet(packet)
    return caught.value.reason


def rebuilt(**changes: Any) -> bytes:
    return encode_ipv6(dataclasses.replace(decode_ipv6(REPORT.packet), **changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hop_limit": 2}, "bad_hop_limit"),
        ({"router_alert": None}, "no_router_alert"),
        ({"router_alert": 1}, "no_router_alert"),
        ({"next_header": 17}, "not_mld"),
        ({"payload": b"\x87\0\0\0"}, "not_mld"),
    ],
)
def test_a_packet_that_is_no_valid_mld(changes: dict[str, Any], reason: str) -> None:
    assert reason_of(rebuilt(**changes)) == reason


@pytest.mark.parametrize("source", ["::", "2001:db8::1"])
def test_sources_other_than_link_local_are_refused(source: str) -> None:
    address = IPv6Address(source)
    payload = encode_mld(REPORT.message, address, REPORT.destination)
    assert reason_of(rebuilt(source=address, payload=payload)) == "source_not_link_local"
    with pytest.raises(EncodeError):
        encode_mld_packet(REPORT.message, address)


@pytest.mark.parametrize("length", [4, 20, 25, 27])
def test_queries_of_other_lengths_are_ignored(length: int) -> None:
    octets = encode_mld(Mldv2Query(), ROUTER, GROUP)[:length]
    with pytest.raises(DecodeError) as caught:
        decode_mld(octets, ROUTER, GROUP)
    assert caught.value.reason == "bad_query_length"


def test_version_one_query_has_24_octets() -> None:
    octets = encode_mld(Mldv1Query(maximum_response_delay_ms=10000), ROUTER, IPv6Address("ff02::1"))
    assert len(octets) == 24
    assert octets[:2].hex() + octets[4:].hex() == "8200" + "2710" + "0000" + "00" * 16


@pytest.mark.parametrize(
    ("message", "destination"),
    [
        (Mldv2Query(), "ff02::1"),
        (Mldv2Query(group=GROUP), "ff1e::101"),
        (Mldv1Query(group=GROUP), "ff1e::101"),
        (Mldv2Report(records=()), "ff02::16"),
        (Mldv1Report(group=GROUP), "ff1e::101"),
        (Mldv1Done(group=GROUP), "ff02::2"),
    ],
)
def test_messages_go_where_the_rfcs_send_them(message: Any, destination: str) -> None:
    packet = decode_mld_packet(encode_mld_packet(message, ROUTER))
    assert str(packet.destination) == destination
    assert packet.message == message


@pytest.mark.parametrize("message", [Mldv1Report(group=ROUTER), Mldv1Done(group=ROUTER), Mldv2Query(group=ROUTER)])
def test_a_unicast_address_is_no_group(message: Any) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_mld(encode_mld(message, ROUTER, GROUP), ROUTER, GROUP)
    assert caught.value.reason == "not_a_multicast_group"


def test_octets_behind_the_last_record_count_for_the_checksum_only() -> None:
    message = Mldv2Report(records=(MulticastAddressRecord(record_type=Mldv2RecordType.MODE_IS_EXCLUDE, group=GROUP),))
    longer = bytearray(encode_mld(message, ROUTER, GROUP) + b"\xff\xff\xff\xff")
    with pytest.raises(DecodeError):
        decode_mld(bytes(longer), ROUTER, GROUP)
    # Four octets of ones change the sum by the longer length alone.
    checksum = int.from_bytes(longer[2:4], "big") - 4
    longer[2:4] = (checksum % 0xFFFF).to_bytes(2, "big")
    assert decode_mld(bytes(longer), ROUTER, GROUP) == message


@pytest.mark.parametrize("flags", range(1, 16))
def test_flags_of_queries_and_reports_are_sent_zero_and_ignored(flags: int) -> None:
    """RFC 9777 sections 5.1.6 and 5.2.3: octet 24 of a query (upper half), octets 4 and 5 of a report."""
    query = Mldv2Query(group=GROUP, suppress_router_processing=True, robustness=5, maximum_response_delay_ms=1000)
    report = Mldv2Report(records=(MulticastAddressRecord(record_type=Mldv2RecordType.MODE_IS_EXCLUDE, group=GROUP),))
    for message, at, sent, ones in ((query, 24, 0x0D, flags << 4), (report, 4, 0, flags), (report, 5, 0, flags << 4)):
        octets = bytearray(encode_mld(message, ROUTER, GROUP))
        assert octets[at] == sent
        octets[at] |= ones
        octets[2:4] = bytes(2)
        checksum = upper_layer_checksum(ROUTER, GROUP, 58, bytes(octets))
        octets[2:4] = checksum.to_bytes(2, "big")
        assert decode_mld(bytes(octets), ROUTER, GROUP) == message


def test_caps_of_reports_and_queries() -> None:
    record = MulticastAddressRecord(record_type=Mldv2RecordType.MODE_IS_EXCLUDE, group=GROUP)
    assert encode_mld(Mldv2Report(records=(record,) * 256), ROUTER, GROUP)
    for message in (
        Mldv2Report(records=(record,) * 257),
        Mldv2Query(group=GROUP, sources=(ROUTER,) * 257),
        Mldv2Query(robustness=8),
    ):
        with pytest.raises(EncodeError):
            encode_mld(message, ROUTER, GROUP)


@pytest.mark.parametrize(
    ("code", "value", "mantissa_bits"),
    [
        (0, 0, 12),
        (32767, 32767, 12),
        (0x8000, 32768, 12),
        (0xFFFF, 0x1FFF << 10, 12),
        (127, 127, 4),
        (0x80, 128, 4),
        (0x8F, 248, 4),
        (0xFF, 31744, 4),
    ],
)
def test_float_codes(code: int, value: int, mantissa_bits: int) -> None:
    """By hand from RFC 3810 5.1.3 and 5.1.9."""
    assert decode_code(code, mantissa_bits=mantissa_bits) == value
    assert encode_code(value, mantissa_bits=mantissa_bits, field="code") == code


@pytest.mark.parametrize("mantissa_bits", [4, 12])
def test_float_codes_round_down_and_end(mantissa_bits: int) -> None:
    codes = 1 << mantissa_bits + 4
    values = [decode_code(code, mantissa_bits=mantissa_bits) for code in range(codes)]
    assert values == sorted(set(values))
    for code in range(codes - 1):
        assert encode_code(values[code + 1] - 1, mantissa_bits=mantissa_bits, field="code") == code
    for wrong in (-1, values[-1] * 2):
        with pytest.raises(EncodeError):
            encode_code(wrong, mantissa_bits=mantissa_bits, field="code")


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "truncated"),
        (bytes(40), "bad_ip_version"),
        (REPORT.packet[:-1], "truncated"),
        (REPORT.packet[:42] + b"\x45" + REPORT.packet[43:], "unknown_hop_by_hop_option"),
        (REPORT.packet[:43] + b"\x01" + REPORT.packet[44:], "bad_extension_header"),
        (REPORT.packet[:40] + b"\0" + REPORT.packet[41:], "bad_extension_header"),
        (REPORT.packet[:6] + b"\x2c" + REPORT.packet[7:], "fragmented"),
    ],
)
def test_ipv6_packets_that_are_not_what_they_say(packet: bytes, reason: str) -> None:
    assert reason_of(packet) == reason


def test_ipv6_packets_that_cannot_be() -> None:
    good = Ipv6Packet(source=ROUTER, destination=GROUP, next_header=59, payload=b"")
    for changes in (
        {"flow_label": 1 << 20},
        {"traffic_class": 256},
        {"hop_limit": 256},
        {"next_header": -1},
        {"payload": bytes(65536)},
    ):
        with pytest.raises(EncodeError):
            encode_ipv6(dataclasses.replace(good, **changes))


def test_multicast_mac_of_a_group() -> None:
    assert multicast_mac(IPv6Address("ff3e::8000:1")).hex(":") == "33:33:80:00:00:01"
    with pytest.raises(EncodeError):
        encode_ethernet(EthernetFrame(destination=b"short", source=bytes(6), payload=b""))

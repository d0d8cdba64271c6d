# SPDX-License-Identifier: Apache-2.0
"""Outside judges: scapy for checksums, PBU, PBA and MLD; tshark for what it knows of all messages."""

from __future__ import annotations

import dataclasses
import shutil
import struct
import subprocess
import warnings
from collections.abc import Iterable
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from southbound.codec.ipv6 import upper_layer_checksum
from southbound.codec.mld import Mldv2Report
from southbound.codec.mld_packet import decode_mld_packet, encode_mld_packet
from southbound.codec.mobility import decode_mobility_packet, encode_mobility_packet
from tests.unit.southbound.codec.codec_strategies import MESSAGES, MLD_MESSAGES, ipv6
from tests.unit.southbound.codec.codec_vectors import Vector, vector

with warnings.catch_warnings():
    # scapy's own use of what cryptography deprecates is not ours to answer for.
    warnings.simplefilter("ignore")
    inet6 = pytest.importorskip("scapy.layers.inet6")

LMA = IPv6Address("2001:db8:f::1")
MAG = IPv6Address("2001:db8:b::1")
LINKTYPE_RAW = 101


@settings(deadline=None)
@given(source=ipv6, destination=ipv6, next_header=st.integers(1, 255), payload=st.binary(max_size=200))
def test_scapy_computes_the_same_checksum(
    source: IPv6Address, destination: IPv6Address, next_header: int, payload: bytes
) -> None:
    theirs = inet6.in6_chksum(next_header, inet6.IPv6(src=str(source), dst=str(destination)), payload)
    assert upper_layer_checksum(source, destination, next_header, payload) == theirs


def test_scapy_builds_the_same_proxy_binding_update() -> None:
    item = vector(8)
    pad = inet6.PadN
    options = [
        inet6.MIP6OptMNID(id=b"mn1@example.net"),
        pad(optdata=bytes(4)),
        inet6.MIP6OptUnknown(otype=22, odata=bytes.fromhex("0040 20010db8010000010000000000000000")),
        inet6.MIP6OptUnknown(otype=23, odata=b"\0\3"),
        inet6.MIP6OptUnknown(otype=24, odata=b"\0\4"),
        inet6.MIP6OptUnknown(otype=25, odata=bytes.fromhex("0000020000000011")),
        inet6.MIP6OptUnknown(otype=27, odata=bytes.fromhex("000068e778008000")),
        pad(optdata=bytes(2)),
    ]
    packet = inet6.IPv6(src=str(MAG), dst=str(LMA), hlim=64) / inet6.MIP6MH_BU(
        seq=7, flags="AP", mhtime=75, options=options
    )
    assert bytes(packet).hex() == encode_mobility_packet(item.message, MAG, LMA).hex()


@settings(max_examples=40, deadline=None)
@given(message=MESSAGES["proxy_binding_update"])
def test_scapy_reads_our_proxy_binding_update(message: Any) -> None:
    packet = inet6.IPv6(encode_mobility_packet(message, MAG, LMA))
    update = packet[inet6.MIP6MH_BU]
    assert (update.seq, update.mhtime * 4) == (message.sequence, message.lifetime_s)
    names = ("acknowledge", "home", "link_local", "key", "map", "router", "proxy")
    assert [letter in str(update.flags) for letter in "AHLKMRP"] == [getattr(message, name) for name in names]
    _same_checksum(packet, update)


@settings(max_examples=40, deadline=None)
@given(message=MESSAGES["proxy_binding_acknowledgement"])
def test_scapy_reads_our_proxy_binding_acknowledgement(message: Any) -> None:
    packet = inet6.IPv6(encode_mobility_packet(message, LMA, MAG))
    answer = packet[inet6.MIP6MH_BA]
    assert (answer.status, answer.seq, answer.mhtime * 4) == (message.status, message.sequence, message.lifetime_s)
    assert [letter in str(answer.flags) for letter in "KRP"] == [message.key, message.router, message.proxy]
    _same_checksum(packet, answer)


def _same_checksum(packet: Any, header: Any) -> None:
    ours = header.cksum
    octets = bytearray(bytes(packet)[40:])
    octets[4:6] = b"\0\0"
    assert inet6.in6_chksum(135, packet, bytes(octets)) == ours


@settings(max_examples=40, deadline=None)
@given(message=MLD_MESSAGES["mldv2_report"])
def test_scapy_reads_our_mldv2_report(message: Any) -> None:
    # scapy counts auxiliary data in octets, RFC 3810 5.2.6 in words; nobody sends any.
    records = tuple(dataclasses.replace(record, auxiliary_data=b"") for record in message.records)
    packet = inet6.IPv6(encode_mld_packet(Mldv2Report(records=records), IPv6Address("fe80::1")))
    report = packet[inet6.ICMPv6MLReport2]
    assert report.records_number == len(records)
    # It hangs every further record below the one before.
    theirs = report.records[0] if report.records else None
    for record in records:
        assert theirs is not None
        assert (theirs.rtype, IPv6Address(theirs.dst)) == (record.record_type, record.group)
        assert tuple(IPv6Address(source) for source in theirs.sources) == record.sources
        theirs = theirs.payload


def test_we_read_the_queries_of_scapy() -> None:
    packet = (
        inet6.IPv6(src="fe80::1", dst="ff1e::101", hlim=1)
        / inet6.IPv6ExtHdrHopByHop(options=[inet6.RouterAlert()])
        / inet6.ICMPv6MLQuery2(mladdr="ff1e::101", mrd=1000, S=1, QRV=3, QQIC=0x8F, sources=["2001:db8::1"])
    )
    query: Any = decode_mld_packet(bytes(packet)).message
    assert (query.maximum_response_delay_ms, query.robustness, query.query_interval_s) == (1000, 3, 248)
    assert query.suppress_router_processing
    assert query.sources == (IPv6Address("2001:db8::1"),)


def write_pcap(path: Path, packets: Iterable[bytes]) -> None:
    """A capture file of whole IPv6 packets, LINKTYPE_RAW."""
    octets = bytearray(struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, LINKTYPE_RAW))
    for packet in packets:
        octets += struct.pack("!IIII", 0, 0, len(packet), len(packet)) + packet
    path.write_bytes(octets)


def tshark(directory: Path, packet: bytes) -> str:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    path = directory / "packet.pcap"
    write_pcap(path, [packet])
    done = subprocess.run(["tshark", "-V", "-r", str(path)], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def encoded(item: Vector) -> bytes:
    """The packet as our encoder writes it after our decoder has read it."""
    packet = decode_mobility_packet(item.packet, item.dialect, option_length_unit=item.option_length_unit)
    return encode_mobility_packet(
        packet.message, packet.source, packet.destination, option_length_unit=item.option_length_unit
    )


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (
            1,
            [
                "Mobility Header Type: Handover Initiate (14)",
                "Sequence number: 4660",
                "Buffer flag (U) flag: True",
                "Code: 3",
                "mn1@example.net",
                "Home Network Prefix: 2001:db8:100:1::/64",
                "020000000011",
                "2001:db8:f::1",
            ],
        ),
        (5, ["Handover Initiate (14)", "Sequence number: 4662", "Buffer flag (U) flag: False", "Code: 2"]),
        (
            8,
            [
                "Mobility Header Type: Binding Update (5)",
                "Acknowledge (A) flag: Binding Acknowledgement requested",
                "Proxy Registration (P) flag: Proxy Registration",
                "Forcing UDP encapsulation (F) flag: No Forcing UDP encapsulation",
                "Lifetime: 75 (300 seconds)",
                "Home Network Prefix: 2001:db8:100:1::/64",
                "08:53:20.500000000",
            ],
        ),
        (11, ["Mobility Header Type: Binding Update (5)", "Sequence number: 8", "08:53:20.500000000"]),
        (
            12,
            [
                "Mobility Header Type: Binding Acknowledgement (6)",
                "Status: TIMESTAMP_MISMATCH (156)",
                "Proxy Registration (P) flag: Proxy Registration",
                "Sequence number: 8",
                "08:53:25.000000000",
            ],
        ),
        (16, ["Handover Initiate (14)", "Req-type: Home Network Prefix (22)", "GRE Key: 287454020"]),
    ],
)
def test_tshark_reads_our_packets(tmp_path: Path, number: int, expected: list[str]) -> None:
    output = tshark(tmp_path, encoded(vector(number)))
    for text in expected:
        assert text in output
    assert "Malformed" not in output


def test_tshark_reads_the_header_of_our_handover_acknowledge(tmp_path: Path) -> None:
    """Only the header: it knows no option 61."""
    output = tshark(tmp_path, encoded(vector(3)))
    assert "Mobility Header Type: Handover Acknowledge (15)" in output
    assert "Sequence number: 4661" in output
    assert "Code: 5" in output


def test_tshark_finds_the_checksum_of_our_mld_right(tmp_path: Path) -> None:
    message = vector(14).message
    output = tshark(tmp_path, encode_mld_packet(message, vector(14).source))
    assert "[Checksum Status: Good]" in output
    assert "ff3e::8000:1" in output
    assert "2001:db8:c0::10" in output


def test_tshark_reads_the_octet_counted_variant(tmp_path: Path) -> None:
    """It knows no option 60, so it walks it by the generic rule: octets pass, words do not."""
    assert "Malformed" not in tshark(tmp_path, encoded(vector(17)))
    assert "Malformed" in tshark(tmp_path, encoded(vector(2)))

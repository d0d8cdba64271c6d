# SPDX-License-Identifier: Apache-2.0
"""IGMP and its IPv4 packets on the wire; scapy is the judge of checksums and layouts, as far as it knows them."""

from __future__ import annotations

import dataclasses
import warnings
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.codec.errors import DecodeError, EncodeError
from southbound.codec.ethernet import ethertype_of, multicast_mac
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.igmp import (
    Igmpv2Leave,
    Igmpv2Query,
    Igmpv2Report,
    Igmpv3Query,
    Igmpv3Report,
    decode_igmp,
    encode_igmp,
)
from southbound.codec.igmp_packet import UNKNOWN_SOURCE, decode_igmp_packet, encode_igmp_packet
from southbound.codec.ipv4 import Ipv4Packet, decode_ipv4, encode_ipv4
from southbound.codec.listener_packet import decode_listener_packet, is_query
from southbound.codec.records import MulticastAddressRecord

with warnings.catch_warnings():
    # scapy's own use of what cryptography deprecates is not ours to answer for.
    warnings.simplefilter("ignore")
    igmp = pytest.importorskip("scapy.layers.igmp")
    IP = pytest.importorskip("scapy.layers.inet").IP

ROUTER = IPv4Address("192.0.0.8")
GROUP, SSM = IPv4Address("239.1.2.3"), IPv4Address("232.1.1.1")
SOURCES = (IPv4Address("192.0.2.10"), IPv4Address("192.0.2.11"))
REPORT = Igmpv3Report(records=(
    MulticastAddressRecord(record_type=Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE, group=GROUP),
    MulticastAddressRecord(record_type=Mldv2RecordType.ALLOW_NEW_SOURCES, group=SSM, sources=SOURCES),
))
MESSAGES: list[Any] = [
    Igmpv3Query(),
    Igmpv3Query(group=SSM, sources=SOURCES, maximum_response_delay_ms=1000, suppress_router_processing=True, robustness=3),
    Igmpv2Query(maximum_response_delay_ms=1000),
    Igmpv2Query(group=GROUP),
    REPORT,
    Igmpv2Report(group=GROUP),
    Igmpv2Leave(group=GROUP),
]
DESTINATIONS = ["224.0.0.1", str(SSM), "224.0.0.1", str(GROUP), "224.0.0.22", str(GROUP), "224.0.0.2"]


@pytest.mark.parametrize(("message", "destination"), list(zip(MESSAGES, DESTINATIONS, strict=True)))
def test_a_packet_is_what_the_rfc_asks_for_and_comes_back(message: Any, destination: str) -> None:
    packet = encode_igmp_packet(message, ROUTER)
    outer = IP(packet)
    assert (outer.dst, outer.ttl, outer.tos, outer.proto, outer.ihl) == (destination, 1, 0xC0, 2, 6)
    assert packet[20:24] == bytes.fromhex("94040000")
    rebuilt = IP(packet)
    del rebuilt.chksum
    assert bytes(rebuilt)[:24] == packet[:24]
    assert decode_igmp_packet(packet).message == message
    assert decode_listener_packet(packet) == message
    assert is_query(packet) == isinstance(message, Igmpv3Query | Igmpv2Query)


def test_scapy_makes_the_same_of_a_report() -> None:
    records = [
        igmp.IGMPv3_MR_Group(rtype=4, maddr=str(GROUP)),
        igmp.IGMPv3_MR_Group(rtype=5, maddr=str(SSM), srcaddrs=[str(one) for one in SOURCES]),
    ]
    assert bytes(igmp.IGMPv3_MR(records=records)) == encode_igmp(REPORT)


def test_scapy_makes_the_same_of_queries() -> None:
    sources = [str(one) for one in SOURCES]
    made = igmp.IGMPv3_MQ(mrcode=10, gaddr=str(SSM), s=1, qrv=3, qqic=125, srcaddrs=sources)
    assert bytes(made) == encode_igmp(MESSAGES[1])
    assert bytes(igmp.IGMP_MQ(mrcode=10)) == encode_igmp(MESSAGES[2])


def test_version_1_speaks_too() -> None:
    report = bytes(igmp.IGMPv2_MR(type=0x12, mrcode=0, gaddr=str(GROUP)))
    assert decode_igmp(report) == Igmpv2Report(group=GROUP)
    # RFC 3376 section 7.2.1: its Max Resp Code of 0 stands for ten seconds.
    assert decode_igmp(bytes(igmp.IGMP_MQ(mrcode=0))) == Igmpv2Query(maximum_response_delay_ms=10_000)


def rebuilt(**changes: Any) -> bytes:
    return encode_ipv4(dataclasses.replace(decode_ipv4(encode_igmp_packet(REPORT, UNKNOWN_SOURCE)), **changes))


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (rebuilt(time_to_live=2), "bad_hop_limit"),
        (rebuilt(router_alert=False), "no_router_alert"),
        (rebuilt(protocol=17), "not_igmp"),
        (rebuilt(payload=encode_igmp(REPORT)[:-1] + b"\1"), "bad_checksum"),
        (rebuilt(payload=b"\x13\0" + encode_igmp(Igmpv2Leave(group=GROUP))[2:]), "not_igmp"),
        (rebuilt(payload=encode_igmp(Igmpv2Leave(group=ROUTER))), "not_a_multicast_group"),
        (rebuilt(payload=bytes.fromhex("1100eeff00000000000000")), "bad_query_length"),
        (encode_igmp_packet(REPORT, ROUTER)[:-1], "truncated"),
        (b"\x46" + rebuilt()[1:11] + b"\0" + rebuilt()[12:], "bad_header_checksum"),
        (b"\x41" + rebuilt()[1:], "bad_header_length"),
        (b"\x60" + rebuilt()[1:], "bad_ip_version"),
    ],
)
def test_what_is_no_igmp_is_refused_by_name(packet: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_igmp_packet(packet)
    assert caught.value.reason == reason


def test_a_fragment_is_refused() -> None:
    packet = IP(encode_igmp_packet(REPORT, ROUTER))
    packet.flags = "MF"
    del packet.chksum
    with pytest.raises(DecodeError, match="fragmented"):
        decode_ipv4(bytes(packet))


@given(st.binary(max_size=120))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    for read in (decode_igmp, decode_igmp_packet, decode_listener_packet):
        try:
            read(octets)
        except DecodeError:
            continue
    assert is_query(octets) in (True, False)


@given(
    st.builds(
        Ipv4Packet, source=st.ip_addresses(v=4), destination=st.ip_addresses(v=4), protocol=st.integers(0, 255),
        payload=st.binary(max_size=60), time_to_live=st.integers(0, 255), router_alert=st.booleans(),
        type_of_service=st.integers(0, 255),
    )
)
def test_every_ipv4_packet_comes_back_whatever_follows_it(packet: Ipv4Packet) -> None:
    assert decode_ipv4(encode_ipv4(packet) + b"\0\0\0") == packet


def test_a_source_of_another_family_is_refused() -> None:
    wrong = MulticastAddressRecord(
        record_type=Mldv2RecordType.MODE_IS_INCLUDE, group=SSM, sources=(IPv6Address("2001:db8::1"),)
    )
    with pytest.raises(EncodeError):
        encode_igmp(Igmpv3Report(records=(wrong,)))


def test_the_link_layer_address_of_a_group_has_its_last_23_bits() -> None:
    # RFC 1112 section 6.4
    assert multicast_mac(IPv4Address("239.129.2.3")).hex(":") == "01:00:5e:01:02:03"
    assert ethertype_of(encode_igmp_packet(REPORT, ROUTER)) == 0x0800

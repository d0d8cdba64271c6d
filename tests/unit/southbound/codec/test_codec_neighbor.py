# SPDX-License-Identifier: Apache-2.0
"""Neighbor Discovery on the wire: layouts of RFC 4861 section 4 by hand, what makes a message valid, outside judges."""

from __future__ import annotations

import dataclasses
import warnings
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.codec.errors import DECODE_REASONS, DecodeError, EncodeError
from southbound.codec.ipv6 import decode_ipv6, encode_ipv6, upper_layer_checksum
from southbound.codec.neighbor_discovery import (
    NeighborAdvertisement,
    NeighborMessage,
    NeighborSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
    decode_neighbor_packet,
    encode_neighbor_packet,
    solicited_node,
)
from southbound.codec.neighbor_options import (
    LinkMtu,
    PrefixInformation,
    RouteInformation,
    SourceLinkLayerAddress,
    TargetLinkLayerAddress,
    UnknownNeighborOption,
)
from tests.unit.southbound.codec.codec_strategies import NEIGHBOR_MESSAGES
from tests.unit.southbound.codec.test_codec_judges import tshark

with warnings.catch_warnings():
    # scapy's own use of what cryptography deprecates is not ours to answer for.
    warnings.simplefilter("ignore")
    inet6 = pytest.importorskip("scapy.layers.inet6")

ROUTER = IPv6Address("fe80::ca:57ff:feff:ff01")
HOST = IPv6Address("fe80::ff:fe00:11")
ALL_NODES, ALL_ROUTERS = IPv6Address("ff02::1"), IPv6Address("ff02::2")
UNSPECIFIED = IPv6Address("::")
ROUTER_MAC, HOST_MAC = bytes.fromhex("02ca57ffff01"), bytes.fromhex("020000000011")
PREFIX = IPv6Network("2001:db8:100:1::/64")
ADVERTISEMENT = RouterAdvertisement(
    hop_limit=64, router_lifetime_s=1800,
    options=(
        SourceLinkLayerAddress(address=ROUTER_MAC),
        LinkMtu(mtu=1452),
        PrefixInformation(
            prefix=PREFIX, on_link=False, autonomous=True, valid_lifetime_s=2592000, preferred_lifetime_s=604800
        ),
    ),
)

ROUTES = RouterAdvertisement(
    options=(
        RouteInformation(prefix=IPv6Network("::/0"), lifetime_s=0, preference=3),
        RouteInformation(prefix=IPv6Network("2001:db8:200::/56"), lifetime_s=1800),
        RouteInformation(prefix=IPv6Network("2001:db8:c0::10/128"), lifetime_s=0xFFFF_FFFF, preference=1),
    ),
)
"""Of each length (RFC 4191 section 2.3)."""

# Message, source, destination, the ICMPv6 octets without the checksum: written down from the figures of RFC 4861.
LAYOUTS: list[tuple[NeighborMessage, IPv6Address, IPv6Address, str]] = [
    (RouterSolicitation(), UNSPECIFIED, ALL_ROUTERS, "85 00 ---- 00000000"),
    (
        RouterSolicitation(options=(SourceLinkLayerAddress(address=HOST_MAC),)), HOST, ALL_ROUTERS,
        "85 00 ---- 00000000  01 01 020000000011",
    ),
    (
        ADVERTISEMENT, ROUTER, ALL_NODES,
        "86 00 ---- 40 00 0708 00000000 00000000"
        "01 01 02ca57ffff01"
        "05 01 0000 000005ac"
        "03 04 40 40 00278d00 00093a80 00000000 20010db8010000010000000000000000",
    ),
    (
        ROUTES, ROUTER, ALL_NODES,
        "86 00 ---- 00 00 0000 00000000 00000000"
        "18 01 00 18 00000000"
        "18 02 38 00 00000708 20010db802000000"
        "18 03 80 08 ffffffff 20010db800c000000000000000000010",
    ),
    (
        NeighborSolicitation(target=ROUTER, options=(SourceLinkLayerAddress(address=HOST_MAC),)), HOST,
        solicited_node(ROUTER), "87 00 ---- 00000000 fe8000000000000000ca57fffeffff01  01 01 020000000011",
    ),
    (
        NeighborAdvertisement(
            target=ROUTER, router=True, solicited=True, override=True,
            options=(TargetLinkLayerAddress(address=ROUTER_MAC),),
        ),
        ROUTER, HOST, "88 00 ---- e0000000 fe8000000000000000ca57fffeffff01  02 01 02ca57ffff01",
    ),
    (
        NeighborAdvertisement(target=HOST, router=False, solicited=False, override=True), HOST, ALL_NODES,
        "88 00 ---- 20000000 fe800000000000000000 00fffe000011",
    ),
]


@pytest.mark.parametrize(("message", "source", "destination", "layout"), LAYOUTS)
def test_layouts(message: NeighborMessage, source: IPv6Address, destination: IPv6Address, layout: str) -> None:
    expected = layout.replace(" ", "")
    packet = encode_neighbor_packet(message, source, destination)
    octets = packet[40:]
    assert octets[:2].hex() + "----" + octets[4:].hex() == expected
    assert packet[7] == 255
    read = decode_neighbor_packet(packet)
    assert (read.message, read.source, read.destination) == (message, source, destination)


def reason_of(packet: bytes) -> str:
    with pytest.raises(DecodeError) as caught:
        decode_neighbor_packet(packet)
    return caught.value.reason


def changed(message: NeighborMessage, at: int, octets: str, source: IPv6Address = HOST) -> bytes:
    """The packet with other octets at this place of its ICMPv6 message, and the checksum put right."""
    outer = decode_ipv6(encode_neighbor_packet(message, source, ALL_NODES))
    payload = bytearray(outer.payload)
    payload[at : at + len(bytes.fromhex(octets))] = bytes.fromhex(octets)
    payload[2:4] = b"\0\0"
    payload[2:4] = upper_layer_checksum(source, ALL_NODES, 58, bytes(payload)).to_bytes(2, "big")
    return encode_ipv6(dataclasses.replace(outer, payload=bytes(payload)))


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (changed(RouterSolicitation(), 1, "01"), "bad_code"),
        (changed(RouterSolicitation(), 0, "82"), "not_neighbor_discovery"),
        (changed(RouterSolicitation(options=(LinkMtu(mtu=1500),)), 9, "00"), "bad_option_length"),
        (changed(RouterSolicitation(options=(LinkMtu(mtu=1500),)), 9, "02"), "option_overruns_header"),
        (changed(NeighborSolicitation(target=HOST), 8, "ff02"), "bad_neighbor_message"),
        (changed(ADVERTISEMENT, 34, "81", ROUTER), "bad_prefix_length"),
        (encode_neighbor_packet(ADVERTISEMENT, IPv6Address("2001:db8::1"), ALL_NODES), "source_not_link_local"),
        (encode_neighbor_packet(LAYOUTS[5][0], ROUTER, ALL_NODES), "bad_neighbor_message"),
        (changed(ROUTES, 18, "01", ROUTER), "bad_prefix_length"),
        (changed(ROUTES, 26, "41", ROUTER), "bad_prefix_length"),
        (changed(ROUTES, 25, "05", ROUTER), "bad_option_length"),
        (encode_neighbor_packet(LAYOUTS[1][0], UNSPECIFIED, ALL_ROUTERS), "bad_neighbor_message"),
        (encode_neighbor_packet(NeighborSolicitation(target=HOST), UNSPECIFIED, ALL_NODES), "bad_neighbor_message"),
        (encode_neighbor_packet(RouterSolicitation(options=(LinkMtu(mtu=0),) * 32), HOST, ALL_ROUTERS)[:-4], "truncated"),
    ],
)
def test_what_is_not_valid(packet: bytes, reason: str) -> None:
    assert reason_of(packet) == reason


def test_a_forwarded_or_damaged_packet_is_refused() -> None:
    packet = encode_neighbor_packet(ADVERTISEMENT, ROUTER, ALL_NODES)
    outer = decode_ipv6(packet)
    assert reason_of(encode_ipv6(dataclasses.replace(outer, hop_limit=254))) == "bad_hop_limit"
    assert reason_of(packet[:-1] + bytes((packet[-1] ^ 1,))) == "bad_checksum"


def test_no_more_options_than_a_message_of_ours_may_have() -> None:
    with pytest.raises(EncodeError):
        encode_neighbor_packet(RouterSolicitation(options=(LinkMtu(mtu=1500),) * 33), HOST, ALL_ROUTERS)
    outer = decode_ipv6(encode_neighbor_packet(RouterSolicitation(options=(LinkMtu(mtu=0),) * 32), HOST, ALL_NODES))
    payload = bytearray(outer.payload + bytes.fromhex("0501000000000000"))
    payload[2:4] = b"\0\0"
    payload[2:4] = upper_layer_checksum(HOST, ALL_NODES, 58, bytes(payload)).to_bytes(2, "big")
    assert reason_of(encode_ipv6(dataclasses.replace(outer, payload=bytes(payload)))) == "too_many_options"


def test_unknown_options_are_skipped_and_kept() -> None:
    packet = changed(RouterSolicitation(options=(LinkMtu(mtu=1500),)), 8, "1f")
    message = decode_neighbor_packet(packet).message
    assert message.options == (UnknownNeighborOption(option_type=31, data=bytes.fromhex("0000000005dc")),)  # type: ignore[arg-type]


def test_solicited_node_group() -> None:
    """The example of RFC 4291 section 2.7.1."""
    assert solicited_node(IPv6Address("4037::01:800:200e:8c6c")) == IPv6Address("ff02::1:ff0e:8c6c")


@given(message=st.sampled_from(sorted(NEIGHBOR_MESSAGES)).flatmap(NEIGHBOR_MESSAGES.__getitem__))
def test_every_message_comes_back(message: NeighborMessage) -> None:
    packet = encode_neighbor_packet(message, ROUTER, HOST)
    assert decode_neighbor_packet(packet).message == message


@given(octets=st.binary(max_size=200), start=st.sampled_from(("85", "86", "87", "88")))
def test_any_octets_decode_or_raise_decode_error(octets: bytes, start: str) -> None:
    outer = decode_ipv6(encode_neighbor_packet(RouterSolicitation(), ROUTER, HOST))
    payload = bytearray(bytes.fromhex(start) + b"\0\0\0" + octets)
    payload[2:4] = upper_layer_checksum(ROUTER, HOST, 58, bytes(payload)).to_bytes(2, "big")
    reasons: set[str] = set()
    for packet in (octets, encode_ipv6(dataclasses.replace(outer, payload=bytes(payload)))):
        try:
            decode_neighbor_packet(packet)
        except DecodeError as error:
            reasons.add(error.reason)
    assert reasons <= DECODE_REASONS


def test_scapy_reads_our_advertisement() -> None:
    packet = inet6.IPv6(encode_neighbor_packet(ADVERTISEMENT, ROUTER, ALL_NODES))
    advertisement = packet[inet6.ICMPv6ND_RA]
    assert (advertisement.chlim, advertisement.M, advertisement.O, advertisement.routerlifetime) == (64, 0, 0, 1800)
    octets = bytes(advertisement)
    assert advertisement.cksum == inet6.in6_chksum(58, packet, octets[:2] + b"\0\0" + octets[4:])
    assert packet[inet6.ICMPv6NDOptSrcLLAddr].lladdr == "02:ca:57:ff:ff:01"
    assert packet[inet6.ICMPv6NDOptMTU].mtu == 1452
    prefix = packet[inet6.ICMPv6NDOptPrefixInfo]
    assert (prefix.prefix, prefix.prefixlen, prefix.L, prefix.A) == ("2001:db8:100:1::", 64, 0, 1)
    assert (prefix.validlifetime, prefix.preferredlifetime) == (2592000, 604800)


def test_we_read_what_scapy_solicits() -> None:
    packet = (
        inet6.IPv6(src=str(HOST), dst=str(solicited_node(ROUTER)), hlim=255)
        / inet6.ICMPv6ND_NS(tgt=str(ROUTER)) / inet6.ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:11")
    )
    assert decode_neighbor_packet(bytes(packet)).message == LAYOUTS[4][0]
    solicitation: Any = inet6.IPv6(src="::", dst="ff02::2", hlim=255) / inet6.ICMPv6ND_RS()
    assert decode_neighbor_packet(bytes(solicitation)).message == RouterSolicitation()


def test_tshark_reads_our_messages(tmp_path: Path) -> None:
    output = tshark(tmp_path, encode_neighbor_packet(ADVERTISEMENT, ROUTER, ALL_NODES))
    for text in (
        "Type: Router Advertisement (134)", "[Checksum Status: Good]", "Router lifetime (s): 1800", "MTU: 1452",
        "Prefix: 2001:db8:100:1::", "Preferred Lifetime: 604800",
    ):
        assert text in output
    routes = tshark(tmp_path, encode_neighbor_packet(ROUTES, ROUTER, ALL_NODES))
    for text in ("(Route Information : Medium 2001:db8:200::/56)", "Route Lifetime: 1800", "Route Preference: Low (3)"):
        assert text in routes
    answer = tshark(tmp_path, encode_neighbor_packet(LAYOUTS[5][0], ROUTER, HOST))
    assert "Type: Neighbor Advertisement (136)" in answer
    assert "Link-layer address: 02:ca:57:ff:ff:01" in answer
    assert "Malformed" not in output + routes + answer

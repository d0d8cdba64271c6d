# SPDX-License-Identifier: Apache-2.0
"""A packet's identity is its content, whatever routers do to it."""

from __future__ import annotations

from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest

from southbound.agent.packet_digest import (
    ANY_SOURCE,
    addresses_of,
    group_of,
    key_of,
    packet_digest,
    prefix_key,
    source_of,
    stream_key,
)
from southbound.codec.ipv4 import Ipv4Packet, encode_ipv4
from tests.unit.southbound.agent.buffer_streams import GROUP, OTHER_SOURCE, SOURCE, packet


def test_digest_is_blake2b_over_addresses_and_payload() -> None:
    data = packet("x")
    digest = blake2b(SOURCE.packed + GROUP.packed + data[40:], digest_size=8).digest()
    assert packet_digest(data) == digest


def test_digest_ignores_what_changes_on_the_way() -> None:
    data = packet("x")
    changed = b"\x6e\x01\x23\x45" + data[4:7] + b"\x01" + data[8:]
    assert changed != data
    assert packet_digest(changed) == packet_digest(data)


def test_digest_ignores_link_padding() -> None:
    assert packet_digest(packet("x") + b"\0" * 6) == packet_digest(packet("x"))


def test_digest_tells_source_group_and_payload_apart() -> None:
    digests = {packet_digest(packet("x")), packet_digest(packet("y")), packet_digest(packet("x", source=OTHER_SOURCE))}
    assert len(digests) == 3


def test_stream_key_is_source_and_group() -> None:
    assert stream_key(packet("x")) == key_of(SOURCE, GROUP)
    assert addresses_of(key_of(SOURCE, GROUP)) == (SOURCE, GROUP)


def ipv4(payload: bytes = b"x", group: str = "239.1.1.1", **fields: int) -> bytes:
    return encode_ipv4(
        Ipv4Packet(source=IPv4Address("192.0.2.10"), destination=IPv4Address(group), protocol=17, payload=payload, **fields)
    )


def test_of_ipv4_time_to_live_type_of_service_and_checksum_do_not_count() -> None:
    changed = ipv4(time_to_live=3, type_of_service=0xB8)
    assert changed[8:12] != ipv4()[8:12]
    assert packet_digest(changed) == packet_digest(ipv4())
    assert packet_digest(ipv4() + b"\0" * 18) == packet_digest(ipv4())
    assert packet_digest(ipv4(b"y")) != packet_digest(ipv4())


def test_of_ipv4_the_identification_tells_fragments_apart() -> None:
    one, other = ipv4(), ipv4()
    other = other[:4] + b"\0\1" + other[6:]
    assert packet_digest(one) != packet_digest(other)


def test_the_stream_of_an_ipv4_packet() -> None:
    source, group = IPv4Address("192.0.2.10"), IPv4Address("239.1.1.1")
    key = stream_key(ipv4())
    assert key == key_of(source, group)
    assert addresses_of(key) == (source, group)
    assert (source_of(key), group_of(key)) == (source.packed, group.packed)
    assert stream_key(ipv4(group="192.0.2.1")) is None
def test_all_that_is_for_one_home_network_is_one_stream() -> None:
    home = IPv6Network("2001:db8:100:1::/64")
    keys = {
        stream_key(packet("x", source=source, group=home[host])) for source in (SOURCE, OTHER_SOURCE) for host in (1, 99)
    }
    assert keys == {prefix_key(home)}
    assert addresses_of(prefix_key(home)) == (ANY_SOURCE, home.network_address)


@pytest.mark.parametrize(
    "data", [b"", packet("x")[:39], b"\x45" + packet("x")[1:], packet("x", group=IPv6Address("fe80::1"))],
    ids=["empty", "short", "IPv4", "link-local"],
)
def test_what_is_not_forwarded_has_no_stream(data: bytes) -> None:
    assert stream_key(data) is None

# SPDX-License-Identifier: Apache-2.0
"""A packet's identity is its content, whatever routers do to it."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from southbound.agent.packet_digest import addresses_of, key_of, packet_digest, stream_key
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


@pytest.mark.parametrize(
    "data", [b"", packet("x")[:39], b"\x45" + packet("x")[1:], packet("x", group=SOURCE)],
    ids=["empty", "short", "IPv4", "unicast"],
)
def test_what_is_no_multicast_packet_has_no_stream(data: bytes) -> None:
    assert stream_key(data) is None

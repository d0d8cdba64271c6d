# SPDX-License-Identifier: Apache-2.0
"""What the p-MAG says it has delivered."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest

from southbound.agent.delivery_log import DIGESTS_PER_STREAM, STREAMS_NAMED, DeliveryLog
from southbound.agent.packet_digest import packet_digest
from tests.unit.southbound.agent.buffer_streams import GROUP, OTHER_GROUP, SOURCE, packet


def log_of(*payloads: object, frames: int = 4096) -> DeliveryLog:
    log = DeliveryLog(frames=frames)
    for at, payload in enumerate(payloads):
        log.sent(packet(payload), float(at))
    return log


def digests(*payloads: object, group: IPv6Address = GROUP) -> tuple[bytes, ...]:
    return tuple(packet_digest(packet(payload, group=group)) for payload in payloads)


def test_names_the_last_packets_oldest_first() -> None:
    assert log_of(*range(40)).last_delivered() == {(SOURCE, GROUP): digests(*range(24, 40))}
    assert DIGESTS_PER_STREAM == 16


def test_nothing_sent_names_nothing() -> None:
    assert log_of().last_delivered() == {}


def test_dropped_tail_does_not_count() -> None:
    assert log_of(1, 2, 3, 4).last_delivered(2) == {(SOURCE, GROUP): digests(1, 2)}
    assert log_of(1, 2).last_delivered(2) == log_of(1, 2).last_delivered(7) == {}


def test_dropped_tail_is_counted_over_all_streams_and_frames() -> None:
    log = log_of(1, 2)
    log.sent(packet(1, group=OTHER_GROUP), 2.0)
    log.sent(b"no IPv6 packet", 3.0)
    assert log.last_delivered(2) == {(SOURCE, GROUP): digests(1, 2)}
    assert set(log.last_delivered(1)) == {(SOURCE, GROUP), (SOURCE, OTHER_GROUP)}


def test_only_what_was_sent_since_then() -> None:
    assert log_of(1, 2, 3).last_delivered(since=1.0) == {(SOURCE, GROUP): digests(2, 3)}


def test_is_bounded_in_frames_and_streams() -> None:
    assert len(log_of(*range(500), frames=10)) < 20 + DIGESTS_PER_STREAM
    log = DeliveryLog()
    groups = [IPv6Address(f"ff1e::{number:x}") for number in range(1, STREAMS_NAMED + 30)]
    for group in groups:
        log.sent(packet(1, group=group), 0.0)
    named = log.last_delivered()
    assert {group for _, group in named} == set(groups[-STREAMS_NAMED:])


@pytest.mark.parametrize("faster", [9, 19, 20, 1000])
def test_a_slow_stream_is_named_beside_a_fast_one(faster: int) -> None:
    log = DeliveryLog(frames=10)
    for number in range(3):
        log.sent(packet(number, group=OTHER_GROUP), 0.0)
        for frame in range(faster):
            log.sent(packet(number * faster + frame), 0.0)
    named = log.last_delivered()
    assert named[SOURCE, OTHER_GROUP] == digests(0, 1, 2, group=OTHER_GROUP)
    assert named[SOURCE, GROUP] == digests(*range(3 * faster))[-DIGESTS_PER_STREAM:]
    assert set(log.last_delivered(3 * faster + 100)) == set()


def test_no_more_streams_are_remembered_than_are_named() -> None:
    log = DeliveryLog(frames=10)
    groups = [IPv6Address(f"ff1e::{number:x}") for number in range(1, 2 * STREAMS_NAMED)]
    for group in groups:
        log.sent(packet(1, group=group), 0.0)
    assert len(log) < STREAMS_NAMED + 20
    assert {group for _, group in log.last_delivered()} == set(groups[-STREAMS_NAMED:])

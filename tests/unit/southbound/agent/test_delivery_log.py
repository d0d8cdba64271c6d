# SPDX-License-Identifier: Apache-2.0
"""What the p-MAG says it has delivered."""

from __future__ import annotations

from ipaddress import IPv6Address

from southbound.agent.delivery_log import DIGESTS_PER_STREAM, STREAMS_NAMED, DeliveryLog
from southbound.agent.packet_digest import packet_digest
from tests.unit.southbound.agent.buffer_streams import GROUP, OTHER_GROUP, SOURCE, packet


def log_of(*payloads: object, frames: int = 4096) -> DeliveryLog:
    log = DeliveryLog(frames=frames)
    for at, payload in enumerate(payloads):
        log.sent(packet(payload), float(at))
    return log


def digests(*payloads: object) -> tuple[bytes, ...]:
    return tuple(packet_digest(packet(payload)) for payload in payloads)


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
    assert len(log_of(*range(50), frames=10)) == 10
    log = DeliveryLog()
    groups = [IPv6Address(f"ff1e::{number:x}") for number in range(1, STREAMS_NAMED + 30)]
    for group in groups:
        log.sent(packet(1, group=group), 0.0)
    named = log.last_delivered()
    assert {group for _, group in named} == set(groups[-STREAMS_NAMED:])

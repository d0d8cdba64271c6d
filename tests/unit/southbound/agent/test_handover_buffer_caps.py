# SPDX-License-Identifier: Apache-2.0
"""What the handover buffer holds at most: packets, octets, age, streams; the oldest goes first, and is counted."""

from __future__ import annotations

import gc
from ipaddress import IPv6Address

from southbound.agent.join_limits import JoinLimits
from southbound.agent.packet_sequence import Entry
from tests.unit.southbound.agent.buffer_streams import OTHER_GROUP, OTHER_MN, TUNNEL, Driver, any_source, packet
from topology.settings import Limits


def test_overflow_by_packets_drops_the_oldest() -> None:
    driver = Driver(limits=Limits(buffer_packets_per_mobile_node=3))
    driver.tunnel(1, 2, 3, 4, 5)
    driver.cut()
    driver.arrive()
    assert driver.numbers() == [3, 4, 5]
    assert driver.count("overflow_dropped") == 2


def test_overflow_by_octets_drops_the_oldest() -> None:
    driver = Driver(limits=Limits(buffer_bytes_per_mobile_node=3 * len(packet(1))))
    driver.tunnel(1, 2, 3, 4)
    assert driver.buffer.held_packets == 3
    assert driver.count("overflow_dropped") == 1


def test_total_overflow_drops_the_oldest_of_all() -> None:
    driver = Driver(limits=Limits(buffer_bytes_total=3 * len(packet(1))))
    driver.buffer.expect(OTHER_MN, any_source(OTHER_GROUP), TUNNEL, driver.now)
    driver.tunnel(1)
    driver.come(TUNNEL, 1, 2, 3, group=OTHER_GROUP)
    assert driver.buffer.held_bytes == 3 * len(packet(1))
    assert driver.count("overflow_dropped") == 1
    assert "overflow_dropped" not in driver.buffer.counters(OTHER_MN)


def test_what_is_too_old_is_dropped() -> None:
    driver = Driver(limits=Limits(buffer_age_ms=1000))
    driver.tunnel(1)
    driver.wait(0.6)
    driver.tunnel(2)
    driver.wait(0.6)
    assert driver.count("expired_dropped") == 1
    driver.cut()
    driver.arrive()
    assert driver.numbers() == [2]


def test_streams_are_limited() -> None:
    driver = Driver(join_limits=JoinLimits(streams_per_mobile_node=2))
    for number in range(4):
        driver.come(TUNNEL, 1, source=IPv6Address(f"2001:db8::{number + 1:x}"))
    assert driver.count("received_tunnel") == 2
    assert driver.count("too_many_streams") == 2


def test_remembered_packets_are_limited() -> None:
    driver = Driver(join_limits=JoinLimits(remembered_packets=10))
    driver.cut()
    driver.arrive()
    driver.tunnel(*range(1000))
    gc.collect()
    assert sum(isinstance(thing, Entry) for thing in gc.get_objects()) < 30


def test_what_there_was_no_room_for_is_taken_from_the_slower_path() -> None:
    """1,000 packets/s, the native path 0.15 s behind the tunnel, room for 100."""
    driver = Driver(limits=Limits(buffer_packets_per_mobile_node=100))
    driver.cut()
    driver.arrive()
    for number in range(400):
        driver.tunnel(number)
        if number >= 150 + 100:
            driver.native(number - 150)
        driver.wait(0.001)
    driver.confirm()
    driver.native(*range(250, 600))
    assert driver.count("overflow_dropped") > 0
    assert driver.numbers() == list(range(600))
    assert driver.balance() == driver.buffer.held_packets == 0


def test_a_copy_pushes_nothing_out_of_a_full_buffer() -> None:
    driver = Driver(limits=Limits(buffer_packets_per_mobile_node=3))
    driver.native(1)
    driver.tunnel(1, 2, 3)
    driver.native(2, 3)
    driver.cut()
    driver.arrive()
    assert driver.numbers() == [1, 2, 3]
    assert driver.count("overflow_dropped") == 0

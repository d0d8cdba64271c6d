# SPDX-License-Identifier: Apache-2.0
"""The life of MNs in the handover buffer: waiting, the p-MAG's word, who gets what, repeated handovers, release."""

from __future__ import annotations

import gc

import pytest

from southbound.agent.buffer_effects import Deliver, DeliveryStarted, Joined
from southbound.agent.merged_stream import MergedStream
from southbound.agent.packet_digest import packet_digest
from southbound.agent.packet_sequence import Arrival, Entry, PacketSequence
from southbound.agent.stream_join import StreamJoin
from southbound.mld.membership import FilterMode, GroupMembership
from tests.unit.southbound.agent.buffer_streams import (
    GROUP,
    MN,
    OTHER_GROUP,
    OTHER_MN,
    OTHER_SOURCE,
    OTHER_TUNNEL,
    SOURCE,
    TUNNEL,
    Driver,
    any_source,
    packet,
)

# --- start of delivery -------------------------------------------------------------------------------------------------


def test_nothing_is_delivered_before_the_mobile_node_is_there(driver: Driver) -> None:
    driver.tunnel(1, 2)
    driver.cut()
    driver.wait(1)
    assert driver.numbers() == []
    assert driver.buffer.held_packets == 2


def test_delivery_starts_with_arrival_when_the_word_is_known(driver: Driver) -> None:
    driver.tunnel(1, 2, 3)
    driver.cut(1)
    driver.arrive()
    assert driver.numbers() == [2, 3]
    assert DeliveryStarted(mn_id=MN, buffered_packets=2) in driver.effects
    assert driver.count("already_delivered") == 1
    assert driver.kinds() == ["FirstTunnelPacket", "DeliveryStarted"]


def test_delivery_starts_with_the_word_when_the_mobile_node_is_there(driver: Driver) -> None:
    driver.tunnel(1, 2)
    driver.arrive()
    assert driver.numbers() == []
    driver.cut(1)
    assert driver.numbers() == [2]


def test_delivery_starts_without_the_word_after_a_while(driver: Driver) -> None:
    driver.tunnel(1, 2)
    driver.arrive()
    driver.wait(0.029)
    assert driver.numbers() == []
    driver.wait(0.002)
    assert driver.numbers() == [1, 2]
    assert driver.count("cut_missing") == 1


def test_delivery_does_not_wait_for_a_word_that_will_not_come() -> None:
    driver = Driver(expect=False)
    driver.note(driver.buffer.expect(MN, any_source(), TUNNEL, driver.now, cut_expected=False))
    driver.tunnel(1)
    driver.arrive()
    assert driver.numbers() == [1]
    assert driver.count("cut_missing") == 0


def test_refused_forwarding_ends_the_wait_for_the_word(driver: Driver) -> None:
    driver.arrive()
    driver.native(1)
    assert driver.numbers() == []
    driver.note(driver.buffer.forwarding_refused(MN, driver.now))
    driver.native(2)
    assert driver.numbers() == [1, 2]


def test_streams_are_delivered_in_the_order_of_arrival() -> None:
    driver = Driver(expect=False)
    driver.buffer.expect(MN, any_source(GROUP, OTHER_GROUP), TUNNEL, driver.now)
    for number, group in enumerate([GROUP, OTHER_GROUP, GROUP, OTHER_GROUP]):
        driver.come(TUNNEL, number, group=group)
    driver.cut()
    driver.arrive()
    sent = [effect.packet[48:] for effect in driver.effects if isinstance(effect, Deliver)]
    assert sent == [b"0", b"1", b"2", b"3"]


# --- the p-MAG's word --------------------------------------------------------------------------------------------------


def test_named_packets_that_are_still_under_way_are_dropped_when_they_come(driver: Driver) -> None:
    driver.tunnel(1, 2)
    driver.cut(1, 2, 3, 4)
    driver.arrive()
    driver.tunnel(3, 4, 5)
    assert driver.numbers() == [5]
    assert driver.count("already_delivered") == 4


def test_word_that_overtakes_all_its_packets_is_waited_for(driver: Driver) -> None:
    driver.tunnel(1, 2)
    driver.cut(*range(3, 19))
    driver.arrive()
    assert driver.numbers() == []
    driver.tunnel(3)
    driver.tunnel(*range(4, 21))
    assert driver.numbers() == [19, 20]


def test_word_that_matches_nothing_delivers_all(driver: Driver) -> None:
    driver.tunnel(1, 2)
    driver.cut("a", "b")
    driver.arrive()
    driver.wait(0.04)
    driver.tunnel(3)
    assert driver.numbers() == [1, 2, 3]
    assert driver.count("cut_unmatched") == 1


def test_wrong_word_does_not_silence_a_stream(driver: Driver) -> None:
    driver.cut(5, 6)
    driver.arrive()
    driver.wait(2)
    driver.tunnel(*range(1, 10))
    assert driver.numbers() == list(range(1, 10))


def test_late_word_drops_what_is_still_to_come(driver: Driver) -> None:
    driver.tunnel(1)
    driver.arrive()
    driver.wait(0.04)
    driver.cut(1, 2, 3)
    driver.tunnel(2, 3, 4)
    assert driver.numbers() == [1, 4]


def test_word_cuts_the_native_packets_too(driver: Driver) -> None:
    driver.native(1, 2, 3)
    driver.tunnel(2)
    driver.cut(1, 2)
    driver.arrive()
    assert driver.numbers() == [3]


def test_word_is_for_its_stream_alone() -> None:
    driver = Driver(expect=False)
    driver.buffer.expect(MN, any_source(GROUP, OTHER_GROUP), TUNNEL, driver.now)
    driver.tunnel(1, 2)
    driver.come(TUNNEL, 1, 2, group=OTHER_GROUP)
    driver.cut(1, group=OTHER_GROUP)
    driver.arrive()
    assert driver.numbers() == [1, 2]
    assert driver.delivered(OTHER_GROUP) == ["2"]


def test_word_that_comes_before_any_packet(driver: Driver) -> None:
    driver.cut(1, 2)
    driver.tunnel(1, 2, 3)
    driver.arrive()
    assert driver.numbers() == [3]


def test_repeated_word_changes_nothing(driver: Driver) -> None:
    driver.tunnel(1, 2, 3)
    driver.cut(1, 2)
    driver.arrive()
    driver.cut(1, 2)
    driver.tunnel(4)
    assert driver.numbers() == [3, 4]


# --- who gets what -----------------------------------------------------------------------------------------------------


def test_one_copy_serves_every_mobile_node(driver: Driver) -> None:
    driver.buffer.expect(OTHER_MN, any_source(), TUNNEL, driver.now)
    driver.tunnel(1, 2)
    assert driver.buffer.held_packets == 2
    assert driver.buffer.held_bytes == 2 * len(packet(1))
    driver.cut(1)
    driver.arrive()
    assert driver.numbers() == [2]
    assert driver.buffer.held_packets == 2
    driver.note(driver.buffer.arrived(OTHER_MN, driver.now))
    driver.wait(0.03)
    assert driver.delivered(mn_id=OTHER_MN) == ["1", "2"]
    assert driver.buffer.held_packets == 0


def test_mobile_nodes_from_different_mags_do_not_share_a_tunnel(driver: Driver) -> None:
    driver.buffer.expect(OTHER_MN, any_source(), OTHER_TUNNEL, driver.now)
    driver.come(TUNNEL, 1)
    driver.come(OTHER_TUNNEL, 2)
    assert driver.count("received_tunnel") == 1
    assert driver.buffer.counters(OTHER_MN)["received_tunnel"] == 1


def test_packets_that_nobody_wants_are_counted(driver: Driver) -> None:
    driver.come(TUNNEL, 1, group=OTHER_GROUP)
    driver.come(OTHER_TUNNEL, 1)
    driver.note(driver.buffer.on_packet(TUNNEL, b"\x60", driver.now))
    assert driver.buffer.totals["not_wanted"] == 2
    assert driver.buffer.totals["malformed"] == 1
    assert driver.buffer.held_packets == 0


def test_filter_of_the_listener_holds() -> None:
    driver = Driver(expect=False)
    wanted = GroupMembership(group=GROUP, filter_mode=FilterMode.EXCLUDE, sources=frozenset({SOURCE}))
    driver.buffer.expect(MN, [wanted], TUNNEL, driver.now)
    driver.come(TUNNEL, 1)
    driver.come(TUNNEL, 2, source=OTHER_SOURCE)
    assert driver.count("received_tunnel") == driver.count("not_wanted") == 1


def test_calls_for_an_unknown_mobile_node_are_counted() -> None:
    driver = Driver(expect=False)
    driver.arrive()
    driver.confirm()
    driver.cut(1)
    assert driver.effects == []
    assert driver.buffer.totals["unknown_mobile_node"] == 3
    assert driver.buffer.counters(MN) == {}


# --- repeated handovers ------------------------------------------------------------------------------------------------


def test_repeated_context_from_the_same_mag_keeps_what_is_there(driver: Driver) -> None:
    driver.tunnel(1)
    driver.buffer.expect(MN, any_source(GROUP, OTHER_GROUP), TUNNEL, driver.now)
    driver.come(TUNNEL, 1, group=OTHER_GROUP)
    driver.buffer.expect(MN, any_source(GROUP), TUNNEL, driver.now)
    assert driver.count("no_longer_wanted") == 1
    driver.tunnel(2)
    driver.cut()
    driver.arrive()
    assert driver.numbers() == [1, 2]


def test_context_from_another_mag_begins_anew(driver: Driver) -> None:
    driver.tunnel(1)
    driver.buffer.expect(MN, any_source(), OTHER_TUNNEL, driver.now)
    driver.tunnel(2)
    driver.come(OTHER_TUNNEL, 3, 4)
    driver.cut(3)
    driver.arrive()
    assert driver.numbers() == [4]
    assert driver.buffer.totals["released_undelivered"] == 1


def test_mobile_node_that_comes_back_begins_anew(driver: Driver) -> None:
    driver.cut()
    driver.arrive()
    driver.tunnel(1)
    driver.buffer.expect(MN, any_source(), TUNNEL, driver.now)
    driver.tunnel(2)
    assert driver.numbers() == [1]


# --- end ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrived", [False, True])
def test_nothing_is_left_after_release(arrived: bool) -> None:
    driver = Driver()
    driver.tunnel(*range(100))
    driver.native(*range(50, 70))
    driver.cut(3)
    if arrived:
        driver.arrive()
    driver.native(200)
    counted, held = driver.buffer.counters(MN), driver.buffer.held_packets
    at_the_end = driver.buffer.release(MN, driver.now)
    assert at_the_end == counted | ({"released_undelivered": held} if held else {})
    driver.effects.clear()
    gc.collect()
    left = (Arrival, Entry, PacketSequence, StreamJoin, MergedStream)
    assert [thing for thing in gc.get_objects() if isinstance(thing, left)] == []
    assert driver.buffer.held_packets == driver.buffer.held_bytes == 0
    assert driver.buffer.next_deadline() is None
    assert driver.buffer.release(MN, driver.now) == {}
    assert counted["received_tunnel"] == 100
    assert driver.tunnel(1) is None
    assert driver.effects == []


def test_release_of_one_leaves_the_packets_of_another(driver: Driver) -> None:
    driver.buffer.expect(OTHER_MN, any_source(), TUNNEL, driver.now)
    driver.tunnel(1, 2)
    driver.buffer.release(MN, driver.now)
    assert driver.buffer.held_packets == 2
    driver.note(driver.buffer.cut(OTHER_MN, {(SOURCE, GROUP): (packet_digest(packet(1)),)}, driver.now))
    driver.note(driver.buffer.arrived(OTHER_MN, driver.now))
    assert driver.delivered(mn_id=OTHER_MN) == ["2"]
    assert not any(isinstance(effect, Joined) for effect in driver.effects)

# SPDX-License-Identifier: Apache-2.0
"""The life of MNs in the handover buffer: waiting, the p-MAG's word, arrival, caps, release."""

from __future__ import annotations

import gc
from ipaddress import IPv6Address

import pytest

from southbound.agent.buffer_effects import Deliver, DeliveryStarted, Joined
from southbound.agent.join_limits import JoinLimits
from southbound.agent.merged_stream import MergedStream
from southbound.agent.packet_digest import packet_digest
from southbound.agent.packet_sequence import Arrival, Entry, PacketSequence
from southbound.agent.stream_join import StreamJoin
from southbound.mld.membership import FilterMode, GroupMembership
from tests.unit.southbound.agent.buffer_streams import (
    GROUP,
    MN,
    NATIVE,
    OTHER_GROUP,
    OTHER_SOURCE,
    OTHER_TUNNEL,
    SOURCE,
    TUNNEL,
    Driver,
    any_source,
    packet,
)
from topology.settings import Limits

OTHER_MN = "mn2@example.net"


@pytest.fixture
def driver() -> Driver:
    return Driver()


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


# --- the switch takes over ---------------------------------------------------------------------------------------------


def test_joined_comes_only_after_the_native_path_is_confirmed(driver: Driver) -> None:
    driver.cut()
    driver.arrive()
    driver.tunnel(1)
    driver.native(1)
    assert "Joined" not in driver.kinds()
    driver.confirm()
    assert driver.kinds().count("Joined") == 1
    driver.confirm()
    driver.native(2)
    driver.wait(5)
    assert driver.kinds().count("Joined") == 1
    assert driver.numbers() == [1, 2]


def test_joined_does_not_come_before_the_mobile_node(driver: Driver) -> None:
    driver.tunnel(1)
    driver.native(1)
    driver.confirm()
    driver.wait(1)
    assert "Joined" not in driver.kinds()
    driver.cut()
    driver.arrive()
    assert driver.kinds()[-1] == "Joined"


def test_silent_groups_are_joined_after_idle_time(driver: Driver) -> None:
    driver.cut()
    driver.arrive()
    driver.confirm()
    driver.wait(0.4)
    assert "Joined" not in driver.kinds()
    driver.wait(0.2)
    assert driver.kinds()[-1] == "Joined"


def test_stream_without_native_packets_is_joined_when_it_has_ended(driver: Driver) -> None:
    driver.cut()
    driver.arrive()
    driver.tunnel(1)
    driver.confirm()
    driver.wait(0.6)
    assert driver.kinds()[-1] == "Joined"
    assert driver.count("joined_idle") == 1


def test_stream_without_native_packets_is_joined_in_the_end(driver: Driver) -> None:
    driver.cut()
    driver.arrive()
    driver.confirm()
    for number in range(40):
        driver.tunnel(number)
        driver.wait(0.1)
    assert "Joined" in driver.kinds()
    assert driver.count("join_without_common") == 1
    assert driver.count("tunnel_after_join") == 9


def test_native_copies_of_what_the_tunnel_delivered_are_known_after_joining() -> None:
    driver = Driver(join_limits=JoinLimits(total_s=0.3))
    driver.cut()
    driver.arrive()
    driver.confirm()
    driver.wait(0.2)
    driver.tunnel(1, 2)
    driver.wait(0.2)
    assert driver.kinds()[-1] == "Joined"
    driver.native(1, 2, 3)
    assert driver.numbers() == [1, 2, 3]


def test_every_stream_has_to_be_joined() -> None:
    driver = Driver(expect=False)
    driver.buffer.expect(MN, any_source(GROUP, OTHER_GROUP), TUNNEL, driver.now)
    driver.cut()
    driver.arrive()
    driver.confirm()
    driver.tunnel(1)
    driver.native(1)
    assert "Joined" not in driver.kinds()
    driver.come(TUNNEL, 1, group=OTHER_GROUP)
    driver.come(NATIVE, 1, group=OTHER_GROUP)
    assert driver.kinds()[-1] == "Joined"


def test_every_source_asked_for_by_name_has_to_be_heard_or_silent() -> None:
    driver = Driver(expect=False)
    both = GroupMembership(group=GROUP, filter_mode=FilterMode.INCLUDE, sources=frozenset({SOURCE, OTHER_SOURCE}))
    driver.buffer.expect(MN, [both], TUNNEL, driver.now)
    driver.cut()
    driver.arrive()
    driver.confirm()
    driver.tunnel(1)
    driver.native(1)
    assert "Joined" not in driver.kinds()
    driver.come(TUNNEL, 1, source=OTHER_SOURCE)
    driver.come(NATIVE, 1, source=OTHER_SOURCE)
    assert driver.kinds()[-1] == "Joined"


def test_new_stream_after_joining_comes_natively_only(driver: Driver) -> None:
    driver.cut()
    driver.arrive()
    driver.confirm()
    driver.wait(1)
    driver.tunnel(1)
    driver.native(1, 2)
    assert driver.numbers() == [1, 2]


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


# --- caps --------------------------------------------------------------------------------------------------------------


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


# --- the switch delivers -----------------------------------------------------------------------------------------------


def joined(driver: Driver) -> Driver:
    driver.tunnel(1, 2)
    driver.cut()
    driver.arrive()
    driver.confirm()
    driver.native(2, 3)
    assert Joined(mn_id=MN) in driver.effects
    return driver


def test_what_is_on_its_way_when_the_switch_has_taken_over_is_delivered_and_counted(driver: Driver) -> None:
    joined(driver)
    assert driver.buffer.live_streams(MN, driver.now - 1) == 1
    assert driver.buffer.live_streams(MN, driver.now) == 0
    driver.buffer.hand_over_to_switch(MN)
    driver.native(4)
    assert driver.numbers() == [1, 2, 3, 4]
    assert driver.count("after_takeover") == 1
    assert driver.balance() == 0


def test_what_comes_for_others_is_not_delivered_to_one_that_the_switch_serves(driver: Driver) -> None:
    joined(driver)
    driver.buffer.others_listen()
    driver.native(4)
    assert driver.numbers()[-1] == 4
    driver.buffer.hand_over_to_switch(MN)
    driver.buffer.others_listen()
    driver.native(5)
    assert driver.numbers()[-1] == 4
    assert driver.buffer.totals["not_wanted"] == 1
    # Another one is expected, with which it shares the buffer again.
    driver.buffer.expect(OTHER_MN, any_source(), TUNNEL, driver.now)
    driver.native(6)
    assert driver.numbers()[-1] == 6


def test_nobody_is_handed_over_who_is_not_expected(driver: Driver) -> None:
    driver.buffer.hand_over_to_switch(OTHER_MN)
    assert driver.buffer.live_streams(OTHER_MN, 0.0) == 0
    assert driver.buffer.totals["unknown_mobile_node"] == 1


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
    counted = driver.buffer.counters(MN)
    assert driver.buffer.release(MN, driver.now) == []
    driver.effects.clear()
    gc.collect()
    left = (Arrival, Entry, PacketSequence, StreamJoin, MergedStream)
    assert [thing for thing in gc.get_objects() if isinstance(thing, left)] == []
    assert driver.buffer.held_packets == driver.buffer.held_bytes == 0
    assert driver.buffer.next_deadline() is None
    assert driver.buffer.totals["received_tunnel"] == counted["received_tunnel"] == 100
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

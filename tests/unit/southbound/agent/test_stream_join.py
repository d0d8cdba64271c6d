# SPDX-License-Identifier: Apache-2.0
"""The join of tunnel and native path, case by case, through the buffer."""

from __future__ import annotations

import pytest

from southbound.agent.join_limits import JoinLimits
from tests.unit.southbound.agent.buffer_streams import Driver


@pytest.fixture
def here() -> Driver:
    """The MN has arrived and the word of the p-MAG (nothing) is known."""
    driver = Driver()
    driver.cut()
    driver.arrive()
    return driver


def test_tunnel_packets_go_straight_through_after_arrival(here: Driver) -> None:
    here.tunnel(1, 2, 3)
    assert here.numbers() == [1, 2, 3]


def test_slower_native_path_takes_over_where_the_tunnel_stands(here: Driver) -> None:
    here.confirm()
    here.tunnel(1, 2, 3, 4)
    here.native(2)
    here.tunnel(5)
    here.native(3, 4, 5)
    here.tunnel(6)
    here.native(6, 7)
    assert here.numbers() == [1, 2, 3, 4, 5, 6, 7]
    assert "Joined" in here.kinds()
    assert here.balance() == 0


def test_faster_native_path_waits_for_the_tunnel_to_reach_it(here: Driver) -> None:
    here.tunnel(1)
    here.native(4, 5)
    assert here.numbers() == [1]
    here.tunnel(2, 3)
    assert here.numbers() == [1, 2, 3]
    here.tunnel(4)
    assert here.numbers() == [1, 2, 3, 4, 5]
    here.tunnel(5)
    here.native(6)
    assert here.numbers() == [1, 2, 3, 4, 5, 6]
    here.confirm()
    assert here.kinds()[-1] == "Joined"


def test_loss_on_the_tunnel_is_filled_from_native_packets_that_wait(here: Driver) -> None:
    here.tunnel(1)
    here.native(3, 4, 5)
    here.tunnel(2, 4)
    assert here.numbers() == [1, 2, 3, 4, 5]


def test_loss_on_the_native_path_is_filled_from_the_tunnel(here: Driver) -> None:
    here.tunnel(1, 2)
    here.native(2)
    here.tunnel(3, 4, 5)
    here.native(3, 5)
    assert here.numbers() == [1, 2, 3, 4, 5]
    assert here.balance() == 0


def test_loss_on_the_tunnel_is_filled_while_the_mobile_node_is_away() -> None:
    driver = Driver()
    driver.tunnel(1, 2, 4, 6)
    driver.native(2, 3, 4, 5, 6)
    driver.cut()
    driver.arrive()
    assert driver.numbers() == [1, 2, 3, 4, 5, 6]


def test_loss_on_the_native_path_is_filled_while_the_mobile_node_is_away() -> None:
    driver = Driver()
    driver.native(1, 2, 4, 6)
    driver.tunnel(2, 3, 4, 5, 6)
    driver.cut()
    driver.arrive()
    assert driver.numbers() == [1, 2, 3, 4, 5, 6]


def test_a_packet_that_can_no_longer_be_delivered_in_order_is_dropped_and_counted(here: Driver) -> None:
    here.tunnel(1, 3, 4)
    here.native(1, 2, 3, 4, 5)
    assert here.numbers() == [1, 3, 4, 5]
    assert here.count("late_dropped") == 1
    assert here.balance() == 0


def test_native_path_that_was_there_before_the_tunnel() -> None:
    driver = Driver()
    driver.native(1, 2, 3)
    driver.tunnel(3, 4)
    driver.native(4, 5)
    driver.cut()
    driver.arrive()
    assert driver.numbers() == [1, 2, 3, 4, 5]
    driver.tunnel(5)
    driver.native(6)
    assert driver.numbers() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("first", ["tunnel", "native"])
def test_stream_that_starts_during_the_handover(here: Driver, first: str) -> None:
    here.confirm()
    lead, lag = (here.tunnel, here.native) if first == "tunnel" else (here.native, here.tunnel)
    lead(1)
    here.wait(0.01)
    lead(2)
    lag(1)
    here.wait(0.01)
    lag(2)
    here.native(3)
    assert here.numbers() == [1, 2, 3]
    here.wait(1)
    assert here.kinds().count("Joined") == 1


def test_hold_ends_by_time_and_native_packets_go_on_alone(here: Driver) -> None:
    here.tunnel(1)
    here.native(7, 8)
    here.wait(0.4)
    assert here.numbers() == [1]
    here.wait(0.2)
    assert here.numbers() == [1, 7, 8]
    assert here.count("hold_timeout") == 1
    assert here.count("join_without_common") == 1
    here.native(9)
    here.tunnel(2)  # Too late: 7 has gone out. Known to be so only when nothing newer matches.
    here.wait(0.6)
    assert here.numbers() == [1, 7, 8, 9]
    assert here.count("late_dropped") == 1
    assert here.balance() == 0


def test_the_hold_counts_from_when_the_tunnel_is_there_too() -> None:
    driver = Driver(join_limits=JoinLimits(hold_packets=3))
    for number in range(8):
        driver.native(number)
        driver.wait(0.1)
    driver.tunnel(9, 10)
    driver.cut()
    driver.arrive()
    driver.native(8)
    driver.wait(0.4)
    assert driver.numbers() == [9, 10]
    driver.native(9, 10, 11)
    assert driver.numbers() == [9, 10, 11]
    assert driver.count("hold_timeout") == driver.count("join_without_common") == 0


def test_without_a_tunnel_the_hold_counts_from_when_delivery_begins() -> None:
    driver = Driver()
    driver.native(1)
    driver.wait(0.6)
    driver.cut()
    driver.arrive()
    driver.wait(0.4)
    assert driver.numbers() == []
    driver.wait(0.2)
    assert driver.numbers() == [1]


def test_hold_ends_by_number() -> None:
    driver = Driver(join_limits=JoinLimits(hold_packets=3))
    driver.cut()
    driver.arrive()
    driver.native(7, 8, 9)
    assert driver.numbers() == []
    driver.native(10)
    assert driver.numbers() == [7, 8, 9, 10]
    assert driver.count("join_without_common") == 1


def test_tunnel_goes_on_when_the_native_path_falls_silent(here: Driver) -> None:
    here.tunnel(1, 2)
    here.native(2)
    here.tunnel(3)
    assert here.numbers() == [1, 2]
    here.wait(0.6)
    assert here.numbers() == [1, 2, 3]
    here.tunnel(4, 5)
    assert here.numbers() == [1, 2, 3, 4, 5]
    here.native(5, 6)
    assert here.numbers() == [1, 2, 3, 4, 5, 6]


def test_one_stray_native_packet_does_not_silence_the_tunnel(here: Driver) -> None:
    here.tunnel(1)
    here.native(50)
    here.wait(0.6)
    here.tunnel(2, 3)
    assert here.numbers() == [1, 50, 2, 3]


def test_equal_payloads_are_told_apart_by_their_neighbours(here: Driver) -> None:
    here.tunnel("s", "a", "s", "b", "s", "s", "c")
    here.native("s", "b", "s", "s", "c", "s", "d")
    assert "".join(payload.strip("'") for payload in here.delivered()) == "sasbsscsd"


def test_stream_of_nothing_but_equal_packets_loses_none(here: Driver) -> None:
    here.tunnel(*["s"] * 5)
    here.native(*["s"] * 3)
    here.wait(1)
    here.native("s")
    assert len(here.delivered()) >= 6


def test_nothing_is_waited_for_once_forwarding_was_refused(here: Driver) -> None:
    here.native(1)
    assert here.numbers() == []
    here.note(here.buffer.forwarding_refused("mn1@example.net", here.now))
    assert here.numbers() == [1]
    here.native(2)
    assert here.numbers() == [1, 2]


def test_tunnel_is_ignored_once_joined(here: Driver) -> None:
    here.confirm()
    here.tunnel(0, 1)
    here.native(0, 1)
    assert here.kinds()[-1] == "Joined"
    here.tunnel(2, 3)
    here.native(2)
    assert here.numbers() == [0, 1, 2]
    assert here.count("tunnel_after_join") == 2


def test_one_packet_by_both_paths_tells_nothing_before_there_is_another(here: Driver) -> None:
    """The native packet may be the next one, and equal: so the tunnel's copy of it must not be the one too many."""
    here.confirm()
    here.tunnel("s")
    here.wait(0.1)
    here.native("s")
    assert "Joined" not in here.kinds()
    here.tunnel("s")
    assert here.delivered() == ["'s'", "'s'"]


def test_one_packet_by_both_paths_is_known_for_one_with_the_next(here: Driver) -> None:
    here.confirm()
    here.tunnel(1)
    here.native(1, 2)
    assert here.kinds()[-1] == "Joined"
    assert here.numbers() == [1, 2]


def test_one_packet_by_both_paths_is_known_for_one_when_no_other_comes(here: Driver) -> None:
    here.tunnel(1)
    here.native(1)
    here.wait(0.6)
    assert here.numbers() == [1]
    assert here.count("duplicates_dropped") == 1
    assert here.balance() == here.buffer.held_packets == 0

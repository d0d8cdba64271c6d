# SPDX-License-Identifier: Apache-2.0
"""From the buffer to the switch: when the streams are joined, and what still comes when the switch delivers alone."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address

from southbound.agent.buffer_effects import Joined
from southbound.agent.join_limits import JoinLimits
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.path_mark import native_path
from tests.unit.southbound.agent.buffer_streams import (
    GROUP,
    MN,
    NATIVE,
    OTHER_GROUP,
    OTHER_MN,
    OTHER_SOURCE,
    SOURCE,
    TUNNEL,
    Driver,
    any_source,
)

# --- the switch takes over ---------------------------------------------------------------------------------------------


def test_joined_comes_only_after_the_native_path_is_confirmed(driver: Driver) -> None:
    driver.cut()
    driver.arrive()
    driver.tunnel(1, 2)
    driver.native(1, 2)
    assert "Joined" not in driver.kinds()
    driver.confirm()
    assert driver.kinds().count("Joined") == 1
    driver.confirm()
    driver.native(3)
    driver.wait(5)
    assert driver.kinds().count("Joined") == 1
    assert driver.numbers() == [1, 2, 3]


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


def join_with(memberships: Iterable[GroupMembership], **other: IPv6Address) -> None:
    """The first stream alone does not join the MN; with the `other` one it does."""
    driver = Driver(expect=False)
    driver.buffer.expect(MN, memberships, TUNNEL, driver.now)
    driver.cut()
    driver.arrive()
    driver.confirm()
    driver.tunnel(1, 2)
    driver.native(1, 2)
    assert "Joined" not in driver.kinds()
    driver.come(TUNNEL, 1, 2, **other)
    driver.come(NATIVE, 1, 2, **other)
    assert driver.kinds()[-1] == "Joined"


def test_every_stream_has_to_be_joined() -> None:
    join_with(any_source(GROUP, OTHER_GROUP), group=OTHER_GROUP)


def test_every_source_asked_for_by_name_has_to_be_heard_or_silent() -> None:
    both = GroupMembership(group=GROUP, filter_mode=FilterMode.INCLUDE, sources=frozenset({SOURCE, OTHER_SOURCE}))
    join_with([both], source=OTHER_SOURCE)


def test_new_stream_after_joining_comes_natively_only(driver: Driver) -> None:
    driver.cut()
    driver.arrive()
    driver.confirm()
    driver.wait(1)
    driver.tunnel(1)
    driver.native(1, 2)
    assert driver.numbers() == [1, 2]


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


def test_a_native_copy_is_for_one_mobile_node_however_many_share_the_group() -> None:
    """Of the others it says nothing: the switch may serve them by now, or not yet."""
    driver = Driver(expect=False)
    for mn_id, path in ((MN, native_path(0)), (OTHER_MN, native_path(1))):
        driver.buffer.expect(mn_id, any_source(), TUNNEL, driver.now, native_path=path)
    driver.cut()
    driver.arrive()
    driver.confirm()
    driver.come(TUNNEL, 1)
    driver.come(native_path(0), 1, 2)
    driver.come(native_path(1), 3)
    driver.come(NATIVE, 4)
    assert driver.numbers() == [1, 2]
    assert driver.count("received_native") == 2
    assert driver.buffer.counters(OTHER_MN)["received_native"] == 1
    assert driver.buffer.totals["not_wanted"] == 1


def test_nobody_is_handed_over_who_is_not_expected(driver: Driver) -> None:
    driver.buffer.hand_over_to_switch(OTHER_MN)
    assert driver.buffer.live_streams(OTHER_MN, 0.0) == 0
    assert driver.buffer.totals["unknown_mobile_node"] == 1

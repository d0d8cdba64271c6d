# SPDX-License-Identifier: Apache-2.0
"""Unicast in the handover buffer: one stream a home network prefix, beside the groups, under the same rules."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

import pytest

from southbound.agent.packet_digest import ANY_SOURCE, packet_digest
from southbound.agent.retained_packets import RetainedPackets
from tests.unit.southbound.agent.buffer_streams import (
    GROUP,
    MN,
    NATIVE,
    OTHER_SOURCE,
    SOURCE,
    TUNNEL,
    Driver,
    any_source,
    packet,
)
from topology.settings import Limits

HOME = IPv6Network("2001:db8:100:1::/64")
ADDRESS, OTHER_ADDRESS, STRANGER = HOME[0x11], HOME[0x99], IPv6Address("2001:db8:100:2::11")


@pytest.fixture
def driver() -> Driver:
    """An MN with one group and one home network is expected."""
    made = Driver(expect=False)
    made.note(made.buffer.expect(MN, any_source(), TUNNEL, made.now, prefixes=[HOME]))
    return made


def cut(driver: Driver, *payloads: object) -> None:
    digests = tuple(packet_digest(packet(payload, group=ADDRESS)) for payload in payloads)
    driver.note(driver.buffer.cut(MN, {(ANY_SOURCE, HOME.network_address): digests}, driver.now))


def test_what_is_for_the_home_network_is_kept_cut_and_joined(driver: Driver) -> None:
    driver.come(TUNNEL, 1, 2, 3, 4, group=ADDRESS)
    driver.arrive()
    cut(driver, 1, 2)
    assert driver.delivered(ADDRESS) == ["3", "4"]
    driver.confirm()
    driver.come(NATIVE, 4, 5, group=ADDRESS)
    driver.come(TUNNEL, 5, group=ADDRESS)
    assert driver.delivered(ADDRESS) == ["3", "4", "5"]
    assert driver.kinds()[-1] != "Joined"  # the group may have something on its way
    driver.wait(1.0)
    assert driver.kinds()[-1] == "Joined"
    assert driver.balance() == 0


def test_packets_of_several_conversations_keep_their_order(driver: Driver) -> None:
    for number, source, address in ((1, SOURCE, ADDRESS), (2, OTHER_SOURCE, ADDRESS), (3, SOURCE, OTHER_ADDRESS)):
        driver.come(TUNNEL, number, source=source, group=address)
    driver.arrive()
    cut(driver)
    driver.wait(0.1)
    assert driver.delivered(ADDRESS) + driver.delivered(OTHER_ADDRESS) == ["1", "2", "3"]


def test_a_home_network_that_is_silent_is_not_waited_for_where_a_group_is_in_step(driver: Driver) -> None:
    driver.tunnel(1, 2)
    driver.arrive()
    driver.cut()
    driver.confirm()
    driver.native(2, 3)
    driver.tunnel(3)
    assert driver.kinds()[-1] == "Joined"


def test_a_home_network_that_is_silent_is_waited_for_where_nothing_tells_how_far_the_paths_are() -> None:
    silent = Driver(expect=False)
    silent.note(silent.buffer.expect(MN, (), TUNNEL, silent.now, prefixes=[HOME]))
    silent.arrive()
    silent.cut()
    silent.confirm()
    assert "Joined" not in silent.kinds()
    silent.wait(0.6)
    assert silent.kinds()[-1] == "Joined"


def test_nothing_is_kept_that_is_for_somebody_else(driver: Driver) -> None:
    driver.come(TUNNEL, 1, group=STRANGER)
    driver.come(TUNNEL, 2, group=IPv6Address("fe80::1"))
    assert driver.buffer.held_packets == 0
    assert driver.buffer.totals == {"not_wanted": 1, "malformed": 1}


def test_a_prefix_that_is_no_longer_the_nodes_is_dropped(driver: Driver) -> None:
    driver.come(TUNNEL, 1, group=ADDRESS)
    driver.tunnel(2)
    driver.note(driver.buffer.expect(MN, any_source(), TUNNEL, driver.now))
    assert driver.buffer.held_packets == 1
    assert driver.count("no_longer_wanted") == 1


def test_equal_packets_are_all_delivered(driver: Driver) -> None:
    """TCP's duplicate acknowledgements have the same octets, and their number is what they say (RFC 5681 section 3.2)."""
    driver.come(TUNNEL, 7, 7, 7, group=ADDRESS)
    driver.arrive()
    cut(driver)
    driver.wait(0.1)
    assert driver.delivered(ADDRESS) == ["7"] * 3


def test_unicast_is_kept_at_the_previous_mag_too() -> None:
    retained = RetainedPackets(Limits())
    retained.retain(MN, any_source(), [HOME])
    peer = IPv6Address("2001:db8:ff::12")
    for address in (ADDRESS, STRANGER, GROUP):
        assert retained.on_packet(MN, packet("x", group=address), 1.0) == []
    kept = [data for _, data in retained.relay(MN, peer, 7, 1.1)]
    assert kept == [packet("x", group=ADDRESS), packet("x")]
    assert retained.on_packet(MN, packet("y", group=ADDRESS), 1.2) == [((peer, 7), packet("y", group=ADDRESS))]

# SPDX-License-Identifier: Apache-2.0
"""What the LMA says on the network of the sources of home networks, and when (RFC 4191, RFC 4861 section 6.2)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import pytest

from controller.home_network_routes import (
    MAX_INITIAL_RTR_ADVERT_INTERVAL_S,
    MAX_INITIAL_RTR_ADVERTISEMENTS,
    MAX_RA_DELAY_TIME_S,
    MIN_DELAY_BETWEEN_RAS_S,
    HomeNetworkRoutes,
)
from controller.lma_routes import home_networks
from southbound.codec.ethernet import decode_ethernet
from southbound.codec.neighbor_discovery import RouterAdvertisement, decode_neighbor_packet
from southbound.codec.neighbor_options import RouteInformation, SourceLinkLayerAddress
from tests.support.domains import three_mags
from topology.model import LMA_LINK_LOCAL_ADDRESS, LMA_SOURCE_MAC, Domain
from topology.settings import Timers

GIVEN = three_mags()
POOL = IPv6Network("2001:db8:200::/56")
DOMAIN = replace(
    GIVEN, lma=replace(GIVEN.lma, home_network_prefix_pool=(POOL,)),
    timers=Timers(router_advertisement_interval_s=90.0, router_lifetime_s=300),
)


def routes(domain: Domain = DOMAIN, drawn: float = 0.5) -> HomeNetworkRoutes:
    """`drawn`: which part of its range each random delay is."""
    return HomeNetworkRoutes(domain, lambda limit: limit * drawn)


def read(frame: bytes) -> RouterAdvertisement:
    ethernet = decode_ethernet(frame)
    assert (ethernet.destination.hex(), ethernet.source) == ("333300000001", LMA_SOURCE_MAC)
    packet = decode_neighbor_packet(ethernet.payload)
    assert (packet.source, packet.destination) == (LMA_LINK_LOCAL_ADDRESS, IPv6Address("ff02::1"))
    assert isinstance(packet.message, RouterAdvertisement)
    return packet.message


def test_it_is_a_way_to_every_home_network_and_says_nothing_else() -> None:
    (frame,) = routes().connected(0.0)
    own = (prefix for node in DOMAIN.mobile_nodes for prefix in node.home_network_prefixes)
    assert read(frame) == RouterAdvertisement(
        hop_limit=0, managed=False, other=False, router_lifetime_s=0,
        options=(
            SourceLinkLayerAddress(address=LMA_SOURCE_MAC),
            *(RouteInformation(prefix=prefix, lifetime_s=300) for prefix in (*own, POOL)),
        ),
    )


def test_many_networks_are_told_in_several_advertisements() -> None:
    apart = tuple(IPv6Network((0x20010DB8_0300_0000 + 2 * number << 64, 64)) for number in range(70))
    domain = replace(DOMAIN, lma=replace(DOMAIN.lma, home_network_prefix_pool=apart))
    told: list[IPv6Network] = []
    for frame in routes(domain).connected(0.0):
        assert len(frame) <= 14 + 1280
        told += [option.prefix for option in read(frame).options if isinstance(option, RouteInformation)]
    assert told == list(home_networks(domain))
    assert len(told) == 72


def test_three_times_close_together_and_then_at_random_within_the_interval() -> None:
    for drawn, later in ((0.0, 30.0), (1.0, 90.0)):
        made, now = routes(drawn=drawn), 10.0
        assert made.next_deadline() is None
        said = [made.connected(now)]
        for _ in range(MAX_INITIAL_RTR_ADVERTISEMENTS - 1):
            assert made.tick(now + MAX_INITIAL_RTR_ADVERT_INTERVAL_S - 0.1) == []
            now += MAX_INITIAL_RTR_ADVERT_INTERVAL_S
            assert made.next_deadline() == now
            said.append(made.tick(now))
        for _ in range(3):
            assert made.next_deadline() == pytest.approx(now + later)
            now += later
            said.append(made.tick(now))
        assert said == [said[0]] * 6


def test_who_asks_is_answered_soon_and_many_at_once_together() -> None:
    made = routes()
    made.connected(0.0)
    made.solicited(1.0)
    assert made.next_deadline() == MIN_DELAY_BETWEEN_RAS_S
    assert made.tick(MIN_DELAY_BETWEEN_RAS_S) != []
    for at in (10.0, 10.1, 10.2):
        made.solicited(at)
    assert made.next_deadline() == 10.0 + MAX_RA_DELAY_TIME_S / 2
    assert made.tick(10.3) != []
    assert made.tick(10.6) == []


def test_without_the_switch_nothing_is_said() -> None:
    made = routes()
    made.solicited(0.0)
    assert made.next_deadline() is None
    made.connected(0.0)
    made.disconnected()
    made.solicited(1.0)
    assert (made.next_deadline(), made.tick(1000.0)) == (None, [])
    assert made.connected(1000.0) != []


@pytest.mark.parametrize("domain", [
    replace(DOMAIN, lma=replace(DOMAIN.lma, advertise_home_networks=False)),
    replace(DOMAIN, sources=()),
    replace(GIVEN, mobile_nodes=()),
])
def test_where_it_shall_not_or_has_nothing_to_say_it_is_silent(domain: Domain) -> None:
    made = routes(domain)
    assert made.connected(0.0) == []
    made.solicited(1.0)
    assert (made.next_deadline(), made.tick(1000.0)) == (None, [])

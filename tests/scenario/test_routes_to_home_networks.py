# SPDX-License-Identifier: Apache-2.0
"""What hosts on the network of the sources hear of the LMA as a router (RFC 5213 section 5.6.2, RFC 4191)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from itertools import pairwise

import pytest

from southbound.codec.mld_packet import ALL_ROUTERS
from southbound.codec.neighbor_discovery import RouterSolicitation, encode_neighbor_packet
from southbound.codec.neighbor_options import RouteInformation
from tests.support.domains import three_mags
from tests.support.simulated_domain import SimulatedDomain

HOST = IPv6Address("fe80::c0:77")
SOLICITATION = encode_neighbor_packet(RouterSolicitation(), HOST, ALL_ROUTERS)
HOME = [IPv6Network("2001:db8:100:1::/64"), IPv6Network("2001:db8:100:2::/64")]


@pytest.fixture
def domain() -> SimulatedDomain:
    domain = SimulatedDomain()
    domain.start()
    return domain


def test_home_networks_are_told_as_routes_and_the_lma_as_no_default_router(domain: SimulatedDomain) -> None:
    ((at, told),) = domain.source_advertisements
    assert told.router_lifetime_s == 0
    routes = {one.prefix: one.lifetime_s for one in told.options if isinstance(one, RouteInformation)}
    assert routes == dict.fromkeys(HOME, domain.domain.timers.router_lifetime_s)
    domain.run_for(4000.0)
    times = [at, *(later for later, _ in domain.source_advertisements[1:])]
    apart = [later - earlier for earlier, later in pairwise(times)]
    assert max(apart) <= domain.domain.timers.router_advertisement_interval_s
    assert {message for _, message in domain.source_advertisements} == {told}


def test_a_host_that_asks_for_a_router_is_answered(domain: SimulatedDomain) -> None:
    domain.run_for(100.0)
    before, asked_at = len(domain.source_advertisements), domain.clock.now
    domain.source_network_says(SOLICITATION)
    domain.run_for(1.0)
    (answer,) = domain.source_advertisements[before:]
    assert answer[0] - asked_at <= 0.51
    assert answer[1] == domain.source_advertisements[0][1]


def test_a_new_controller_says_it_again(domain: SimulatedDomain) -> None:
    domain.run_for(100.0)
    domain.source_advertisements.clear()
    domain.restart_controller()
    domain.run_for(1.0)
    assert len(domain.source_advertisements) == 1


def test_while_its_switch_is_away_nothing_is_said(domain: SimulatedDomain) -> None:
    switch = domain.switches["lma"]
    switch.disconnect()
    domain.source_advertisements.clear()
    domain.run_for(1000.0)
    assert domain.source_advertisements == []
    switch.connect()
    domain.run_for(1.0)
    assert len(domain.source_advertisements) == 1


def test_where_it_is_told_not_to_it_is_silent() -> None:
    whole = three_mags()
    domain = SimulatedDomain(replace(whole, lma=replace(whole.lma, advertise_home_networks=False)))
    domain.start()
    domain.source_network_says(SOLICITATION)
    domain.run_for(1000.0)
    assert domain.source_advertisements == []

# SPDX-License-Identifier: Apache-2.0
"""Whose word on an MN's home network counts at a MAG."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import pytest

from southbound.agent.home_networks import HomeNetworks, address_of
from tests.support.domains import three_mags

OWN = three_mags()
MN1, MN2 = OWN.mobile_nodes
POOLED = replace(MN2, home_network_prefixes=())
DOMAIN = replace(
    OWN,
    lma=replace(OWN.lma, home_network_prefix_pool=(IPv6Network("2001:db8:200::/56"),)),
    mobile_nodes=(MN1, POOLED),
)
ASSIGNED = IPv6Network("2001:db8:200:7::/64")


def test_the_policy_store_knows_what_an_mn_has_for_good() -> None:
    networks = HomeNetworks(DOMAIN)
    assert networks.of(MN1) == (IPv6Network("2001:db8:100:1::/64"),)
    assert networks.of(POOLED) == ()


def test_what_was_assigned_counts_until_it_is_forgotten() -> None:
    networks = HomeNetworks(DOMAIN)
    networks.assign(POOLED.id, (ASSIGNED,))
    assert networks.of(POOLED) == (ASSIGNED,)
    networks.forget(POOLED.id)
    assert networks.of(POOLED) == ()


def test_prefixes_that_the_lma_has_refused_are_not_known_until_it_assigns_or_an_operator_acts() -> None:
    networks = HomeNetworks(DOMAIN)
    networks.not_authorized(MN1.id)
    assert networks.of(MN1) == ()
    networks.assign(MN1.id, (ASSIGNED,))
    assert networks.of(MN1) == (ASSIGNED,)
    networks.not_authorized(MN1.id)
    networks.ask_again()
    assert networks.of(MN1) == MN1.home_network_prefixes


@pytest.mark.parametrize(
    ("profile", "prefixes", "believed"),
    [
        (MN1, MN1.home_network_prefixes, True),
        (MN1, (), True),
        (MN1, (ASSIGNED,), True),
        (MN1, MN2.home_network_prefixes, False),
        (MN1, (*MN1.home_network_prefixes, ASSIGNED), False),
        (POOLED, (ASSIGNED,), True),
        (POOLED, (IPv6Network("::/0"),), False),
        (POOLED, (IPv6Network("2001:db8:201::/64"),), False),
        (POOLED, (IPv6Network("2001:db8:200::/56"),), False),
    ],
)
def test_a_peer_is_believed_only_what_can_be(
    profile: object, prefixes: tuple[IPv6Network, ...], believed: bool
) -> None:
    assert HomeNetworks(DOMAIN).may_have(profile, prefixes) is believed  # type: ignore[arg-type]


def test_an_mn_is_found_by_any_address_of_its_own_home_network() -> None:
    networks = HomeNetworks(DOMAIN)
    assert networks.owner(IPv6Address("2001:db8:100:1::5")) == MN1
    assert networks.owner(IPv6Address("2001:db8:100:9::5")) is None


def test_one_without_a_prefix_of_its_own_is_named_by_its_link_local_address() -> None:
    assert address_of(POOLED) == IPv6Address("fe80::ff:fe00:12")
    networks = HomeNetworks(DOMAIN)
    assert networks.owner(address_of(POOLED)) == POOLED
    assert networks.owner(IPv6Address("fe80::1")) is None

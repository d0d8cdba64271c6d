# SPDX-License-Identifier: Apache-2.0
"""RFC 5213 section 5.3.2: own prefixes, prefixes of the pool, and none left."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.binding_cache import BindingCache, BindingCacheEntry, BindingState
from controller.prefix_assignment import assign, needs_pool
from controller.refusal import Refusal
from tests.support.domains import three_mags

MN1 = three_mags().mobile_nodes[0]
POOLED = replace(MN1, home_network_prefixes=())
OWN = MN1.home_network_prefixes
POOL = (IPv6Network("2001:db8:200::/63"), IPv6Network("2001:db8:300::/64"))
ALL = frozenset(prefix for network in POOL for prefix in network.subnets(new_prefix=64))


def hold(cache: BindingCache, *prefixes: IPv6Network, mn_id: str = MN1.id, active: bool = True) -> None:
    cache.put(
        BindingCacheEntry(
            mn_id=mn_id, home_network_prefixes=prefixes, mag_id="mag1", proxy_care_of_address=IPv6Address("::1"),
            link_layer_id=None, access_technology_type=3, sequence=1, timestamp=1.0, lifetime_s=300, expires_at=300.0,
            state=BindingState.ACTIVE if active else BindingState.PENDING_DELETE, multicast=False,
        )
    )


def test_an_mn_with_prefixes_of_its_own_gets_all_of_them() -> None:
    two = replace(MN1, home_network_prefixes=(*OWN, IPv6Network("2001:db8:100:9::/64")))
    assert assign(two, (), POOL, BindingCache()) == two.home_network_prefixes


def test_a_second_interface_gets_what_the_first_does_not_have() -> None:
    cache, other = BindingCache(), IPv6Network("2001:db8:100:9::/64")
    two = replace(MN1, home_network_prefixes=(*OWN, other))
    hold(cache, *OWN)
    assert assign(two, (), POOL, cache) == (other,)
    hold(cache, other)
    assert assign(two, (), POOL, cache)[0] in ALL


def test_all_of_the_pool_is_given_out_and_then_none_is_left() -> None:
    cache = BindingCache()
    for number in range(len(ALL)):
        (prefix,) = assign(replace(POOLED, id=f"mn{number}@example.net"), (), POOL, cache)
        assert prefix in ALL
        assert cache.by_prefix(prefix) is None
        hold(cache, prefix, mn_id=f"mn{number}@example.net")
    assert {entry.home_network_prefixes[0] for entry in cache} == ALL
    with pytest.raises(Refusal) as refused:
        assign(POOLED, (), POOL, cache)
    assert refused.value.status == 130


def test_without_a_pool_there_is_none() -> None:
    with pytest.raises(Refusal) as refused:
        assign(POOLED, (), (), BindingCache())
    assert refused.value.status == 130


def test_a_deleted_binding_frees_its_prefix() -> None:
    cache, pool = BindingCache(), (IPv6Network("2001:db8:300::/64"),)
    hold(cache, *pool, mn_id="mn2@example.net", active=False)
    with pytest.raises(Refusal):
        assign(POOLED, (), pool, cache)
    cache.expire(300.0)
    assert assign(POOLED, (), pool, cache) == pool


@given(st.text(max_size=20), st.sampled_from([48, 56, 60, 63, 64]))
def test_an_mn_gets_the_same_prefix_of_the_pool_again(mn_id: str, length: int) -> None:
    pool = (IPv6Network(f"2001:db8:200::/{length}"),)
    first = assign(replace(POOLED, id=mn_id), (), pool, BindingCache())
    assert first == assign(replace(POOLED, id=mn_id), (), pool, BindingCache())
    assert first[0].subnet_of(pool[0])


def test_a_prefix_may_be_asked_for_by_name() -> None:
    assert assign(MN1, OWN, POOL, BindingCache()) == OWN
    free = IPv6Network("2001:db8:200:1::/64")
    assert assign(POOLED, (free,), POOL, BindingCache()) == (free,), "a restarted LMA is told what an MN has had"


@pytest.mark.parametrize(
    "prefix", [IPv6Network("2001:db8:9999::/64"), IPv6Network("2001:db8:200::/63"), IPv6Network("2001:db8:200::/128")]
)
def test_a_prefix_that_is_not_the_mns_is_refused_with_155(prefix: IPv6Network) -> None:
    with pytest.raises(Refusal) as refused:
        assign(MN1, (*OWN, prefix), POOL, BindingCache())
    assert refused.value.status == 155


def test_a_prefix_of_another_interface_is_refused_with_155_while_it_is_active() -> None:
    cache = BindingCache()
    hold(cache, *OWN)
    with pytest.raises(Refusal) as refused:
        assign(MN1, OWN, POOL, cache)
    assert refused.value.status == 155
    hold(cache, *OWN, active=False)
    assert assign(MN1, OWN, POOL, cache) == OWN


def test_when_the_pool_has_to_be_asked() -> None:
    cache = BindingCache()
    assert not needs_pool(MN1, (), cache)
    assert not needs_pool(POOLED, (IPv6Network("2001:db8:200::/64"),), cache)
    assert needs_pool(POOLED, (), cache)
    hold(cache, *OWN)
    assert needs_pool(MN1, (), cache)

# SPDX-License-Identifier: Apache-2.0
"""Prefixes and sessions: the pool, several prefixes, interfaces of one MN (RFC 5213 sections 5.3.2 and 5.4)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Network
from typing import Any

from southbound.codec.binding import ProxyBindingUpdate
from southbound.codec.iana import HandoffIndicator
from southbound.codec.options import HomeNetworkPrefix
from tests.unit.controller.registration_script import (
    DOMAIN,
    MAG1,
    MAG2,
    MN1,
    OTHER_INTERFACE,
    POOL,
    POOLED,
    WALL,
    Lma,
    answer_of,
    granted,
    update,
)


def pooled(**changed: Any) -> ProxyBindingUpdate:
    return update(mn_id=POOLED.id, link_layer_id=POOLED.link_layer_id, **{"prefix": IPv6Network("::/0"), **changed})


def test_a_prefix_of_the_pool_stays_with_its_mn() -> None:
    lma = Lma()
    (prefix,) = granted(lma.judge(pooled()))
    assert prefix.subnet_of(POOL[0])
    # The next MAG does not know it: found by the interface (5.4.1.2). The one after it does.
    assert granted(lma.judge(pooled(stamp=WALL + 1), MAG2, at=WALL + 1)) == (prefix,)
    assert granted(lma.judge(pooled(stamp=WALL + 2, prefix=prefix), MAG1, at=WALL + 2)) == (prefix,)
    lma.judge(pooled(stamp=WALL + 3, prefix=prefix, lifetime_s=0), MAG1, at=WALL + 3)
    assert granted(lma.judge(pooled(stamp=WALL + 4), MAG2, at=WALL + 4)) == (prefix,), "while it waits for deletion"
    assert len(lma.cache) == 1


def test_no_prefix_left_is_130() -> None:
    lma = Lma(replace(DOMAIN, lma=replace(DOMAIN.lma, home_network_prefix_pool=())))
    assert answer_of(lma.judge(pooled())).status == 130


def test_two_prefixes_are_one_session() -> None:
    second = IPv6Network("2001:db8:100:f::/64")
    both = (*MN1.home_network_prefixes, second)
    lma = Lma(replace(DOMAIN, mobile_nodes=(replace(MN1, home_network_prefixes=both), *DOMAIN.mobile_nodes[1:])))
    assert granted(lma.judge(update(prefix=IPv6Network("::/0")))) == both
    assert answer_of(lma.judge(update(stamp=WALL + 1), at=WALL + 1)).status == 159
    named = update(stamp=WALL + 1, more=(HomeNetworkPrefix(prefix=second),))
    assert granted(lma.judge(named, MAG2, at=WALL + 1)) == both
    assert [entry.mag_id for entry in lma.cache] == ["mag2"]


def test_each_interface_has_a_session_of_its_own() -> None:
    lma = Lma()
    new = update(link_layer_id=OTHER_INTERFACE, prefix=IPv6Network("::/0"), handoff=HandoffIndicator.NEW_INTERFACE,
                 stamp=WALL + 1)
    first = granted(lma.judge(update()))
    second = granted(lma.judge(new, MAG2, at=WALL + 1))
    assert set(first).isdisjoint(second)
    assert lma.cache.serving_mag(MN1.id) == "mag1", "the interface that the policy store knows"
    assert lma.cache.is_bound(MN1.id, "mag2")
    # One is handed over, or goes, and the other does not care.
    assert granted(lma.judge(update(stamp=WALL + 2), DOMAIN.mags[2].address, at=WALL + 2)) == first
    gone = update(link_layer_id=OTHER_INTERFACE, prefix=second[0], lifetime_s=0, stamp=WALL + 3)
    assert answer_of(lma.judge(gone, MAG2, at=WALL + 3)).status == 0
    assert lma.cache.serving_mag(MN1.id) == "mag3"
    assert not lma.cache.is_bound(MN1.id, "mag2")


def test_a_handover_between_interfaces_takes_the_prefixes_along() -> None:
    lma = Lma()
    first = granted(lma.judge(update()))
    moved = update(link_layer_id=OTHER_INTERFACE, prefix=IPv6Network("::/0"), stamp=WALL + 1,
                   handoff=HandoffIndicator.BETWEEN_INTERFACES)
    assert granted(lma.judge(moved, MAG2, at=WALL + 1)) == first
    assert [(entry.mag_id, entry.link_layer_id) for entry in lma.cache] == [("mag2", OTHER_INTERFACE)]

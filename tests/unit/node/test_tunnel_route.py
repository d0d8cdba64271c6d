# SPDX-License-Identifier: Apache-2.0
"""The route of the tunnels: given to a switch that does not follow the kernel's, advised for one that does."""

from __future__ import annotations

from ipaddress import IPv6Network

import pytest

from node.tunnel_route import compare_route

NETWORK = IPv6Network("2001:db8:ff::/64")
NOTHING = "Route Table:\n"
FOLLOWED = (
    "Route Table:\n"
    "Cached: ::1/128 dev lo SRC ::1 local\n"
    "Cached: 2001:db8:ff::/64 dev br-underlay SRC 2001:db8:ff::11\n"
)
GIVEN = "User: 2001:db8:ff::/64 dev br-underlay SRC 2001:db8:ff::11\n"


@pytest.mark.parametrize("shown", [
    NOTHING, "", NOTHING + GIVEN.replace("db8:ff", "db8:fe"), NOTHING + "User: 192.0.2.0/24 dev br0 SRC 192.0.2.1\n",
    NOTHING + GIVEN.replace("::/64", "::/80"),
])
def test_a_switch_that_has_none_is_given_it(shown: str) -> None:
    (difference,) = compare_route(NETWORK, "br-underlay", shown)
    assert difference.lacking
    assert difference.host_commands == (("ovs-appctl", "ovs/route/add", "2001:db8:ff::/64", "br-underlay"),)


@pytest.mark.parametrize("shown", [NOTHING + GIVEN, NOTHING + GIVEN.replace("2001:db8:ff::/64", "::/0")])
def test_what_has_been_given_is_not_given_again(shown: str) -> None:
    assert list(compare_route(NETWORK, "br-underlay", shown)) == []


@pytest.mark.parametrize("shown", [FOLLOWED, FOLLOWED + GIVEN])
def test_a_switch_that_follows_the_kernel_is_advised_not_refused(shown: str) -> None:
    # A route given beside does not help: the switch forgets its own addresses all the same.
    (difference,) = compare_route(NETWORK, "br-underlay", shown)
    assert (difference.advice, difference.lacking, difference.conflict) == (True, False, False)
    assert "--disable-system-route" in difference.mend

# SPDX-License-Identifier: Apache-2.0
"""By which bridge the switch reaches the ends of its tunnels, and who tells it. Pure.

By itself Open vSwitch follows the kernel's routes, and reads all of them again at every change of any interface: for
some milliseconds it may then take its own tunnels' addresses for strange ones. A mobile node that comes or goes is such
a change (see `SwitchTools.add_route`).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Network, ip_network

from node.switch_changes import Difference

_START_WITHOUT = "start ovs-vswitchd with --disable-system-route, on Debian by " \
                 "OVS_CTL_OPTS=--ovs-vswitchd-options=--disable-system-route in /etc/default/openvswitch-switch"
_FOLLOWED, _GIVEN = "Cached:", "User:"


def compare_route(network: IPv6Network, bridge: str, shown: str) -> Iterable[Difference]:
    """What is not as it has to be; `shown` is what `ovs-appctl ovs/route/show` prints."""
    routes = [words for line in shown.splitlines() if len(words := line.split()) > 1]
    if any(words[0] == _FOLLOWED for words in routes):
        yield Difference(
            words="Open vSwitch follows the kernel's routes, and may lose tunnelled packets for some milliseconds "
                  "whenever any interface changes",
            mend=_START_WITHOUT, advice=True,
        )
    elif not any(words[0] == _GIVEN and _covers(words[1], network) for words in routes):
        yield Difference(
            words=f"Open vSwitch has no route to {network}",
            host_commands=(("ovs-appctl", "ovs/route/add", str(network), bridge),),
        )


def _covers(route: str, network: IPv6Network) -> bool:
    found = ip_network(route, strict=False)
    return isinstance(found, IPv6Network) and network.subnet_of(found)

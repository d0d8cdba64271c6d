# SPDX-License-Identifier: Apache-2.0
"""What tests ask routers in a lab, by the programs and the kernel of its hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address

from lab.plan import RADIO_BRIDGE, SOURCE_PORT
from tests.lab.test_unicast import Running
from topology.model import LMA_LINK_LOCAL_ADDRESS, MAG_LINK_LOCAL_ADDRESS

FULL_SIZE = 1500
_HOPS_MAX = 8


def said_of_one_ping(here: Running, node: str, address: IPv6Address, *options: str) -> str:
    """What ping says, answered or not."""
    words = ["sh", "-c", f"ping -6 -n -c 1 -W 2 {' '.join(options)} {address} || true"]
    return here.lab.run_on(node, words)


def hops(here: Running, node: str, address: IPv6Address) -> list[str]:
    """As traceroute finds them: who answers to hop limits 1, 2, 3, until it is the other end."""
    found: list[str] = []
    while len(found) < _HOPS_MAX and found[-1:] != [str(address)]:
        said = said_of_one_ping(here, node, address, "-t", str(len(found) + 1))
        who = re.search(r"[Ff]rom ([0-9a-f:]+?):? icmp_seq=1", said)
        assert who is not None, said
        assert ("Time exceeded" in said) is (who.group(1) != str(address)), said
        found.append(who.group(1))
    return found


@contextmanager
def full_size_everywhere(here: Running) -> Iterator[None]:
    """The source has no MTU in its route, and mn1 one of its own in place of that of the router advertisements."""
    way = ["default", "via", str(LMA_LINK_LOCAL_ADDRESS), "dev", SOURCE_PORT]
    ahead = ["default", "via", str(MAG_LINK_LOCAL_ADDRESS), "dev", RADIO_BRIDGE, "metric", "1"]
    settings = f"/proc/sys/net/ipv6/conf/{RADIO_BRIDGE}"
    here.lab.run_on("source", ["ip", "-6", "route", "replace", *way])
    here.lab.run_on("mn1", ["sh", "-c", f"echo 0 >{settings}/accept_ra_mtu; echo {FULL_SIZE} >{settings}/mtu"])
    here.lab.run_on("mn1", ["ip", "-6", "route", "add", *ahead, "mtu", str(FULL_SIZE)])
    try:
        yield
    finally:
        here.lab.run_on("source", ["ip", "-6", "route", "replace", *way, "mtu", str(here.lab.domain.access_mtu)])
        here.lab.run_on("mn1", ["ip", "-6", "route", "del", *ahead])
        here.lab.run_on("mn1", ["sh", "-c", f"echo 1 >{settings}/accept_ra_mtu"])
        for node in ("source", "mn1"):
            here.lab.run_on(node, ["ip", "-6", "route", "flush", "cache"])


def counted_by(here: Running, node: str, name: str) -> int:
    """A counter of the node's own kernel."""
    counters = dict(line.split() for line in here.lab.run_on(node, ["cat", "/proc/net/snmp6"]).splitlines())
    return int(counters[name])

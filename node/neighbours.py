# SPDX-License-Identifier: Apache-2.0
"""Keep the tunnels' neighbours of one switch known.

Open vSwitch resolves a tunnel's remote address when the first packet asks for it, drops that packet, and forgets the
answer after some minutes. The tunnel between two MAGs rests between handovers, and must carry the very first packet of
the next one. So the host's kernel is made to resolve every peer, and what it finds is entered into the switch.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address

from pyroute2 import IPRoute

from lab.switch_tools import SwitchTools
from topology.model import Domain

REFRESH_S = 300.0
_AGING_S = 3600
"""The most that Open vSwitch allows."""
_DISCARD_PORT = 9
_NUD_KNOWN = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
"""Reachable, stale, delay, probe, permanent (linux/neighbour.h): states with a link-layer address."""


def peers(domain: Domain, node: str) -> tuple[IPv6Address, ...]:
    """Whom the tunnels of the LMA or of a MAG lead to."""
    everyone = {domain.lma.id: domain.lma.address} | {mag.id: mag.address for mag in domain.mags}
    if node == domain.lma.id:
        return tuple(mag.address for mag in domain.mags)
    return tuple(address for name, address in everyone.items() if name != node)


def ask_for(addresses: Iterable[IPv6Address]) -> None:
    """Have the kernel resolve them: one datagram to each, to a port where nobody has to listen (RFC 863)."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        for address in addresses:
            try:
                probe.sendto(b"", (str(address), _DISCARD_PORT))
            except OSError:
                continue  # no route (yet): it stays unknown


def known(bridge: str, addresses: Iterable[IPv6Address]) -> dict[IPv6Address, str]:
    """Link-layer addresses as far as the kernel has them on this interface. Raises OSError when there is none of it."""
    wanted = set(addresses)
    with IPRoute() as netlink:
        entries = netlink.get_neighbours(family=socket.AF_INET6, ifindex=socket.if_nametoindex(bridge))
    found = {}
    for entry in entries:
        address, mac = IPv6Address(entry.get_attr("NDA_DST")), entry.get_attr("NDA_LLADDR")
        if address in wanted and mac is not None and entry["state"] & _NUD_KNOWN:
            found[address] = str(mac)
    return found


def enter(tools: SwitchTools, bridge: str, neighbours: Mapping[IPv6Address, str]) -> None:
    """Write them into the switch, or renew them. Raises LabError."""
    tools.appctl("tnl/neigh/aging", str(_AGING_S))
    for address, mac in neighbours.items():
        tools.appctl("tnl/neigh/set", bridge, str(address), mac)

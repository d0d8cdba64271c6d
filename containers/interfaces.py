# SPDX-License-Identifier: Apache-2.0
"""The network interfaces that an engine has given to a container: found by their addresses, made ports of a switch.

An engine numbers interfaces as it likes; what it keeps to are the addresses that docker-compose.yml asks for.
"""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, IPv6Network

from pyroute2 import IPRoute

from lab import links
from lab.errors import LabError


def interface_on(network: IPv6Network) -> str:
    """The interface that has an address of this network. Raises LabError naming the addresses there are."""
    with IPRoute() as netlink:
        addresses = {
            IPv6Address(found.get_attr("IFA_ADDRESS")): int(found["index"])
            for found in netlink.get_addr(family=socket.AF_INET6)
        }
    for address, index in addresses.items():
        if address in network:
            return socket.if_indextoname(index)
    there = ", ".join(str(address) for address in addresses if not address.is_loopback) or "none"
    raise LabError(f"no interface of this container has an address of {network} (found: {there})",
                   "docker-compose.yml and the topology have to agree on the networks")


def make_switch_port(name: str, interface: str) -> None:
    """Give an interface the name that the switch looks for, and take it from the kernel: no addresses, up."""
    with links.control_socket() as control, IPRoute() as netlink:
        index = links.interface_index(interface)
        netlink.link("set", index=index, state="down")
        if interface != name:
            netlink.link("set", index=index, ifname=name)
        links.disable_ipv6(name)
        netlink.flush_addr(index=index)
        links.disable_transmit_checksum_offload(control, name)
        links.bring_up(netlink, name)


def adopt_access_port(name: str) -> None:
    """Make the end that a mobile node has put here a port that the switch can use. Raises OSError when there is none."""
    with links.control_socket() as control, IPRoute() as netlink:
        links.disable_ipv6(name)
        links.disable_transmit_checksum_offload(control, name)
        links.bring_up(netlink, name)


def write_own_checksums(interface: str) -> None:
    """For a host whose frames reach a userspace switch."""
    with links.control_socket() as control:
        links.disable_transmit_checksum_offload(control, interface)

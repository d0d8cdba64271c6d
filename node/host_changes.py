# SPDX-License-Identifier: Apache-2.0
"""What the host beside a switch has to have: the node's transport address, ports that its own IPv6 keeps away from.

`compare_host` is pure; `read_host` asks the kernel.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path

from pyroute2 import IPRoute

from node.switch_changes import Difference
from topology.model import Domain
from topology.switch_names import LMA_SOURCE_PORT, MAG_BUFFER_PORT

_IFF_UP = 0x1


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """Of the network namespace that the switch is in."""

    addresses: Mapping[IPv6Address, str] = field(default_factory=dict)
    """Address -> interface."""
    up: Mapping[str, bool] = field(default_factory=dict)
    """Interface -> whether it is up."""
    ipv6: Mapping[str, bool] = field(default_factory=dict)
    """Interface -> whether the kernel speaks IPv6 there."""


def read_host() -> HostState:
    """Ask the kernel, of the calling process's namespace."""
    with IPRoute() as netlink:
        names = {int(link["index"]): str(link.get_attr("IFLA_IFNAME")) for link in netlink.get_links()}
        up = {str(link.get_attr("IFLA_IFNAME")): bool(link["flags"] & _IFF_UP) for link in netlink.get_links()}
        addresses = {
            IPv6Address(address.get_attr("IFA_ADDRESS")): names.get(int(address["index"]), "")
            for address in netlink.get_addr(family=socket.AF_INET6)
        }
    return HostState(addresses=addresses, up=up, ipv6={name: _speaks_ipv6(name) for name in up})


def _speaks_ipv6(name: str) -> bool:
    try:
        return (Path("/proc/sys/net/ipv6/conf") / name / "disable_ipv6").read_text(encoding="ascii").strip() == "0"
    except OSError:
        return False


def compare_host(domain: Domain, node: str, state: HostState, *, bridges: Iterable[str]) -> list[Difference]:
    """Every difference at the LMA or MAG `node`. `bridges`: those whose interfaces are there, or will be by then."""
    names = domain.switch_names(node)
    mag = domain.mag(node)
    address = domain.lma.address if mag is None else mag.address
    found = list(_transport_address(domain, names.transport_bridge, address, state, set(bridges)))
    ours = [names.on_host(LMA_SOURCE_PORT)]
    if mag is not None:
        ours = [names.on_host(MAG_BUFFER_PORT), *(names.on_host(profile.access_port()) for profile in domain.mobile_nodes)]
    buffer_port = names.on_host(MAG_BUFFER_PORT) if mag is not None else None
    for port in [names.transport_port, *ours]:
        # The buffer port is made by the same setup, and has IPv6 as the kernel gives it to new interfaces.
        if port not in state.up and port != buffer_port:
            continue  # said of the switch's ports
        commands: list[tuple[str, ...]] = []
        what = []
        if not state.up.get(port, False):
            what.append("is down")
            commands.append(("ip", "link", "set", port, "up"))
        if state.ipv6.get(port, True) and port != names.transport_port:
            what.append("speaks IPv6 itself, beside the switch")
            # Before it comes up.
            commands.insert(0, ("sysctl", "-q", "-w", f"net.ipv6.conf.{port.replace('.', '/')}.disable_ipv6=1"))
        if commands:
            found.append(Difference(words=f"interface {port} {' and '.join(what)}", host_commands=tuple(commands)))
    return found


def _transport_address(
    domain: Domain, bridge: str, address: IPv6Address, state: HostState, bridges: set[str]
) -> Iterable[Difference]:
    where = state.addresses.get(address)
    if where == bridge and state.up.get(bridge, False):
        return
    if where is not None and where != bridge:
        yield Difference(
            words=f"address {address} is on {where}, not on {bridge}",
            mend=f"packets for it would go past the switch: move it (ip -6 address del {address}/"
                 f"{domain.transport_network.prefixlen} dev {where})",
        )
        return
    if bridge not in bridges:
        return
    commands: list[tuple[str, ...]] = [("ip", "link", "set", bridge, "up")]
    if where is None:
        prefix = f"{address}/{domain.transport_network.prefixlen}"
        commands.append(("ip", "-6", "address", "add", prefix, "dev", bridge, "nodad"))
    missing = f"interface {bridge} has no address {address}" if where is None else f"interface {bridge} is down"
    yield Difference(words=missing, host_commands=tuple(commands))

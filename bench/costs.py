# SPDX-License-Identifier: Apache-2.0
"""What one cell cost on the wire, from its captures: signalling, and copies of the group in tunnels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path

from lab.capture_reader import read_fields
from topology.model import Domain

_MLD = frozenset({130, 131, 132, 143})  # RFC 2710 section 3, RFC 3810 section 5
_REPORTS = frozenset({131, 143})
_FILTER = "mipv6 || gre || icmpv6"
_FIELDS = ("frame.time_epoch", "frame.len", "ipv6.src", "ipv6.dst", "mip6.mhtype", "icmpv6.type")


@dataclass(slots=True, kw_only=True)
class Traffic:
    """Frames and their octets, the Ethernet header included."""

    messages: int = 0
    octets: int = 0

    def add(self, octets: int) -> None:
        """Count one more."""
        self.messages += 1
        self.octets += octets


@dataclass(slots=True, kw_only=True)
class Costs:
    """Of one cell."""

    mobility: Traffic = field(default_factory=Traffic)
    """Mobility Header messages between LMA and MAGs (PBU, PBA, HI, HAck)."""
    mld_inside: Traffic = field(default_factory=Traffic)
    """MLD in the tunnels between LMA and MAGs."""
    mld_access: Traffic = field(default_factory=Traffic)
    """MLD on the access links, both directions."""
    from_lma: Traffic = field(default_factory=Traffic)
    """The group in tunnels from the LMA, to whichever MAG."""
    between_mags: Traffic = field(default_factory=Traffic)
    """The group in tunnels from MAG to MAG."""
    reports_at_s: list[float] = field(default_factory=list)
    """When the mobile node's host sent Multicast Listener Reports, s since 1970."""

    @property
    def signalling(self) -> Traffic:
        """Everything that is said to move a listener, on the transport network and on the air."""
        parts = (self.mobility, self.mld_inside, self.mld_access)
        return Traffic(messages=sum(part.messages for part in parts), octets=sum(part.octets for part in parts))


def read_costs(
    domain: Domain, group: IPv6Address, transport: Path, access: Path, start_ns: int, end_ns: int
) -> Costs:
    """What passed in [start, end), from the two captures of a cell, through tshark. Raises LabError."""
    costs = Costs()
    during = f"frame.time_epoch >= {start_ns / 1e9:.6f} && frame.time_epoch < {end_ns / 1e9:.6f}"
    add_transport_rows(costs, domain, group, read_fields(transport, f"({_FILTER}) && {during}", _FIELDS))
    kinds = " || ".join(f"icmpv6.type == {kind}" for kind in sorted(_MLD))
    for time, length, _, _, _, kind in read_fields(access, f"({kinds}) && {during}", _FIELDS):
        costs.mld_access.add(int(length))
        if int(kind) in _REPORTS:
            costs.reports_at_s.append(float(time))
    return costs


def add_transport_rows(
    costs: Costs, domain: Domain, group: IPv6Address, rows: Iterable[Sequence[str]]
) -> None:
    """Count rows of tshark's fields (time, length, sources, destinations, MH type, ICMPv6 types). Pure."""
    lma = str(domain.lma.address)
    mags = {str(mag.address) for mag in domain.mags}
    wanted = str(group)
    for _, length, sources, destinations, mobility, icmp in rows:
        outer_source = sources.partition(",")[0]
        outer, _, inner = destinations.partition(",")
        if mobility:
            costs.mobility.add(int(length))
        elif icmp and int(icmp.partition(",")[0]) in _MLD and inner:
            costs.mld_inside.add(int(length))
        elif inner.partition(",")[0] == wanted:
            if outer_source == lma:
                costs.from_lma.add(int(length))
            elif outer_source in mags and outer in mags:
                costs.between_mags.add(int(length))

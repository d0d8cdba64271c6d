# SPDX-License-Identifier: Apache-2.0
"""What the demo shall do, and the topology file it does it with."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from lab.errors import LabError
from lab.topology_copy import document_of
from topology.model import Domain, MobileNode

DEFAULT_GROUP = IPv6Address("ff1e::101")
PORT = 5001
UNICAST_PORT = 5002


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """One `castover demo`."""

    topology: Path
    handovers: int
    """In each run."""
    rate_pps: float
    gap_ms: float
    """How long the mobile node is without a link at each move."""
    size: int
    """Octets of UDP payload."""
    modes: tuple[str, ...]
    """Names from `lab.demo_modes.MODES`, in the order they are run."""
    dialects: tuple[str, ...]
    """Of 'draft' and 'rfc'."""
    trigger: str
    """'rest' | 'mobile-node': who asks for the handover."""
    pcap: Path | None
    logs: Path
    """Where the logs go when something fails."""
    unicast: bool = False
    """The mover gets a stream of its own besides, at the same rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays which part."""

    mover: MobileNode
    """Goes back and forth."""
    others: tuple[MobileNode, ...]
    """Listen to the same group and stay where they are."""
    mags: tuple[str, str]
    """Where the mover begins, and the other end."""
    source: str
    group: IPv4Address | IPv6Address


def choose_cast(domain: Domain) -> Cast:
    """The first mobile node moves between its first two MAGs; whoever may hear its group listens. Raises LabError."""
    if not domain.sources:
        raise LabError("the topology has no source", "add one under sources:")
    movers = [node for node in domain.mobile_nodes if len(node.mags) > 1]
    if not movers:
        raise LabError("no mobile node of the topology may use two MAGs", "the demo moves one back and forth")
    mover = movers[0]
    first = mover.attached_to
    second = next(mag for mag in mover.mags if mag != first)
    group = next((wanted.group for wanted in mover.subscriptions), DEFAULT_GROUP)
    if not _may_hear(mover, group):
        raise LabError(f"{mover.id} may not receive {group}", "correct its allowed_groups or subscriptions")
    return Cast(
        mover=mover, mags=(first, second), source=domain.sources[0].name, group=group,
        others=tuple(node for node in domain.mobile_nodes if node is not mover and _may_hear(node, group)),
    )


def _may_hear(node: MobileNode, group: IPv4Address | IPv6Address) -> bool:
    return any(group in network for network in node.allowed_groups)


def write_demo_topology(original: Path, folder: Path, dialect: str, attach_mode: str | None = None) -> Path:
    """A copy of the topology with a lab name of its own and one dialect everywhere; its path.

    `attach_mode` replaces the one of the topology, unless it is None.
    The name carries the process id, so that the demo never meets a lab that is up. Raises TopologyError, OSError.
    """
    document = document_of(original)
    document["domain"] = {
        **document["domain"], "name": f"{document['domain']['name'][:40]}-demo-{os.getpid()}", "dialect": dialect,
    }
    if attach_mode is not None:
        document["domain"]["attach_mode"] = attach_mode
    for mag in document["mags"]:
        mag.pop("dialect", None)
    # The demo asks its own controller on this machine: nobody else is let in, and nobody is told.
    document.pop("rest", None)
    document["controller"].pop("rest", None)
    path = folder / f"topology-{dialect}.yaml"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")  # YAML 1.2 contains JSON
    return path

# SPDX-License-Identifier: Apache-2.0
"""What a benchmark shall do, and the topology each of its labs is built from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

from bench.lanes import Lane
from bench.listeners import Listener
from lab.errors import LabError
from lab.topology_copy import document_of
from topology.load import load_topology
from topology.model import Domain
from topology.problem import TopologyError

PORT = 5001


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """One `castover bench handover`."""

    topology: Path
    lanes: tuple[Lane, ...]
    listeners: tuple[Listener, ...]
    reports: tuple[str, ...]
    """Of bench.listeners.REPORTS."""
    gaps_ms: tuple[float, ...]
    """How long the mobile node is without a link."""
    lma_delays_ms: tuple[float, ...]
    """One-way delay between the LMA and each MAG; MAG to MAG stays without."""
    handovers: int
    """In each cell."""
    rate_pps: float
    size: int
    """Octets of UDP payload."""
    deaf_cap_s: float
    """A mobile node that hears nothing for so long after a move is deaf."""
    deaf_handovers: int
    """After so many of them a cell is ended: the next would say no more."""
    logs: Path
    pcap: Path | None = None
    """Keep the captures here."""
    pause_s: float = 1.2
    """From one move to the next. Linux acts at once on the first change of carrier in a second and may let later ones
    wait until the second is over (net/core/link_watch.c): a host that is moved more often than that re-reports late,
    and would look worse than it is."""


def write_topology(
    original: Path, folder: Path, *, lane: Lane, listener: Listener | None, lma_delay_ms: float = 0.0
) -> tuple[Path, Domain]:
    """A copy of the topology for one lab: the first mobile node alone, the lane's settings, the delays.

    The other mobile nodes are left out because they would keep the new MAG warm: what is measured is a MAG that does
    not carry the group yet. Raises TopologyError when the original is wrong or the copy asks for what there is not.
    """
    document = document_of(original)
    movers = [node for node in document["mobile_nodes"] if len(node.get("mags") or document["mags"]) > 1]
    if not movers or not document.get("sources"):
        raise LabError("the benchmark needs a source and a mobile node that may use two MAGs", "add them to topology")
    mover = movers[0]
    for key in ("subscriptions", "allowed_groups"):
        mover.pop(key, None)
    if listener is not None:
        mover["allowed_groups"] = [str(IPv6Network(listener.group))]
        if lane.in_policy_store:
            subscription: dict[str, Any] = {"group": str(listener.group)}
            if listener.source_specific:
                subscription["sources"] = [str(document["sources"][0]["address"])]
            mover["subscriptions"] = [subscription]
    document["mobile_nodes"] = [mover]
    document["domain"] = {
        **document["domain"], **lane.domain, "name": f"{document['domain']['name'][:16]}-bench-{os.getpid()}",
    }
    if lma_delay_ms:
        document["links"] = [
            {"between": [str(document["lma"]["id"]), str(mag["id"])], "delay_ms": lma_delay_ms}
            for mag in document["mags"]
        ]
    path = folder / f"topology-{lane.name}-{listener.name if listener else 'all'}-{lma_delay_ms:g}.yaml"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")  # YAML 1.2 contains JSON
    return path, load_topology(path)


def missing_feature(original: Path, folder: Path, lane: Lane, lma_delay_ms: float = 0.0) -> str | None:
    """Why this lane cannot be run by this version of Castover, or None. Raises what a wrong original raises."""
    load_topology(original)
    try:
        write_topology(original, folder, lane=lane, listener=None, lma_delay_ms=lma_delay_ms)
    except TopologyError as error:
        wanted = ", ".join([*(f"domain.{key}: {value}" for key, value in lane.domain.items()),
                            *(["links.between"] if lma_delay_ms else [])])
        reasons = "; ".join(problem.path for problem in error.problems)
        return f"not available: this version does not know {wanted or reasons}"
    return None

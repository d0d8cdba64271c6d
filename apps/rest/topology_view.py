# SPDX-License-Identifier: Apache-2.0
"""The map of a domain: its nodes and tunnels from topology.yaml, and where the mobile nodes are from a picture."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from controller.handover import ENDED
from controller.snapshot import Snapshot
from topology.model import Domain

_ENDED = frozenset(state.value for state in ENDED)


def topology_view(domain: Domain, picture: Snapshot) -> dict[str, Any]:
    """As `apps.rest.answers.domain.Topology` has it."""
    known = {mag["id"]: mag for mag in picture.mags}
    attached = {mn_id: mag["id"] for mag in picture.mags for mn_id in mag["mobile_nodes"]}
    bound = {entry["mn_id"]: entry["mag"] for entry in picture.bindings if entry["state"] == "active"}
    moving = {view["mn_id"]: view["id"] for view in picture.handovers if view["state"] not in _ENDED}
    return {
        "domain": domain.name,
        "lma": {"id": domain.lma.id, "address": str(domain.lma.address)},
        "mags": [
            {
                "id": mag.id,
                "address": str(mag.address),
                "agent_connected": known[mag.id]["agent_connected"],
                "switch_connected": known[mag.id]["switch_connected"],
            }
            for mag in domain.mags
        ],
        "mobile_nodes": [
            {
                "id": node.id,
                "name": node.name,
                "home_network_prefixes": [str(prefix) for prefix in node.home_network_prefixes],
                "mags": list(node.mags),
                "attached_to": attached.get(node.id),
                "bound_to": bound.get(node.id),
                "handover_id": moving.get(node.id),
            }
            for node in domain.mobile_nodes
        ],
        "sources": [{"id": source.name, "address": str(source.address)} for source in domain.sources],
        "links": list(_links(domain)),
    }


def _links(domain: Domain) -> Iterator[dict[str, Any]]:
    for source in domain.sources:
        yield {"kind": "source", "ends": [source.name, domain.lma.id], "delay_ms": 0}
    for mag in domain.mags:
        ends = (domain.lma.id, mag.id)
        yield {"kind": "lma-mag", "ends": list(ends), "delay_ms": _delay_ms(domain, ends)}
    for one, other in combinations(domain.mags, 2):
        ends = (one.id, other.id)
        yield {"kind": "mag-mag", "ends": list(ends), "delay_ms": _delay_ms(domain, ends)}


def _delay_ms(domain: Domain, ends: tuple[str, str]) -> float:
    """Of both nodes' transport links and of the pair (docs/reference/topology.md)."""
    return sum(
        link.delay_ms for link in domain.links
        if link.node in ends or (link.between is not None and set(link.between) == set(ends))
    )

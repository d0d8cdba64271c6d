# SPDX-License-Identifier: Apache-2.0
"""The topology that a cell's lab is built from: the user's own, with the mobile nodes and delays of the cell."""

from __future__ import annotations

import json
import os
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

from bench.exactly_once.cells import Cell
from lab.errors import LabError
from lab.topology_copy import document_of
from topology.load import load_topology
from topology.model import Domain

GROUP = IPv6Address("ff1e::101")
SMALL_RECORDS = {"handovers_remembered": 50, "idempotency_keys": 50}
"""Where memory is measured: what the controller keeps of ended handovers is full soon, and nothing should grow then."""


def write_domain(original: Path, folder: Path, cell: Cell) -> tuple[Path, Domain]:
    """A copy of the topology for one cell. Raises TopologyError when the original or the copy is wrong, LabError."""
    document = document_of(original)
    if not document.get("sources") or not document.get("mobile_nodes"):
        raise LabError("the measurement needs a source and a mobile node", "add them to the topology")
    first, second = document["mags"] = document["mags"][:2]
    for mag in document["mags"]:
        mag.pop("dialect", None)
    document["sources"] = document["sources"][:1]
    document["mobile_nodes"] = _mobile_nodes(document["mobile_nodes"][0], first["id"], cell.movers + cell.stayers)
    document["links"] = [
        {"between": between, "delay_ms": delay_ms}
        for between, delay_ms in (
            ([document["lma"]["id"], second["id"]], cell.second_mag_ms), ([first["id"], second["id"]], cell.mags_ms),
        )
        if delay_ms
    ]
    document["domain"] = {
        **document["domain"], "name": f"{document['domain']['name'][:16]}-once-{os.getpid()}", "dialect": cell.dialect,
    }
    if cell.memory:
        document["limits"] = {**(document.get("limits") or {}), **SMALL_RECORDS}
    path = folder / f"topology-{cell.name}.yaml"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")  # YAML 1.2 contains JSON
    return path, load_topology(path)


def _mobile_nodes(pattern: Any, mag: str, count: int) -> list[dict[str, Any]]:
    """So many of the kind of the first one in the file, with the next prefixes."""
    prefix = IPv6Network(str(pattern["home_network_prefix"]))
    realm = str(pattern["id"]).partition("@")[2]
    return [
        {
            "id": f"mn{number + 1}@{realm}",
            "link_layer_id": f"02:00:00:00:01:{number + 1:02x}",
            "home_network_prefix": str(IPv6Network((int(prefix.network_address) + (number << 64), 64))),
            "attached_to": mag,
            "allowed_groups": [f"{GROUP}/128"],
        }
        for number in range(count)
    ]

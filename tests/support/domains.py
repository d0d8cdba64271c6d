# SPDX-License-Identifier: Apache-2.0
"""Domains for tests."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path

from topology.load import parse_topology
from topology.model import Domain

TOPOLOGY = Path(__file__).resolve().parents[2] / "topology.yaml"


def three_mags(dialect: str = "draft", attach_mode: str = "policy-store") -> Domain:
    """The domain of topology.yaml with a third MAG."""
    text = TOPOLOGY.read_text(encoding="utf-8")
    third = "  - id: mag3\n    address: 2001:db8:ff::13\n    management_address: fd00:ca57::13\n\nmobile_nodes:"
    text = text.replace("\nmobile_nodes:", third, 1).replace(
        "dialect: draft", f"dialect: {dialect}\n  attach_mode: {attach_mode}", 1
    )
    return parse_topology(text, "topology.yaml")


def more_mobile_nodes(domain: Domain, number: int) -> Domain:
    """The same with so many mobile nodes that are all alike: mn1@example.net, mn2@example.net, ..."""
    first = domain.mobile_nodes[0]
    nodes = tuple(
        replace(
            first, id=f"mn{count}@example.net", name=f"mn{count}", link_layer_id=bytes((2, 0, 0, 0, 0, 0x10 + count)),
            home_network_prefixes=(IPv6Network(f"2001:db8:100:{count:x}::/64"),),
        )
        for count in range(1, number + 1)
    )
    return replace(domain, mobile_nodes=nodes)

# SPDX-License-Identifier: Apache-2.0
"""Domains for tests."""

from __future__ import annotations

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

# SPDX-License-Identifier: Apache-2.0
"""The example with three MAGs is a domain, and differs from the default one by what it says."""

from __future__ import annotations

from pathlib import Path

from topology.load import load_topology

REPOSITORY = Path(__file__).resolve().parents[3]


def test_it_is_the_default_domain_with_one_more_mag_and_a_delay() -> None:
    default = load_topology(REPOSITORY / "topology.yaml")
    example = load_topology(REPOSITORY / "examples" / "three-mags.yaml")
    assert example.mags[:2] == default.mags
    assert [mag.id for mag in example.mags] == ["mag1", "mag2", "mag3"]
    # Nothing else has to be said of it: every node may use it, and its identifiers are its own.
    assert all(node.mags == ("mag1", "mag2", "mag3") for node in example.mobile_nodes)
    assert len({mag.datapath_id for mag in example.mags}) == 3
    (link,) = example.links
    assert (link.between, link.delay_ms) == (("lma", "mag2"), 20)

# SPDX-License-Identifier: Apache-2.0
"""The comparison measures the ways that need no Castover, too: Open vSwitch's multicast snooping and smcroute."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from bench.lanes import Lane, lanes_named
from bench.listeners import LISTENERS
from bench.run import Hooks, run_bench
from bench.settings import BenchSettings
from lab.requirements import missing_requirement, tool_search_path

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

TOPOLOGY = Path(__file__).resolve().parents[2] / "topology.yaml"
GAP_MS = 50.0


def measured(folder: Path, lane: str) -> dict[str, Any]:
    """The one cell of one lane: two handovers of an ASM listener that reports again when its link flaps."""
    cells: list[dict[str, Any]] = []
    skipped: list[tuple[Lane, str]] = []
    settings = BenchSettings(
        topology=TOPOLOGY, lanes=lanes_named(lane), listeners=(LISTENERS["asm"],), reports=("flap",), gaps_ms=(GAP_MS,),
        lma_delays_ms=(0.0,), handovers=2, rate_pps=500.0, size=200, deaf_cap_s=3.0, deaf_handovers=2, logs=folder,
    )
    hooks = Hooks(
        say=lambda _: None, done=cells.append, skipped=lambda *words: skipped.append(words), advance=lambda _: None,
    )
    assert run_bench(settings, hooks) == []
    assert skipped == []
    (cell,) = cells
    totals = cell["totals"]
    assert (totals["handovers"], totals["deaf"], totals["errors"], totals["duplicated"]) == (2, 0, 0, 0), cell
    # A lane without Castover has no message of Castover's, and loses what was sent while there was no link.
    assert cell["costs"]["mobility"]["messages"] == 0
    assert totals["lost"] >= 2 * GAP_MS / 1000 * settings.rate_pps - 2
    return cell


@pytest.mark.skipif(shutil.which("smcrouted", path=tool_search_path()) is None, reason="not installed: smcroute")
@pytest.mark.skipif(shutil.which("nft", path=tool_search_path()) is None, reason="not installed: nftables")
def test_static_forwarding_hears_at_once_and_pays_with_a_second_copy(tmp_path: Path) -> None:
    cell = measured(tmp_path, "smcroute")
    assert cell["costs"]["lma_copies_per_packet"] == 2


def test_snooping_hears_when_the_node_has_reported_and_sends_one_copy(tmp_path: Path) -> None:
    cell = measured(tmp_path, "ovs-snooping")
    assert cell["costs"]["mld_access"]["messages"] > 0
    assert cell["costs"]["lma_copies_per_packet"] < 2

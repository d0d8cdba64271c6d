# SPDX-License-Identifier: Apache-2.0
"""The rules in docs/explanation/data-plane.md are those that controller and compiler make, at each stage of a handover."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from southbound.mld.membership import FilterMode, GroupMembership
from southbound.rpc import methods
from tests.support.documents import fences
from tests.support.domain_script import GROUP, MN1, MN2
from tests.support.rest_world import RestWorld
from tests.support.rules_text import dump_flows, dump_groups

PAGE = Path("docs/explanation/data-plane.md")
BLOCKS = [fence for fence in fences(PAGE) if fence.language == "text" and fence.words.startswith("rules ")]
STAGES = ("before", "cloned", "moved", "direct", "after", "mld")


def of_data(flow: dict[str, Any]) -> bool:
    """The part of the tables that the stages show: what multicast data meets, and the one rule of the transport switch."""
    signalling = of_mld(flow)
    taken = "goto_table:1" in flow["actions"] or "CONTROLLER:65535" in flow["actions"]
    return not signalling and (flow["table"] == 1 or not flow["match"] or taken)


def of_mld(flow: dict[str, Any]) -> bool:
    """MLD, or IGMP."""
    return "icmpv6_type" in flow["match"] or flow["match"].get("nw_proto") == 2


@pytest.fixture(scope="module")
def rules() -> dict[tuple[str, str], str]:
    """(switch, stage) -> its rules as text."""
    found: dict[tuple[str, str], str] = {}
    world = RestWorld()

    def keep(stage: str) -> None:
        switches: list[dict[str, Any]] = world.get("/v1/flows").json["switches"]
        for switch in switches:
            data = {**switch, "flows": list(filter(of_data, switch["flows"]))}
            found[switch["name"], stage] = f"{dump_flows(data)}\n{dump_groups(data)}".strip()
            found[switch["name"], "mld"] = dump_flows({**switch, "flows": list(filter(of_mld, switch["flows"]))})

    world.attach("mag1", MN2)
    keep("before")
    handover_id = world.hand_over()
    world.prepare_and_clone(handover_id)
    keep("cloned")
    everything = GroupMembership(group=GROUP, filter_mode=FilterMode.EXCLUDE)
    world.notify("mag1", methods.MobileNodeDetached(mn_id=MN1))
    world.notify("mag2", methods.MobileNodeAttached(mn_id=MN1, access_port="mn1"))
    world.notify("mag2", methods.MembershipReported(mn_id=MN1, memberships=(everything,)))
    world.bind("mag2", MN1, sequence=2)
    keep("moved")
    known = {"handover_id": handover_id, "mn_id": MN1}
    world.call("mag2", methods.DeliverDirectly(**known))
    keep("direct")
    for mag_id in ("mag1", "mag2"):
        world.call(mag_id, methods.ReleaseForwarding(**known, outcome="completed"))
    keep("after")
    return found


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.words.removeprefix("rules "))
def test_the_rules_are_the_compilers(block: Any, rules: dict[tuple[str, str], str]) -> None:
    _, switch, stage = block.words.split()
    assert block.text.strip() == rules[switch, stage], block.where


def test_every_stage_is_shown() -> None:
    assert {block.words.split()[2] for block in BLOCKS} == set(STAGES)

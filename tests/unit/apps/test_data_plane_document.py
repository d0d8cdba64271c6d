# SPDX-License-Identifier: Apache-2.0
"""The rules in docs/explanation/data-plane.md are those that controller and compiler make, at each stage of a handover."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest

from controller.events import NeighborHeard
from southbound.codec.iana import NeighborDiscoveryType
from southbound.codec.neighbor_discovery import NeighborPacket, NeighborSolicitation, solicited_node
from southbound.codec.neighbor_options import SourceLinkLayerAddress
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.rpc import methods
from tests.support.documents import fences
from tests.support.domain_script import GROUP, MN1, MN2
from tests.support.rest_world import RestWorld
from tests.support.rules_text import dump_flows, dump_groups
from topology.model import LMA_LINK_LOCAL_ADDRESS

PAGE = Path("docs/explanation/data-plane.md")
BLOCKS = [fence for fence in fences(PAGE) if fence.language == "text" and fence.words.startswith("rules ")]
STAGES = ("before", "cloned", "moved", "direct", "after", "mld", "unicast", "uplink")
SOURCE_MAC = bytes.fromhex("020000000010")


def of_data(flow: dict[str, Any]) -> bool:
    """The part of the tables that the stages show: what multicast data meets, and the one rule of the transport switch."""
    taken = "goto_table:1" in flow["actions"] or "CONTROLLER:65535" in flow["actions"]
    return not of_mld(flow) and not of_unicast(flow) and (flow["table"] == 1 or not flow["match"] or taken)


def of_unicast(flow: dict[str, Any]) -> bool:
    """What mobile nodes get and send besides, and what is said to the LMA as their router."""
    match, destination = flow["match"], flow["match"].get("ipv6_dst", "")
    if flow["table"] >= 1:
        return bool(match) and (not destination.startswith("ff") or "/" in destination)
    to_router = "eth_dst" in match or (match.get("nw_proto") == 58 and not of_mld(flow))
    return to_router or "ipv6_src" in match or "/" in destination


def of_uplink(flow: dict[str, Any]) -> bool:
    """What waits at the buffer port of what mobile nodes send."""
    at_buffer = flow["match"].get("in_port") == "hob0" or "output:hob0" in flow["actions"]
    return flow["table"] == 0 and at_buffer and "ipv6_src" in flow["match"]


def of_mld(flow: dict[str, Any]) -> bool:
    """MLD, or IGMP."""
    asked = flow["match"].get("icmpv6_type", NeighborDiscoveryType.ROUTER_SOLICITATION)
    return asked != NeighborDiscoveryType.ROUTER_SOLICITATION or flow["match"].get("nw_proto") == 2


def source_is_heard(address: IPv6Address) -> NeighborHeard:
    """The source asks for its router."""
    message = NeighborSolicitation(
        target=LMA_LINK_LOCAL_ADDRESS, options=(SourceLinkLayerAddress(address=SOURCE_MAC),)
    )
    packet = NeighborPacket(source=address, destination=solicited_node(LMA_LINK_LOCAL_ADDRESS), message=message)
    return NeighborHeard(link_layer_id=SOURCE_MAC, packet=packet)


def part(switch: dict[str, Any], wanted: Callable[[dict[str, Any]], bool]) -> str:
    """These flows, and the groups that they use."""
    flows = list(filter(wanted, switch["flows"]))
    used = {action for flow in flows for action in flow["actions"]}
    groups = [group for group in switch["groups"] if f"group:{group['group_id']}" in used]
    chosen = {**switch, "flows": flows, "groups": groups}
    return f"{dump_flows(chosen)}\n{dump_groups(chosen)}".strip()


@pytest.fixture(scope="module")
def rules() -> dict[tuple[str, str], str]:
    """(switch, stage) -> its rules as text."""
    found: dict[tuple[str, str], str] = {}
    world = RestWorld()

    def keep(stage: str) -> None:
        switches: list[dict[str, Any]] = world.get("/v1/flows").json["switches"]
        for switch in switches:
            found[switch["name"], stage] = part(switch, of_data)
            found[switch["name"], "mld"] = part(switch, of_mld)
            if stage == "moved":
                found[switch["name"], "uplink"] = part(switch, of_uplink)
            if stage == "cloned":
                found[switch["name"], "unicast"] = part(switch, of_unicast)

    world.executor.post(source_is_heard(world.domain.sources[0].address))
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

# SPDX-License-Identifier: Apache-2.0
"""Lanes, listeners and the topologies that a benchmark's labs are built from."""

from __future__ import annotations

from ipaddress import IPv6Address
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import bench
from bench.lanes import LANES, SNOOPING, STATIC, Lane, lanes_named
from bench.listeners import LISTENERS, REPORTS
from bench.settings import missing_feature, write_topology
from bench.static_forwarding import routing_configuration
from bench.systems import SYSTEMS

TOPOLOGY = Path(__file__).resolve().parents[3] / "topology.yaml"
README = Path(__file__).resolve().parents[3] / "bench" / "README.md"


def lane(name: str) -> Lane:
    return next(lane for lane in LANES if lane.name == name)


def test_every_lane_has_a_system_and_a_name_of_its_own() -> None:
    assert len({lane.name for lane in LANES}) == len(LANES)
    assert {lane.system for lane in LANES} <= set(SYSTEMS)
    assert {SNOOPING, STATIC} <= {lane.system for lane in LANES}


def test_the_readme_names_every_lane_and_every_way_to_report() -> None:
    text = README.read_text(encoding="utf-8")
    for name in [*(lane.name for lane in LANES), *REPORTS]:
        assert f"| `{name}` |" in text


def test_lanes_keep_their_order_whatever_the_order_asked_for() -> None:
    names = [lane.name for lane in lanes_named("ovs-snooping, smcroute,predictive")]
    assert names == ["smcroute", "predictive", "ovs-snooping"]
    assert lanes_named(None) == LANES


@pytest.mark.parametrize("names", ["", "fast", "plain,fast"])
def test_unknown_lanes_are_refused_with_the_choice(names: str) -> None:
    with pytest.raises(ValueError, match=r"allowed: smcroute, predictive"):
        lanes_named(names)


def test_the_copy_has_one_mobile_node_whose_policy_knows_the_group_only_where_the_lane_says_so(tmp_path: Path) -> None:
    _, domain = write_topology(TOPOLOGY, tmp_path, lane=lane("plain"), listener=LISTENERS["ssm"])
    (node,) = domain.mobile_nodes
    (subscription,) = node.subscriptions
    assert subscription.group == IPv6Address("ff3e::8000:1")
    assert subscription.sources == {IPv6Address("2001:db8:c0::10")}
    _, domain = write_topology(TOPOLOGY, tmp_path, lane=lane("predictive"), listener=LISTENERS["ssm"])
    (node,) = domain.mobile_nodes
    assert node.subscriptions == ()
    assert any(IPv6Address("ff3e::8000:1") in network for network in node.allowed_groups)


def test_a_lane_of_tomorrow_is_not_available_and_says_why(tmp_path: Path) -> None:
    future = Lane(name="tomorrow", title="", system="castover", domain={"no_such_setting": "x"})
    assert missing_feature(TOPOLOGY, tmp_path, future) == (
        "not available: this version does not know domain.no_such_setting: x"
    )
    assert missing_feature(TOPOLOGY, tmp_path, lane("predictive")) is None


def test_static_routes_are_what_smcroute_reads() -> None:
    assert routing_configuration("2001:db8::1", "ff3e::1", "src0", ["tun1", "tun2"]) == (
        "phyint src0 enable\nphyint tun1 enable\nphyint tun2 enable\n"
        "mroute from src0 source 2001:db8::1 group ff3e::1 to tun1 tun2\n"
    )


@pytest.mark.parametrize(("option", "value", "said"), [
    ("--gap-ms", "soon", "allowed: numbers from 0 to 3000"),
    ("--gap-ms", "-1", "allowed: numbers from 0 to 3000"),
    ("--listeners", "asm,any", "allowed: asm, ssm"),
    ("--reports", "loud", "allowed: flap, silent, mute"),
    ("--lanes", "fast", "fast is no lane"),
    ("--lanes", ",", "no lane is named; allowed: smcroute, predictive,"),
])
def test_a_wrong_option_is_told_with_what_is_allowed(option: str, value: str, said: str) -> None:
    result = CliRunner().invoke(bench, ["handover", "--topology", str(TOPOLOGY), option, value])
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())

# SPDX-License-Identifier: Apache-2.0
"""Rules as REST shows them: every kind has words, and ovs-ofctl reads them as the same rules."""

from __future__ import annotations

import shutil
import subprocess
from ipaddress import IPv6Address
from typing import Any, get_args

import pytest

from apps.rest.rule_view import rules_view
from southbound.openflow.rules import (
    Action,
    Bucket,
    CheckSize,
    DecrementHopLimit,
    FlowRule,
    Group,
    Match,
    Meter,
    OutputController,
    OutputIngressPort,
    OutputPort,
    SetEthernetDestination,
    SetEthernetSource,
    SetTunnelDestination,
    SetTunnelKey,
    SwitchRules,
    ToGroup,
    UnknownAction,
)
from tests.support.rest_world import RestWorld

ADDRESS = IPv6Address("2001:db8:ff::12")
WORDS: dict[Action, str] = {
    OutputPort(port="7"): "output:7",
    OutputIngressPort(): "IN_PORT",
    OutputController(): "CONTROLLER:65535",
    SetEthernetSource(address=bytes.fromhex("02ca57ffff01")): "set_field:02:ca:57:ff:ff:01->eth_src",
    SetEthernetDestination(address=bytes.fromhex("333300000101")): "set_field:33:33:00:00:01:01->eth_dst",
    SetTunnelKey(key=100): "set_field:0x64->tun_id",
    SetTunnelDestination(address=ADDRESS): "set_field:2001:db8:ff::12->tun_ipv6_dst",
    DecrementHopLimit(): "dec_ttl",
    CheckSize(octets=1466): "check_pkt_larger(1466)->NXM_NX_REG0[0]",
    Meter(meter_id=7): "meter:7",
    ToGroup(group_id=0x80000001): "group:2147483649",
    UnknownAction(text="push_mpls"): "push_mpls",
}
FULL = Match(
    in_port="7", tunnel_key=100, tunnel_source=ADDRESS, metadata=1, eth_type=0x86DD, ip_proto=135, hop_limit=1, too_large=1,
    ipv6_source=ADDRESS, ipv6_destination=IPv6Address("ff1e::101"), unknown=(("vlan_vid", 5),),
)


def flow_view(**fields: Any) -> dict[str, Any]:
    rules = SwitchRules(flows=frozenset({FlowRule(table_id=0, priority=1, **fields)}))
    (found,) = rules_view(rules)["flows"]
    return dict(found)


def test_every_action_has_its_words() -> None:
    assert {type(action) for action in WORDS} == set(get_args(Action))
    for action, text in WORDS.items():
        assert flow_view(match=Match(), actions=(action,))["actions"] == [text]


def test_every_field_of_a_match_is_shown_and_what_is_not_matched_is_not() -> None:
    assert flow_view(match=FULL)["match"] == {
        "in_port": "7", "tun_id": "0x64", "tun_ipv6_src": "2001:db8:ff::12", "metadata": "0x1", "eth_type": "0x86dd",
        "nw_proto": 135, "nw_ttl": 1, "reg0": "0x1", "ipv6_src": "2001:db8:ff::12", "ipv6_dst": "ff1e::101",
        "vlan_vid": "5",
    }
    assert flow_view(match=Match()) == {"table": 0, "priority": 1, "match": {}, "actions": ["drop"]}
    assert len(flow_view(match=FULL)["match"]) == len(FULL.fields())


def test_flows_come_in_the_order_in_which_the_switch_asks_them() -> None:
    flows = frozenset(
        FlowRule(table_id=table, priority=priority, match=Match()) for table in (1, 0) for priority in (0, 200, 100)
    )
    found = [(flow["table"], flow["priority"]) for flow in rules_view(SwitchRules(flows=flows))["flows"]]
    assert found == [(0, 200), (0, 100), (0, 0), (1, 200), (1, 100), (1, 0)]


def test_a_group_that_is_not_ours_in_kind_is_said_to_be() -> None:
    buckets = frozenset({Bucket(bucket_id=2, actions=()), Bucket(bucket_id=1, actions=(DecrementHopLimit(),))})
    group = Group(group_id=0x80000001, buckets=buckets, type_all=False)
    assert rules_view(SwitchRules(groups=frozenset({group})))["groups"] == [
        {
            "group_id": 2147483649, "type": "unknown",
            "buckets": [{"bucket_id": 1, "actions": ["dec_ttl"]}, {"bucket_id": 2, "actions": []}],
        }
    ]


@pytest.mark.skipif(shutil.which("ovs-ofctl") is None, reason="ovs-ofctl is not installed")
def test_ovs_ofctl_reads_every_flow_of_a_domain_with_a_handover() -> None:
    world = RestWorld()
    world.hand_over()
    numbers = {"lma0": "1", "mag0": "2", "hob0": "3", "mn1": "4", "mn2": "5", "src0": "6"}
    seen = 0
    for switch in world.get("/v1/flows").json["switches"]:
        for flow in switch["flows"]:
            match = {**flow["match"]}
            if "in_port" in match:
                match["in_port"] = numbers[match["in_port"]]
            actions = [
                f"output:{numbers[action.removeprefix('output:')]}" if action.startswith("output:") else action
                for action in flow["actions"]
            ]
            parts = [f"table={flow['table']}", f"priority={flow['priority']}"]
            parts += [f"{name}={value}" for name, value in match.items()]
            text = ",".join([*parts, f"actions={','.join(actions)}"])
            found = subprocess.run(
                ["ovs-ofctl", "-O", "OpenFlow15", "parse-flow", text], capture_output=True, text=True, check=False
            )
            assert found.returncode == 0, (text, found.stderr)
            for action in actions:
                assert action.lower() in found.stdout.lower(), (action, found.stdout)
            seen += 1
    assert seen > 8

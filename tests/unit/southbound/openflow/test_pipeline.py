# SPDX-License-Identifier: Apache-2.0
"""The pipeline refuses rules that its tables do not allow."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest

from southbound.openflow.pipeline import MAG, PIPELINES
from southbound.openflow.rules import (
    Action,
    Bucket,
    DecrementHopLimit,
    FlowRule,
    Group,
    Match,
    OpenFlowInvariantError,
    OutputController,
    OutputIngressPort,
    OutputPort,
    SetEthernetSource,
    SwitchRules,
    ToGroup,
)

STREAM = Match(metadata=1, eth_type=0x86DD, ipv6_destination=IPv6Address("ff1e::101"))
BUCKET = Bucket(bucket_id=1, actions=(OutputPort(port="mn1"),))


def flow(table_id: int = 1, priority: int = 100, match: Match = STREAM, *actions: Action, goto: int | None = None,
         metadata: int | None = None) -> FlowRule:
    return FlowRule(
        table_id=table_id, priority=priority, match=match, actions=actions, goto_table=goto, write_metadata=metadata
    )


def test_kinds_are_those_of_switch_role() -> None:
    assert set(PIPELINES) == {"lma", "mag", "lma-transport"}


def test_what_fits_passes() -> None:
    group = Group(group_id=0x80000001, buckets=frozenset({BUCKET}))
    copying = flow(1, 100, STREAM, DecrementHopLimit(), ToGroup(group_id=group.group_id))
    MAG.check(SwitchRules(flows=frozenset({copying}), groups=frozenset({group})))


@pytest.mark.parametrize(("rule", "message"), [
    (flow(3), "no table 3"),
    (flow(1, 7), "priority 7"),
    (flow(1, 100, Match(in_port="lma0")), "match on"),
    (flow(1, 100, Match(unknown=(("vlan_vid", 1),))), "match on"),
    (flow(metadata=1), "metadata"),
    (flow(goto=0), "table 0 does not follow"),
    (flow(1, 100, STREAM, SetEthernetSource(address=bytes(6))), "SetEthernetSource is not allowed"),
    (flow(1, 100, STREAM, OutputIngressPort()), "OutputIngressPort is not allowed"),
    (flow(1, 100, STREAM, ToGroup(group_id=0x80000009)), "does not exist"),
])
def test_flow_that_does_not_fit(rule: FlowRule, message: str) -> None:
    with pytest.raises(OpenFlowInvariantError, match=message):
        MAG.check(SwitchRules(flows=frozenset({rule})))


@pytest.mark.parametrize(("group", "message"), [
    (Group(group_id=1), "not one of ours"),
    (Group(group_id=0xFFFFFF01), "not one of ours"),
    (Group(group_id=0x80000001, type_all=False), "not one of ours"),
    (Group(group_id=0x80000001, buckets=frozenset({BUCKET, Bucket(bucket_id=1, actions=())})), "one id"),
    (Group(group_id=0x80000001, buckets=frozenset({Bucket(bucket_id=0xFFFFFFFF, actions=())})), "bucket id"),
    (Group(group_id=0x80000001, buckets=frozenset({Bucket(bucket_id=1, actions=(OutputController(),))})), "Controller"),
])
def test_group_that_does_not_fit(group: Group, message: str) -> None:
    with pytest.raises(OpenFlowInvariantError, match=message):
        MAG.check(SwitchRules(groups=frozenset({group})))


def test_one_key_cannot_have_two_flows() -> None:
    with pytest.raises(OpenFlowInvariantError):
        SwitchRules(flows=frozenset({flow(), flow(1, 100, STREAM, DecrementHopLimit())}))

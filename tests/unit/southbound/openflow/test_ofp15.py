# SPDX-License-Identifier: Apache-2.0
"""Encoding judged by Open vSwitch's own printer, decoding by octets that an Open vSwitch has sent."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest

from southbound.openflow.changes import AddFlow, AddGroup, Change, DeleteFlow, DeleteGroup, InsertBuckets, RemoveBucket
from southbound.openflow.compiler import compile_intent
from southbound.openflow.intents import (
    ForwardingIntent,
    LmaTunnel,
    Output,
    PeerTunnel,
    Replication,
    SignallingIntent,
    SwitchRole,
    ToAccess,
    ToHandoverBuffer,
    ToMag,
)
from southbound.openflow.ofp15 import EncodedBatch, batch_messages, is_meter_there, meter_messages
from southbound.openflow.ports import port_number
from southbound.openflow.reconciler import Batch
from southbound.openflow.rules import (
    Bucket,
    CheckSize,
    DecrementHopLimit,
    FlowRule,
    Group,
    Match,
    Meter,
    OpenFlowInvariantError,
    OutputController,
    OutputIngressPort,
    OutputPort,
    SetEthernetSource,
    SetTunnelDestination,
    SetTunnelKey,
    SwitchRules,
    ToGroup,
    UnknownAction,
)
from southbound.openflow.unforwarded import METER_ID
from tests.support.openflow_connection import (
    FakeDatapath,
    error_text,
    ofproto,
    ofproto_parser,
    parser,
    port_numbers,
    switch_rules,
)

ROLE = SwitchRole(name="mag1", kind="mag", lma_gre_key=1, mag_gre_key=2, access_mac=bytes.fromhex("02ca57ffff01"))
PORTS = {"lma0": 1, "mag0": 2, "hob0": 3, "mn1": 4}
GROUP = IPv6Address("ff1e::101")
FLOW = FlowRule(
    table_id=1,
    priority=200,
    match=Match(metadata=1, eth_type=0x86DD, ipv6_source=IPv6Address("2001:db8::1"), ipv6_destination=GROUP),
    actions=(DecrementHopLimit(), ToGroup(group_id=0x80000001)),
)
FLOW_IPV4 = FlowRule(
    table_id=1,
    priority=200,
    match=Match(
        metadata=1, eth_type=0x0800, ipv4_source=IPv4Address("192.0.2.10"), ipv4_destination=IPv4Address("239.1.1.1")
    ),
    actions=FLOW.actions,
)
CLASSIFY = FlowRule(
    table_id=0,
    priority=100,
    match=Match(in_port="mag0", tunnel_key=2, tunnel_source=IPv6Address("2001:db8:ff::12")),
    write_metadata=3,
    goto_table=1,
)
UPLINK = FlowRule(
    table_id=0,
    priority=150,
    match=Match(
        in_port="mn1", eth_source=bytes.fromhex("020000000011"), eth_destination=bytes.fromhex("02ca57ffff01"),
        eth_type=0x86DD, ipv6_source=IPv6Network("2001:db8:100:1::/64"),
    ),
    actions=(DecrementHopLimit(), SetTunnelKey(key=1), OutputPort(port="lma0")),
)
LINK_LOCAL = FlowRule(
    table_id=0, priority=200, match=Match(in_port="mn1", eth_type=0x86DD, ipv6_destination=IPv6Network("fe80::/10"))
)
TUNNEL_BUCKET = Bucket(
    bucket_id=5,
    actions=(
        SetTunnelKey(key=2),
        SetTunnelDestination(address=IPv6Address("2001:db8:ff::13")),
        OutputPort(port="mag0"),
    ),
)
ACCESS_BUCKET = Bucket(
    bucket_id=6, actions=(SetEthernetSource(address=bytes.fromhex("02ca57ffff01")), OutputPort(port="mn1"))
)
GROUP_RULE = Group(group_id=0x80000001, buckets=frozenset({TUNNEL_BUCKET, ACCESS_BUCKET}))


def encoded(*changes: Change) -> EncodedBatch:
    return batch_messages(Batch(batch_id=9, generation=1, changes=changes, ports=PORTS), FakeDatapath())


def printed(message: Any) -> str:
    """What ovs-ofctl makes of the octets."""
    tool = shutil.which("ovs-ofctl")
    if tool is None:
        pytest.skip("ovs-ofctl is not installed")
    message.serialize()
    return subprocess.run(
        [tool, "ofp-print", bytes(message.buf).hex(), "2"], capture_output=True, text=True, check=True
    ).stdout


class TestEncoding:
    @pytest.mark.parametrize(("change", "expected"), [
        (AddFlow(flow=FLOW), [
            "OFPT_FLOW_MOD (OF1.5)", "ADD table:1 priority=200", "cookie:0xca570000000001",
            "metadata=0x1,ipv6_src=2001:db8::1,ipv6_dst=ff1e::101", "actions=dec_ttl,group:2147483649",
        ]),
        (AddFlow(flow=FLOW_IPV4), ["ip,metadata=0x1,nw_src=192.0.2.10,nw_dst=239.1.1.1", "actions=dec_ttl"]),
        (AddFlow(flow=CLASSIFY), [
            "ADD priority=100", "tun_id=0x2,tun_ipv6_src=2001:db8:ff::12,in_port=2",
            "actions=write_metadata:0x3,goto_table:1",
        ]),
        (AddFlow(flow=UPLINK), [
            "ADD priority=150", "in_port=4,dl_src=02:00:00:00:00:11,dl_dst=02:ca:57:ff:ff:01,ipv6_src=2001:db8:100:1::/64",
            "actions=dec_ttl,set_field:0x1->tun_id,output:1",
        ]),
        (AddFlow(flow=LINK_LOCAL), ["priority=200,ipv6,in_port=4,ipv6_dst=fe80::/10", "actions=drop"]),
        (AddFlow(flow=FlowRule(table_id=0, priority=0, match=Match())), ["actions=drop"]),
        (DeleteFlow(flow=CLASSIFY), [
            "DEL_STRICT priority=100", "in_port=2", "cookie:0xca570000000001/0xffffffffffffffff",
        ]),
        (DeleteFlow(flow=FlowRule(table_id=0, priority=7, match=Match(in_port="#99"))), ["DEL_STRICT", "in_port=99"]),
        (AddGroup(group=GROUP_RULE), [
            "OFPT_GROUP_MOD (OF1.5)", "ADD group_id=2147483649,type=all",
            "bucket=bucket_id:6,actions=set_field:02:ca:57:ff:ff:01->eth_src,output:4,"
            "bucket=bucket_id:5,actions=set_field:0x2->tun_id,set_field:2001:db8:ff::13->tun_ipv6_dst,output:2",
        ]),
        (InsertBuckets(group_id=0x80000001, buckets=(TUNNEL_BUCKET,)), [
            "INSERT_BUCKET command_bucket_id:last,group_id=2147483649", "bucket_id:5",
        ]),
        (InsertBuckets(group_id=0x80000001, buckets=(Bucket(bucket_id=1, actions=(OutputIngressPort(),)),)), [
            "INSERT_BUCKET command_bucket_id:first,group_id=2147483649", "actions=IN_PORT",
        ]),
        (RemoveBucket(group_id=0x80000001, bucket_id=5), ["REMOVE_BUCKET command_bucket_id:5,group_id=2147483649"]),
        (DeleteGroup(group_id=0x80000001), ["DEL group_id=2147483649"]),
    ])
    def test_change_as_open_vswitch_reads_it(self, change: Change, expected: list[str]) -> None:
        text = printed(encoded(change).messages[0])
        for part in expected:
            assert part in text, text

    @pytest.mark.parametrize(("flow", "expected"), [
        (FlowRule(
            table_id=0, priority=110, match=Match(in_port="lma0", eth_type=0x86DD), actions=(CheckSize(octets=1466),),
            goto_table=1,
        ), "actions=check_pkt_larger(1466)->NXM_NX_REG0[0],goto_table:1"),
        (FlowRule(
            table_id=1, priority=250, match=Match(metadata=3, eth_type=0x86DD, too_large=1),
            actions=(Meter(meter_id=METER_ID), OutputController()),
        ), "ipv6,reg0=0x1,metadata=0x3 cookie:0xca570000000001 actions=meter:51799,CONTROLLER:65535"),
        (FlowRule(
            table_id=1, priority=250, match=Match(metadata=3, eth_type=0x86DD, hop_limit=1, ipv6_destination=GROUP)
        ), "metadata=0x3,ipv6_dst=ff1e::101,nw_ttl=1 cookie:0xca570000000001 actions=drop"),
    ])
    def test_what_a_router_looks_at(self, flow: FlowRule, expected: str) -> None:
        assert expected in printed(encoded(AddFlow(flow=flow)).messages[0])

    def test_the_action_that_ryu_does_not_know_is_open_vswitchs_own_octets(self) -> None:
        """The line for check_pkt_larger(1500)->NXM_NX_REG0[0] among Open vSwitch's own vectors (tests/ofp-actions.at)."""
        message = encoded(AddFlow(flow=FlowRule(
            table_id=0, priority=1, match=Match(eth_type=0x86DD), actions=(CheckSize(octets=1500),)
        ))).messages[0]
        message.serialize()
        assert bytes.fromhex("ffff0018000023200031" "05dc0000" "00010004" "000000000000") in bytes(message.buf)

    def test_the_meters_let_so_many_pass(self) -> None:
        """More of what anybody may have sent than of what one MN has."""
        together, *own = (printed(message) for message in meter_messages(FakeDatapath()))
        assert "ADD meter=51799 pktps burst bands=" in together
        assert "type=drop rate=200 burst_size=200" in together
        assert len(own) == 256
        for meter_id, text in enumerate(own, 51800):
            assert f"ADD meter={meter_id} pktps burst bands=" in text
            assert "type=drop rate=20 burst_size=40" in text

    def test_a_meter_that_is_there_is_told_from_other_errors(self) -> None:
        failed = ofproto.OFPET_METER_MOD_FAILED
        codes = {ofproto.OFPMMFC_METER_EXISTS: True, ofproto.OFPMMFC_OUT_OF_METERS: False}
        for code, expected in codes.items():
            assert is_meter_there(parser.OFPErrorMsg(FakeDatapath(), type_=failed, code=code)) is expected

    def test_deletion_does_not_filter_by_output(self) -> None:
        message = encoded(DeleteFlow(flow=CLASSIFY)).messages[0]
        assert (message.out_port, message.out_group) == (0xFFFFFFFF, 0xFFFFFFFF)  # OFPP_ANY, OFPG_ANY

    def test_signalling_rule_sends_whole_packets_to_the_controller(self) -> None:
        role = SwitchRole(name="lma", kind="lma-transport", lma_gre_key=1, mag_gre_key=2, access_mac=bytes(6))
        [flow] = compile_intent(SignallingIntent(lma_address=IPv6Address("2001:db8:ff::1")), role).flows
        text = printed(encoded(AddFlow(flow=flow)).messages[0])
        assert "priority=65535,ipv6,ipv6_dst=2001:db8:ff::1,nw_proto=135" in text
        assert "actions=CONTROLLER:65535" in text

    def test_one_change_goes_plain_with_a_barrier(self) -> None:
        batch = encoded(DeleteGroup(group_id=0x80000001))
        assert [type(message) for message in batch.messages] == [parser.OFPGroupMod, parser.OFPBarrierRequest]

    def test_more_changes_go_as_one_atomic_ordered_bundle_with_a_barrier(self) -> None:
        batch = encoded(AddGroup(group=GROUP_RULE), AddFlow(flow=FLOW))
        texts = [printed(message) for message in batch.messages]
        kinds = ["OPEN_REQUEST flags=atomic ordered", "GROUP_MOD", "FLOW_MOD", "COMMIT_REQUEST", "BARRIER"]
        for text, expected in zip(texts, kinds, strict=True):
            assert expected in text, text
        assert all("bundle_id=0x9" in text for text in texts[:-1])

    def test_every_message_can_be_told_from_the_others(self) -> None:
        batch = encoded(AddGroup(group=GROUP_RULE), AddFlow(flow=FLOW))
        assert len(batch.xids) == len(batch.messages) == 5
        assert batch.barrier_xid == batch.messages[-1].xid
        inner = batch.messages[1]
        inner.serialize()
        assert inner.message.xid == inner.xid

    def test_what_cannot_be_written(self) -> None:
        with pytest.raises(OpenFlowInvariantError, match="wlan7"):
            encoded(AddFlow(flow=FlowRule(table_id=0, priority=0, match=Match(in_port="wlan7"))))
        unknown = FlowRule(table_id=0, priority=0, match=Match(), actions=(UnknownAction(text="meter"),))
        with pytest.raises(OpenFlowInvariantError, match="cannot be written"):
            encoded(AddFlow(flow=unknown))

    def test_port_names(self) -> None:
        assert port_number("lma0", PORTS) == 1
        for name in ("#", "#x", "#-1", "#²", "7"):
            with pytest.raises(OpenFlowInvariantError):
                port_number(name, PORTS)


def reply(name: str) -> Any:
    path = Path(__file__).with_name("open_vswitch_3_1_replies.json")
    data = bytes.fromhex(json.loads(path.read_text())[name])
    version, kind, length, xid = ofproto_parser.header(data)
    return ofproto_parser.msg(FakeDatapath(), version, kind, length, xid, data)


class TestDecoding:
    def test_replies_of_a_switch_are_the_rules_that_it_was_given(self) -> None:
        ports = port_numbers(reply("ports").body)
        assert set(ports) == {"lma0", "mag0", "hob0", "mn1", "mn2"}
        native, peer = LmaTunnel(IPv6Address("2001:db8:ff::1")), PeerTunnel(IPv6Address("2001:db8:ff::12"), 2)
        clones: frozenset[Output] = frozenset(
            {ToAccess("mn1"), ToAccess("mn2"), ToMag(IPv6Address("2001:db8:ff::13")), ToHandoverBuffer()}
        )
        relayed: frozenset[Output] = frozenset({ToHandoverBuffer(), ToMag(IPv6Address("2001:db8:ff::14"))})
        excluded = IPv6Address("2001:db8:c0::66")
        wanted = ForwardingIntent(replications=frozenset({
            Replication(ingress=native, source=None, group=GROUP, outputs=clones),
            Replication(ingress=native, source=excluded, group=GROUP, outputs=frozenset()),
            Replication(ingress=peer, source=None, group=GROUP, outputs=relayed),
        }))
        assert switch_rules(reply("flows").body, reply("groups").body, ports) == compile_intent(wanted, ROLE)

    @pytest.mark.parametrize("flow", [UPLINK, LINK_LOCAL])
    def test_addresses_of_links_and_networks_come_back_as_they_went(self, flow: FlowRule) -> None:
        [description, *_] = reply("flows").body
        message = encoded(AddFlow(flow=flow)).messages[0]
        description.match, description.instructions = message.match, message.instructions
        description.table_id, description.priority = flow.table_id, flow.priority
        assert switch_rules([description], [], PORTS).flows == {flow}

    def test_a_register_comes_back_as_half_of_another_field(self) -> None:
        """What Open vSwitch 3.1 answered for reg0=1."""
        [description, *_] = reply("flows").body
        flow = FlowRule(
            table_id=1, priority=250, match=Match(metadata=3, eth_type=0x86DD, too_large=1),
            actions=(Meter(meter_id=METER_ID), OutputController()),
        )
        description.instructions = encoded(AddFlow(flow=flow)).messages[0].instructions
        description.match = parser.OFPMatch(_ordered_fields=[
            ("metadata", 3), ("eth_type", 0x86DD), ("field_4194432", ("AAAAAQAAAAA=", "/////wAAAAA=")),
        ])
        description.table_id, description.priority = flow.table_id, flow.priority
        assert switch_rules([description], [], PORTS).flows == {flow}

    def test_the_size_that_is_checked_comes_back(self) -> None:
        [description, *_] = reply("flows").body
        flow = FlowRule(table_id=0, priority=110, match=Match(), actions=(CheckSize(octets=1466),), goto_table=1)
        message = encoded(AddFlow(flow=flow)).messages[0]
        message.serialize()
        description.instructions = parser.OFPFlowMod.parser(
            FakeDatapath(), message.version, message.msg_type, message.msg_len, message.xid, message.buf
        ).instructions
        description.match, description.table_id, description.priority = message.match, 0, 110
        assert switch_rules([description], [], PORTS).flows == {flow}

    @pytest.mark.parametrize("mask", ["ffff:0:ffff::", "ffff::1"])
    def test_a_mask_that_is_not_that_of_a_prefix_is_unfamiliar(self, mask: str) -> None:
        [description, *_] = reply("flows").body
        description.match = parser.OFPMatch(eth_type=0x86DD, ipv6_dst=("2001::", mask))
        [rule] = switch_rules([description], [], PORTS).flows
        assert rule.match.ipv6_destination is None
        assert rule.match.unknown

    def test_ports_that_are_not_there_are_named_by_number(self) -> None:
        rules = switch_rules(reply("flows").body, reply("groups").body, {})
        assert all(port.startswith("#") for port in rules.ports())

    def test_what_is_not_ours_is_left_out(self) -> None:
        flows, groups = reply("flows").body, reply("groups").body
        for flow in flows:
            flow.cookie = 5
        for group in groups:
            group.group_id &= 0x7FFFFFFF
        assert switch_rules(flows, groups, {}) == SwitchRules()

    def test_unfamiliar_flow_of_ours_can_be_deleted(self) -> None:
        [flow, *_] = reply("flows").body
        flow.match = parser.OFPMatch(vlan_vid=0x1005, ipv6_dst=("ff1e::", "ffff::"), eth_type=0x86DD)
        flow.instructions = [parser.OFPInstructionWriteMetadata(1, 0xFF)]
        flow.hard_timeout = 9
        [rule] = switch_rules([flow], [], {}).flows
        assert [type(action) for action in rule.actions] == [UnknownAction, UnknownAction]
        text = printed(encoded(DeleteFlow(flow=rule)).messages[0])
        assert "DEL_STRICT" in text
        assert "dl_vlan=5" in text
        assert "ipv6_dst=ff1e::/16" in text

    def test_group_description_that_would_never_end(self) -> None:
        """A bucket of length 0 must not keep the decoder in a loop; Ryu logs the error and hands on no message."""
        broken = struct.pack("!HHI", 0, 0, 1)
        with pytest.raises(ValueError, match="structure of 0 octets"):
            parser.OFPGroupDescStats.parser(struct.pack("!HBxIH6x", 24, 0, 1, len(broken)) + broken, 0)

    def test_errors_in_words(self) -> None:
        message = parser.OFPErrorMsg(FakeDatapath(), type_=ofproto.OFPET_GROUP_MOD_FAILED, code=3)
        assert error_text(message) == "GROUP_MOD_FAILED code 3"

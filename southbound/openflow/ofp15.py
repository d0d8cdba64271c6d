# SPDX-License-Identifier: Apache-2.0
"""Rules -> Ryu OpenFlow 1.5 messages: the one place where they are encoded. `ofp15_stats` is the way back.

`datapath` is a `ryu.controller.controller.Datapath`, or anything with its `ofproto`, `ofproto_parser` and `set_xid`.
Only `ryu.ofproto` is used, which needs no eventlet.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Network
from typing import Any

from southbound.openflow.changes import (
    AddFlow,
    AddGroup,
    Change,
    DeleteFlow,
    DeleteGroup,
    InsertBuckets,
    RemoveBucket,
    ReplaceGroup,
)
from southbound.openflow.ports import port_number
from southbound.openflow.reconciler import Batch
from southbound.openflow.rules import (
    COOKIE,
    Action,
    Bucket,
    CheckSize,
    DecrementHopLimit,
    FlowRule,
    Match,
    Meter,
    OpenFlowInvariantError,
    OutputController,
    OutputIngressPort,
    OutputPort,
    SetEthernetDestination,
    SetEthernetSource,
    SetTunnelDestination,
    SetTunnelKey,
    ToGroup,
)
from southbound.openflow.unforwarded import METERS

_PARTS_REMEMBERED = 1 << 12
"""Matches and actions that are looked up and not made again: Ryu takes their fields through text, 0.05 ms each."""
COOKIE_MASK = 0xFFFF_FFFF_FFFF_FFFF
METADATA_MASK = 0xFFFF_FFFF_FFFF_FFFF

OXM_NAMES = {
    "tunnel_key": "tunnel_id",
    "tunnel_source": "tun_ipv6_src",
    "metadata": "metadata",
    "eth_source": "eth_src",
    "eth_destination": "eth_dst",
    "eth_type": "eth_type",
    "ip_proto": "ip_proto",
    "icmpv6_type": "icmpv6_type",
    "hop_limit": "nw_ttl",
    "too_large": "reg0",
    "ipv6_source": "ipv6_src",
    "ipv6_destination": "ipv6_dst",
    "ipv4_source": "ipv4_src",
    "ipv4_destination": "ipv4_dst",
}
"""Field of `rules.Match` -> Ryu's name. in_port is apart, because it alone needs the port numbers."""


CHECK_PKT_LARGER = 49
"""NXAST_CHECK_PKT_LARGER, for which Ryu has no class (Open vSwitch 2.12, lib/ofp-actions.c)."""
_NXM_NX_REG0 = 0x0001_0004
"""The field `too_large`; its bit 0 is written."""


def check_pkt_larger(octets: int) -> bytes:
    """What follows the subtype: length (16), offset of the bit (16), the register's header (32), 6 octets of padding."""
    return struct.pack("!HHI6x", octets, 0, _NXM_NX_REG0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedBatch:
    """One batch as messages, each with its xid, to be sent in this order on one connection.

    An OFPErrorMsg whose xid is in `xids` means `Reconciler.batch_failed`; an OFPBarrierReply with `barrier_xid` and no
    such error before it means `batch_confirmed`. A switch answers in order, so nothing else need be waited for; the
    OFPBundleCtrlMsg replies in between may be ignored.
    """

    messages: tuple[Any, ...]
    xids: frozenset[int]
    barrier_xid: int


def batch_messages(batch: Batch, datapath: Any) -> EncodedBatch:
    """The messages of one batch: plain for one change, an atomic ordered bundle for more; then a barrier."""
    changes = [_change(change, batch.ports, datapath) for change in batch.changes]
    messages = _bundle(batch.batch_id, changes, datapath) if batch.needs_bundle else changes
    barrier = datapath.ofproto_parser.OFPBarrierRequest(datapath)
    messages.append(barrier)
    for message in messages:
        datapath.set_xid(message)
    return EncodedBatch(
        messages=tuple(messages), xids=frozenset(message.xid for message in messages), barrier_xid=barrier.xid
    )


def _bundle(bundle_id: int, changes: list[Any], datapath: Any) -> list[Any]:
    ofproto, parser = datapath.ofproto, datapath.ofproto_parser
    flags = ofproto.OFPBF_ATOMIC | ofproto.OFPBF_ORDERED

    def control(kind: int) -> Any:
        return parser.OFPBundleCtrlMsg(datapath, bundle_id, kind, flags, [])

    # A message inside a bundle takes the xid of the message that carries it (OpenFlow 1.5.1 section 7.3.9.6): it must
    # have none of its own here, or Ryu refuses to serialise it.
    additions = [parser.OFPBundleAddMsg(datapath, bundle_id, flags, change, []) for change in changes]
    return [control(ofproto.OFPBCT_OPEN_REQUEST), *additions, control(ofproto.OFPBCT_COMMIT_REQUEST)]


def meter_messages(datapath: Any) -> list[Any]:
    """The meters that flows of `unforwarded` use. One of such an id that is there already has the same rate, and stays: a
    switch takes the flows away with a meter that is deleted."""
    ofproto, parser = datapath.ofproto, datapath.ofproto_parser
    flags = ofproto.OFPMF_PKTPS | ofproto.OFPMF_BURST
    messages = [
        parser.OFPMeterMod(
            datapath, ofproto.OFPMC_ADD, flags, meter_id, [parser.OFPMeterBandDrop(rate=rate, burst_size=burst)]
        )
        for meter_id, (rate, burst) in METERS.items()
    ]
    for message in messages:
        datapath.set_xid(message)
    return messages


def is_meter_there(error: Any) -> bool:
    """Whether an OFPErrorMsg says that a meter which was to be added exists."""
    ofproto = error.datapath.ofproto
    return bool(error.type == ofproto.OFPET_METER_MOD_FAILED and error.code == ofproto.OFPMMFC_METER_EXISTS)


# --- changes ---------------------------------------------------------------------------------------------------------


def _change(change: Change, ports: Mapping[str, int], datapath: Any) -> Any:
    ofproto, parser = datapath.ofproto, datapath.ofproto_parser

    def group_mod(command: int, group_id: int, where: int, buckets: list[Any]) -> Any:
        return parser.OFPGroupMod(datapath, command, ofproto.OFPGT_ALL, group_id, where, buckets)

    def encoded(buckets: frozenset[Bucket] | tuple[Bucket, ...]) -> list[Any]:
        in_order = sorted(buckets, key=lambda bucket: bucket.place)
        return [parser.OFPBucket(bucket.bucket_id, _actions(bucket.actions, ports, datapath)) for bucket in in_order]

    match change:
        case AddGroup(group=group):
            return group_mod(ofproto.OFPGC_ADD, group.group_id, ofproto.OFPG_BUCKET_ALL, encoded(group.buckets))
        case ReplaceGroup(group=group):
            return group_mod(ofproto.OFPGC_MODIFY, group.group_id, ofproto.OFPG_BUCKET_ALL, encoded(group.buckets))
        case InsertBuckets(group_id=group_id, buckets=buckets):
            last = any(bucket.tunnelled for bucket in buckets)
            where = ofproto.OFPG_BUCKET_LAST if last else ofproto.OFPG_BUCKET_FIRST
            return group_mod(ofproto.OFPGC_INSERT_BUCKET, group_id, where, encoded(buckets))
        case RemoveBucket(group_id=group_id, bucket_id=bucket_id):
            return group_mod(ofproto.OFPGC_REMOVE_BUCKET, group_id, bucket_id, [])
        case DeleteGroup(group_id=group_id):
            return group_mod(ofproto.OFPGC_DELETE, group_id, ofproto.OFPG_BUCKET_ALL, [])
        case AddFlow(flow=flow):
            instructions = _instructions(flow, ports, datapath)
            return _flow_mod(flow, ofproto.OFPFC_ADD, 0, instructions, ports, datapath)
        case DeleteFlow(flow=flow):
            return _flow_mod(flow, ofproto.OFPFC_DELETE_STRICT, COOKIE_MASK, [], ports, datapath)


def _flow_mod(
    flow: FlowRule, command: int, cookie_mask: int, instructions: list[Any], ports: Mapping[str, int], datapath: Any
) -> Any:
    ofproto, parser = datapath.ofproto, datapath.ofproto_parser
    return parser.OFPFlowMod(
        datapath,
        cookie=COOKIE,
        cookie_mask=cookie_mask,
        table_id=flow.table_id,
        command=command,
        priority=flow.priority,
        # Ryu's default 0 would make a deletion look only for flows that output to port 0 and use group 0.
        out_port=ofproto.OFPP_ANY,
        out_group=ofproto.OFPG_ANY,
        match=_match(flow.match, ports, parser),
        instructions=instructions,
    )


def _match(match: Match, ports: Mapping[str, int], parser: Any) -> Any:
    return _match_from(match, None if match.in_port is None else port_number(match.in_port, ports), parser)


@lru_cache(maxsize=_PARTS_REMEMBERED)
def _match_from(match: Match, in_port: int | None, parser: Any) -> Any:
    fields: dict[str, object] = {}
    if in_port is not None:
        fields["in_port"] = in_port
    for field, oxm_name in OXM_NAMES.items():
        value = getattr(match, field)
        if value is not None:
            fields[oxm_name] = _oxm_value(value)
    encoded = parser.OFPMatch(**fields, **dict(match.unknown))
    if match.hop_limit is None:
        return encoded
    # Ryu sorts fields by their numbers, by which nw_ttl is before eth_type, which it needs before it.
    name = OXM_NAMES["hop_limit"]
    others = [(key, value) for key, value in encoded.items() if key != name]
    return parser.OFPMatch(_ordered_fields=[*others, (name, match.hop_limit)])


def _oxm_value(value: object) -> object:
    match value:
        case int():
            return value
        case bytes():
            return value.hex(":")
        case IPv6Network():
            return str(value.network_address), str(value.netmask)
    return str(value)


def _instructions(flow: FlowRule, ports: Mapping[str, int], datapath: Any) -> list[Any]:
    ofproto, parser = datapath.ofproto, datapath.ofproto_parser
    instructions = []
    if flow.actions:
        actions = _actions(flow.actions, ports, datapath)
        instructions.append(parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, actions))
    if flow.write_metadata is not None:
        instructions.append(parser.OFPInstructionWriteMetadata(flow.write_metadata, METADATA_MASK))
    if flow.goto_table is not None:
        instructions.append(parser.OFPInstructionGotoTable(flow.goto_table))
    return instructions


# --- actions ---------------------------------------------------------------------------------------------------------


def _actions(actions: tuple[Action, ...], ports: Mapping[str, int], datapath: Any) -> list[Any]:
    return [_action(action, ports, datapath) for action in actions]


def _action(action: Action, ports: Mapping[str, int], datapath: Any) -> Any:
    if isinstance(action, OutputPort):
        return datapath.ofproto_parser.OFPActionOutput(port_number(action.port, ports), 0)
    return _portless_action(action, datapath.ofproto, datapath.ofproto_parser)


@lru_cache(maxsize=_PARTS_REMEMBERED)
def _portless_action(action: Action, ofproto: Any, parser: Any) -> Any:
    set_field: Callable[..., Any] = parser.OFPActionSetField
    match action:
        case OutputIngressPort():
            return parser.OFPActionOutput(ofproto.OFPP_IN_PORT, 0)
        case OutputController():
            return parser.OFPActionOutput(ofproto.OFPP_CONTROLLER, ofproto.OFPCML_NO_BUFFER)
        case SetEthernetSource(address=address):
            return set_field(eth_src=address.hex(":"))
        case SetEthernetDestination(address=address):
            return set_field(eth_dst=address.hex(":"))
        case SetTunnelKey(key=key):
            return set_field(tunnel_id=key)
        case SetTunnelDestination(address=destination):
            return set_field(tun_ipv6_dst=str(destination))
        case DecrementHopLimit():
            return parser.OFPActionDecNwTtl()
        case CheckSize(octets=octets):
            return parser.NXActionUnknown(CHECK_PKT_LARGER, check_pkt_larger(octets))
        case Meter(meter_id=meter_id):
            return parser.OFPActionMeter(meter_id)
        case ToGroup(group_id=group_id):
            return parser.OFPActionGroup(group_id)
    raise OpenFlowInvariantError(f"{action} cannot be written")

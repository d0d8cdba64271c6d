# SPDX-License-Identifier: Apache-2.0
"""What a switch says about its ports, flows and groups (OpenFlow 1.5 multipart) -> names and rules.

Importing this module corrects two decoders of Ryu 4.34: `OFPBucket.parser` and `OFPGroupDescStats.parser` take the
octets after a bucket or group for its properties, and never return when a group has two buckets or a reply two groups.
"""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Any

from ryu.ofproto import ofproto_v1_5 as ofproto
from ryu.ofproto import ofproto_v1_5_parser as parser

from southbound.openflow.ofp15 import CHECK_PKT_LARGER, COOKIE_MASK, METADATA_MASK, OXM_NAMES, check_pkt_larger
from southbound.openflow.ports import port_name
from southbound.openflow.rules import (
    COOKIE,
    OWNED_GROUP_BIT,
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

_MATCH_FIELDS = {oxm_name: field for field, oxm_name in OXM_NAMES.items()}
_ADDRESS_FIELDS = {
    "tunnel_source": IPv6Address, "ipv6_source": IPv6Address, "ipv6_destination": IPv6Address,
    "ipv4_source": IPv4Address, "ipv4_destination": IPv4Address,
}
_NETWORK_FIELDS = frozenset({"ipv6_source", "ipv6_destination"})
_PACKET_REGISTER_0 = f"field_{0x8001 << 7}"
"""OXM_OF_PKT_REG0 as Ryu calls what it does not know: Open vSwitch says a register as half of one of these (OpenFlow 1.5.1
section 7.2.3.10)."""
_REGISTER_0_MASK = b64encode(b"\xff" * 4 + bytes(4)).decode()
_LINK_LAYER_FIELDS = frozenset({"eth_source", "eth_destination"})


def state_requests(datapath: Any) -> list[Any]:
    """The requests whose replies `port_numbers` and `switch_rules` read: port, flow and group descriptions.

    Each is answered by one or more OFP...StatsReply with its xid; the last has no OFPMPF_REPLY_MORE in its flags. The
    `body` lists of all parts belong together.
    """
    return [
        parser.OFPPortDescStatsRequest(datapath),
        parser.OFPFlowDescStatsRequest(datapath, cookie=COOKIE, cookie_mask=COOKIE_MASK),
        parser.OFPGroupDescStatsRequest(datapath),
    ]


def port_numbers(descriptions: Iterable[Any]) -> dict[str, int]:
    """Name -> number from OFPPort structures, without reserved ports (the bridge's own one among them)."""
    return {
        description.name.rstrip(b"\0").decode("utf-8", "replace"): description.port_no
        for description in descriptions
        if description.port_no <= ofproto.OFPP_MAX
    }


def switch_rules(flows: Iterable[Any], groups: Iterable[Any], ports: Mapping[str, int]) -> SwitchRules:
    """What the switch has of ours, from OFPFlowDesc and OFPGroupDescStats structures, in names of `ports`."""
    names = {number: name for name, number in ports.items()}
    return SwitchRules(
        flows=frozenset(_flow(flow, names) for flow in flows if flow.cookie == COOKIE),
        groups=frozenset(_group(group, names) for group in groups if group.group_id & OWNED_GROUP_BIT),
    )


def error_text(message: Any) -> str:
    """An OFPErrorMsg in words: type and code, such as 'GROUP_MOD_FAILED code 3'."""
    if message.type == ofproto.OFPET_EXPERIMENTER:
        return f"EXPERIMENTER {message.experimenter:#x} type {message.exp_type}"
    kinds = {value: name for name, value in vars(ofproto).items() if name.startswith("OFPET_")}
    name = kinds.get(message.type, f"error type {message.type}").removeprefix("OFPET_")
    return f"{name} code {message.code}"


# --- flows -----------------------------------------------------------------------------------------------------------


def _flow(description: Any, names: Mapping[int, str]) -> FlowRule:
    actions: list[Action] = []
    write_metadata = goto_table = None
    for instruction in description.instructions:
        match instruction.type:
            case ofproto.OFPIT_APPLY_ACTIONS:
                actions.extend(_action(action, names) for action in instruction.actions)
            case ofproto.OFPIT_WRITE_METADATA if instruction.metadata_mask == METADATA_MASK:
                write_metadata = instruction.metadata
            case ofproto.OFPIT_GOTO_TABLE:
                goto_table = instruction.table_id
            case _:
                actions.append(UnknownAction(text=str(instruction)))
    if description.idle_timeout or description.hard_timeout:
        # Ours have none: a flow that would vanish by itself is not the one that is wanted.
        actions.append(UnknownAction(text=f"timeouts {description.idle_timeout}, {description.hard_timeout}"))
    return FlowRule(
        table_id=description.table_id,
        priority=description.priority,
        match=_match(description.match, names),
        actions=tuple(actions),
        write_metadata=write_metadata,
        goto_table=goto_table,
    )


def _match(match: Any, names: Mapping[int, str]) -> Match:
    known: dict[str, Any] = {}
    unknown: list[tuple[str, object]] = []
    for oxm_name, value in match.items():
        field = _MATCH_FIELDS.get(oxm_name)
        if oxm_name == "in_port":
            known["in_port"] = port_name(value, names)
        elif oxm_name == _PACKET_REGISTER_0 and value[1] == _REGISTER_0_MASK:
            known["too_large"] = int.from_bytes(b64decode(value[0])[:4], "big")
        elif isinstance(value, tuple):  # a value with a mask
            network = _network(*value) if field in _NETWORK_FIELDS else None
            if field is None or network is None:
                unknown.append((oxm_name, value))
            else:
                known[field] = network
        elif field is None:
            unknown.append((oxm_name, value))
        elif field in _LINK_LAYER_FIELDS:
            known[field] = bytes.fromhex(value.replace(":", ""))
        else:
            address = _ADDRESS_FIELDS.get(field)
            known[field] = value if address is None else address(value)
    return Match(**known, unknown=tuple(unknown))


def _network(address: str, mask: str) -> IPv6Network | None:
    """None when the mask is not that of a prefix, or the address has bits beyond it."""
    bits = int(IPv6Address(mask))
    length = bits.bit_count()
    if bits != (1 << length) - 1 << 128 - length:
        return None
    try:
        return IPv6Network((address, length))
    except ValueError:
        return None


# --- groups ----------------------------------------------------------------------------------------------------------


def _group(description: Any, names: Mapping[int, str]) -> Group:
    buckets = (
        Bucket(bucket_id=bucket.bucket_id, actions=tuple(_action(action, names) for action in bucket.actions))
        for bucket in description.buckets
    )
    return Group(
        group_id=description.group_id, buckets=frozenset(buckets), type_all=description.type == ofproto.OFPGT_ALL
    )


def _action(action: Any, names: Mapping[int, str]) -> Action:
    match action:
        case parser.OFPActionOutput(port=ofproto.OFPP_IN_PORT):
            return OutputIngressPort()
        case parser.OFPActionOutput(port=ofproto.OFPP_CONTROLLER, max_len=ofproto.OFPCML_NO_BUFFER):
            return OutputController()
        case parser.OFPActionOutput(port=number) if number <= ofproto.OFPP_MAX:
            return OutputPort(port=port_name(number, names))
        case parser.OFPActionSetField(key="eth_src", value=str(value)):
            return SetEthernetSource(address=bytes.fromhex(value.replace(":", "")))
        case parser.OFPActionSetField(key="eth_dst", value=str(value)):
            return SetEthernetDestination(address=bytes.fromhex(value.replace(":", "")))
        case parser.OFPActionSetField(key="tunnel_id", value=int(key)):
            return SetTunnelKey(key=key)
        case parser.OFPActionSetField(key="tun_ipv6_dst", value=str(value)):
            return SetTunnelDestination(address=IPv6Address(value))
        case parser.OFPActionDecNwTtl():
            return DecrementHopLimit()
        case parser.NXActionUnknown(subtype=code, data=data) if code == CHECK_PKT_LARGER:
            octets = int.from_bytes(data[:2], "big")
            if bytes(data) == check_pkt_larger(octets):
                return CheckSize(octets=octets)
        case parser.OFPActionMeter(meter_id=meter_id):
            return Meter(meter_id=meter_id)
        case parser.OFPActionGroup(group_id=group_id):
            return ToGroup(group_id=group_id)
    return UnknownAction(text=str(action))


# --- corrections to Ryu ----------------------------------------------------------------------------------------------


def _parse_bucket(cls: Any, buf: bytes, offset: int) -> Any:
    """One ofp_bucket (OpenFlow 1.5.1 section 7.3.4.3.1): actions within its own length; properties are left out."""
    bucket = cls()
    bucket.len, bucket.action_array_len, bucket.bucket_id = struct.unpack_from(
        ofproto.OFP_BUCKET_PACK_STR, buf, offset
    )
    start = offset + ofproto.OFP_BUCKET_SIZE
    bucket.actions = _parse_list(parser.OFPAction, buf, start, start + bucket.action_array_len)
    bucket.properties = []
    return bucket


def _parse_group_description(cls: Any, buf: bytes, offset: int) -> Any:
    """One ofp_group_desc (OpenFlow 1.5.1 section 7.3.5.11); properties are left out."""
    group = cls()
    group.length, group.type, group.group_id, group.bucket_array_len = struct.unpack_from(
        ofproto.OFP_GROUP_DESC_STATS_PACK_STR, buf, offset
    )
    start = offset + ofproto.OFP_GROUP_DESC_STATS_SIZE
    group.buckets = _parse_list(parser.OFPBucket, buf, start, start + group.bucket_array_len)
    group.properties = []
    return group


def _parse_list(element: Any, buf: bytes, start: int, end: int) -> list[Any]:
    elements = []
    while start < end:
        parsed = element.parser(buf, start)
        if parsed.len < 8:  # no structure is shorter than its header, and a loop must make progress
            raise ValueError(f"structure of {parsed.len} octets at {start}")
        elements.append(parsed)
        start += parsed.len
    return elements


parser.OFPBucket.parser = classmethod(_parse_bucket)
parser.OFPGroupDescStats.parser = classmethod(_parse_group_description)

# SPDX-License-Identifier: Apache-2.0
"""A switch's rules as JSON for readers, in the words of ovs-ofctl(8), so that both can be laid side by side."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from typing import Any

from southbound.openflow.rules import (
    Action,
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
    SetEthernetDestination,
    SetEthernetSource,
    SetTunnelDestination,
    SetTunnelKey,
    SwitchRules,
    ToGroup,
    UnknownAction,
)


def rules_view(rules: SwitchRules) -> dict[str, Any]:
    """{"flows": [{table, priority, match, actions}], "groups": [{group_id, type, buckets}]}, in order of evaluation."""
    flows = sorted(rules.flows, key=lambda flow: (flow.table_id, -flow.priority, _sort_text(flow)))
    groups = sorted(rules.groups, key=lambda group: group.group_id)
    return {"flows": [_flow_view(flow) for flow in flows], "groups": [_group_view(group) for group in groups]}


def _sort_text(flow: FlowRule) -> str:
    return str(_match_view(flow.match))


def _flow_view(flow: FlowRule) -> dict[str, Any]:
    actions = [_action_text(action) for action in flow.actions]
    if flow.write_metadata is not None:
        actions.append(f"write_metadata:{flow.write_metadata:#x}")
    if flow.goto_table is not None:
        actions.append(f"goto_table:{flow.goto_table}")
    return {
        "table": flow.table_id,
        "priority": flow.priority,
        "match": _match_view(flow.match),
        "actions": actions or ["drop"],
    }


def _group_view(group: Group) -> dict[str, Any]:
    buckets = sorted(group.buckets, key=lambda bucket: bucket.bucket_id)
    return {
        "group_id": group.group_id,
        "type": "all" if group.type_all else "unknown",
        "buckets": [
            {"bucket_id": bucket.bucket_id, "actions": [_action_text(action) for action in bucket.actions]}
            for bucket in buckets
        ],
    }


def _match_view(match: Match) -> dict[str, Any]:
    found = {
        "in_port": match.in_port,
        "tun_id": _hexadecimal(match.tunnel_key),
        "tun_ipv6_src": _address(match.tunnel_source),
        "metadata": _hexadecimal(match.metadata),
        "eth_src": _link_layer(match.eth_source),
        "eth_dst": _link_layer(match.eth_destination),
        "eth_type": _hexadecimal(match.eth_type),
        "nw_proto": match.ip_proto,
        "icmpv6_type": match.icmpv6_type,
        "nw_ttl": match.hop_limit,
        "reg0": _hexadecimal(match.too_large),
        "ipv6_src": _address(match.ipv6_source),
        "ipv6_dst": _address(match.ipv6_destination),
        "nw_src": _address(match.ipv4_source),
        "nw_dst": _address(match.ipv4_destination),
    } | {name: str(value) for name, value in match.unknown}
    return {name: value for name, value in found.items() if value is not None}


def _hexadecimal(value: int | None) -> str | None:
    # 64-bit values are no JSON numbers that every reader keeps exactly (RFC 8259 section 6).
    return None if value is None else f"{value:#x}"


def _link_layer(value: bytes | None) -> str | None:
    return None if value is None else value.hex(":")


def _address(value: IPv6Address | IPv6Network | None) -> str | None:
    return None if value is None else str(value)


def _action_text(action: Action) -> str:
    match action:
        case OutputPort(port=port):
            return f"output:{port}"
        case OutputIngressPort():
            return "IN_PORT"
        case OutputController():
            return "CONTROLLER:65535"
        case SetEthernetSource(address=address):
            return f"set_field:{address.hex(':')}->eth_src"
        case SetEthernetDestination(address=address):
            return f"set_field:{address.hex(':')}->eth_dst"
        case SetTunnelKey(key=key):
            return f"set_field:{key:#x}->tun_id"
        case SetTunnelDestination(address=address):
            return f"set_field:{address}->tun_ipv6_dst"
        case DecrementHopLimit():
            return "dec_ttl"
        case CheckSize(octets=octets):
            return f"check_pkt_larger({octets})->NXM_NX_REG0[0]"
        case Meter(meter_id=meter_id):
            return f"meter:{meter_id}"
        case ToGroup(group_id=group_id):
            return f"group:{group_id}"
        case UnknownAction(text=text):
            return text
    raise OpenFlowInvariantError(f"no words for {type(action).__name__}")

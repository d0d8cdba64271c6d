# SPDX-License-Identifier: Apache-2.0
"""Rules as ovs-ofctl(8) prints them, from the REST API's GET /v1/flows; without cookies, one bucket a line."""

from __future__ import annotations

from typing import Any

_ORDER = (
    "eth_type", "metadata", "tun_id", "tun_ipv6_src", "in_port", "eth_src", "eth_dst", "ipv6_src", "ipv6_dst", "nw_proto",
)
"""Of match fields in what Open vSwitch prints."""
_SHORT = {("eth_type", "0x86dd"): "ipv6", ("eth_type", "0x800"): "ip"}


def dump_flows(switch: dict[str, Any]) -> str:
    """`ovs-ofctl --names --no-stats dump-flows`, highest priority first."""
    flows = sorted(switch["flows"], key=lambda flow: (flow["table"], -flow["priority"], str(flow["match"])))
    return "\n".join(
        f"table={flow['table']}, priority={flow['priority']}{_match(flow['match'])} actions={','.join(flow['actions'])}"
        for flow in flows
    )


def _match(match: dict[str, Any]) -> str:
    fields = sorted(match.items(), key=lambda field: _ORDER.index(field[0]) if field[0] in _ORDER else len(_ORDER))
    return "".join("," + _SHORT.get((name, value), f"{name}={value}") for name, value in fields)


def dump_groups(switch: dict[str, Any]) -> str:
    """`ovs-ofctl --names dump-groups`, the buckets below their group."""
    lines = []
    for group in switch["groups"]:
        lines.append(f"group_id={group['group_id']},type={group['type']},")
        lines += [
            f"  bucket=bucket_id:{bucket['bucket_id']},actions={','.join(bucket['actions'])}" for bucket in group["buckets"]
        ]
    return "\n".join(lines)

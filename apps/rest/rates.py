# SPDX-License-Identifier: Apache-2.0
"""How much flows where: the switches' counters, told as streams between nodes of the domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Address
from typing import Any

from southbound.openflow.counters import NOTHING, Rate, SwitchCounters, rate_between
from southbound.openflow.pipeline import INGRESS, REPLICATION
from southbound.openflow.rules import Bucket, FlowRule, OutputIngressPort, OutputPort, SetTunnelDestination, SwitchRules
from topology.model import Domain
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT

SOURCES = "sources"
"""The network of the sources, as an end of a stream."""
MOBILE_NODES = "mobile-nodes"
"""What the LMA gets of mobile nodes through the tunnels from all MAGs, as an end of a stream."""
HANDOVER_BUFFER = "handover-buffer"
"""The agent beside a MAG's switch, which delivers from there."""


def rates_view(
    domain: Domain, name: str, rules: SwitchRules, readings: Sequence[SwitchCounters]
) -> dict[str, Any]:
    """As `apps.rest.answers.switches.SwitchRates` has it; over the time between the first and the last reading."""
    last = readings[-1] if len(readings) > 1 else None
    over_s = last.at - readings[0].at if last is not None else 0.0

    def grown(counters: str, key: Any) -> Rate:
        if last is None:
            return NOTHING
        # What a handover has just brought counts from when it was first seen.
        first = next((reading for reading in readings if key in getattr(reading, counters)), last)
        before, after = getattr(first, counters).get(key), getattr(last, counters).get(key)
        return rate_between(before, after, last.at - first.at)

    known = last.sent.keys() if last is not None else ()
    return {
        "name": name,
        "over_s": over_s,
        "ports": [
            {"port": port, "received": _view(grown("received", port)), "sent": _view(grown("sent", port))}
            for port in sorted(known)
        ],
        "streams": [
            {
                "sender": sender,
                "group": str(flow.match.destination),
                "source": None if flow.match.source is None else str(flow.match.source),
                "rate": _view(grown("groups", group_id)),
                "copies": [
                    {"receiver": _receiver(domain, bucket, sender),
                     "rate": _view(grown("buckets", (group_id, bucket.bucket_id)))}
                    for bucket in sorted(buckets, key=lambda bucket: bucket.bucket_id)
                ],
            }
            for sender, flow, group_id, buckets in _streams(domain, name, rules)
        ],
    }


def _streams(
    domain: Domain, name: str, rules: SwitchRules
) -> Iterator[tuple[str, FlowRule, int, frozenset[Bucket]]]:
    senders: Mapping[int, str] = {
        flow.write_metadata: _sender(domain, name, flow)
        for flow in rules.flows if flow.table_id == INGRESS and flow.write_metadata is not None
    }
    flows = [flow for flow in rules.flows if flow.table_id == REPLICATION and flow.match.metadata is not None]
    first: dict[str, int] = {}  # several paths may be of one sender
    for metadata in sorted(senders):
        first.setdefault(senders[metadata], metadata)

    def place(flow: FlowRule) -> tuple[int, str, str]:
        return first[senders[flow.match.metadata or 0]], str(flow.match.destination), str(flow.match)

    for flow in sorted((flow for flow in flows if flow.match.metadata in senders), key=place):
        for group_id in flow.groups():
            group = rules.group(group_id)
            if group is not None:
                yield senders[flow.match.metadata or 0], flow, group_id, group.buckets


def _sender(domain: Domain, name: str, flow: FlowRule) -> str:
    if flow.match.in_port == LMA_SOURCE_PORT:
        return SOURCES
    if name == domain.lma.id and flow.match.in_port == LMA_MAG_PORT:
        return MOBILE_NODES
    if flow.match.in_port == MAG_LMA_PORT:
        return domain.lma.id
    return _mag(domain, flow.match.tunnel_source)


def _receiver(domain: Domain, bucket: Bucket, sender: str) -> str:
    for action in bucket.actions:
        if isinstance(action, SetTunnelDestination):
            return _mag(domain, action.address)
        if isinstance(action, OutputPort):
            if action.port == MAG_BUFFER_PORT:
                return HANDOVER_BUFFER
            if action.port == LMA_SOURCE_PORT:
                return SOURCES
            return next((node.id for node in domain.mobile_nodes if node.access_port() == action.port), action.port)
        if isinstance(action, OutputIngressPort):
            return sender
    return ""


def _mag(domain: Domain, address: IPv6Address | None) -> str:
    mag = None if address is None else domain.mag_by_address(address)
    return mag.id if mag is not None else str(address)


def _view(rate: Rate) -> dict[str, float]:
    return {"packets_per_s": round(rate.packets, 1), "bits_per_s": round(rate.octets * 8, 1)}

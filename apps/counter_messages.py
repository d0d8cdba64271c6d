# SPDX-License-Identifier: Apache-2.0
"""A switch's counters (OpenFlow 1.5 multipart): what to ask, and the replies -> `counters.SwitchCounters`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ryu.ofproto import ofproto_v1_5 as ofproto
from ryu.ofproto import ofproto_v1_5_parser as parser

import southbound.openflow.ofp15_stats  # noqa: F401  (corrects Ryu's decoder of group descriptions)
from southbound.openflow.counters import Count, SwitchCounters
from southbound.openflow.ports import port_name
from southbound.openflow.rules import OWNED_GROUP_BIT


def counter_requests(datapath: Any) -> list[Any]:
    """The requests whose replies `switch_counters` reads: group descriptions and statistics, port statistics."""
    return [
        parser.OFPGroupDescStatsRequest(datapath),
        parser.OFPGroupStatsRequest(datapath, 0, ofproto.OFPG_ALL),
        parser.OFPPortStatsRequest(datapath, 0, ofproto.OFPP_ANY),
    ]


def switch_counters(
    descriptions: Iterable[Any], groups: Iterable[Any], ports: Iterable[Any], numbers: Mapping[str, int], at: float
) -> SwitchCounters:
    """One reading, from OFPGroupDescStats, OFPGroupStats and OFPPortStats structures; our groups only."""
    names = {number: name for name, number in numbers.items()}
    # Bucket counters have no ids; they come in the order of the buckets in the description.
    order = {group.group_id: [bucket.bucket_id for bucket in group.buckets] for group in descriptions}
    ours = [group for group in groups if group.group_id & OWNED_GROUP_BIT]
    buckets: dict[tuple[int, int], Count] = {}
    for group in ours:
        ids = order.get(group.group_id, [])
        if len(ids) == len(group.bucket_stats):  # else it was changed between the two replies
            for bucket_id, counted in zip(ids, group.bucket_stats, strict=True):
                buckets[group.group_id, bucket_id] = Count(counted.packet_count, counted.byte_count)
    real = [port for port in ports if port.port_no <= ofproto.OFPP_MAX]
    return SwitchCounters(
        at=at,
        received={port_name(port.port_no, names): Count(port.rx_packets, port.rx_bytes) for port in real},
        sent={port_name(port.port_no, names): Count(port.tx_packets, port.tx_bytes) for port in real},
        groups={group.group_id: Count(group.packet_count, group.byte_count) for group in ours},
        buckets=buckets,
    )

# SPDX-License-Identifier: Apache-2.0
"""The flows that take MLD and IGMP out of what is forwarded: to the controller at the LMA, to the agent at a MAG. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from southbound.codec.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, multicast_mac
from southbound.codec.iana import IP_PROTOCOL_IGMP, NEXT_HEADER_ICMPV6, MldType
from southbound.codec.mld_packet import ALL_NODES
from southbound.openflow.intents import SwitchRole
from southbound.openflow.pipeline import INGRESS, PRIORITY_LISTENER_PROTOCOL
from southbound.openflow.rules import (
    Action,
    FlowRule,
    Match,
    OutputController,
    OutputPort,
    SetEthernetDestination,
    SetEthernetSource,
)
from southbound.path_mark import NATIVE_PATH, path_mac
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT

_OF_ROUTERS = (MldType.QUERY,)
_OF_HOSTS = (MldType.V1_REPORT, MldType.V1_DONE, MldType.V2_REPORT)
_FOR_A_HOST = (MldType.QUERY, MldType.V1_REPORT)
"""A host of the older version keeps silent when another one has reported (RFC 2710 section 4). Besides, such a report has
the group as its destination, and would be forwarded as the group's data."""


@lru_cache
def listener_protocol_flows(role: SwitchRole) -> tuple[FlowRule, ...]:
    """Of the LMA's switch, or of a MAG's."""
    if role.kind == "lma":
        to_controller = (OutputController(),)
        upstream = _flows(LMA_SOURCE_PORT, None, _FOR_A_HOST, to_controller)
        return (*upstream, *_flows(LMA_MAG_PORT, role.lma_gre_key, _OF_HOSTS, to_controller))
    to_agent = (
        SetEthernetSource(address=path_mac(NATIVE_PATH)), SetEthernetDestination(address=multicast_mac(ALL_NODES)),
        OutputPort(port=MAG_BUFFER_PORT),
    )
    return tuple(_flows(MAG_LMA_PORT, role.lma_gre_key, _OF_ROUTERS, to_agent))


def _flows(port: str, key: int | None, types: Iterable[MldType], actions: tuple[Action, ...]) -> list[FlowRule]:
    matches = [
        Match(
            in_port=port, tunnel_key=key, eth_type=ETHERTYPE_IPV6, ip_proto=NEXT_HEADER_ICMPV6, icmpv6_type=int(mld_type)
        )
        for mld_type in types
    ]
    # OpenFlow cannot match the types of IGMP.
    matches.append(Match(in_port=port, tunnel_key=key, eth_type=ETHERTYPE_IPV4, ip_proto=IP_PROTOCOL_IGMP))
    return [
        FlowRule(table_id=INGRESS, priority=PRIORITY_LISTENER_PROTOCOL, match=match, actions=actions)
        for match in matches
    ]

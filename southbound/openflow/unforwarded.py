# SPDX-License-Identifier: Apache-2.0
"""The flows of a switch as a router: what it cannot forward goes to the controller, which answers (RFC 4443). Pure.

They are ahead of the routes, so that no route need say it again, or after all of them, where there is none; and the same
however many mobile nodes there are.
What they send goes through a meter: whoever has a packet refused again and again does not keep the controller busy.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Network

from southbound.codec.ethernet import ETHERTYPE_IPV6
from southbound.openflow.intents import SwitchRole
from southbound.openflow.paths import CORRESPONDENTS_PATH, MAG_TUNNELS_PATH, TO_LMA_PATH, metadata_of
from southbound.openflow.pipeline import (
    LINK_LOCAL,
    MULTICAST,
    PRIORITY_HOME_NETWORK,
    PRIORITY_MULTICAST,
    PRIORITY_NO_ROUTE,
    PRIORITY_UNFORWARDED,
    REPLICATION,
)
from southbound.openflow.rules import CheckSize, FlowRule, Match, Meter, OutputController
from southbound.path_mark import NATIVE_PATH

METER_ID = 0xCA57
"""Ours on every integration switch: what is metered is not told apart by what it is for."""
METER_PACKETS_PER_S = 200
METER_BURST = 200
ETHERNET_OCTETS = 14
"""A switch measures a frame as a whole."""

_TO_CONTROLLER = (Meter(meter_id=METER_ID), OutputController())
_LAST_HOP_LIMITS = (0, 1)


def check_size(role: SwitchRole) -> CheckSize:
    """Of a frame that came by an Ethernet link: does its packet fit into a tunnel?"""
    return CheckSize(octets=role.tunnel_mtu + ETHERNET_OCTETS)


@lru_cache
def unforwarded_flows(role: SwitchRole) -> tuple[FlowRule, ...]:
    """Of the LMA's switch, or of a MAG's."""
    if role.kind == "lma":
        return (
            *_hop_limit(CORRESPONDENTS_PATH), _too_large(CORRESPONDENTS_PATH), _no_route(CORRESPONDENTS_PATH),
            *_hop_limit(MAG_TUNNELS_PATH), _no_route(MAG_TUNNELS_PATH),
        )
    # By the LMA's tunnel come groups, too: nobody is told of those (RFC 4443 section 2.4 e.3). An LMA lets nothing out
    # with a hop limit of 0.
    of_groups = Match(
        metadata=metadata_of(NATIVE_PATH), eth_type=ETHERTYPE_IPV6, hop_limit=1, ipv6_destination=MULTICAST
    )
    return (
        FlowRule(table_id=REPLICATION, priority=PRIORITY_MULTICAST, match=of_groups),
        *_hop_limit(NATIVE_PATH, (1,)), *_hop_limit(TO_LMA_PATH), _too_large(TO_LMA_PATH),
    )


@lru_cache
def home_network_flows(networks: frozenset[IPv6Network]) -> tuple[FlowRule, ...]:
    """Of the LMA: what MNs send to a home network without a binding is not sent out by a route, to come back by it. Nor,
    where there are routes, what is for a group, or for a link (RFC 4291 section 2.5.6)."""
    kept = [
        FlowRule(
            table_id=REPLICATION, priority=PRIORITY_HOME_NETWORK,
            match=Match(metadata=metadata_of(MAG_TUNNELS_PATH), eth_type=ETHERTYPE_IPV6, ipv6_destination=network),
        )
        for network in ((MULTICAST, LINK_LOCAL) if networks else ())
    ]
    return (*kept, *(
        _to_controller(
            Match(metadata=metadata_of(MAG_TUNNELS_PATH), eth_type=ETHERTYPE_IPV6, ipv6_destination=network),
            PRIORITY_HOME_NETWORK,
        )
        for network in networks
    ))


def _hop_limit(path: int, values: tuple[int, ...] = _LAST_HOP_LIMITS) -> list[FlowRule]:
    return [_to_controller(Match(metadata=metadata_of(path), eth_type=ETHERTYPE_IPV6, hop_limit=one)) for one in values]


def _too_large(path: int) -> FlowRule:
    return _to_controller(Match(metadata=metadata_of(path), eth_type=ETHERTYPE_IPV6, too_large=1))


def _no_route(path: int) -> FlowRule:
    return _to_controller(Match(metadata=metadata_of(path), eth_type=ETHERTYPE_IPV6), PRIORITY_NO_ROUTE)


def _to_controller(match: Match, priority: int = PRIORITY_UNFORWARDED) -> FlowRule:
    return FlowRule(table_id=REPLICATION, priority=priority, match=match, actions=_TO_CONTROLLER)

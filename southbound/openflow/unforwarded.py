# SPDX-License-Identifier: Apache-2.0
"""The flows of a switch as a router: what it cannot forward, and what is for the router itself, goes to the controller,
which answers (RFC 4443). Pure.

They are ahead of the routes, so that no route need say it again, or after all of them, where there is none; and the same
however many mobile nodes there are.
What they send goes through a meter: whoever has a packet refused again and again does not keep the controller busy. Nor
does an MN so keep others from being answered: each has a meter of its own, but for those that share one by chance. Of what
comes by the network of the sources, or from the LMA, anybody may be the sender: that has one together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from southbound.codec.ethernet import ETHERTYPE_IPV6
from southbound.openflow.intents import AccessLink, SwitchRole, ToDestination, ToLma, Uplink
from southbound.openflow.paths import CORRESPONDENTS_PATH, MAG_TUNNELS_PATH, TO_LMA_PATH, metadata_of
from southbound.openflow.pipeline import (
    LINK_LOCAL,
    MULTICAST,
    PRIORITY_EXCEPTED,
    PRIORITY_HOME_NETWORK,
    PRIORITY_NO_ROUTE,
    PRIORITY_ROUTER,
    PRIORITY_SENDER,
    PRIORITY_UNFORWARDED,
    REPLICATION,
    UNFORWARDED,
)
from southbound.openflow.rules import CheckSize, FlowRule, Match, Meter, OutputController
from southbound.path_mark import NATIVE_PATH

METER_ID = 0xCA57
"""Ours on every integration switch, for what anybody may have sent."""
SENDER_METERS = range(METER_ID + 1, METER_ID + 257)
"""For what MNs send: one is an MN's by the name of its port, or by its prefix."""
METERS = {METER_ID: (200, 200)} | dict.fromkeys(SENDER_METERS, (20, 40))
"""Meter id -> (packets a second, packets at once). Of one MN twice as many as are answered (controller.router_errors)."""
ETHERNET_OCTETS = 14
"""A switch measures a frame as a whole."""

_BY_SENDER = frozenset({MAG_TUNNELS_PATH, TO_LMA_PATH})
"""Paths by which only what MNs, or MAGs, send is let in."""
_RULES_REMEMBERED = 1 << 14
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
            # Neither is forwarded, with whatever hop limit (RFC 4291 section 2.5.6).
            _excepted(CORRESPONDENTS_PATH, LINK_LOCAL), _excepted(MAG_TUNNELS_PATH, LINK_LOCAL),
            _excepted(MAG_TUNNELS_PATH, MULTICAST),
        )
    # By the LMA's tunnel come groups, too: nobody is told of those (RFC 4443 section 2.4 e.3). An LMA lets nothing out
    # with a hop limit of 0.
    return (
        _excepted(NATIVE_PATH, MULTICAST, hop_limit=1),
        *_hop_limit(NATIVE_PATH, (1,)), *_hop_limit(TO_LMA_PATH), _too_large(TO_LMA_PATH),
    )


@lru_cache
def home_network_flows(networks: frozenset[IPv6Network]) -> tuple[FlowRule, ...]:
    """Of the LMA: what MNs send to a home network without a binding is not sent out by a route, to come back by it."""
    return tuple(
        _to_controller(MAG_TUNNELS_PATH, PRIORITY_HOME_NETWORK, ipv6_destination=network) for network in networks
    )


@lru_cache
def router_address_flows(address: IPv6Address, role: SwitchRole) -> tuple[FlowRule, ...]:
    """What has come to its end at the router, by its own address on the transport network."""
    paths = (CORRESPONDENTS_PATH, MAG_TUNNELS_PATH) if role.kind == "lma" else (TO_LMA_PATH,)
    return tuple(_to_controller(path, PRIORITY_ROUTER, ipv6_destination=address) for path in paths)


def sender_flows(uplinks: Collection[Uplink], role: SwitchRole) -> set[FlowRule]:
    """Through whose meter goes what is not forwarded of an uplink: at a MAG by access port, at the LMA by prefix."""
    if role.kind == "lma":
        return {_by_prefix(one.prefix) for one in uplinks if isinstance(one.output, ToDestination)}
    return {
        _by_port(one.ingress.port) for one in uplinks
        if isinstance(one.ingress, AccessLink) and isinstance(one.output, ToLma)
    }


@lru_cache(maxsize=_RULES_REMEMBERED)
def _by_port(port: str) -> FlowRule:
    return _of_sender(Match(in_port=port, metadata=metadata_of(TO_LMA_PATH)), port)


@lru_cache(maxsize=_RULES_REMEMBERED)
def _by_prefix(prefix: IPv6Network) -> FlowRule:
    return _of_sender(
        Match(metadata=metadata_of(MAG_TUNNELS_PATH), eth_type=ETHERTYPE_IPV6, ipv6_source=as_matched(prefix)), str(prefix)
    )


def _of_sender(match: Match, name: str) -> FlowRule:
    # The same on every machine, and whoever else is there.
    meter = SENDER_METERS[hashlib.sha256(name.encode()).digest()[0]]
    return FlowRule(
        table_id=UNFORWARDED, priority=PRIORITY_SENDER, match=match, actions=(Meter(meter_id=meter), OutputController())
    )


def as_matched(prefix: IPv6Network) -> IPv6Address | IPv6Network:
    """One address is no network in a match."""
    return prefix.network_address if prefix.prefixlen == prefix.max_prefixlen else prefix


def _hop_limit(path: int, values: tuple[int, ...] = _LAST_HOP_LIMITS) -> list[FlowRule]:
    return [_to_controller(path, hop_limit=one) for one in values]


def _excepted(path: int, network: IPv6Network, **fields: Any) -> FlowRule:
    match = Match(metadata=metadata_of(path), eth_type=ETHERTYPE_IPV6, ipv6_destination=network, **fields)
    return FlowRule(table_id=REPLICATION, priority=PRIORITY_EXCEPTED, match=match)


def _too_large(path: int) -> FlowRule:
    return _to_controller(path, too_large=1)


def _no_route(path: int) -> FlowRule:
    return _to_controller(path, PRIORITY_NO_ROUTE)


def _to_controller(path: int, priority: int = PRIORITY_UNFORWARDED, **fields: Any) -> FlowRule:
    match = Match(metadata=metadata_of(path), eth_type=ETHERTYPE_IPV6, **fields)
    if path in _BY_SENDER:
        return FlowRule(table_id=REPLICATION, priority=priority, match=match, goto_table=UNFORWARDED)
    actions = (Meter(meter_id=METER_ID), OutputController())
    return FlowRule(table_id=REPLICATION, priority=priority, match=match, actions=actions)

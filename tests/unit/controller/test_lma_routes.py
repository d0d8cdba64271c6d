# SPDX-License-Identifier: Apache-2.0
"""Beyond the network of the sources: next hops are asked for, the longest prefix wins, home networks stay at home."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import pytest

from controller.forwarding import lma_intent
from controller.lma_routes import LmaRoutes, home_networks
from controller.source_neighbours import SourceNeighbours
from controller.unicast_forwarding import lma_unicast
from southbound.codec.ethernet import decode_ethernet
from southbound.codec.icmpv6_error import UnreachableCode
from southbound.codec.neighbor_discovery import (
    NeighborAdvertisement,
    NeighborPacket,
    NeighborSolicitation,
    decode_neighbor_packet,
)
from southbound.codec.neighbor_options import TargetLinkLayerAddress
from southbound.openflow.compiler import compile_intent
from southbound.openflow.intents import SwitchRole
from tests.support.switch_simulator import CONTROLLER, Packet, SwitchSimulator
from tests.unit.controller.test_forwarding import DOMAIN, MAG1, MN1, World
from topology.model import LMA_LINK_LOCAL_ADDRESS, MAG_ACCESS_MAC, Route

HOST, NEAR_ROUTER, FAR_ROUTER = DOMAIN.sources[0].address, IPv6Address("2001:db8:c0::fe"), IPv6Address("fe80::fe")
MACS = {HOST: b"\2\0\0\0\0\x10", NEAR_ROUTER: b"\2\0\0\0\0\xfe", FAR_ROUTER: b"\2\0\0\0\0\xff"}
ROUTES = (
    Route(prefix=IPv6Network("::/0"), via=FAR_ROUTER), Route(prefix=IPv6Network("2001:db8:8000::/36"), via=NEAR_ROUTER),
    Route(prefix=IPv6Network("2001:db8:8800::/40"), via=FAR_ROUTER),
)
ROUTED = replace(DOMAIN, lma=replace(DOMAIN.lma, routes=ROUTES))
HOME1 = IPv6Address("2001:db8:100:1::5")
FAR, NEAR, FARTHER = (IPv6Address(text) for text in ("2001:4860::1", "2001:db8:8100::1", "2001:db8:8800::1"))
UNBOUND = IPv6Address("2001:db8:100:2::5")


def bound() -> World:
    given = World()
    given.bind(MN1, "mag1")
    return given


def out_of_lma(destination: IPv6Address, *known: IPv6Address) -> list[tuple[str, bytes]]:
    """(port, link-layer destination) of what mn1 sends there, when the LMA knows these neighbours."""
    given = bound()
    neighbours = {address: MACS[address] for address in known}
    own = lma_unicast(ROUTED, given.cache, given.listeners, given.handovers, neighbours)
    role = SwitchRole(
        name="lma", kind="lma", lma_gre_key=ROUTED.lma_gre_key, mag_gre_key=ROUTED.mag_gre_key,
        access_mac=MAG_ACCESS_MAC,
    )
    switch = SwitchSimulator.of(compile_intent(lma_intent(ROUTED, {}, own, frozenset(home_networks(ROUTED))), role))
    sent = switch.inject(Packet(
        in_port="mag0", tunnel_key=ROUTED.lma_gre_key, tunnel_source=MAG1.address, ipv6_source=HOME1,
        ipv6_destination=destination,
    ))
    return [(port, packet.eth_destination) for port, packet in sent]


@pytest.mark.parametrize(("destination", "via"), [
    (HOST, HOST), (FAR, FAR_ROUTER), (NEAR, NEAR_ROUTER), (FARTHER, FAR_ROUTER),
])
def test_the_longest_prefix_that_fits_is_taken(destination: IPv6Address, via: IPv6Address) -> None:
    assert out_of_lma(destination, *MACS) == [("src0", MACS[via])]


def test_home_networks_come_before_every_route() -> None:
    assert [port for port, _ in out_of_lma(HOME1, *MACS)] == ["mag0"]
    assert [port for port, _ in out_of_lma(UNBOUND, *MACS)] == [CONTROLLER]


def test_a_next_hop_that_is_not_known_has_no_rule() -> None:
    assert [port for port, _ in out_of_lma(FAR, HOST)] == [CONTROLLER]
    assert out_of_lma(NEAR, HOST, FAR_ROUTER) == [("src0", MACS[FAR_ROUTER])], "the next one that is"


def test_nothing_is_sent_to_a_next_hop_by_its_link_local_address() -> None:
    for destination in (FAR_ROUTER, IPv6Address("ff1e::101")):
        assert out_of_lma(destination, *MACS) == [], "nor anything else of a link, nor to a group"


def test_next_hops_are_asked_for_like_sources_and_learned() -> None:
    neighbours = SourceNeighbours(ROUTED, Counter())
    asked = {_target(frame) for frame in neighbours.connected(0.0)}
    assert asked == {HOST, NEAR_ROUTER, FAR_ROUTER}
    for address in (NEAR_ROUTER, FAR_ROUTER):
        message = NeighborAdvertisement(
            target=address, router=True, solicited=True, override=True,
            options=(TargetLinkLayerAddress(address=MACS[address]),),
        )
        packet = NeighborPacket(source=address, destination=LMA_LINK_LOCAL_ADDRESS, message=message)
        neighbours.heard(MACS[address], packet, 0.1)
    assert neighbours.link_layer_ids() == {address: MACS[address] for address in (NEAR_ROUTER, FAR_ROUTER)}
    assert {_target(frame) for frame in neighbours.tick(1.0)} == {HOST}


def test_what_is_said_where_there_is_no_way() -> None:
    """RFC 4443 section 3.1: code 3 for a next hop that does not answer, 0 without a route."""
    routes = LmaRoutes(ROUTED, bound().cache, SourceNeighbours(ROUTED, Counter()))
    assert routes.unreachable(FAR, from_mobile_node=True) is UnreachableCode.ADDRESS_UNREACHABLE
    assert routes.unreachable(FAR, from_mobile_node=False) is UnreachableCode.NO_ROUTE
    assert routes.unreachable(UNBOUND, from_mobile_node=True) is UnreachableCode.NO_ROUTE
    assert routes.unreachable(HOME1, from_mobile_node=True) is None
    assert routes.kept_from_routes == frozenset(home_networks(ROUTED))
    without = LmaRoutes(DOMAIN, bound().cache, SourceNeighbours(DOMAIN, Counter()))
    assert without.kept_from_routes == frozenset()
    assert without.unreachable(FAR, from_mobile_node=True) is UnreachableCode.NO_ROUTE


def test_home_networks_are_said_in_few_networks() -> None:
    pool = (IPv6Network("2001:db8:200::/57"), IPv6Network("2001:db8:200:80::/57"))
    domain = replace(ROUTED, lma=replace(ROUTED.lma, home_network_prefix_pool=pool))
    assert set(home_networks(domain)) == {
        IPv6Network("2001:db8:200::/56"), IPv6Network("2001:db8:100:1::/64"), IPv6Network("2001:db8:100:2::/64"),
    }


def _target(frame: bytes) -> IPv6Address:
    message = decode_neighbor_packet(decode_ethernet(frame).payload).message
    assert isinstance(message, NeighborSolicitation)
    return message.target

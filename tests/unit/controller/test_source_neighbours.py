# SPDX-License-Identifier: Apache-2.0
"""The LMA among the hosts of the source network: who is asked for, who is learned, who is forgotten."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address

from controller.source_neighbours import (
    NEIGHBOURS_MAX,
    REACHABLE_S,
    RETRANSMIT_S,
    SOLICITATIONS_MAX,
    SourceNeighbours,
)
from southbound.codec.ethernet import decode_ethernet
from southbound.codec.neighbor_discovery import (
    UNSPECIFIED,
    NeighborAdvertisement,
    NeighborPacket,
    NeighborSolicitation,
    decode_neighbor_packet,
    solicited_node,
)
from southbound.codec.neighbor_options import SourceLinkLayerAddress, TargetLinkLayerAddress
from tests.support.domains import three_mags
from topology.model import LMA_LINK_LOCAL_ADDRESS, LMA_SOURCE_MAC

DOMAIN = three_mags()
SOURCE = DOMAIN.sources[0].address
HOST = IPv6Address("2001:db8:c0::77")
MAC, OTHER_MAC = bytes.fromhex("020000000077"), bytes.fromhex("020000000078")


def advertisement(target: IPv6Address, mac: bytes = MAC) -> NeighborPacket:
    message = NeighborAdvertisement(
        target=target, router=False, solicited=True, override=True, options=(TargetLinkLayerAddress(address=mac),)
    )
    return NeighborPacket(source=target, destination=LMA_LINK_LOCAL_ADDRESS, message=message)


def question(source: IPv6Address, *, target: IPv6Address = LMA_LINK_LOCAL_ADDRESS, mac: bytes = MAC) -> NeighborPacket:
    options = () if source == UNSPECIFIED else (SourceLinkLayerAddress(address=mac),)
    message = NeighborSolicitation(target=target, options=options)
    return NeighborPacket(source=source, destination=solicited_node(target), message=message)


def network(counters: Counter[str] | None = None) -> SourceNeighbours:
    made = SourceNeighbours(DOMAIN, Counter() if counters is None else counters)
    made.connected(0.0)
    return made


def said(frame: bytes) -> tuple[bytes, NeighborPacket]:
    ethernet = decode_ethernet(frame)
    assert ethernet.source == LMA_SOURCE_MAC
    return ethernet.destination, decode_neighbor_packet(ethernet.payload)


def test_sources_are_asked_for_until_they_answer_and_then_seldom() -> None:
    made = SourceNeighbours(DOMAIN, Counter())
    assert made.next_deadline() is None
    (frame,) = made.connected(0.0)
    to, packet = said(frame)
    assert to == b"\x33\x33" + solicited_node(SOURCE).packed[-4:]
    assert packet.message == NeighborSolicitation(
        target=SOURCE, options=(SourceLinkLayerAddress(address=LMA_SOURCE_MAC),)
    )
    assert made.next_deadline() == RETRANSMIT_S
    assert len(made.tick(RETRANSMIT_S)) == 1
    assert made.heard(MAC, advertisement(SOURCE), 1.5) == []
    assert made.link_layer_ids() == {SOURCE: MAC}
    assert made.next_deadline() == 1.5 + REACHABLE_S


def test_a_host_that_asks_for_the_router_is_answered_and_learned() -> None:
    made = network()
    (frame,) = made.heard(MAC, question(HOST), 1.0)
    to, packet = said(frame)
    assert (to, packet.destination) == (MAC, HOST)
    assert packet.message == NeighborAdvertisement(
        target=LMA_LINK_LOCAL_ADDRESS, router=True, solicited=True, override=True,
        options=(TargetLinkLayerAddress(address=LMA_SOURCE_MAC),),
    )
    assert made.link_layer_ids() == {HOST: MAC}
    made.heard(OTHER_MAC, question(HOST, mac=OTHER_MAC), 2.0)
    assert made.link_layer_ids() == {HOST: OTHER_MAC}


def test_nobody_is_learned_who_is_not_on_the_network_or_was_not_asked_for() -> None:
    counters = Counter[str]()
    made = network(counters)
    for address in ("fe80::77", "2001:db8:100:1::7", "2001:db8:ff::1"):
        made.heard(MAC, question(IPv6Address(address)), 1.0)
    made.heard(MAC, advertisement(HOST), 1.0)
    made.heard(b"\x33\x33" + MAC[2:], question(HOST, mac=b"\x33\x33" + MAC[2:]), 1.0)
    made.heard(MAC, question(HOST, target=HOST), 1.0)
    assert made.link_layer_ids() == {}
    assert counters["neighbour_not_taken"] == 5


def test_who_probes_for_a_duplicate_of_the_routers_address_hears_it() -> None:
    (frame,) = network().heard(MAC, question(UNSPECIFIED), 1.0)
    to, packet = said(frame)
    assert (to, packet.destination) == (b"\x33\x33\0\0\0\x01", IPv6Address("ff02::1"))


def test_a_neighbour_that_answers_no_more_is_forgotten_and_a_source_is_asked_for_on() -> None:
    counters = Counter[str]()
    made = network(counters)
    made.heard(MAC, advertisement(SOURCE), 0.0)
    made.heard(OTHER_MAC, question(HOST, mac=OTHER_MAC), 0.0)
    now = REACHABLE_S
    for _ in range(SOLICITATIONS_MAX):
        assert len(made.tick(now)) == 2
        assert len(made.link_layer_ids()) == 2
        now += RETRANSMIT_S
    (frame,) = made.tick(now)
    assert said(frame)[1].message.target == SOURCE  # type: ignore[union-attr]
    assert made.link_layer_ids() == {}
    assert counters["neighbour_lost"] == 2
    made.heard(MAC, advertisement(SOURCE), now)
    assert made.link_layer_ids() == {SOURCE: MAC}


def test_there_is_a_bound_on_those_who_are_learned() -> None:
    made = network()
    for number in range(NEIGHBOURS_MAX + 10):
        made.heard(MAC, question(IPv6Address(int(HOST) + 256 + number)), 1.0)
    assert len(made.link_layer_ids()) == NEIGHBOURS_MAX - len(DOMAIN.sources)

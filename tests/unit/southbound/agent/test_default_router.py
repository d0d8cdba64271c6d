# SPDX-License-Identifier: Apache-2.0
"""The router at the end of an access link: when it advertises, what it answers, how it withdraws (RFC 4861 section 6.2)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from typing import Any

import pytest

from southbound.agent.commands import Command, SendAccessFrame
from southbound.agent.default_router import DefaultRouter
from southbound.agent.events import AccessFrameReceived, LinkDown, LinkUp
from southbound.agent.mag import MagCore
from southbound.codec.ethernet import EthernetFrame, decode_ethernet, encode_ethernet, multicast_mac
from southbound.codec.neighbor_discovery import (
    NeighborAdvertisement,
    NeighborMessage,
    NeighborPacket,
    NeighborSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
    decode_neighbor_packet,
    encode_neighbor_packet,
    solicited_node,
)
from southbound.codec.neighbor_options import (
    LinkMtu,
    PrefixInformation,
    SourceLinkLayerAddress,
    TargetLinkLayerAddress,
)
from tests.support.domains import three_mags
from topology.model import MAG_ACCESS_MAC, MAG_LINK_LOCAL_ADDRESS, Domain
from topology.settings import Timers

DOMAIN = three_mags()
MN = DOMAIN.mobile_nodes[0]
HOST = IPv6Address("fe80::ff:fe00:11")
UNSPECIFIED, ALL_NODES = IPv6Address("::"), IPv6Address("ff02::1")
PREFIX = IPv6Network("2001:db8:100:1::/64")


def router(domain: Domain = DOMAIN, jitter: float = 1.0) -> DefaultRouter:
    """`jitter` 0 draws the lowest of each range, 1 the highest."""
    core = MagCore(domain, domain.mags[0], new_handover_id=lambda: "x", wall_offset=0.0)
    return DefaultRouter(core._context, lambda low, high: low + jitter * (high - low))


def sent(commands: list[Command]) -> list[tuple[NeighborPacket, bytes]]:
    """(packet, destination MAC) of each frame; all of them come from the one address of the domain."""
    found = []
    for command in commands:
        if not isinstance(command, SendAccessFrame):
            continue
        assert command.port == "mn1"
        frame = decode_ethernet(command.frame)
        packet = decode_neighbor_packet(frame.payload)
        assert (frame.source, packet.source) == (MAG_ACCESS_MAC, MAG_LINK_LOCAL_ADDRESS)
        found.append((packet, frame.destination))
    return found


def advertisements(commands: list[Command]) -> list[Any]:
    return [packet.message for packet, _ in sent(commands) if isinstance(packet.message, RouterAdvertisement)]


def heard(source: IPv6Address, message: NeighborMessage, destination: IPv6Address = ALL_NODES) -> NeighborPacket:
    return NeighborPacket(source=source, destination=destination, message=message)


def run_until(subject: DefaultRouter, end: float) -> list[tuple[float, RouterAdvertisement]]:
    """What comes by itself up to this time, and when."""
    found: list[tuple[float, RouterAdvertisement]] = []
    while (due := subject.next_deadline()) is not None and due <= end:
        found += [(due, message) for message in advertisements(subject.tick(due))]
    return found


def test_an_mn_that_is_served_is_told_at_once_its_prefix_and_what_its_link_carries() -> None:
    commands = router().advertise(MN, (PREFIX,), 10.0)
    [(packet, mac)] = sent(commands)
    assert (packet.destination, mac) == (ALL_NODES, multicast_mac(ALL_NODES))
    message = packet.message
    assert isinstance(message, RouterAdvertisement)
    assert (message.hop_limit, message.managed, message.other, message.router_lifetime_s) == (64, False, False, 1800)
    # 1500 octets of the transport network, less 40 of IPv6 and 8 of keyed GRE.
    assert message.options == (
        SourceLinkLayerAddress(address=MAG_ACCESS_MAC),
        LinkMtu(mtu=1452),
        PrefixInformation(
            prefix=PREFIX, on_link=True, autonomous=True, valid_lifetime_s=2592000, preferred_lifetime_s=604800
        ),
    )


def test_the_first_ones_follow_closely_and_the_others_at_their_interval() -> None:
    domain = replace(DOMAIN, timers=Timers(router_advertisement_interval_s=90.0))
    for jitter, interval in ((0.0, 30.0), (1.0, 90.0)):
        subject = router(domain, jitter)
        subject.advertise(MN, (PREFIX,), 0.0)
        times = [at for at, _ in run_until(subject, 200.0)]
        assert times[:4] == [3.0, 6.0, 6.0 + interval, 6.0 + 2 * interval]


def test_the_acceptance_of_a_refresh_is_no_news() -> None:
    subject = router()
    subject.advertise(MN, (PREFIX,), 0.0)
    assert subject.advertise(MN, (PREFIX,), 1.0) == []


def test_a_prefix_that_is_not_the_mns_any_more_is_withdrawn() -> None:
    subject = router()
    other = IPv6Network("2001:db8:200::/64")
    subject.advertise(MN, (PREFIX,), 0.0)
    gone, present = advertisements(subject.advertise(MN, (other,), 1.0))
    assert [(option.prefix, option.preferred_lifetime_s) for option in gone.options] == [(PREFIX, 0)]
    assert present.options[-1].prefix == other


def test_a_solicitation_is_answered_within_half_a_second_to_whoever_asked() -> None:
    subject = router()
    subject.advertise(MN, (PREFIX,), 0.0)
    run_until(subject, 10.0)
    for at in (10.0, 10.1, 10.2):
        assert subject.heard(MN, heard(HOST, RouterSolicitation()), at) == []
    assert subject.next_deadline() == 10.5
    [(packet, mac)] = sent(subject.tick(10.5))
    assert (packet.destination, mac) == (HOST, MN.link_layer_id)
    assert packet.message.options[-1].prefix == PREFIX  # type: ignore[union-attr]
    assert subject.next_deadline() != 10.5


def test_a_solicitation_without_an_address_is_answered_to_all_but_not_often() -> None:
    subject = router()
    subject.advertise(MN, (PREFIX,), 0.0)
    run_until(subject, 6.0)
    subject.heard(MN, heard(UNSPECIFIED, RouterSolicitation()), 7.0)
    # MIN_DELAY_BETWEEN_RAS after the last one.
    assert subject.next_deadline() == 9.0
    [(packet, _)] = sent(subject.tick(9.0))
    assert packet.destination == ALL_NODES


def test_a_solicitation_before_the_binding_is_left_to_its_acceptance() -> None:
    subject = router()
    assert subject.heard(MN, heard(HOST, RouterSolicitation()), 0.0) == []
    assert subject.next_deadline() is None


def test_denied_service_withdraws_the_prefix_three_times_and_answers_no_solicitation() -> None:
    subject = router()
    subject.advertise(MN, (PREFIX,), 0.0)
    messages = advertisements(subject.withdraw(MN.id, 1.0)) + [message for _, message in run_until(subject, 1000.0)]
    assert len(messages) == 3
    for message in messages:
        assert message.router_lifetime_s == 0
        [option] = message.options
        assert (option.prefix, option.valid_lifetime_s, option.preferred_lifetime_s) == (PREFIX, 0, 0)
    assert subject.withdraw(MN.id, 2.0) == []
    subject.heard(MN, heard(HOST, RouterSolicitation()), 3.0)
    assert subject.next_deadline() is None
    # Served again: as if for the first time.
    assert advertisements(subject.advertise(MN, (PREFIX,), 4.0))[0].router_lifetime_s == 1800


def test_what_was_never_advertised_is_not_withdrawn() -> None:
    assert router().withdraw(MN.id, 0.0) == []


@pytest.mark.parametrize("destination", [solicited_node(MAG_LINK_LOCAL_ADDRESS), MAG_LINK_LOCAL_ADDRESS])
@pytest.mark.parametrize("source", [HOST, IPv6Address("2001:db8:100:1::5")])
def test_the_router_is_there_for_whoever_resolves_or_probes_it(source: IPv6Address, destination: IPv6Address) -> None:
    asked = heard(source, NeighborSolicitation(target=MAG_LINK_LOCAL_ADDRESS), destination)
    [(packet, mac)] = sent(router().heard(MN, asked, 0.0))
    assert (packet.destination, mac) == (source, MN.link_layer_id)
    assert packet.message == NeighborAdvertisement(
        target=MAG_LINK_LOCAL_ADDRESS, router=True, solicited=True, override=True,
        options=(TargetLinkLayerAddress(address=MAG_ACCESS_MAC),),
    )


def test_the_routers_address_is_defended_against_a_host_that_wants_it() -> None:
    """Duplicate address detection: from '::', so the answer goes to all nodes and is not solicited (RFC 4861 7.2.4)."""
    asked = heard(UNSPECIFIED, NeighborSolicitation(target=MAG_LINK_LOCAL_ADDRESS), solicited_node(MAG_LINK_LOCAL_ADDRESS))
    [(packet, _)] = sent(router().heard(MN, asked, 0.0))
    assert packet.destination == ALL_NODES
    assert isinstance(packet.message, NeighborAdvertisement)
    assert (packet.message.solicited, packet.message.override) == (False, True)


def test_what_is_not_about_the_router_is_not_answered() -> None:
    subject = router()
    for message in (
        NeighborSolicitation(target=HOST), NeighborSolicitation(target=IPv6Address("2001:db8:100:1::9")),
        NeighborAdvertisement(target=HOST, router=False, solicited=False, override=True),
    ):
        assert subject.heard(MN, heard(HOST, message), 0.0) == []


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (RouterAdvertisement(router_lifetime_s=100), "router_advertisement_of_mobile_node"),
        (
            NeighborAdvertisement(target=MAG_LINK_LOCAL_ADDRESS, router=False, solicited=False, override=True),
            "router_address_claimed_by_mobile_node",
        ),
    ],
)
def test_an_mn_that_plays_the_router_is_counted(message: NeighborMessage, reason: str) -> None:
    core = MagCore(DOMAIN, DOMAIN.mags[0], new_handover_id=lambda: "x", wall_offset=0.0)
    core.handle(LinkUp(port="mn1"), 0.0)
    frame = EthernetFrame(
        destination=multicast_mac(ALL_NODES), source=MN.link_layer_id,
        payload=encode_neighbor_packet(message, HOST, ALL_NODES),
    )
    core.handle(AccessFrameReceived(port="mn1", frame=encode_ethernet(frame)), 0.0)
    assert core.counters[reason] == 1


def test_an_mn_that_has_left_is_told_nothing_more() -> None:
    core = MagCore(DOMAIN, DOMAIN.mags[0], new_handover_id=lambda: "x", wall_offset=0.0)
    core.handle(LinkUp(port="mn1"), 0.0)
    core._router.advertise(MN, (PREFIX,), 0.0)
    core.handle(LinkDown(port="mn1"), 1.0)
    assert core._router.next_deadline() is None

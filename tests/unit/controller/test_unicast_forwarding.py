# SPDX-License-Identifier: Apache-2.0
"""Unicast of MNs, judged by where packets come out of the switches of a whole domain with the compiled rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv6Address

import pytest

from controller.binding_cache import BindingState
from controller.forwarding import lma_intent
from controller.unicast_forwarding import lma_unicast
from southbound.agent.uplink_marker import marker
from southbound.codec.ethernet import multicast_mac
from southbound.codec.ipv6 import decode_ipv6
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.openflow.compiler import compile_intent
from southbound.openflow.intents import SwitchRole
from southbound.path_mark import UPLINK_PATH, native_path, path_index, path_mac
from tests.support.switch_simulator import CONTROLLER, Packet, Sent, SwitchSimulator
from tests.unit.controller.test_forwarding import DOMAIN, MAG1, MAG2, MAG3, MN1, MN2, World
from topology.model import LMA_LINK_LOCAL_ADDRESS, LMA_SOURCE_MAC, MAG_ACCESS_MAC, Mag

HOST, STRANGER = DOMAIN.sources[0].address, IPv6Address("2001:db8:c0::99")
HOST_MAC = bytes.fromhex("020000000010")
PROFILE1, PROFILE2 = DOMAIN.mobile_nodes
GROUP = IPv6Address("ff1e::101")
HOME1, HOME2 = (next(iter(node.home_network_prefixes[0].hosts())) + 4 for node in (PROFILE1, PROFILE2))
RELAY1 = DOMAIN.relay_key(MN1)


@dataclass(frozen=True)
class At:
    """A switch, and what came out of it."""

    world: World

    def lma(self, packet: Packet) -> list[Sent]:
        return self.switch_of_lma().inject(packet)

    def switch_of_lma(self) -> SwitchSimulator:
        own = lma_unicast(
            DOMAIN, self.world.cache, self.world.listeners, self.world.handovers, {HOST: HOST_MAC}
        )
        intent = lma_intent(DOMAIN, {}, own)
        return self._switch(intent, "lma")

    def mag(self, mag: Mag, packet: Packet) -> list[Sent]:
        return self.switch_of_mag(mag).inject(packet)

    def switch_of_mag(self, mag: Mag) -> SwitchSimulator:
        return self._switch(self.world.intent(mag.id), "mag")

    def _switch(self, intent: object, kind: str) -> SwitchSimulator:
        role = SwitchRole(
            name=kind, kind=kind, lma_gre_key=DOMAIN.lma_gre_key, mag_gre_key=DOMAIN.mag_gre_key,
            access_mac=MAG_ACCESS_MAC,
        )
        return SwitchSimulator.of(compile_intent(intent, role))  # type: ignore[arg-type]


def world() -> tuple[World, At]:
    given = World()
    return given, At(given)


def bind(given: World, mn_id: str, mag: Mag, port: str | None) -> None:
    """As World.bind, with the MAG's own address."""
    given.bind(mn_id, mag.id)
    entry = given.cache.of_own_interface(mn_id)
    assert entry is not None
    given.cache.put(replace(entry, proxy_care_of_address=mag.address))
    if port is not None:
        given.listeners.attach(mag.id, mn_id, port)


def from_source(destination: IPv6Address) -> Packet:
    return Packet(
        in_port="src0", eth_destination=LMA_SOURCE_MAC, ipv6_source=HOST, ipv6_destination=destination
    )


def from_lma(destination: IPv6Address, source: IPv6Address = HOST) -> Packet:
    return Packet(
        in_port="lma0", tunnel_key=DOMAIN.lma_gre_key, tunnel_source=DOMAIN.lma.address, ipv6_source=source,
        ipv6_destination=destination,
    )


def from_mag(mag: Mag, key: int, source: IPv6Address, destination: IPv6Address) -> Packet:
    return Packet(
        in_port="mag0", tunnel_key=key, tunnel_source=mag.address, ipv6_source=source, ipv6_destination=destination
    )


def from_mobile_node(
    source: IPv6Address = HOME1, destination: IPv6Address = HOST, *, port: str = "mn1",
    mac: bytes = PROFILE1.link_layer_id, router: bytes = MAG_ACCESS_MAC,
) -> Packet:
    return Packet(
        in_port=port, eth_source=mac, eth_destination=router, ipv6_source=source, ipv6_destination=destination
    )


def ways(sent: list[Sent]) -> list[tuple[str, str | None]]:
    """(port, MAG at the other end of the tunnel)."""
    ids = {mag.address: mag.id for mag in DOMAIN.mags}
    return [
        (port, ids[copy.tunnel_destination] if copy.tunnel_destination is not None else None) for port, copy in sent
    ]


# --- what a router does not forward ------------------------------------------------------------------------------------


@pytest.mark.parametrize("hop_limit", [0, 1])
def test_a_hop_limit_that_is_used_up_is_reported_where_it_is_so(hop_limit: int) -> None:
    """RFC 8200 section 3: by the LMA from both sides, and by the MAG from the link."""
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    bind(given, MN2, MAG2, "mn2")
    for packet in (from_source(HOME1), from_mag(MAG1, DOMAIN.lma_gre_key, HOME1, HOST),
                   from_mag(MAG1, DOMAIN.lma_gre_key, HOME1, HOME2)):
        assert ways(at.lma(replace(packet, hop_limit=hop_limit))) == [(CONTROLLER, None)]
        assert ways(at.lma(replace(packet, hop_limit=2))) != [(CONTROLLER, None)]
    assert ways(at.mag(MAG1, replace(from_mobile_node(), hop_limit=hop_limit))) == [(CONTROLLER, None)]
    assert ways(at.mag(MAG1, replace(from_mobile_node(), hop_limit=2))) == [("lma0", None)]
    assert at.mag(MAG1, replace(from_mobile_node(source=HOME2), hop_limit=hop_limit)) == [], "it would not be let in"


def test_the_mag_reports_it_of_what_comes_from_the_lma_and_never_of_a_group() -> None:
    """RFC 4443 section 2.4 e.3."""
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    given.listen("mag1", MN1, "mn1", GroupMembership(group=GROUP, filter_mode=FilterMode.EXCLUDE))
    assert ways(at.mag(MAG1, replace(from_lma(HOME1), hop_limit=1))) == [(CONTROLLER, None)]
    assert ways(at.mag(MAG1, replace(from_lma(HOME1), hop_limit=2))) == [("mn1", None)]
    assert ways(at.mag(MAG1, replace(from_lma(GROUP), hop_limit=2))) == [("mn1", None)]
    assert at.mag(MAG1, replace(from_lma(GROUP), hop_limit=1)) == []
    assert at.lma(replace(from_source(GROUP), hop_limit=1, eth_destination=multicast_mac(GROUP))) == []


@pytest.mark.parametrize("hop_limit", [0, 1, 64])
def test_what_is_for_a_router_itself_is_not_forwarded_and_what_is_for_a_link_nowhere(hop_limit: int) -> None:
    """By the address that they answer from; RFC 4291 section 2.5.6."""
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    key, link = DOMAIN.lma_gre_key, IPv6Address("fe80::1")
    for address, heard in ((DOMAIN.lma.address, [(CONTROLLER, None)]), (link, [])):
        assert ways(at.lma(replace(from_source(address), hop_limit=hop_limit))) == heard
        assert ways(at.lma(replace(from_mag(MAG1, key, HOME1, address), hop_limit=hop_limit))) == heard
    for address, heard in ((MAG1.address, [(CONTROLLER, None)]), (link, [])):
        packet = replace(from_mobile_node(destination=address), hop_limit=hop_limit, octets=DOMAIN.access_mtu + 1)
        assert ways(at.mag(MAG1, packet)) == heard


def test_what_does_not_fit_into_the_tunnel_is_reported_where_it_would_go_in() -> None:
    """RFC 2473 section 7.1 a: by the LMA of what hosts send, by the MAG of what the node sends."""
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    fits, does_not = DOMAIN.access_mtu, DOMAIN.access_mtu + 1
    assert ways(at.lma(replace(from_source(HOME1), octets=fits))) == [("mag0", "mag1")]
    assert ways(at.lma(replace(from_source(HOME1), octets=does_not))) == [(CONTROLLER, None)]
    assert ways(at.mag(MAG1, replace(from_mobile_node(), octets=fits))) == [("lma0", None)]
    assert ways(at.mag(MAG1, replace(from_mobile_node(), octets=does_not))) == [(CONTROLLER, None)]


def test_a_flood_of_one_node_leaves_the_controllers_ear_to_others() -> None:
    """At the MAG where both are, and at the LMA, whoever else is behind the same tunnel, or beside the sources."""
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    bind(given, MN2, MAG1, "mn2")
    key = DOMAIN.lma_gre_key
    mag, lma = at.switch_of_mag(MAG1), at.switch_of_lma()
    of_mn1 = [(mag, from_mobile_node()), (lma, from_mag(MAG1, key, HOME1, HOST)), (lma, from_mag(MAG1, key, HOME1, HOME2))]
    others = [
        (mag, from_mobile_node(source=HOME2, port="mn2", mac=PROFILE2.link_layer_id)), (mag, from_lma(HOME1)),
        (lma, from_mag(MAG1, key, HOME2, HOST)), (lma, from_mag(MAG1, key, MAG1.address, HOST)), (lma, from_source(HOME1)),
    ]
    for switch, packet in of_mn1:
        switch.meter_packets = 3
        heard = [ways(switch.inject(replace(packet, hop_limit=1))) for _ in range(10)]
        assert heard.count([(CONTROLLER, None)]) <= 3
        assert heard[-1] == []
    for switch, packet in others:
        assert ways(switch.inject(replace(packet, hop_limit=1))) == [(CONTROLLER, None)]


def test_what_a_mag_says_itself_is_let_in_by_the_lma() -> None:
    """So that its errors come to the correspondent."""
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    key = DOMAIN.lma_gre_key
    assert ways(at.lma(from_mag(MAG1, key, MAG1.address, HOST))) == [("src0", None)]
    assert at.lma(from_mag(MAG2, key, MAG1.address, HOST)) == []


def test_only_what_is_sent_to_the_lma_as_a_router_is_routed() -> None:
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    assert at.lma(replace(from_source(HOME1), eth_destination=HOST_MAC)) == []


# --- a node that stays -----------------------------------------------------------------------------------------------


def test_downlink_from_the_source_to_the_node() -> None:
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    assert ways(at.lma(from_source(HOME1))) == [("mag0", "mag1")]
    assert ways(at.lma(from_source(HOME2))) == [(CONTROLLER, None)]
    ((port, frame),) = at.mag(MAG1, from_lma(HOME1))
    assert (port, frame.eth_destination, frame.eth_source) == ("mn1", PROFILE1.link_layer_id, MAG_ACCESS_MAC)
    assert frame.hop_limit == 63
    assert at.mag(MAG2, from_lma(HOME1)) == []


def test_uplink_from_the_node_to_the_source() -> None:
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    ((port, packet),) = at.mag(MAG1, from_mobile_node())
    assert (port, packet.tunnel_key, packet.hop_limit) == ("lma0", DOMAIN.lma_gre_key, 63)
    ((port, frame),) = at.lma(from_mag(MAG1, DOMAIN.lma_gre_key, HOME1, HOST))
    assert (port, frame.eth_destination, frame.eth_source) == ("src0", HOST_MAC, LMA_SOURCE_MAC)


@pytest.mark.parametrize("packet", [
    from_mobile_node(source=HOME2),
    from_mobile_node(source=IPv6Address("2001:db8:dead::1")),
    from_mobile_node(source=IPv6Address("fe80::11")),
    from_mobile_node(mac=PROFILE2.link_layer_id),
    from_mobile_node(port="mn2"),
    from_mobile_node(router=bytes.fromhex("3333ff000001")),
    from_mobile_node(destination=IPv6Address("fe80::ca:57ff:feff:ff01")),
])
def test_what_is_not_the_nodes_own_or_stays_on_the_link_is_not_let_in(packet: Packet) -> None:
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    bind(given, MN2, MAG2, "mn2")
    assert at.mag(MAG1, packet) == []


def test_the_lma_takes_a_source_address_only_from_the_mag_where_it_is_bound() -> None:
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    bind(given, MN2, MAG2, "mn2")
    key = DOMAIN.lma_gre_key
    assert ways(at.lma(from_mag(MAG1, key, HOME1, HOST))) == [("src0", None)]
    assert at.lma(from_mag(MAG2, key, HOME1, HOST)) == []
    assert at.lma(from_mag(MAG1, key + 1, HOME1, HOST)) == []
    assert ways(at.lma(from_mag(MAG1, key, HOME1, STRANGER))) == [(CONTROLLER, None)]


def test_nodes_reach_each_other_by_the_lma_also_at_one_mag() -> None:
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    bind(given, MN2, MAG1, "mn2")
    ((port, packet),) = at.lma(from_mag(MAG1, DOMAIN.lma_gre_key, HOME1, HOME2))
    assert (port, packet.tunnel_destination) == ("mag0", MAG1.address)
    assert ways(at.mag(MAG1, from_lma(HOME2, HOME1))) == [("mn2", None)]


def test_a_node_that_is_not_registered_has_no_service() -> None:
    given, at = world()
    given.bind(MN1, "mag1", BindingState.PENDING_DELETE)
    given.listeners.attach("mag1", MN1, "mn1")
    assert ways(at.lma(from_source(HOME1))) == [(CONTROLLER, None)]
    assert at.lma(from_mag(MAG1, DOMAIN.lma_gre_key, HOME1, HOST)) == []
    assert at.mag(MAG1, from_mobile_node()) == []
    assert at.mag(MAG1, from_lma(HOME1)) == []


@pytest.mark.parametrize(("destination", "protocol", "taken"), [
    (LMA_LINK_LOCAL_ADDRESS, 58, True),
    (IPv6Address("ff02::1:ffff:ff02"), 58, True),
    (IPv6Address("ff02::1:ffff:ff03"), 58, False),
    (LMA_LINK_LOCAL_ADDRESS, 17, False),
])
def test_what_is_said_to_the_router_itself_goes_to_the_controller(
    destination: IPv6Address, protocol: int, taken: bool
) -> None:
    _, at = world()
    link_layer_id = multicast_mac(destination) if destination.is_multicast else HOST_MAC
    sent = at.lma(replace(from_source(destination), ip_proto=protocol, eth_destination=link_layer_id))
    assert [port for port, _ in sent] == ([CONTROLLER] if taken else [])


# --- a node that moves -----------------------------------------------------------------------------------------------


def test_downlink_during_a_handover_is_buffered_and_cloned() -> None:
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    handover = given.hand_over(MN1, "mag1", "mag2", receiving=(), cloning=())
    tunnelled = from_mag(MAG1, DOMAIN.mag_gre_key, HOST, HOME1)
    assert ways(at.lma(from_source(HOME1))) == [("mag0", "mag1")]
    assert ways(at.mag(MAG1, from_lma(HOME1))) == [("mag0", "mag2"), ("mn1", None)]
    ((port, frame),) = at.mag(MAG2, tunnelled)
    assert (port, path_index(frame.eth_source)) == ("hob0", MAG1.index)

    given.listeners.detach("mag1", MN1)
    assert ways(at.mag(MAG1, from_lma(HOME1))) == [("mag0", "mag2")]

    bind(given, MN1, MAG2, "mn1")
    assert ways(at.lma(from_source(HOME1))) == [("mag0", "mag1"), ("mag0", "mag2")]
    ((port, frame),) = at.mag(MAG2, from_lma(HOME1))
    assert (port, path_index(frame.eth_source)) == ("hob0", native_path(0))

    handover.direct = True
    assert ways(at.mag(MAG2, from_lma(HOME1))) == [("mn1", None)]

    handover.release()
    assert ways(at.lma(from_source(HOME1))) == [("mag0", "mag2")]
    assert at.mag(MAG1, from_lma(HOME1)) == []
    assert at.mag(MAG2, tunnelled) == []


def test_uplink_goes_back_by_the_previous_mag_until_the_node_is_bound() -> None:
    given, at = world()
    bind(given, MN1, MAG1, None)
    handover = given.hand_over(MN1, "mag1", "mag2", receiving=(), cloning=())
    given.listeners.attach("mag2", MN1, "mn1")
    key = DOMAIN.lma_gre_key
    ((port, packet),) = at.mag(MAG2, from_mobile_node())
    assert (port, packet.tunnel_destination, packet.tunnel_key) == ("mag0", MAG1.address, RELAY1)
    ((port, packet),) = at.mag(MAG1, from_mag(MAG2, RELAY1, HOME1, HOST))
    assert (port, packet.tunnel_key) == ("lma0", key)
    assert at.mag(MAG1, from_mag(MAG2, RELAY1, HOME2, HOST)) == []
    assert at.mag(MAG1, from_mag(MAG3, RELAY1, HOME1, HOST)) == []
    # Both ways are open at the LMA, so that it does not matter which switch changes first.
    assert ways(at.lma(from_mag(MAG1, key, HOME1, HOST))) == [("src0", None)]
    assert ways(at.lma(from_mag(MAG2, key, HOME1, HOST))) == [("src0", None)]

    bind(given, MN1, MAG2, "mn1")
    assert ways(at.mag(MAG2, from_mobile_node())) == [("lma0", None)]
    assert ways(at.lma(from_mag(MAG1, key, HOME1, HOST))) == [("src0", None)]
    handover.release()
    assert at.lma(from_mag(MAG1, key, HOME1, HOST)) == []
    assert at.mag(MAG1, from_mag(MAG2, RELAY1, HOME1, HOST)) == []


def test_uplink_waits_at_the_buffer_port_from_the_binding_until_the_switch_delivers_alone() -> None:
    given, at = world()
    bind(given, MN1, MAG1, None)
    handover = given.hand_over(MN1, "mag1", "mag2", receiving=(), cloning=(), uplink_waits=True)
    given.listeners.attach("mag2", MN1, "mn1")
    assert ways(at.mag(MAG2, from_mobile_node())) == [("mag0", "mag1")]

    bind(given, MN1, MAG2, "mn1")
    ((port, waiting),) = at.mag(MAG2, from_mobile_node())
    assert (port, path_index(waiting.eth_source)) == ("hob0", UPLINK_PATH)
    assert waiting.hop_limit == from_mobile_node().hop_limit
    # It comes back by the port as it has left.
    ((port, sent),) = at.mag(MAG2, replace(waiting, in_port="hob0"))
    assert (port, sent.tunnel_key, sent.hop_limit) == ("lma0", DOMAIN.lma_gre_key, waiting.hop_limit - 1)
    assert at.mag(MAG2, replace(waiting, in_port="hob0", ipv6_source=HOME2)) == []
    assert at.mag(MAG2, replace(waiting, in_port="hob0", eth_source=path_mac(0))) == []
    # Another node has nothing to wait for.
    bind(given, MN2, MAG2, "mn2")
    other = from_mobile_node(HOME2, port="mn2", mac=PROFILE2.link_layer_id)
    assert ways(at.mag(MAG2, other)) == [("lma0", None)]

    handover.direct = True
    assert ways(at.mag(MAG2, from_mobile_node())) == [("lma0", None)]
    assert ways(at.mag(MAG2, replace(waiting, in_port="hob0"))) == [("lma0", None)]
    handover.release()
    assert at.mag(MAG2, replace(waiting, in_port="hob0")) == []


def test_the_marker_behind_the_uplink_goes_the_same_way_and_comes_back_down_to_the_buffer() -> None:
    given, at = world()
    bind(given, MN1, MAG1, None)
    given.hand_over(MN1, "mag1", "mag2", receiving=(), cloning=(), uplink_waits=True)
    bind(given, MN1, MAG2, "mn1")
    header = decode_ipv6(marker(PROFILE1.home_network_prefixes[0], bytes(8)))
    for ingress in (from_mag(MAG1, DOMAIN.lma_gre_key, header.source, header.destination),
                    from_mag(MAG2, DOMAIN.lma_gre_key, header.source, header.destination)):
        assert ("mag0", "mag2") in [
            ("mag0" if port == "IN_PORT" else port, mag) for port, mag in ways(at.lma(ingress))
        ]
    ((port, sent),) = at.mag(MAG1, from_mag(MAG2, RELAY1, header.source, header.destination))
    assert (port, sent.tunnel_key) == ("lma0", DOMAIN.lma_gre_key)
    ((port, kept),) = at.mag(MAG2, from_lma(header.destination, header.source))
    assert (port, path_index(kept.eth_source)) == ("hob0", native_path(0))


def test_uplink_of_a_node_that_went_on_before_it_was_bound_goes_back_all_the_way() -> None:
    given, at = world()
    bind(given, MN1, MAG1, None)
    given.hand_over(MN1, "mag1", "mag2", receiving=(), cloning=())
    given.hand_over(MN1, "mag2", "mag3", receiving=(), cloning=(), relayed=True)
    given.listeners.attach("mag3", MN1, "mn1")
    assert ways(at.mag(MAG3, from_mobile_node())) == [("mag0", "mag2")]
    assert ways(at.mag(MAG2, from_mag(MAG3, RELAY1, HOME1, HOST))) == [("mag0", "mag1")]
    assert ways(at.mag(MAG1, from_mag(MAG2, RELAY1, HOME1, HOST))) == [("lma0", None)]


def test_what_comes_for_a_node_by_its_first_way_is_kept_while_it_comes_back_by_another() -> None:
    """mag1 -> mag2 -> mag3 -> mag2: out of its first buffer at mag2 its buffer at mag3 is still fed."""
    given, at = world()
    bind(given, MN1, MAG1, None)
    given.hand_over(MN1, "mag1", "mag2", receiving=(), cloning=())
    given.hand_over(MN1, "mag3", "mag2", receiving=(), cloning=(), relayed=True, handover_id="back")
    first = from_mag(MAG1, DOMAIN.mag_gre_key, HOST, HOME1)
    assert [port for port, _ in at.mag(MAG2, first)] == ["hob0"]
    assert [port for port, _ in at.mag(MAG2, from_mag(MAG3, RELAY1, HOST, HOME1))] == ["hob0"]


def test_what_another_node_sends_to_one_that_moves_is_downlink_in_the_tunnel() -> None:
    given, at = world()
    bind(given, MN1, MAG1, "mn1")
    bind(given, MN2, MAG2, None)
    given.hand_over(MN1, "mag1", "mag2", receiving=(), cloning=())
    given.hand_over(MN2, "mag2", "mag1", receiving=(), cloning=())
    given.listeners.attach("mag1", MN2, "mn2")
    clone = from_mag(MAG1, DOMAIN.mag_gre_key, HOME2, HOME1)
    assert [port for port, _ in at.mag(MAG2, clone)] == ["hob0"]


def test_joined_ahead_the_lma_sends_to_both_and_the_new_mag_serves_at_once() -> None:
    given, at = world()
    bind(given, MN1, MAG1, None)
    given.hand_over(MN1, "mag1", "mag2", joining=())
    assert ways(at.lma(from_source(HOME1))) == [("mag0", "mag1"), ("mag0", "mag2")]
    assert at.mag(MAG2, from_lma(HOME1)) == []
    given.listeners.attach("mag2", MN1, "mn1")
    assert ways(at.mag(MAG2, from_lma(HOME1))) == [("mn1", None)]
    assert ways(at.mag(MAG2, from_mobile_node())) == [("lma0", None)]


def test_kept_packets_of_a_node_that_left_unannounced() -> None:
    given, at = world()
    bind(given, MN1, MAG1, None)
    given.listeners.retain("mag1", MN1, ())
    assert [port for port, _ in at.mag(MAG1, from_lma(HOME1))] == ["hob0"]
    bind(given, MN1, MAG2, "mn1")
    assert ways(at.lma(from_source(HOME1))) == [("mag0", "mag1"), ("mag0", "mag2")]

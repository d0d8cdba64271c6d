# SPDX-License-Identifier: Apache-2.0
"""What the routers of a domain answer to packets that they cannot forward: to whom, from whom, how often."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import router_errors
from controller.binding_cache import BindingCache, BindingState
from controller.events import PacketNotForwarded
from controller.lma_routes import LmaRoutes
from controller.router_errors import RouterErrors
from controller.source_neighbours import SourceNeighbours
from southbound.codec.ethernet import EthernetFrame, decode_ethernet, encode_ethernet
from southbound.codec.ipv6 import Ipv6Packet, decode_ipv6, encode_ipv6, upper_layer_checksum
from southbound.codec.neighbor_discovery import NeighborPacket, NeighborSolicitation
from southbound.codec.neighbor_options import SourceLinkLayerAddress
from tests.unit.controller.test_forwarding import DOMAIN, MAG1, MN1, World
from topology.model import LMA_LINK_LOCAL_ADDRESS, LMA_SOURCE_MAC, MAG_ACCESS_MAC

HOST, NODE = DOMAIN.sources[0].address, IPv6Address("2001:db8:100:1::5")
HOST_MAC, NODE_MAC = bytes.fromhex("020000000010"), bytes.fromhex("020000000011")
TIME_EXCEEDED, PACKET_TOO_BIG = b"\3\0", b"\2\0"


def frame(source: IPv6Address, destination: IPv6Address, *, hop_limit: int = 1, octets: int = 100, mac: bytes) -> bytes:
    packet = Ipv6Packet(
        source=source, destination=destination, next_header=17, payload=bytes(octets - 40), hop_limit=hop_limit
    )
    return encode_ethernet(EthernetFrame(destination=bytes(6), source=mac, payload=encode_ipv6(packet)))


def from_host(**fields: int) -> PacketNotForwarded:
    octets = frame(HOST, NODE, mac=HOST_MAC, **fields)
    return PacketNotForwarded(switch="lma", port="src0", tunnel=None, frame=octets)


def from_node(source: IPv6Address = NODE, **fields: int) -> PacketNotForwarded:
    octets = frame(source, HOST, mac=NODE_MAC, **fields)
    return PacketNotForwarded(switch="mag1", port="mn1", tunnel=None, frame=octets)


def out_of_tunnel(switch: str, port: str, tunnel: IPv6Address | None, source: IPv6Address, to: IPv6Address,
                  **fields: int) -> PacketNotForwarded:
    return PacketNotForwarded(
        switch=switch, port=port, tunnel=tunnel, frame=frame(source, to, mac=bytes(6), **fields)
    )


def echo_request(source: IPv6Address, to: IPv6Address, data: bytes = b"ping") -> bytes:
    message = b"\x80\0\0\0" + b"\x12\x34\0\1" + data
    checksum = upper_layer_checksum(source, to, 58, message)
    return message[:2] + checksum.to_bytes(2, "big") + message[4:]


def to_router(
    switch: str, port: str, tunnel: IPv6Address | None, source: IPv6Address, *, kind: int = 58,
    payload: bytes | None = None, hop_limit: int = 64,
) -> PacketNotForwarded:
    """An Echo Request to the router itself, or what is said."""
    address = next(node.address for node in (DOMAIN.lma, *DOMAIN.mags) if node.id == switch)
    packet = Ipv6Packet(
        source=source, destination=address, next_header=kind, hop_limit=hop_limit,
        payload=echo_request(source, address) if payload is None else payload,
    )
    octets = encode_ethernet(EthernetFrame(destination=bytes(6), source=NODE_MAC, payload=encode_ipv6(packet)))
    return PacketNotForwarded(switch=switch, port=port, tunnel=tunnel, frame=octets)


@pytest.fixture
def counters() -> Counter[str]:
    return Counter()


def all_routers(counters: Counter[str], *states: BindingState) -> RouterErrors:
    """With a session of mn1 in the last of these states."""
    cache, neighbours = BindingCache(), SourceNeighbours(DOMAIN, counters)
    given = World()
    for state in states:
        given.bind(MN1, "mag1", state)
    for entry in given.cache:
        cache.put(entry)
    # The source has asked for its router, so it is known.
    message = NeighborSolicitation(
        target=LMA_LINK_LOCAL_ADDRESS, options=(SourceLinkLayerAddress(address=HOST_MAC),)
    )
    asked = NeighborPacket(source=HOST, destination=LMA_LINK_LOCAL_ADDRESS, message=message)
    neighbours.heard(HOST_MAC, asked, 0.0)
    counters.clear()
    return RouterErrors(DOMAIN, LmaRoutes(DOMAIN, cache, neighbours), counters)


@pytest.fixture
def routers(counters: Counter[str]) -> RouterErrors:
    return all_routers(counters, BindingState.ACTIVE)


@pytest.mark.parametrize(("event", "router", "own_mac", "to_mac"), [
    (from_host(), DOMAIN.lma.address, LMA_SOURCE_MAC, HOST_MAC),
    (from_node(), MAG1.address, MAG_ACCESS_MAC, NODE_MAC),
    (out_of_tunnel("mag1", "lma0", None, HOST, NODE), MAG1.address, MAG_ACCESS_MAC, bytes(6)),
    (out_of_tunnel("lma", "mag0", MAG1.address, NODE, HOST), DOMAIN.lma.address, LMA_SOURCE_MAC, bytes(6)),
])
def test_time_exceeded_goes_back_by_the_way_that_the_packet_came(
    routers: RouterErrors, counters: Counter[str], event: PacketNotForwarded, router: IPv6Address, own_mac: bytes,
    to_mac: bytes,
) -> None:
    """RFC 4443 section 3.3, from an address of the router's that reaches far."""
    answer = routers.answered(event, 1.0)
    assert answer is not None
    assert (answer.switch, answer.port, answer.tunnel) == (event.switch, event.port, event.tunnel)
    ethernet = decode_ethernet(answer.frame)
    assert (ethernet.source, ethernet.destination) == (own_mac, to_mac)
    packet, asked = decode_ipv6(ethernet.payload), decode_ipv6(decode_ethernet(event.frame).payload)
    assert (packet.source, packet.destination) == (router, asked.source)
    assert packet.payload[:2] == TIME_EXCEEDED
    assert packet.payload[8:] == decode_ethernet(event.frame).payload
    assert counters == {"not_forwarded.time_exceeded": 1}


@pytest.mark.parametrize("hop_limit", [0, 1, 64])
@pytest.mark.parametrize(("switch", "port", "tunnel", "source"), [
    ("lma", "src0", None, HOST), ("lma", "mag0", MAG1.address, NODE), ("mag1", "mn1", None, NODE),
])
def test_a_router_answers_echo_requests_to_itself(
    routers: RouterErrors, counters: Counter[str], switch: str, port: str, tunnel: IPv6Address | None,
    source: IPv6Address, hop_limit: int,
) -> None:
    """RFC 4443 section 4.2; what has arrived needs no further hop."""
    event = to_router(switch, port, tunnel, source, hop_limit=hop_limit)
    answer = routers.answered(event, 1.0)
    assert answer is not None
    assert (answer.switch, answer.port, answer.tunnel) == (switch, port, tunnel)
    packet, asked = decode_ipv6(decode_ethernet(answer.frame).payload), decode_ipv6(decode_ethernet(event.frame).payload)
    assert (packet.source, packet.destination, packet.next_header) == (asked.destination, source, 58)
    assert upper_layer_checksum(packet.source, packet.destination, 58, packet.payload) == 0
    assert packet.payload[:2] == b"\x81\0"
    assert packet.payload[4:] == asked.payload[4:] == b"\x12\x34\0\1ping"
    assert counters == {"not_forwarded.echo_reply": 1}


def test_echo_replies_are_limited_as_errors_are(routers: RouterErrors) -> None:
    event = to_router("mag1", "mn1", None, NODE)
    assert sum(routers.answered(event, 1.0) is not None for _ in range(100)) == router_errors.NETWORK_BURST
    assert routers.answered(from_node(), 1.0) is None


def test_a_traceroute_by_udp_ends_at_the_router(routers: RouterErrors) -> None:
    """RFC 4443 section 3.1, code 4."""
    answer = routers.answered(to_router("mag1", "mn1", None, NODE, kind=17, payload=bytes(20), hop_limit=1), 1.0)
    assert answer is not None
    assert decode_ipv6(decode_ethernet(answer.frame).payload).payload[:2] == b"\1\4"


@pytest.mark.parametrize("event", [
    from_host(hop_limit=64, octets=DOMAIN.access_mtu + 1), from_node(hop_limit=64, octets=DOMAIN.access_mtu + 1),
])
def test_packet_too_big_says_what_fits_into_the_tunnel(routers: RouterErrors, event: PacketNotForwarded) -> None:
    """RFC 4443 section 3.2, RFC 2473 section 7.1 a, RFC 5213 section 6.9.5."""
    answer = routers.answered(event, 1.0)
    assert answer is not None
    packet = decode_ethernet(answer.frame).payload
    assert len(packet) == 1280
    message = decode_ipv6(packet).payload
    assert message[:2] == PACKET_TOO_BIG
    assert int.from_bytes(message[4:8], "big") == DOMAIN.access_mtu == 1500 - 48


@pytest.mark.parametrize("event", [
    from_host(hop_limit=64, octets=DOMAIN.access_mtu),
    out_of_tunnel("lma", "mag0", MAG1.address, NODE, HOST, hop_limit=64, octets=DOMAIN.access_mtu + 1),
])
def test_a_packet_with_nothing_wrong_is_not_answered(
    routers: RouterErrors, counters: Counter[str], event: PacketNotForwarded
) -> None:
    assert routers.answered(event, 1.0) is None
    assert counters == {"not_answered.nothing_wrong": 1}


@pytest.mark.parametrize(("event", "reason"), [
    (PacketNotForwarded(switch="lma", port="src0", tunnel=None, frame=b"\0" * 12), "truncated"),
    (PacketNotForwarded(switch="lma", port="src0", tunnel=None, frame=b"\0" * 80), "bad_ip_version"),
    (to_router("lma", "src0", None, HOST, kind=6), "for_the_router"),
    (to_router("lma", "src0", None, HOST, kind=6, hop_limit=1), "for_the_router"),
    (to_router("lma", "src0", None, HOST, kind=58, payload=b"\x80\0\0\0" + bytes(8)), "for_the_router"),  # checksum
    (to_router("lma", "src0", None, HOST, kind=58, payload=b"\x80\0"), "for_the_router"),
    (to_router("lma", "src0", None, HOST, kind=58, payload=b"\3\0" + bytes(46)), "for_the_router"),
    (to_router("lma", "src0", None, IPv6Address("ff1e::1")), "no_single_source"),
    (out_of_tunnel("lma", "mag0", MAG1.address, NODE, IPv6Address("fe80::1"), hop_limit=64), "for_the_router"),
    (out_of_tunnel("lma", "mag0", MAG1.address, NODE, IPv6Address("fe80::1"), hop_limit=1), "for_the_router"),
    (out_of_tunnel("mag1", "lma0", None, HOST, IPv6Address("fe80::1"), hop_limit=1), "for_the_router"),
    (PacketNotForwarded(switch="nobody", port="src0", tunnel=None, frame=from_host().frame), "no_router"),
    (from_node(IPv6Address("fe80::1")), "link_local_source"),
    (from_node(IPv6Address("::")), "no_single_source"),
])
def test_what_is_not_answered_is_counted_with_its_reason(
    routers: RouterErrors, counters: Counter[str], event: PacketNotForwarded, reason: str
) -> None:
    assert routers.answered(event, 1.0) is None
    assert counters == {f"not_answered.{reason}": 1}


@pytest.mark.parametrize(("destination", "code"), [
    (NODE, 0),  # a home network without a binding
    (IPv6Address("2001:db8:dead::1"), 0),
    (IPv6Address("2001:db8:c0::99"), 0),  # on the link, but not to be found behind the LMA
])
def test_a_host_is_told_that_there_is_no_way(counters: Counter[str], destination: IPv6Address, code: int) -> None:
    """RFC 4443 section 3.1."""
    octets = frame(HOST, destination, hop_limit=64, octets=1500, mac=HOST_MAC)
    event = PacketNotForwarded(switch="lma", port="src0", tunnel=None, frame=octets)
    answer = all_routers(counters).answered(event, 1.0)
    assert answer is not None
    assert decode_ipv6(decode_ethernet(answer.frame).payload).payload[:2] == bytes((1, code))
    assert counters == {"not_forwarded.destination_unreachable": 1}


@pytest.mark.parametrize(("destination", "code"), [
    (IPv6Address("2001:db8:dead::1"), 0), (IPv6Address("2001:db8:100:2::5"), 0), (IPv6Address("2001:db8:c0::99"), 3),
])
def test_a_mobile_node_is_told_that_there_is_no_way(
    routers: RouterErrors, destination: IPv6Address, code: int
) -> None:
    """Code 3 for a neighbour that does not answer."""
    answer = routers.answered(out_of_tunnel("lma", "mag0", MAG1.address, NODE, destination, hop_limit=64), 1.0)
    assert answer is not None
    assert decode_ipv6(decode_ethernet(answer.frame).payload).payload[:2] == bytes((1, code))


def test_a_mobile_node_that_may_come_back_is_not_called_unreachable(counters: Counter[str]) -> None:
    """RFC 5213 section 5.3.5: until MinDelayBeforeBCEDelete has passed its packets are dropped."""
    assert all_routers(counters, BindingState.PENDING_DELETE).answered(from_host(hop_limit=64), 1.0) is None
    assert counters == {"not_answered.binding_ends": 1}


def test_one_network_is_answered_so_often_and_others_still(routers: RouterErrors, counters: Counter[str]) -> None:
    """RFC 4443 section 2.4 f: a token bucket; whoever makes up addresses in his network has no more of it."""
    answered = sum(
        routers.answered(from_node(IPv6Address(int(NODE) + number)), 1.0) is not None for number in range(100)
    )
    assert answered == router_errors.NETWORK_BURST
    assert counters["not_answered.rate_limited"] == 100 - answered
    assert routers.answered(from_node(IPv6Address("2001:db8:100:2::5")), 1.0) is not None
    assert routers.answered(from_host(), 1.0) is not None
    later = 1.0 + 3 / router_errors.NETWORK_RATE
    assert sum(routers.answered(from_node(), later) is not None for _ in range(10)) == 3


def test_a_router_answers_so_often_altogether_and_remembers_so_many(routers: RouterErrors) -> None:
    networks = [IPv6Address((0x20010DB8 << 96) + (number << 64) + 1) for number in range(2 * router_errors.NETWORKS_MAX)]
    answered = sum(routers.answered(from_node(network), 1.0) is not None for network in networks)
    assert answered == router_errors.ROUTER_BURST
    assert routers.remembered == router_errors.NETWORKS_MAX
    assert routers.answered(from_host(), 1.0) is not None, "each router has its own"


@given(st.lists(st.tuples(st.floats(0, 0.2), st.integers(0, 3)), max_size=200))
def test_never_more_than_the_rate_allows(asked: list[tuple[float, int]]) -> None:
    routers, now, sent = all_routers(Counter()), 1.0, Counter[int]()
    for pause, network in asked:
        now += pause
        source = IPv6Address((0x20010DB8 << 96) + (network << 64) + 1)
        sent[network] += routers.answered(from_node(source), now) is not None
    for count in sent.values():
        assert count <= router_errors.NETWORK_BURST + (now - 1.0) * router_errors.NETWORK_RATE + 1e-6
    assert sent.total() <= router_errors.ROUTER_BURST + (now - 1.0) * router_errors.ROUTER_RATE + 1e-6

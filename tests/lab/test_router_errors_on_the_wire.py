# SPDX-License-Identifier: Apache-2.0
"""LMA and MAGs as routers in a real lab: what ping, TCP and tshark make of their ICMPv6 errors, and what the ends of their
tunnels make of packets."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from controller.router_errors import NETWORK_BURST, NETWORK_RATE
from lab.capture import start_captures, stop_captures
from lab.capture_reader import read_fields
from lab.demo_run import bound_at
from lab.errors import LabError
from lab.namespaces import run_inside
from lab.plan import SOURCE_PORT
from lab.requirements import missing_requirement
from lab.rest_client import ENDED, MAY_LEAVE, follow_handover, start_handover
from southbound.agent.adapters.tunnel_socket import TunnelSocket
from southbound.codec.ipv6 import Ipv6Packet, encode_ipv6
from tests.lab.marked_datagrams import (
    CE,
    ECT_0,
    ECT_1,
    MARKS,
    NOT_ECT,
    congested,
    datagram,
    heard,
    in_tunnel,
    listening,
    say,
)
from tests.lab.router_probes import FULL_SIZE, counted_by, full_size_everywhere, hops, said_of_one_ping
from tests.lab.test_unicast import (
    ICMP_OVERHEAD,
    MN1,
    WAIT_S,
    Running,
    domain_with_unicast,
    eventually,
    hand_over,
    reaches,
)
from topology.model import Mag

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(180),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

PACKET_TOO_BIG, TIME_EXCEEDED = 2, 3
BEYOND, NEXT_HOP = "2001:db8:beef::/48", "fe80::fe"
FAR_HOST = IPv6Address("2001:db8:beef::1")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The source is a router, too: behind its link-local address is a network of its own."""
    routes = [{"prefix": BEYOND, "via": NEXT_HOP}]
    with domain_with_unicast(tmp_path_factory.mktemp("routers"), routes=routes) as here:
        here.lab.run_on("source", ["ip", "-6", "addr", "add", f"{NEXT_HOP}/64", "dev", SOURCE_PORT, "nodad"])
        here.lab.run_on("source", ["ip", "-6", "addr", "add", f"{FAR_HOST}/128", "dev", "lo"])
        yield here


def test_both_ways_the_routers_are_seen_and_then_the_other_end(running: Running) -> None:
    domain, node = running.lab.domain, running.address("mn1")
    lma, mag1 = str(domain.lma.address), str(domain.mags[0].address)
    assert hops(running, "source", node) == [lma, mag1, str(node)]
    assert hops(running, "mn1", running.source) == [mag1, lma, str(running.source)]
    other = running.address("mn2")
    assert hops(running, "mn1", other) == [mag1, lma, mag1, str(other)]


def test_a_trace_to_a_router_ends_there(running: Running) -> None:
    """Each answers by the address that it shows on the way."""
    lma, mag1 = running.lab.domain.lma.address, running.lab.domain.mags[0].address
    assert hops(running, "source", lma) == [str(lma)]
    assert hops(running, "mn1", mag1) == [str(mag1)]
    assert hops(running, "mn1", lma) == [str(mag1), str(lma)]
    assert " 0% packet loss" in said_of_one_ping(running, "mn1", lma, "-s", "1400")


@pytest.mark.parametrize("node", ["source", "mn1"])
def test_whoever_sends_too_much_is_told_what_fits(running: Running, node: str) -> None:
    other = running.source if node == "mn1" else running.address("mn1")
    with full_size_everywhere(running):
        said = said_of_one_ping(running, node, other, "-M", "do", "-s", str(FULL_SIZE - ICMP_OVERHEAD))
        assert f"Packet too big: mtu={running.lab.domain.access_mtu}" in said
        # From then on its own stack cuts the packets to size, and soon that of whoever answers as much.
        words = ("-M", "want", "-s", str(FULL_SIZE - ICMP_OVERHEAD))
        eventually(lambda: " 0% packet loss" in said_of_one_ping(running, node, other, *words))


@pytest.mark.parametrize(("server", "client"), [("source", "mn1"), ("mn1", "source")])
def test_tcp_finds_the_size_of_the_tunnel_by_itself_and_moves(
    running: Running, tmp_path: Path, server: str, client: str
) -> None:
    """Both ends believe in 1,500 octets. What would not fit is dropped, so that without the error nothing would arrive."""
    report = tmp_path / "download"
    address = running.source if server == "source" else running.address("mn1")
    module = [sys.executable, "-m", "tests.lab.tcp_download"]
    with full_size_everywhere(running):
        captures = start_captures(running.lab, tmp_path, ["mn1"], sources=["source"])
        serving = running.lab.start_process(server, [*module, "serve"], name="download")
        fetching = running.lab.start_process(client, [*module, "fetch", str(address), str(report)], name="download")
        try:
            eventually(report.exists)
            for _ in range(2):
                before = int(report.read_text().split()[0])
                hand_over(running, MN1, "mn1")
                eventually(lambda before=before: int(report.read_text().split()[0]) > before + 100_000)
            octets, wrong = (int(word) for word in report.read_text().split())
            assert (octets > 0, wrong) == (True, 0)
        finally:
            running.lab.stop([fetching, serving])
            stop_captures(running.lab, captures)
    (row, *_) = read_fields(
        tmp_path / f"{server}.pcap", f"icmpv6.type == {PACKET_TOO_BIG}",
        ["ipv6.src", "icmpv6.mtu", "icmpv6.checksum.status", "ipv6.plen"],
    )
    router, mtu, checksum, length = (field.split(",")[0] for field in row)
    routers = [running.lab.domain.lma, *running.lab.domain.mags]
    assert router in {str(one.address) for one in (routers[:1] if server == "source" else routers[1:])}
    assert (mtu, checksum, length) == (str(running.lab.domain.access_mtu), "1", "1240")


def test_a_flood_is_answered_at_a_rate_and_harms_nobody(running: Running, tmp_path: Path) -> None:
    """RFC 4443 section 2.4 f."""
    captures = start_captures(running.lab, tmp_path, sources=["source"])
    flood = f"timeout 3 ping -6 -n -i 0.002 -t 1 {running.address('mn1')} >/dev/null 2>&1 || true"
    running.lab.run_on("source", ["sh", "-c", flood])
    assert reaches(running, "source", running.address("mn1"))
    stop_captures(running.lab, captures)
    at = [float(row[0]) for row in read_fields(
        tmp_path / "source.pcap", f"icmpv6.type == {TIME_EXCEEDED}", ["frame.time_relative"]
    )]
    assert len(at) >= NETWORK_BURST / 2
    assert len(at) <= NETWORK_BURST + (at[-1] - at[0] + 0.5) * NETWORK_RATE


@pytest.mark.parametrize("hop", [1, 2])
def test_a_flood_of_one_node_takes_no_answer_from_another(running: Running, hop: int) -> None:
    """Of the MAG where both are, and of the LMA."""
    ping = ["ping", "-6", "-n", "-q", "-i", "0.002", "-w", "10", "-t", str(hop), str(running.source)]
    flood = running.lab.start_process("mn1", ping, name="flood")
    try:
        eventually(lambda: "Time exceeded" not in said_of_one_ping(running, "mn1", running.source, "-t", str(hop)))
        asked = f"ping -6 -n -t {hop} -c 10 -i 0.1 -W 1 {running.source} || true"
        said = running.lab.run_on("mn2", ["sh", "-c", asked])
    finally:
        running.lab.stop([flood])
    assert said.count("Time exceeded") == 10, said


def test_who_asks_for_a_home_network_without_a_binding_is_told_so(running: Running) -> None:
    nobody = IPv6Address("2001:db8:100:ffff::5")
    assert f"From {running.lab.domain.lma.address} icmp_seq=1 Destination unreachable: No route" in said_of_one_ping(
        running, "source", nobody
    )
    assert "Destination unreachable: No route" in said_of_one_ping(running, "mn1", nobody)
    on_link = IPv6Address(int(running.source) + 0x99)
    assert "Destination unreachable: Address unreachable" in said_of_one_ping(running, "mn1", on_link)


def test_a_mobile_node_reaches_what_is_behind_a_next_hop_and_keeps_it_when_it_moves(running: Running) -> None:
    eventually(lambda: reaches(running, "mn1", FAR_HOST))
    hand_over(running, MN1, "mn1")
    eventually(lambda: reaches(running, "mn1", FAR_HOST))
    assert reaches(running, "source", running.address("mn1"))
    said = said_of_one_ping(running, "mn1", IPv6Address("2001:db8:feed::1"))
    assert "Destination unreachable: No route" in said


def test_a_group_is_not_answered(running: Running, tmp_path: Path) -> None:
    group = running.lab.domain.mobile_nodes[0].subscriptions[0].group
    captures = start_captures(running.lab, tmp_path, sources=["source"])
    for limit in ("1", "2"):
        with pytest.raises(LabError):
            running.lab.run_on("source", ["ping", "-6", "-c", "3", "-i", "0.1", "-W", "1", "-t", limit, str(group)])
    stop_captures(running.lab, captures)
    assert read_fields(tmp_path / "source.pcap", "icmpv6.type < 128", ["ipv6.src"]) == []


def test_a_mag_is_told_what_is_wrong_with_its_mobility_header(running: Running) -> None:
    """RFC 6275 section 9.2, taken by the MAG's kernel for what it is."""
    mag, lma = running.lab.domain.mags[0], running.lab.domain.lma.address
    binding_update_before_udp = bytes([17, 1, 5, 0]) + bytes(12)

    def send() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, 135) as raw:
            raw.bind((str(mag.address), 0))
            raw.sendto(binding_update_before_udp, (str(lma), 0))

    before = counted_by(running, mag.id, "Icmp6InParmProblems")
    run_inside(running.lab.node(mag.id).namespace, send)
    eventually(lambda: counted_by(running, mag.id, "Icmp6InParmProblems") > before)


# --- the ends of the tunnels ------------------------------------------------------------------------------------------


UNCHANGED = [(mark, mark) for mark in MARKS]
MARKED = [(mark, CE) for mark in (ECT_1, ECT_0, CE)]
"""Whoever does not know ECN is told of congestion by a loss."""
CARRIED = [(NOT_ECT, NOT_ECT), (ECT_1, ECT_1), (ECT_0, ECT_0), (CE, ECT_0)]
"""RFC 3168 section 9.1.1, the full-functionality option: (inner, outer)."""


def mag_of_mn1(here: Running) -> Mag:
    return next(mag for mag in here.lab.domain.mags if mag.id == bound_at(here.client)[MN1])


def group_of_mn1(here: Running) -> IPv6Address:
    group = here.lab.domain.mobile_nodes[0].subscriptions[0].group
    assert isinstance(group, IPv6Address)
    return group


def test_congestion_in_a_tunnel_reaches_who_is_behind_it(running: Running, tmp_path: Path) -> None:
    """RFC 5213 section 5.6.3, both ways, of a group and of unicast."""
    lab, mag, group, own = running.lab, mag_of_mn1(running), group_of_mn1(running), running.address("mn1")
    captures = start_captures(lab, tmp_path)
    with listening(lab, "mn1", group) as node, listening(lab, "source") as host:
        ways = (("source", group, node), ("source", own, node), ("mn1", running.source, host))
        for sender, destination, receiver in ways:
            say(lab, sender, destination)
            assert heard(receiver) == UNCHANGED
            with congested(lab, mag.id, "lma"):
                say(lab, sender, destination)
                assert heard(receiver) == MARKED
    assert in_tunnel(tmp_path / "transport.pcap", lab.domain.lma.address, mag.address, 16) == CARRIED * 4
    assert in_tunnel(tmp_path / "transport.pcap", mag.address, lab.domain.lma.address, 8) == CARRIED * 2
    stop_captures(lab, captures)


def test_congestion_between_two_mags_comes_out_of_the_buffer(running: Running, tmp_path: Path) -> None:
    lab, group, previous = running.lab, group_of_mn1(running), mag_of_mn1(running)
    new = next(mag for mag in lab.domain.mags if mag != previous)
    captures = start_captures(lab, tmp_path)
    with listening(lab, "mn1", group) as node, congested(lab, new.id), lab.mobile_node("mn1") as radio:
        handover_id = start_handover(running.client, MN1, new.id, "predictive")
        for _ in follow_handover(running.client, handover_id, until=MAY_LEAVE, timeout_s=WAIT_S, poll_s=0.02):
            pass
        radio.detach()
        say(lab, "source", group)
        radio.move(new.id)
        assert heard(node) == MARKED
        for _ in follow_handover(running.client, handover_id, until=ENDED, timeout_s=WAIT_S, poll_s=0.02):
            pass
    assert in_tunnel(tmp_path / "transport.pcap", previous.address, new.address, 4) == CARRIED
    stop_captures(lab, captures)


def test_ipv6_in_ipv6_is_refused_and_keyed_gre_is_taken(running: Running, tmp_path: Path) -> None:
    """Both tunnel packets from where mn1 is, by hand; the second is what an agent sends for an MN that it relays."""
    lab, mag, lma = running.lab, mag_of_mn1(running), running.lab.domain.lma.address
    inner = [datagram(running.address("mn1"), running.source, mark) for mark in MARKS]

    def in_ipv6() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_IPV6) as raw:
            raw.bind((str(mag.address), 0))
            for packet in inner:
                raw.sendto(packet, (str(lma), 0))

    def in_gre() -> None:
        tunnel = TunnelSocket(mag.address, lab.domain.lma_gre_key)
        tunnel.open()
        assert all(tunnel.send(packet, lma) for packet in inner)
        tunnel.close()

    captures = start_captures(lab, tmp_path)
    refused = counted_by(running, "lma", "Icmp6OutParmProblems")
    with listening(lab, "source") as host:
        run_inside(lab.node(mag.id).namespace, in_ipv6)
        eventually(lambda: counted_by(running, "lma", "Icmp6OutParmProblems") > refused)
        run_inside(lab.node(mag.id).namespace, in_gre)
        assert heard(host) == UNCHANGED
    assert in_tunnel(tmp_path / "transport.pcap", mag.address, lma, 4) == CARRIED
    stop_captures(lab, captures)


def test_a_packet_too_big_about_the_tunnel_changes_nothing(running: Running) -> None:
    """The MTU of tunnels is configured (`transport_mtu`): what fits goes on fitting (RFC 5213 section 6.9.5)."""
    lab, mag, lma = running.lab, mag_of_mn1(running), running.lab.domain.lma.address
    carried = encode_ipv6(Ipv6Packet(source=lma, destination=mag.address, next_header=47, payload=bytes(1000)))
    error = bytes([PACKET_TOO_BIG, 0, 0, 0]) + (1280).to_bytes(4, "big") + carried

    def send() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
            raw.bind((str(mag.address), 0))
            raw.sendto(error, (str(lma), 0))

    before = counted_by(running, "lma", "Icmp6InPktTooBigs")
    run_inside(lab.node(mag.id).namespace, send)
    eventually(lambda: counted_by(running, "lma", "Icmp6InPktTooBigs") > before)
    full = lab.domain.access_mtu - ICMP_OVERHEAD
    assert " 0% packet loss" in said_of_one_ping(running, "source", running.address("mn1"), "-M", "do", "-s", str(full))

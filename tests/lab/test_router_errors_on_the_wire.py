# SPDX-License-Identifier: Apache-2.0
"""LMA and MAGs as routers in a real lab: what ping, TCP and tshark make of their ICMPv6 errors."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from controller.router_errors import NETWORK_BURST, NETWORK_RATE
from lab.capture import start_captures, stop_captures
from lab.capture_reader import read_fields
from lab.errors import LabError
from lab.plan import RADIO_BRIDGE, SOURCE_PORT
from lab.requirements import missing_requirement
from tests.lab.test_unicast import MN1, Running, domain_with_unicast, eventually, hand_over, reaches
from topology.model import LMA_LINK_LOCAL_ADDRESS, MAG_LINK_LOCAL_ADDRESS

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(180),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

FULL_SIZE = 1500
ICMP_OVERHEAD = 48
PACKET_TOO_BIG, TIME_EXCEEDED = 2, 3
HOPS_MAX = 8


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


def said_of_one_ping(here: Running, node: str, address: IPv6Address, *options: str) -> str:
    """What ping says, answered or not."""
    words = ["sh", "-c", f"ping -6 -n -c 1 -W 2 {' '.join(options)} {address} || true"]
    return here.lab.run_on(node, words)


def hops(here: Running, node: str, address: IPv6Address) -> list[str]:
    """As traceroute finds them: who answers to hop limits 1, 2, 3, until it is the other end."""
    found: list[str] = []
    while len(found) < HOPS_MAX and found[-1:] != [str(address)]:
        said = said_of_one_ping(here, node, address, "-t", str(len(found) + 1))
        who = re.search(r"[Ff]rom ([0-9a-f:]+?):? icmp_seq=1", said)
        assert who is not None, said
        assert ("Time exceeded" in said) is (who.group(1) != str(address)), said
        found.append(who.group(1))
    return found


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


@contextmanager
def full_size_everywhere(here: Running) -> Iterator[None]:
    """The source has no MTU in its route, and mn1 one of its own in place of that of the router advertisements."""
    way = ["default", "via", str(LMA_LINK_LOCAL_ADDRESS), "dev", SOURCE_PORT]
    ahead = ["default", "via", str(MAG_LINK_LOCAL_ADDRESS), "dev", RADIO_BRIDGE, "metric", "1"]
    settings = f"/proc/sys/net/ipv6/conf/{RADIO_BRIDGE}"
    here.lab.run_on("source", ["ip", "-6", "route", "replace", *way])
    here.lab.run_on("mn1", ["sh", "-c", f"echo 0 >{settings}/accept_ra_mtu; echo {FULL_SIZE} >{settings}/mtu"])
    here.lab.run_on("mn1", ["ip", "-6", "route", "add", *ahead, "mtu", str(FULL_SIZE)])
    try:
        yield
    finally:
        here.lab.run_on("source", ["ip", "-6", "route", "replace", *way, "mtu", str(here.lab.domain.access_mtu)])
        here.lab.run_on("mn1", ["ip", "-6", "route", "del", *ahead])
        here.lab.run_on("mn1", ["sh", "-c", f"echo 1 >{settings}/accept_ra_mtu"])
        for node in ("source", "mn1"):
            here.lab.run_on(node, ["ip", "-6", "route", "flush", "cache"])


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

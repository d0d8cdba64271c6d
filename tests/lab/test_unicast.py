# SPDX-License-Identifier: Apache-2.0
"""Unicast of mobile nodes in a real lab: what an unmodified host does with the address that it has formed itself."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest

from lab.accounting import Tally, account
from lab.capture import start_captures, stop_captures
from lab.capture_reader import read_fields
from lab.demo_run import await_ready, bound_at
from lab.demo_settings import write_demo_topology
from lab.errors import LabError
from lab.namespaces import run_inside
from lab.network import Lab, running_lab
from lab.plan import RADIO_BRIDGE, SOURCE_PORT, home_addresses
from lab.processes import REPOSITORY
from lab.programs import start_programs
from lab.requirements import missing_requirement
from lab.rest_client import ENDED, MAY_LEAVE, RestClient, follow_handover, start_handover
from lab.stream import MeasuredStream, StreamSettings
from topology.load import load_topology
from topology.model import LMA_LINK_LOCAL_ADDRESS

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(180),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

WAIT_S = 20.0
MN1 = "mn1@example.net"
RATE_PPS = 1000.0
GAP_MS = 50.0
REQUEST, REPLY, ROUTER_SOLICITATION = 128, 129, 133
ICMP_OVERHEAD = 48
"""IPv6 and ICMPv6 headers."""


@dataclass(frozen=True)
class Running:
    lab: Lab
    client: RestClient

    def address(self, name: str) -> IPv6Address:
        profile = next(node for node in self.lab.domain.mobile_nodes if node.name == name)
        return home_addresses(profile)[0].ip

    @property
    def source(self) -> IPv6Address:
        return self.lab.domain.sources[0].address


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with domain_with_unicast(tmp_path_factory.mktemp("unicast")) as here:
        yield here


@contextmanager
def domain_with_unicast(folder: Path, links: Sequence[dict[str, Any]] = (), **lma: Any) -> Iterator[Running]:
    """A lab with controller and agents, both mobile nodes at mag1, and ways both ways. `lma`: more keys of its section;
    `links`: delays on the transport network."""
    topology = write_demo_topology(REPOSITORY / "topology.yaml", folder, "draft")
    document = json.loads(topology.read_text())
    delayed = {"links": list(links)} if links else {}
    topology.write_text(json.dumps({**document, **delayed, "lma": {**document["lma"], **lma}}))
    with running_lab(load_topology(topology), topology=topology, attach=False) as lab:
        start_programs(lab, topology)
        lab.attach_mobile_nodes()
        with RestClient(lab.state.rest_url) as client:
            await_ready(client, {"mn1@example.net": "mag1", "mn2@example.net": "mag1"}, 30.0)
            here = Running(lab, client)
            for name in ("mn1", "mn2"):
                # The address first has to be formed, and found to be nobody else's (RFC 4862 section 5.4).
                eventually(lambda name=name: reaches(here, "source", here.address(name)))
            yield here


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def reaches(running: Running, node: str, address: IPv6Address) -> bool:
    try:
        running.lab.run_on(node, ["ping", "-6", "-c", "1", "-W", "1", str(address)])
    except LabError:
        return False
    return True


def ping(running: Running, node: str, address: IPv6Address, *, size: int = 56) -> str:
    """The last lines of twenty echo requests that must not be fragmented. LabError when one in twenty is not answered."""
    words = ["ping", "-6", "-M", "do", "-c", "20", "-i", "0.02", "-W", "1", "-s", str(size), str(address)]
    return running.lab.run_on(node, words)


@pytest.mark.parametrize(("node", "other"), [("mn1", "source"), ("source", "mn1"), ("mn1", "mn2")])
def test_every_ping_is_answered_once(running: Running, node: str, other: str) -> None:
    address = running.source if other == "source" else running.address(other)
    said = ping(running, node, address, size=running.lab.domain.access_mtu - ICMP_OVERHEAD)
    assert "20 packets transmitted, 20 received, 0% packet loss" in said
    assert "DUP" not in said


def test_what_a_node_sends_under_an_address_that_is_not_its_own_goes_nowhere(running: Running) -> None:
    foreign = "2001:db8:100:2::bad"
    running.lab.run_on("mn1", ["ip", "-6", "addr", "add", f"{foreign}/128", "dev", "wlan0", "nodad"])
    try:
        with pytest.raises(LabError):
            running.lab.run_on("mn1", ["ping", "-6", "-I", foreign, "-c", "3", "-i", "0.1", "-W", "1", str(running.source)])
    finally:
        running.lab.run_on("mn1", ["ip", "-6", "addr", "del", f"{foreign}/128", "dev", "wlan0"])
    assert reaches(running, "mn1", running.source)


def solicit_routers() -> None:
    """As a host does whose interface has come up (RFC 4861 section 6.3.7); its kernel adds source and checksum."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(SOURCE_PORT))
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        raw.sendto(bytes([ROUTER_SOLICITATION]) + bytes(7), ("ff02::2", 0))


def test_a_host_on_the_network_of_the_sources_learns_the_way_to_home_networks(running: Running) -> None:
    """RFC 4191: by its own kernel, without a route that is given by hand."""
    lab, mn1 = running.lab, running.address("mn1")
    way = ["default", "via", str(LMA_LINK_LOCAL_ADDRESS), "dev", SOURCE_PORT]
    setting = f"/proc/sys/net/ipv6/conf/{SOURCE_PORT}/accept_ra_rt_info_max_plen"
    lab.run_on("source", ["ip", "-6", "route", "del", *way])
    try:
        assert not reaches(running, "source", mn1)
        lab.run_on("source", ["sh", "-c", f"echo 64 >{setting}"])
        run_inside(lab.node("source").namespace, solicit_routers)
        eventually(lambda: reaches(running, "source", mn1))
        learned = lab.run_on("source", ["ip", "-6", "route", "show", "proto", "ra"])
        for node in lab.domain.mobile_nodes:
            assert f"{node.home_network_prefixes[0]} via {LMA_LINK_LOCAL_ADDRESS} dev {SOURCE_PORT}" in learned
        assert "default" not in learned
    finally:
        lab.run_on("source", ["sh", "-c", f"echo 0 >{setting}; ip -6 route flush proto ra"])
        lab.run_on("source", ["ip", "-6", "route", "add", *way, "mtu", str(lab.domain.access_mtu)])


def hand_over(running: Running, mn_id: str, name: str) -> None:
    """A predictive handover to the other MAG, as the demo does them."""
    target = "mag2" if bound_at(running.client)[mn_id] == "mag1" else "mag1"
    handover_id = start_handover(running.client, mn_id, target, "predictive")
    for _ in follow_handover(running.client, handover_id, until=MAY_LEAVE, timeout_s=WAIT_S, poll_s=0.02):
        pass
    with running.lab.mobile_node(name) as host:
        host.move(target, GAP_MS)
    for seen in follow_handover(running.client, handover_id, until=ENDED, timeout_s=WAIT_S, poll_s=0.02):
        last = seen
    assert last["state"] == "completed", last


def test_unicast_and_multicast_at_once_lose_nothing_while_the_node_moves(running: Running) -> None:
    settings = {"source": "source", "rate_pps": RATE_PPS, "size": 200}
    group = running.lab.domain.mobile_nodes[0].subscriptions[0].group
    streams = [
        MeasuredStream(running.lab, StreamSettings(group=destination, port=port, **settings), ["mn1"], name=name)
        for name, destination, port in (("group", group, 5001), ("own", running.address("mn1"), 5002))
    ]
    for stream in streams:
        stream.start()
        stream.await_reception("mn1", 100, WAIT_S)
    begin = time.time_ns()
    for _ in range(6):
        hand_over(running, MN1, "mn1")
    for stream in streams:
        stream.await_reception("mn1", 100, WAIT_S)
    end = time.time_ns()
    tallies: list[Tally] = []
    for stream in streams:
        records = stream.stop()
        tallies.append(account(records.sent, records.received["mn1"], start_ns=begin, end_ns=end).total)
    assert all(tally.sent > 1000 for tally in tallies)
    assert [tally for tally in tallies if not tally.perfect] == []


def echoes(file: Path, kind: int, source: IPv6Address, ports: Collection[str] = ()) -> list[tuple[str, str]]:
    """(identifier, number) of what `source` has said, in the order of this capture; `ports`: by one of these alone."""
    rows = read_fields(
        file, f"icmpv6.type == {kind} && ipv6.src == {source}",
        ["icmpv6.echo.identifier", "icmpv6.echo.sequence_number", *(["sll.ifindex"] if ports else [])],
    )
    return [(identifier, number) for identifier, number, *port in rows if not ports or port[0] in ports]


def counted(running: Running) -> tuple[int, int, int]:
    """Of mn1: Echo Requests that have come to it, replies that it has made, and what its interface has dropped of what it
    had to send."""
    lines = running.lab.run_on("mn1", ["cat", "/proc/net/snmp6"]).splitlines()
    of_host = dict(line.split() for line in lines)
    (wlan0,) = json.loads(running.lab.run_on("mn1", ["ip", "-j", "-s", "link", "show", RADIO_BRIDGE]))
    return (
        int(of_host["Icmp6InEchos"]), int(of_host["Icmp6OutEchoReplies"]), int(wlan0["stats64"]["tx"]["dropped"])
    )


@contextmanager
def captured_at_every_port(running: Running, file: Path) -> Iterator[set[str]]:
    """Whatever passes mn1's interfaces; gives the indexes of its links to MAGs: what leaves by those is on the air."""
    everything = ["tcpdump", "-n", "-U", "--immediate-mode", "-B", "16384", "-s", "256", "-Z", "root", "-i", "any"]
    capturing = running.lab.start_process("mn1", [*everything, "-y", "LINUX_SLL2", "-w", str(file)], name="tcpdump-any")
    try:
        eventually(file.exists)
        found = json.loads(running.lab.run_on("mn1", ["ip", "-j", "link"]))
        yield {str(one["ifindex"]) for one in found if one["ifname"] in ("mag1", "mag2")}
    finally:
        running.lab.stop([capturing])


def test_each_way_what_leaves_one_interface_reaches_the_other_once_while_the_node_moves(
    running: Running, tmp_path: Path
) -> None:
    """Of what its own kernel drops, because its interface can receive and not send yet, no gateway knows: it is counted
    there (docs/explanation/exactly-once.md)."""
    mn1, source = running.address("mn1"), running.source
    words = ["ping", "-6", "-q", "-i", "0.002"]
    before = counted(running)
    with captured_at_every_port(running, tmp_path / "ports.pcap") as ports:
        captures = start_captures(running.lab, tmp_path, ["mn1"], sources=["source"])
        pinging = [
            running.lab.start_process("source", [*words, str(mn1)], name="ping"),
            running.lab.start_process("mn1", [*words, str(source)], name="ping"),
        ]
        try:
            for _ in range(8):
                hand_over(running, MN1, "mn1")
            eventually(lambda: reaches(running, "mn1", source))
        finally:
            running.lab.stop(pinging)
            eventually(lambda: reaches(running, "source", mn1))
            results = stop_captures(running.lab, captures)
    assert [result.dropped for result in results] == [0] * len(results)
    asked, answered, dropped = (late - early for early, late in zip(before, counted(running), strict=True))
    sent = echoes(tmp_path / "source.pcap", REQUEST, source)
    assert len(sent) > 1000
    assert echoes(tmp_path / "mn1.pcap", REQUEST, source) == sent
    assert asked == answered == len(sent)
    replies = echoes(tmp_path / "mn1.pcap", REPLY, mn1)
    assert 0 <= answered - len(replies) <= dropped
    for kind in (REQUEST, REPLY):
        left = echoes(tmp_path / "ports.pcap", kind, mn1, ports)
        assert len(left) > 1000
        assert echoes(tmp_path / "source.pcap", kind, mn1) == left


def test_a_download_goes_on_while_the_node_moves(running: Running, tmp_path: Path) -> None:
    """An unmodified TCP: what it has received is what was sent, octet by octet, over eight moves; ping runs beside it."""
    report = tmp_path / "download"
    server = running.lab.start_process("source", [sys.executable, "-m", "tests.lab.tcp_download", "serve"], name="download")
    client = running.lab.start_process(
        "mn1", [sys.executable, "-m", "tests.lab.tcp_download", "fetch", str(running.source), str(report)], name="download"
    )
    pinging = running.lab.start_process(
        "mn1", ["ping", "-6", "-i", "0.02", "-D", str(running.source)], name="ping"
    )
    try:
        eventually(report.exists)
        for _ in range(8):
            before = int(report.read_text().split()[0])
            hand_over(running, MN1, "mn1")
            eventually(lambda before=before: int(report.read_text().split()[0]) > before)
        octets, wrong = (int(word) for word in report.read_text().split())
        assert octets > 0
        assert wrong == 0
        assert server.alive
        assert client.alive
    finally:
        running.lab.stop([pinging, client, server])
    said = (running.lab.folder / "mn1" / "log" / "ping.log").read_text()
    assert len(re.findall("bytes from", said)) > 20
    assert "DUP" not in said

# SPDX-License-Identifier: Apache-2.0
"""Source, sinks, captures and the mobile node's own trigger in a lab whose switches have hand-written rules."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from lab.accounting import account
from lab.capture import start_captures, stop_captures
from lab.capture_reader import mobility_headers, read_fields, tunnel_packets
from lab.errors import LabError
from lab.leftovers import read_contents
from lab.namespaces import run_inside
from lab.network import Lab, running_lab
from lab.processes import REPOSITORY
from lab.requirements import missing_requirement
from lab.stream import MeasuredStream, StreamSettings
from lab.stream_format import PAYLOAD_HEADER
from lab.traffic_source import Stream, TrafficSource
from southbound.codec.binding_options import MobileNodeIdentifier
from southbound.codec.castover_options import NewMagIdentifier
from southbound.codec.ethernet import decode_ethernet
from southbound.codec.handover import Dialect, HandoverIndication
from southbound.codec.mobility import decode_mobility_packet
from tests.lab.network_domain import GROUP, LMA_KEY, PORT, domain, install_rules, until

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

RATE = 1000.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    of = domain("traffic")
    with running_lab(dataclasses.replace(of, name=f"cst-demo-{os.getpid()}")) as built:
        install_rules(built)
        yield built


def streaming(lab: Lab, *mobile_nodes: str) -> MeasuredStream:
    """A stream that every sink receives already."""
    settings = StreamSettings(source="source", group=IPv6Address(GROUP), port=PORT, rate_pps=RATE, size=200)
    stream = MeasuredStream(lab, settings, mobile_nodes)
    stream.start()
    for name in mobile_nodes:
        stream.await_reception(name, 10, 10)
    return stream


def test_a_stream_that_nothing_disturbs_arrives_whole_and_a_move_costs_its_gap(lab: Lab) -> None:
    stream = streaming(lab, "mn1", "mn2")
    start_ns = time.time_ns()
    stream.await_reception("mn1", 500, 10)
    with lab.mobile_node("mn1") as host:
        requested_ns = time.time_ns()
        moved = host.move("mag2", 50)
        stream.await_reception("mn1", 500, 10)
        end_ns = time.time_ns()
        records = stream.stop()
        host.move("mag1")
    gap_ms = moved.gap_ms or 0
    accounts = {
        name: account(records.sent, received, start_ns=start_ns, end_ns=end_ns, requests_ns=[requested_ns])
        for name, received in records.received.items()
    }
    assert accounts["mn2"].total.perfect
    assert accounts["mn2"].foreign == accounts["mn1"].foreign == 0
    moved_account = accounts["mn1"]
    # What was on its way when the request was made was sent before it.
    assert 0 <= moved_account.total.lost - moved_account.windows[0].lost <= 2
    assert moved_account.total.duplicated == moved_account.total.reordered == 0
    # Both switches copy to it all the time: what is lost is what was sent while no link was there.
    assert 0.6 * gap_ms <= moved_account.windows[0].lost / RATE * 1000 <= 2 * gap_ms
    assert gap_ms - 5 <= (moved_account.windows[0].interruption_ms or 0) <= gap_ms + 50
    assert records.source_report["sent"] == len(records.sent)
    assert records.source_report["last_sequence"] == records.sent[-1].sequence
    assert all(report["socket_overflow"] == 0 for report in records.sink_reports.values())


def test_a_node_that_comes_and_goes_does_not_touch_the_tunnels_of_the_others(lab: Lab) -> None:
    """Open vSwitch must not take its tunnel endpoints from the kernel's routes (lab.switch.Switch.add_route)."""

    def parameter_problems() -> int:
        lines = Path("/proc/thread-self/net/snmp6").read_text(encoding="ascii").splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("Icmp6OutParmProblems")))

    routes = lab.switch("mag1").appctl("ovs/route/show").splitlines()
    assert [line.split()[:4] for line in routes[1:]] == [["User:", "2001:db8:ff::/64", "dev", "br-phy"]]
    stream = streaming(lab, "mn2")
    with lab.mobile_node("mn1") as host:
        for number in range(60):
            host.move(("mag2", "mag1")[number % 2])
            stream.await_reception("mn2", 20, 10)
    stream.stop()
    assert [run_inside(lab.node(mag).namespace, parameter_problems) for mag in ("mag1", "mag2")] == [0, 0]


def test_the_source_keeps_its_rate(lab: Lab) -> None:
    stream = streaming(lab, "mn2")
    stream.await_reception("mn2", 1000, 10)
    sent = stream.stop().sent
    seconds = (sent[-1].time_ns - sent[0].time_ns) / 1e9
    assert (len(sent) - 1) / seconds == pytest.approx(RATE, rel=0.05)


def test_the_kernels_receive_times_come_after_the_send_times(lab: Lab) -> None:
    stream = streaming(lab, "mn2")
    stream.await_reception("mn2", 100, 10)
    records = stream.stop()
    sent_at = {record.sequence: record.time_ns for record in records.sent}
    delays = [record.time_ns - sent_at[record.sequence] for record in records.received["mn2"]]
    assert min(delays) >= 0
    assert sorted(delays)[len(delays) // 2] < 20_000_000


def test_a_capture_has_every_packet_of_both_tunnels_and_of_the_access_link(lab: Lab, tmp_path: Path) -> None:
    captures = start_captures(lab, tmp_path, ["mn2"])
    stream = streaming(lab, "mn2")
    records = stream.stop()
    results = stop_captures(lab, captures)
    assert [result.dropped for result in results] == [0, 0]
    counted = tunnel_packets(tmp_path / "transport.pcap")
    assert {
        (str(flow.source), str(flow.destination), flow.key, str(flow.inner_destination)): count
        for flow, count in counted.items()
    } == {
        ("2001:db8:ff::1", "2001:db8:ff::11", LMA_KEY, GROUP): len(records.sent),
        ("2001:db8:ff::1", "2001:db8:ff::12", LMA_KEY, GROUP): len(records.sent),
    }
    on_air = read_fields(tmp_path / "mn2.pcap", f"udp.dstport == {PORT}", ["ipv6.dst", "udp.payload"])
    # Both are there for mn2 only once: its link to mag2 is down.
    numbers = [PAYLOAD_HEADER.unpack_from(bytes.fromhex(payload))[0] for _, payload in on_air]
    assert numbers == [record.sequence for record in records.sent]


def test_the_mobile_node_says_ho_initiate_as_the_agent_reads_it(lab: Lab, tmp_path: Path) -> None:
    captures = start_captures(lab, tmp_path, ["mn1"])

    def sniff() -> socket.socket:
        sniffing = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD))
        sniffing.bind(("mn1", 0x86DD))
        sniffing.settimeout(10)
        return sniffing

    send = [
        sys.executable, "-m", "lab.ho_initiate", "--mn-id", "mn1@example.net", "--new-mag", "mag2", "--sequence", "7",
    ]
    with run_inside(lab.node("mag1").namespace, sniff) as access:
        run_inside(lab.node("mn1").namespace, lambda: subprocess.run(send, check=True, timeout=20, cwd=REPOSITORY))
        while (ethernet := decode_ethernet(access.recv(2000))).payload[6] != 135:
            pass  # neighbour discovery and MLD
    stop_captures(lab, captures)
    assert ethernet.source.hex(":") == "02:00:00:00:00:11"
    assert ethernet.destination.hex(":") == "33:33:00:00:00:02"
    packet = decode_mobility_packet(ethernet.payload, Dialect.DRAFT)
    assert packet.source.is_link_local
    assert packet.destination == IPv6Address("ff02::2")
    assert packet.message == HandoverIndication(sequence=7, options=packet.message.options)
    # The end is padded to a multiple of 8 octets (RFC 6275 section 6.2).
    assert [option for option in packet.message.options if hasattr(option, "identifier")] == [
        MobileNodeIdentifier(identifier="mn1@example.net"), NewMagIdentifier(identifier="mag2"),
    ]
    # Wireshark's word, too.
    seen = mobility_headers(tmp_path / "mn1.pcap")
    assert [(header.message_type, header.source) for header in seen] == [(11, packet.source)]


def test_rules_of_others_are_not_counted_as_ours(lab: Lab) -> None:
    switch = lab.switch("mag1")
    contents = read_contents(
        switch.ofctl("--names", "dump-flows", "br-int"), switch.ofctl("--names", "dump-groups", "br-int")
    )
    assert (contents.flows, contents.groups, contents.outputs) == (0, 0, frozenset())


def test_a_capture_that_cannot_start_says_why(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "transport.pcap"
    folder.mkdir()
    with pytest.raises((LabError, OSError)):
        start_captures(lab, tmp_path)


def test_what_is_no_capture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="tshark cannot read"):
        read_fields(tmp_path / "missing.pcap", "gre", ["ipv6.src"])
    with pytest.raises(LabError, match=r"no\.such is neither a field nor a protocol name"):
        read_fields(tmp_path / "missing.pcap", "no.such", ["ipv6.src"])


def test_a_source_sends_a_given_count_with_number_and_time_in_each_packet(lab: Lab) -> None:
    """To itself: a host's own multicast comes back to its own listeners (IPV6_MULTICAST_LOOP)."""

    def join() -> socket.socket:
        sink = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sink.bind((GROUP, PORT + 1))
        request = socket.inet_pton(socket.AF_INET6, GROUP) + struct.pack("I", socket.if_nametoindex("eth0"))
        sink.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        sink.settimeout(5)
        return sink

    source = TrafficSource(Stream(
        group=IPv6Address(GROUP), port=PORT + 1, interface="eth0", rate_pps=2000, size=64, count=20,
    ))
    with run_inside(lab.node("source").namespace, join) as sink:
        before = time.time_ns()
        report = run_inside(lab.node("source").namespace, source.run)
        packets = [sink.recv(2000) for _ in range(20)]
    assert (report.first_sequence, report.last_sequence, report.sent, report.not_sent) == (0, 19, 20, 0)
    assert [len(packet) for packet in packets] == [64] * 20
    numbers, times = zip(*(PAYLOAD_HEADER.unpack_from(packet) for packet in packets), strict=True)
    assert numbers == tuple(range(20))
    assert before <= times[0] <= times[-1] <= time.time_ns()


def test_source_and_sink_speak_plainly_about_what_does_not_work() -> None:
    for module in ("lab.traffic_source", "lab.traffic_sink"):
        said = subprocess.run(
            [sys.executable, "-m", module, GROUP, "5001", "--interface", "nowhere0"],
            capture_output=True, text=True, timeout=20, check=False, cwd=REPOSITORY,
        )
        assert said.returncode == 1
        assert len(said.stderr.splitlines()) == 1
        assert "nowhere0" in said.stderr
    refused = subprocess.run(
        [sys.executable, "-m", "lab.traffic_sink", "2001:db8::1", "5001", "--source", "2001:db8::2"],
        capture_output=True, text=True, timeout=20, check=False, cwd=REPOSITORY,
    )
    assert refused.returncode == 2
    assert "2001:db8::1 is no multicast address" in refused.stderr


def test_a_source_specific_sink_hears_its_source_only(lab: Lab, tmp_path: Path) -> None:
    """The kernel filters by source (RFC 3678); the switches here copy whatever comes."""
    reports = {}
    processes = {}
    for name, source in (("mn1", "2001:db8:c0::10"), ("mn2", "2001:db8:c0::99")):
        reports[name] = tmp_path / f"{name}.json"
        command = [sys.executable, "-m", "lab.traffic_sink", GROUP, str(PORT), "--source", source,
                   "--report", str(reports[name]), "--control", str(tmp_path / f"{name}.control")]
        processes[name] = lab.start_process(name, command, name=f"ssm-{name}")
        until(lambda name=name: (tmp_path / f"{name}.control").exists(), "the sink has joined")
    send = [sys.executable, "-m", "lab.traffic_source", GROUP, str(PORT), "--count", "100"]
    run_inside(lab.node("source").namespace, lambda: subprocess.run(
        send, check=True, timeout=20, cwd=REPOSITORY, capture_output=True,
    ))
    received = {}
    for name, process in processes.items():
        os.kill(process.pid, signal.SIGTERM)
        until(lambda process=process: not process.alive, "the sink has ended")
        received[name] = json.loads(reports[name].read_text())["received"]
    assert received == {"mn1": 100, "mn2": 0}

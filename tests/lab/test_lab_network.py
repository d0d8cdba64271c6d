# SPDX-License-Identifier: Apache-2.0
"""Labs for real: namespaces, Open vSwitch, traffic through hand-written rules, moves, programs in nodes."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from lab.errors import LabError
from lab.mobile_node import MobileNodeHost
from lab.namespaces import run_inside
from lab.neighbours import refresh
from lab.network import Lab, build_lab, running_lab
from lab.processes import REPOSITORY, recorded_processes
from lab.programs import REST_SOCKET_VARIABLE, await_switches, open_rest_socket, start_controller
from lab.requirements import missing_requirement
from lab.status import collect_status
from tests.lab.network_domain import GROUP, LMA_KEY, MAG_KEY, PORT, domain, install_rules, left_over, until

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]


def links_here() -> set[str]:
    with IPRoute() as netlink:
        return {link.get_attr("IFLA_IFNAME") for link in netlink.get_links()}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running_lab(domain("main")) as built:
        install_rules(built)
        yield built


@contextmanager
def listener(lab: Lab, mobile_node: str) -> Iterator[socket.socket]:
    """What any program does: a UDP socket joined on wlan0."""

    def join() -> socket.socket:
        joined = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        joined.bind(("::", PORT))
        request = socket.inet_pton(socket.AF_INET6, GROUP) + struct.pack("I", socket.if_nametoindex("wlan0"))
        joined.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        joined.settimeout(5)
        return joined

    with run_inside(lab.node(mobile_node).namespace, join) as joined:
        yield joined


@contextmanager
def sender(lab: Lab) -> Iterator[socket.socket]:
    def connect() -> socket.socket:
        connected = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        connected.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 16)
        connected.connect((GROUP, PORT))
        return connected

    with run_inside(lab.node("source").namespace, connect) as connected:
        yield connected


@contextmanager
def moving(lab: Lab, name: str) -> Iterator[MobileNodeHost]:
    """A mobile node that is at mag1 at the beginning."""
    with lab.mobile_node(name) as host:
        host.move("mag1")
        yield host


def exchange(source: socket.socket, sink: socket.socket, text: bytes) -> bytes:
    """Send until it arrives: a link that has just come up receives from some moment in the next milliseconds on."""
    deadline = time.monotonic() + 5
    sink.settimeout(0.01)
    while time.monotonic() < deadline:
        source.send(text)
        try:
            return sink.recv(2000)
        except TimeoutError:
            continue
    raise AssertionError("nothing arrives")


def test_multicast_from_the_source_reaches_the_mobile_node_from_the_first_packet(lab: Lab) -> None:
    with moving(lab, "mn1") as host, listener(lab, "mn1") as sink, sender(lab) as source:
        until(lambda: host.receives("mag1"), "mn1's link is up")
        for number in range(100):
            source.send(struct.pack("I", number))
            assert sink.recv(2000) == struct.pack("I", number)


def test_a_packet_of_full_size_passes_the_tunnel(lab: Lab) -> None:
    with moving(lab, "mn1") as host, listener(lab, "mn1") as sink, sender(lab) as source:
        until(lambda: host.receives("mag1"), "mn1's link is up")
        payload = os.urandom(1500 - 40 - 8)
        source.send(payload)
        assert sink.recv(2000) == payload


def test_a_move_keeps_the_socket_the_joins_and_the_address(lab: Lab) -> None:
    with moving(lab, "mn1") as host, listener(lab, "mn1") as sink, sender(lab) as source:
        exchange(source, sink, b"at mag1")
        moved = host.move("mag2", 20.0)
        assert host.attached_to() == "mag2"
        assert moved.gap_ms is not None
        assert 20.0 <= moved.gap_ms < 30.0
        until(lambda: exchange(source, sink, b"at mag2") == b"at mag2", "what is sent now arrives at mag2")
        assert "fe80::ff:fe00:11" in inside(lab, "mn1", "ip", "-6", "addr", "show", "wlan0")


def test_a_detached_node_hears_nothing_and_keeps_its_address(lab: Lab) -> None:
    with moving(lab, "mn2") as host, listener(lab, "mn2") as sink, sender(lab) as source:
        exchange(source, sink, b"before")
        host.detach()
        assert host.attached_to() is None
        while True:  # what was sent before and is still in the socket
            try:
                sink.recv(2000)
            except TimeoutError:
                break
        source.send(b"lost")
        with pytest.raises(TimeoutError):
            sink.recv(2000)
        assert "fe80::ff:fe00:12" in inside(lab, "mn2", "ip", "-6", "addr", "show", "wlan0")
        host.move("mag2")
        until(lambda: exchange(source, sink, b"again") == b"again", "what is sent now arrives")


def test_a_link_receives_within_milliseconds_after_it_comes_up(lab: Lab) -> None:
    """No bridge port delay, no duplicate address detection, no one-second link watch in the way."""
    with moving(lab, "mn1") as host:
        waits = []
        for number in range(20):
            mag = ("mag2", "mag1")[number % 2]
            up = host.move(mag).up
            assert up is not None
            until(lambda mag=mag: host.receives(mag), "the port forwards", timeout_s=0.5)
            waits.append(time.monotonic() - up.called.monotonic)
        assert sorted(waits)[len(waits) // 2] < 0.1


def test_both_ends_of_a_link_have_different_interface_indexes(lab: Lab) -> None:
    for mag in ("mag1", "mag2"):
        there = run_inside(lab.node(mag).namespace, lambda: socket.if_nametoindex("mn1"))
        here = run_inside(lab.node("mn1").namespace, lambda mag=mag: socket.if_nametoindex(mag))
        assert here != there


@pytest.mark.skipif(
    not Path("/proc/sys/net/core/rps_default_mask").exists(), reason="this kernel cannot choose who receives (before 6.4)"
)
def test_one_processor_receives_for_all_links_of_a_node(lab: Lab) -> None:
    for node in lab.nodes.values():
        masks = subprocess.run(
            ["ip", "netns", "exec", node.namespace, "sh", "-c", "cat /sys/class/net/[!l]*/queues/rx-0/rps_cpus"],
            capture_output=True, text=True, check=True,
        ).stdout.split()
        assert masks
        assert len(set(masks)) == 1
        assert int(masks[0].replace(",", ""), 16).bit_count() == 1


def test_the_kernel_does_not_speak_ipv6_on_switch_ports(lab: Lab) -> None:
    for name in ("mag1", "mag2"):
        for port in ("mn1", "mn2", "hob0", "phy0", "br-int"):
            assert "inet6" not in inside(lab, name, "ip", "-6", "addr", "show", "dev", port)
    assert "UP" in inside(lab, "mag1", "ip", "link", "show", "dev", "hob0")


def test_switches_are_what_the_model_says(lab: Lab) -> None:
    expected = {"lma": ("br-phy", 0x101), "mag1": ("br-int", 0x11), "mag2": ("br-int", 0x12)}
    for node, (bridge, datapath_id) in expected.items():
        switch = lab.switch(node)
        assert switch.vsctl("get", "Bridge", bridge, "datapath_id").strip() == f'"{datapath_id:016x}"'
        assert "priority=0 actions=NORMAL" in switch.ofctl("dump-flows", "br-phy")
    for node, remotes in {"lma": {"mag0": "flow"}, "mag1": {"lma0": "2001:db8:ff::1", "mag0": "flow"}}.items():
        switch = lab.switch(node)
        for port, remote in remotes.items():
            assert switch.vsctl("get", "Interface", port, "type", "error").split() == ["gre", "[]"]
            assert switch.vsctl("get", "Interface", port, "options:key", "options:packet_type").split() == [
                "flow", "legacy_l3"
            ]
            assert switch.vsctl("get", "Interface", port, "options:remote_ip").strip().strip('"') == remote
    assert lab.switch("lma").controller_connections() == {"br-phy": False, "br-int": False}
    assert lab.switch("mag1").controller_connections() == {"br-int": False}


def test_every_switch_knows_its_tunnel_neighbours(lab: Lab) -> None:
    shown = lab.switch("mag1").appctl("tnl/neigh/show")
    assert "2001:db8:ff::1 " in shown
    assert "2001:db8:ff::12 " in shown
    assert lab.switch("mag1").appctl("tnl/neigh/aging").strip() == "3600"


def test_neighbours_that_were_lost_come_back(lab: Lab) -> None:
    switch = lab.switch("mag2")
    switch.appctl("tnl/neigh/flush")
    assert "2001:db8:ff::1 " not in switch.appctl("tnl/neigh/show")
    assert list(refresh(lab.domain.name)) == []
    shown = switch.appctl("tnl/neigh/show")
    assert "02:ca:57:ff:00:00" in shown
    assert "02:ca:57:ff:00:01" in shown


def test_the_first_packet_of_an_inter_mag_tunnel_reaches_the_buffer_port(lab: Lab) -> None:
    group = "ff1e::102"
    lab.switch("lma").ofctl(
        "add-flow", "br-int",
        f"in_port=src0,ipv6,ipv6_dst={group},actions=set_field:{LMA_KEY}->tun_id,"
        "set_field:2001:db8:ff::11->tun_ipv6_dst,output:mag0",
    )
    lab.switch("mag1").ofctl(
        "add-flow", "br-int",
        f"in_port=lma0,ipv6,ipv6_dst={group},actions=set_field:{MAG_KEY}->tun_id,"
        "set_field:2001:db8:ff::12->tun_ipv6_dst,output:mag0",
    )
    lab.switch("mag2").ofctl(
        "add-flow", "br-int",
        f"in_port=mag0,tun_id={MAG_KEY},tun_ipv6_src=2001:db8:ff::11,ipv6,ipv6_dst={group},"
        "actions=set_field:33:33:00:00:01:02->eth_dst,set_field:02:ca:57:00:00:01->eth_src,output:hob0",
    )

    def sniff() -> socket.socket:
        sniffing = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD))
        sniffing.bind(("hob0", 0x86DD))
        sniffing.settimeout(5)
        return sniffing

    with run_inside(lab.node("mag2").namespace, sniff) as buffer_port, sender(lab) as source:
        source.sendto(b"first", (group, PORT))
        frame = buffer_port.recv(2000)
    assert frame[:14].hex(":") == "33:33:00:00:01:02:02:ca:57:00:00:01:86:dd"
    assert frame[-5:] == b"first"


def test_every_controlled_bridge_calls_the_controller(lab: Lab) -> None:
    def listen() -> socket.socket:
        listening = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        listening.bind(("fd00:ca57::1", 6653))
        listening.listen(8)
        listening.settimeout(10)
        return listening

    listening = run_inside(lab.node("controller").namespace, listen)
    with listening, ExitStack() as open_connections:
        callers = []
        while len(callers) < 4:
            connection, address = listening.accept()
            open_connections.enter_context(connection)
            connection.settimeout(5)
            assert connection.recv(1)[0] == 6  # the version in the Hello: OpenFlow 1.5
            callers.append(address[0])
    assert sorted(callers) == ["fd00:ca57::11", "fd00:ca57::12", "fd00:ca57::f", "fd00:ca57::f"]


def test_the_controller_gets_its_topology_and_a_socket_on_the_machine(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(
        f"#!{sys.executable}\nimport os, socket, sys\n"
        f"peer = socket.socket(fileno=int(os.environ['{REST_SOCKET_VARIABLE}'])).accept()[0]\n"
        "peer.sendall(' '.join([os.getcwd(), *sys.argv[1:]]).encode())\n",
        encoding="utf-8",
    )
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    topology = tmp_path / "topology.yaml"
    process = start_controller(lab, topology)
    url = lab.state.rest_url
    assert url.startswith("http://127.0.0.1:")
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as client:
        assert client.recv(2000).decode() == f"{REPOSITORY} -m apps --topology {topology}"
    with pytest.raises(LabError, match="controller on controller ended at once"):
        await_switches(lab, [process])


def test_mags_and_lma_reach_each_other_and_the_controller(lab: Lab) -> None:
    for address in ("2001:db8:ff::1", "2001:db8:ff::12", "fd00:ca57::1"):
        assert "1 received" in inside(lab, "mag1", "ping", "-6", "-c", "1", "-W", "2", address)


def test_the_environment_outside_is_not_touched(lab: Lab) -> None:
    before = links_here()
    with running_lab(domain("outside")):
        assert links_here() == before


def test_a_program_runs_in_its_node_and_serves_on_a_socket_from_outside(lab: Lab) -> None:
    program = (
        f"import os, socket; listener = socket.socket(fileno=int(os.environ['{REST_SOCKET_VARIABLE}']));"
        "listener.accept()[0].sendall(' '.join(name for _, name in socket.if_nameindex()).encode())"
    )
    with open_rest_socket("127.0.0.1", 0) as outside:
        address = outside.getsockname()
        process = lab.start_process(
            "controller", [sys.executable, "-c", program], {REST_SOCKET_VARIABLE: str(outside.fileno())},
            [outside.fileno()], name="rest",
        )
    with socket.create_connection(address, timeout=10) as client:
        assert client.recv(2000).decode().split() == ["lo", "mgmt0"]
    until(lambda: not process.alive, "the program has ended")
    assert process in recorded_processes(lab.domain.name)


def test_a_program_is_started_once(lab: Lab) -> None:
    lab.start_process("mag1", ["sleep", "600"], name="once")
    with pytest.raises(LabError, match="once runs already on mag1"):
        lab.start_process("mag1", ["sleep", "600"], name="once")


def test_status_is_plain_data(lab: Lab) -> None:
    with moving(lab, "mn1"):
        status = json.loads(json.dumps(collect_status(lab)))
    assert {node["name"] for node in status["nodes"] if node["exists"]} == set(lab.nodes)
    assert {"name": "mn1", "attached_to": "mag1", "error": None} in status["mobile_nodes"]
    daemons = [process for process in status["processes"] if process["name"].startswith("ovs")]
    assert len(daemons) == 6
    assert all(process["alive"] for process in daemons)


def test_two_labs_are_up_at_once_and_apart(lab: Lab) -> None:
    with running_lab(domain("second")) as second:
        install_rules(second)
        with moving(lab, "mn1") as first_host, moving(second, "mn1") as host:
            until(lambda: first_host.receives("mag1") and host.receives("mag1"), "both links are up")
            with listener(lab, "mn1") as first_sink, listener(second, "mn1") as sink, sender(second) as source:
                source.send(b"second")
                assert sink.recv(2000) == b"second"
                first_sink.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    first_sink.recv(2000)
    assert left_over(second.domain) == []
    assert lab.switch("lma").vsctl("list-br").split() == ["br-int", "br-phy"]


def test_a_lab_that_is_up_is_not_built_again(lab: Lab) -> None:
    with pytest.raises(LabError, match="is up already; take it down first"):
        build_lab(lab.domain)
    assert lab.switch("lma").vsctl("list-br").split() == ["br-int", "br-phy"]


def test_an_unknown_mag_or_node_is_named(lab: Lab) -> None:
    with moving(lab, "mn1") as host:
        with pytest.raises(LabError, match="no link to 'mag9'; allowed: mag1, mag2"):
            host.move("mag9")
        assert host.attached_to() == "mag1"
    with pytest.raises(LabError, match="there is no node 'nowhere'; allowed: transport"):
        lab.node("nowhere")
    with pytest.raises(LabError, match="mn1 has no switch"):
        lab.switch("mn1")


def inside(lab: Lab, node: str, *command: str) -> str:
    """Output of a command inside a node."""
    run = lambda: subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)  # noqa: E731
    return run_inside(lab.node(node).namespace, run).stdout

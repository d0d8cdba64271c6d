# SPDX-License-Identifier: Apache-2.0
"""Delays of topology.yaml on real frames: what is slow and by how much, what stays fast, what a dead forwarder does."""

from __future__ import annotations

import dataclasses
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import pytest

from lab.delay_forwarder import ask_delay_status
from lab.delay_install import FORWARDER, delay_socket
from lab.errors import LabError
from lab.namespaces import run_inside
from lab.network import Lab, build_lab, running_lab
from lab.processes import LabProcess, recorded_processes, stop_processes
from lab.requirements import missing_requirement
from lab.status import collect_status
from tests.lab.network_domain import domain, left_over, until
from topology.model import Domain, Link

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

PORT = 5002
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33


def delayed(name: str, *links: Link) -> Domain:
    return dataclasses.replace(domain(name), links=links)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """20 ms between LMA and mag2, 5 ms between the MAGs, LMA and mag1 next to each other."""
    links = (Link(between=("lma", "mag2"), delay_ms=20), Link(between=("mag1", "mag2"), delay_ms=5))
    with running_lab(delayed("delay", *links), attach=False) as built:
        yield built


def address(lab: Lab, node: str) -> str:
    return str(lab.domain.lma.address if node == "lma" else next(m.address for m in lab.domain.mags if m.id == node))


def round_trips_ms(lab: Lab, node: str, to: str) -> list[float]:
    command = ["ping", "-6", "-c", "20", "-i", "0.02", "-W", "2", address(lab, to)]
    run = lambda: subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)  # noqa: E731
    said = run_inside(lab.node(node).namespace, run).stdout
    return [float(time) for time in re.findall(r"time=([0-9.]+) ms", said)]


@contextmanager
def one_way(lab: Lab, node: str, to: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A UDP socket on one node, connected to one on the other that tells when the kernel got each datagram."""

    def receive() -> socket.socket:
        receiving = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        receiving.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        receiving.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 * 1024 * 1024)
        receiving.bind((address(lab, to), PORT))
        receiving.settimeout(5)
        return receiving

    def send() -> socket.socket:
        sending = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sending.connect((address(lab, to), PORT))
        return sending

    with run_inside(lab.node(to).namespace, receive) as receiver, run_inside(lab.node(node).namespace, send) as sender:
        yield sender, receiver


def forwarder_of(lab: Lab) -> LabProcess:
    return next(process for process in recorded_processes(lab.domain.name) if process.name == FORWARDER)


@pytest.mark.parametrize(
    ("node", "to", "least", "below"),
    [("lma", "mag2", 40, 44), ("mag2", "lma", 40, 44), ("mag1", "mag2", 10, 12), ("lma", "mag1", 0, 2)],
)
def test_ping_shows_the_delay_of_each_pair(lab: Lab, node: str, to: str, least: float, below: float) -> None:
    times = round_trips_ms(lab, node, to)
    assert len(times) == 20
    assert min(times) >= least
    assert median(times) < below


def test_one_way_delay_is_exact_for_every_packet_in_order_and_unchanged(lab: Lab) -> None:
    count = 300
    with one_way(lab, "lma", "mag2") as (sender, receiver):
        # From nothing to the longest that the transport network carries: 2000 - 40 - 8 octets.
        longest = 2000 - 40 - 8
        payloads = [
            struct.pack("!I", number) + os.urandom((longest - 4) * number // (count - 1)) for number in range(count)
        ]
        sent_ns: list[int] = []
        delays_ms = []
        for payload in payloads:
            sent_ns.append(time.time_ns())
            sender.send(payload)
            until(lambda: time.time_ns() - sent_ns[-1] > 1_000_000, "the next is due")
        for payload, at_ns in zip(payloads, sent_ns, strict=True):
            data, control, _, _ = receiver.recvmsg(4096, 64)
            assert data == payload
            seconds, nanoseconds = struct.unpack("@qq", control[0][2][:16])
            delays_ms.append((seconds * 10**9 + nanoseconds - at_ns) / 1e6)
    assert min(delays_ms) >= 20
    assert median(delays_ms) < 22


def test_a_burst_loses_nothing_and_stays_in_order(lab: Lab) -> None:
    before = ask_delay_status(delay_socket(lab.domain.name))
    with one_way(lab, "mag1", "mag2") as (sender, receiver):
        for start in range(0, 4000, 100):
            for number in range(start, start + 100):
                sender.send(struct.pack("!I", number).ljust(300, b"x"))
            # The switch's own receive queue is short: more than this at once is lost before it gets here.
            assert [struct.unpack_from("!I", receiver.recv(400))[0] for _ in range(100)] == list(
                range(start, start + 100)
            )
    after = ask_delay_status(delay_socket(lab.domain.name))
    assert after.forwarded - before.forwarded >= 4000
    assert after.dropped == before.dropped


def test_only_the_delayed_paths_meet_the_forwarder(lab: Lab) -> None:
    before = ask_delay_status(delay_socket(lab.domain.name)).forwarded
    round_trips_ms(lab, "lma", "mag1")
    assert ask_delay_status(delay_socket(lab.domain.name)).forwarded == before


def test_an_idle_forwarder_takes_no_time(lab: Lab) -> None:
    assert idle_share(lab) <= 0.05


def idle_share(lab: Lab) -> float:
    """The share of one processor that the forwarder takes when nothing waits."""
    pid = forwarder_of(lab).pid

    def ticks() -> int:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])  # user and system time (proc(5))

    until(lambda: ask_delay_status(delay_socket(lab.domain.name)).waiting == 0, "nothing waits")
    before, start = ticks(), time.monotonic()
    until(lambda: time.monotonic() - start > 1, "a second has passed")
    return (ticks() - before) / os.sysconf("SC_CLK_TCK")


def test_the_link_of_a_node_delays_all_its_paths() -> None:
    # The smallest delay there is: one more path, as good as fast.
    links = (Link(node="mag2", delay_ms=5), Link(between=("lma", "mag1"), delay_ms=1e-6))
    with running_lab(delayed("node-delay", *links), attach=False) as built:
        assert min(round_trips_ms(built, "lma", "mag2")) >= 10
        assert min(round_trips_ms(built, "mag2", "mag1")) >= 10
        assert median(round_trips_ms(built, "lma", "mag1")) < 2
        assert idle_share(built) <= 0.05
    assert left_over(built.domain) == []


def test_without_delays_there_is_no_forwarder() -> None:
    links = (Link(node="mag2", delay_ms=0), Link(between=("lma", "mag1")))
    with running_lab(delayed("no-delay", *links), attach=False) as built:
        names = {process.name for process in recorded_processes(built.domain.name)}
        assert FORWARDER not in names
        assert collect_status(built)["delays"] is None
        here = run_inside(built.node("transport").namespace, socket.if_nameindex)
        assert not [name for _, name in here if name.startswith("delay")]


def test_status_tells_of_delays_and_of_a_forwarder_that_has_ended() -> None:
    with running_lab(delayed("dead", Link(between=("lma", "mag2"), delay_ms=1)), attach=False) as built:
        found = collect_status(built)
        assert found["delays"]["paths"][0] == {"source": "lma", "destination": "mag2", "delay_ms": 1.0}
        assert found["delays"]["forwarder"]["queue_full"] == 0
        assert found["delays"]["error"] is None
        forwarder = forwarder_of(built)
        os.kill(forwarder.pid, 9)
        until(lambda: not forwarder.alive, "it has ended")
        found = collect_status(built)
        assert [p["alive"] for p in found["processes"] if p["name"] == FORWARDER] == [False]
        assert "does not answer" in found["delays"]["error"]
        # A path that has lost its delay would be taken for a fast one: it must carry nothing.
        with pytest.raises(subprocess.CalledProcessError):
            round_trips_ms(built, "lma", "mag2")
        assert median(round_trips_ms(built, "lma", "mag1")) < 2


def test_a_forwarder_ends_when_told_and_says_what_it_did(lab: Lab) -> None:
    of = delayed("told", Link(between=("lma", "mag2"), delay_ms=1))
    with running_lab(of, attach=False) as built:
        forwarder = forwarder_of(built)
        assert stop_processes(of.name, [forwarder]) == 1
        with open(forwarder.log, encoding="utf-8") as log:
            assert '"forwarded": ' in log.read()


def test_a_forwarder_that_does_not_start_fails_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    of = delayed("failing-delay", Link(node="mag1", delay_ms=1))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LabError, match="delay-forwarder on transport does not take frames"):
        build_lab(of)
    assert left_over(of) == []

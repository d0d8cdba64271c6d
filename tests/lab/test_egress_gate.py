# SPDX-License-Identifier: Apache-2.0
"""The gate on a real veth: it holds the switch's frames and not the agent's, loses none, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from southbound.agent.adapters.access_port import AccessPort
from southbound.agent.adapters.egress_gate import EgressGate
from southbound.agent.adapters.queueing_discipline import QueueingDisciplines
from southbound.agent.adapters.takeovers import Candidate, Takeovers
from tests.support.access_link import (
    ACCESS_PORT,
    LAB_MARKS,
    MAG,
    Link,
    access_link,
    inside,
    ip,
    multicast_frame,
    until,
)

pytestmark = LAB_MARKS

FIRST_OF_AGENT = 1_000_000


@pytest.fixture
def link() -> Iterator[Link]:
    with access_link() as made:
        # As the lab has it: what the node's own stack sends on the port would look like the switch's.
        with inside(MAG):
            Path(f"/proc/sys/net/ipv6/conf/{ACCESS_PORT}/disable_ipv6").write_text("1")
        yield made


@pytest.fixture
def counters() -> Counter[str]:
    return Counter()


@pytest.fixture
def gate(link: Link, counters: Counter[str]) -> Iterator[EgressGate]:
    with inside(MAG):
        disciplines = QueueingDisciplines()
        yield EgressGate(ACCESS_PORT, disciplines, counters)
        disciplines.close()


@pytest.fixture
def switch(link: Link) -> Iterator[socket.socket]:
    """Sends as Open vSwitch's userspace datapath does."""
    with inside(MAG), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind((ACCESS_PORT, 0))
        sender.setblocking(False)
        yield sender


def disciplines_of_port() -> str:
    shown = subprocess.run(
        ["tc", "-n", MAG, "qdisc", "show", "dev", ACCESS_PORT], check=True, capture_output=True, text=True
    )
    return shown.stdout


def nothing(_frame: bytes, _now: float) -> None:
    """What comes from the mobile node is of no interest here."""


def empty(gate: EgressGate) -> None:
    deadline = time.monotonic() + 2.0
    while gate.held():
        assert time.monotonic() < deadline, "the gate did not let through what it held"


@pytest.mark.parametrize("rate_pps", [1_000, 10_000])
def test_what_the_switch_sends_waits_and_comes_in_order_and_the_agent_goes_past(
    link: Link, gate: EgressGate, switch: socket.socket, rate_pps: int
) -> None:
    frames = 200

    async def scenario() -> None:
        with inside(MAG):
            agent = AccessPort(ACCESS_PORT, nothing)
            assert agent.open()
        assert gate.shut()
        began = time.monotonic()
        for number in range(frames):
            while time.monotonic() < began + number / rate_pps:
                pass
            switch.send(multicast_frame(number))
            if number % 10 == 0:
                assert agent.send(multicast_frame(FIRST_OF_AGENT + number))
        assert gate.held() == frames
        expected = [FIRST_OF_AGENT + number for number in range(0, frames, 10)]
        received = link.received()
        assert received == expected
        opened = time.monotonic()
        gate.open()
        empty(gate)
        assert time.monotonic() - opened < 0.05
        switch.send(multicast_frame(frames))
        numbers: list[int] = []
        await until(lambda: numbers.extend(link.received()) or len(numbers) > frames)
        assert numbers == list(range(frames + 1))
        agent.close()

    asyncio.run(scenario())


def test_shutting_and_opening_under_way_loses_and_reorders_nothing(
    link: Link, gate: EgressGate, switch: socket.socket
) -> None:
    numbers: list[int] = []
    sent = 0
    for round_number in range(50):
        assert gate.shut()
        for _ in range(20):
            switch.send(multicast_frame(sent))
            sent += 1
        assert gate.held() == 20
        gate.open()
        # With frames that come while the gate lets through what it held.
        for _ in range(20 * (round_number % 2)):
            switch.send(multicast_frame(sent))
            sent += 1
        empty(gate)
        numbers += link.received()
    asyncio.run(until(lambda: numbers.extend(link.received()) or len(numbers) >= sent))
    assert numbers == list(range(sent))


def test_nothing_passes_by_itself(link: Link, gate: EgressGate, switch: socket.socket) -> None:
    assert gate.shut()
    largest = multicast_frame(0) + bytes(1_400)
    for _ in range(3):
        switch.send(largest)
    deadline = time.monotonic() + 0.3  # longer than any takeover
    while time.monotonic() < deadline:
        assert gate.held() == 3
        assert link.received() == []


def test_a_leftover_is_opened_at_once_and_removed_when_the_link_is_down(
    link: Link, gate: EgressGate, switch: socket.socket, counters: Counter[str]
) -> None:
    assert gate.shut()
    switch.send(multicast_frame(7))
    assert link.received() == []
    gate.clear_leftover()
    numbers: list[int] = []
    asyncio.run(until(lambda: numbers.extend(link.received()) or numbers == [7]))
    assert "tbf ca57:" in disciplines_of_port()
    link.set_up(False)
    asyncio.run(until(gate.remove_when_down))
    assert "tbf" not in disciplines_of_port()
    gate.clear_leftover()
    assert not counters


def test_it_is_made_ahead_only_while_the_link_is_down(
    link: Link, gate: EgressGate, counters: Counter[str]
) -> None:
    """Making it on a link that is up would lose what is sent at that moment."""
    assert not gate.prepare()
    assert gate.held() is None
    link.set_up(False)
    asyncio.run(until(gate.prepare))
    assert gate.held() is not None
    link.set_up(True)
    assert gate.prepare()
    assert not counters


def test_a_discipline_of_somebody_else_is_left_alone(link: Link, gate: EgressGate, counters: Counter[str]) -> None:
    ip("-n", MAG, "link", "set", ACCESS_PORT, "txqueuelen", "10")
    subprocess.run(
        ["tc", "-n", MAG, "qdisc", "add", "dev", ACCESS_PORT, "root", "handle", "1:", "pfifo"],
        check=True, capture_output=True,
    )  # fmt: skip
    assert not gate.shut()
    assert gate.held() is None
    gate.open()
    gate.clear_leftover()
    assert gate.remove_when_down()
    assert "pfifo 1:" in disciplines_of_port()
    assert counters == {"gate_taken": 1}


def test_no_interface(gate: EgressGate, counters: Counter[str]) -> None:
    ip("-n", MAG, "link", "del", ACCESS_PORT)
    assert not gate.prepare()
    assert not gate.shut()
    assert gate.held() is None
    assert gate.remove_when_down()
    gate.open()
    assert counters == {"gate_no_interface": 2}


def test_a_takeover_on_a_real_gate(link: Link, switch: socket.socket) -> None:
    """Packets 0 and 1 lie in the buffer port when the switch sends 2, 3 and 4 by itself."""

    async def scenario() -> None:
        waiting = [0, 1]
        handed_over: list[str] = []
        with inside(MAG):
            agent = AccessPort(ACCESS_PORT, nothing)
            assert agent.open()

            def drain() -> bool:
                for number in waiting:
                    agent.send(multicast_frame(number))
                waiting.clear()
                return True

            takeovers = Takeovers({ACCESS_PORT: ACCESS_PORT}, drain=drain, hand_over=handed_over.append)
            takeovers.start()
        with inside(MAG):
            candidate = Candidate(port_name=ACCESS_PORT, streams=lambda: 1, egress_empty=lambda: True)
            takeovers.expected(ACCESS_PORT)
            takeovers.asked("mn1", candidate)
            for number in (2, 3, 4):
                switch.send(multicast_frame(number))
            takeovers.answered("mn1", None)
            numbers: list[int] = []
            await until(lambda: numbers.extend(link.received()) or len(numbers) >= 5)
            assert numbers == [0, 1, 2, 3, 4]
            assert handed_over == ["mn1"]
            assert takeovers.counters == {"takeover_exact": 1}
            takeovers.end("mn1", here=True)  # the end of that handover; now another one
            takeovers.asked("mn1", candidate)
            switch.send(multicast_frame(5))
            link.set_up(False)
            await until(lambda: not takeovers_running(agent))
            takeovers.end("mn1", here=False)
            takeovers.close()
        agent.close()

    def takeovers_running(agent: AccessPort) -> bool:
        return agent.send(multicast_frame(9))

    asyncio.run(scenario())


def test_who_waits_for_another_is_taken_over_with_it_or_not_yet(link: Link, switch: socket.socket) -> None:
    async def scenario() -> None:
        handed_over: list[str] = []
        candidate = Candidate(port_name=ACCESS_PORT, streams=lambda: 1, egress_empty=lambda: True)
        with inside(MAG):
            takeovers = Takeovers({ACCESS_PORT: ACCESS_PORT}, drain=lambda: True, hand_over=handed_over.append)
            takeovers.start()
            takeovers.asked("mn1", candidate)
            takeovers.answered("mn1", "mn2 shares a group with it")
            assert takeovers.counters == {"takeover_refused": 1}
            # Somebody else's change, which is not for mn1, and one that is.
            takeovers.may_change()
            await until(lambda: takeovers.counters["takeover_not_yet"] == 1)
            takeovers.may_change()
            switch.send(multicast_frame(1))
            await until(lambda: takeovers.counters["takeover_exact"] == 1)
            assert handed_over == ["mn1"]
            # Its own question comes again: it is answered, and nothing more is done.
            takeovers.asked("mn1", candidate)
            takeovers.answered("mn1", None)
            takeovers.may_change()
            switch.send(multicast_frame(2))
            numbers: list[int] = []
            await until(lambda: numbers.extend(link.received()) or len(numbers) >= 2)
            assert numbers == [1, 2]
            assert sum(takeovers.counters.values()) == 3
            # Another one is expected: the switch may take it back, and change over once more.
            takeovers.expected(ACCESS_PORT)
            takeovers.may_change()
            over: list[str] = []
            takeovers.when_over("mn1", lambda: over.append("mn1"))
            switch.send(multicast_frame(3))
            await until(lambda: bool(over))
            assert takeovers.counters["takeover_exact"] == 2
            takeovers.end("mn1", here=True)
            takeovers.may_change()
            assert not takeovers.is_running("mn1")
            takeovers.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("silent", [False, True])
def test_what_may_take_back_waits_until_nobody_is_between_the_two_ways(
    link: Link, switch: socket.socket, silent: bool
) -> None:
    async def scenario() -> None:
        done: list[str] = []
        candidate = Candidate(port_name=ACCESS_PORT, streams=lambda: 1, egress_empty=lambda: True)
        with inside(MAG):
            takeovers = Takeovers({ACCESS_PORT: ACCESS_PORT}, drain=lambda: True, hand_over=done.append)
            takeovers.start()
            takeovers.when_settled(lambda: done.append("before"))
            assert done == ["before"]
            takeovers.asked("mn1", candidate)
            takeovers.when_settled(lambda: done.append("after"))
            assert done == ["before"]
            if not silent:
                takeovers.answered("mn1", None)
                switch.send(multicast_frame(1))
            await until(lambda: "after" in done)
            takeovers.close()
        assert done == (["before", "after", "mn1"] if silent else ["before", "mn1", "after"])
        assert takeovers.counters["takeover_not_waited_for"] == silent

    asyncio.run(scenario())

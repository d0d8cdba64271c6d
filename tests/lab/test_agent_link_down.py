# SPDX-License-Identifier: Apache-2.0
"""What the agent knows of its own and the switch's frames when a mobile node's link goes down or up, on real veths."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from southbound.agent.adapters.access_port import AccessPort
from southbound.agent.adapters.link_monitor import LinkMonitor
from tests.support.access_link import (
    ACCESS_PORT,
    LAB_MARKS,
    MAG,
    Changes,
    Link,
    access_link,
    inside,
    multicast_frame,
    number_of,
    until,
)

pytestmark = LAB_MARKS


@pytest.fixture
def link() -> Iterator[Link]:
    with access_link() as made:
        yield made


SENDER = """
import socket, struct, sys, time
rate, seconds = float(sys.argv[1]), float(sys.argv[2])
frame = bytearray(bytes.fromhex(sys.argv[3]))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind(("acc", 0))
print("ready", flush=True)
n, start = 0, time.perf_counter()
while (now := time.perf_counter() - start) < seconds:
    if rate and n > now * rate:
        continue
    struct.pack_into("!Q", frame, len(frame) - 8, n)
    try:
        s.send(frame)
    except OSError:
        pass
    n += 1
print(n)
"""


def start_sender(rate: float, seconds: float) -> subprocess.Popen[str]:
    """A process of its own that sends numbered frames out of the access port, as a switch does."""
    sender = subprocess.Popen(
        ["ip", "netns", "exec", MAG, sys.executable, "-c", SENDER, str(rate), str(seconds), multicast_frame(0).hex()],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert sender.stdout is not None
    assert sender.stdout.readline() == "ready\n"
    return sender


def finish(sender: subprocess.Popen[str]) -> int:
    assert sender.stdout is not None
    with sender:
        return int(sender.stdout.read())


@pytest.mark.parametrize(("rate", "repetitions"), [(1_000, 8), (10_000, 8), (0, 6)])
def test_seen_less_undelivered_is_what_the_mobile_node_got(link: Link, rate: int, repetitions: int) -> None:
    async def once() -> None:
        seen: list[int] = []
        changes = Changes()
        settled: list[int | None] = []

        def on_change(name: str, up: bool, now: float) -> None:
            changes(name, up, now)
            if not up:
                settled.append(port.settle_sent())

        with inside(MAG):
            port = AccessPort(ACCESS_PORT, lambda *_: None)
            monitor = LinkMonitor([ACCESS_PORT], on_change)
            assert port.open()
            monitor.open()
            await until(lambda: changes.last() is True)
            assert port.watch_sent(lambda frame, _: seen.append(number_of(frame)))
            settled.clear()  # the link may have been down until now
        own_sent = 0
        link.received()
        sender = start_sender(rate, 0.15)
        await until(lambda: len(seen) > 40)
        own_sent += port.send(multicast_frame(1 << 40, group="ff02::1"))
        await asyncio.to_thread(link.set_up, False)
        await until(lambda: bool(settled))
        finish(sender)
        assert port.settle_sent() == settled[0]  # what came after the notification changed nothing
        [undelivered] = set(settled)
        assert undelivered is not None
        assert port.counters["sent_watch_overflow"] == 0
        received = [number for number in link.received() if number != 1 << 40]
        assert seen == list(range(len(seen)))
        assert received == seen[: len(seen) - undelivered]
        assert own_sent == 1
        monitor.close()
        port.close()
        link.set_up(True)

    for _ in range(repetitions):
        asyncio.run(once())


def test_dropped_counts_frames_that_no_tap_has_seen(link: Link) -> None:
    """Why `settle_sent` goes by what was delivered and not by tx_dropped."""

    async def scenario() -> None:
        seen: list[int] = []
        changes = Changes()
        with inside(MAG):
            port = AccessPort(ACCESS_PORT, lambda *_: None)
            monitor = LinkMonitor([ACCESS_PORT], changes)
            assert port.open()
            monitor.open()
            await until(lambda: changes.last() is True)
            assert port.watch_sent(lambda frame, _: seen.append(number_of(frame)))
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as switch:
                switch.bind((ACCESS_PORT, 0))
                await asyncio.to_thread(link.set_up, False)
                await until(lambda: changes.last() is False)
                before = port.transmit_dropped()
                for number in range(50):
                    switch.send(multicast_frame(number))  # no error either
        assert port.transmit_dropped() - before >= 50
        assert port.settle_sent() == 0
        assert seen == []
        assert not port.send(multicast_frame(1))
        assert port.counters["send_refused"] == 1
        monitor.close()
        port.close()

    asyncio.run(scenario())


def test_what_is_sent_when_the_link_comes_up_arrives(link: Link) -> None:
    async def once() -> None:
        sent = 0
        changes = Changes()

        def on_change(name: str, up: bool, now: float) -> None:
            nonlocal sent
            changes(name, up, now)
            if up:
                sent = sum(port.send(multicast_frame(number)) for number in range(500))

        link.set_up(False)
        with inside(MAG):
            port = AccessPort(ACCESS_PORT, lambda *_: None)
            monitor = LinkMonitor([ACCESS_PORT], on_change)
            assert port.open()
            monitor.open()
        await until(lambda: changes.last() is False)
        link.received()
        await asyncio.to_thread(link.set_up, True)
        await until(lambda: sent > 0)
        assert sent == 500
        assert link.received() == list(range(500))
        monitor.close()
        port.close()

    for _ in range(8):
        asyncio.run(once())


def test_send_says_exactly_what_was_taken_while_the_link_goes_down(link: Link) -> None:
    async def once() -> None:
        with inside(MAG):
            port = AccessPort(ACCESS_PORT, lambda *_: None)
            assert port.open()
        await until(lambda: port.send(multicast_frame(1 << 40)))
        await until(lambda: bool(link.received()))
        down = asyncio.create_task(asyncio.to_thread(link.set_up, False))
        results = [port.send(multicast_frame(0))]
        while not down.done() or results[-1]:
            results.append(port.send(multicast_frame(len(results))))
            await asyncio.sleep(0)
        taken = [number for number, result in enumerate(results) if result]
        assert [number for number in link.received() if number != 1 << 40] == taken
        assert results == sorted(results, reverse=True)
        port.close()
        link.set_up(True)

    for _ in range(6):
        asyncio.run(once())

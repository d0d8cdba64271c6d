# SPDX-License-Identifier: Apache-2.0
"""The MAG agent's sockets on real interfaces: two network namespaces, a veth between them, a tap."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address

import pytest

from southbound.agent.adapters.access_port import AccessPort
from southbound.agent.adapters.buffer_port import BufferPort
from southbound.agent.adapters.errors import AdapterError
from southbound.agent.adapters.link_monitor import LinkMonitor
from southbound.agent.adapters.mobility_socket import MobilitySocket
from southbound.path_mark import path_mac

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="needs iproute2"),
]

MAG = f"cst-adapt-{os.getpid()}-mag"
MOBILE_NODE = f"cst-adapt-{os.getpid()}-mn"
ACCESS_PORT, MOBILE_NODE_PORT, BRIDGE = "acc", "radio", "wlan0"
ACCESS_PORT_INDEX = 50
"""Not what the other end gets: linkwatch would delay events (see link_monitor)."""

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


def multicast_frame(number: int, *, group: str = "ff1e::101") -> bytes:
    """A UDP datagram to `group` in Ethernet (RFC 2464 section 7), the number in its last eight octets."""
    destination = IPv6Address(group).packed
    udp = struct.pack("!HHHH", 5000, 5000, 16, 0) + struct.pack("!Q", number)
    header = struct.pack("!IHBB", 6 << 28, len(udp), 17, 63) + IPv6Address("2001:db8:c0::10").packed + destination
    return b"\x33\x33" + destination[12:] + bytes.fromhex("020000000001") + b"\x86\xdd" + header + udp


def number_of(frame: bytes) -> int:
    return int(struct.unpack("!Q", frame[-8:])[0])


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread in another network namespace; sockets opened here stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as away:
        if libc.setns(away.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            libc.setns(home.fileno(), 0x40000000)


@dataclass
class Link:
    """The mobile node's side of the link, as the test sees it."""

    control: socket.socket
    receiver: socket.socket

    def set_up(self, up: bool) -> float:
        """Set the mobile node's end up or down; when the call began (time.monotonic)."""
        request = bytearray(struct.pack("16sH22x", MOBILE_NODE_PORT.encode(), 0))
        fcntl.ioctl(self.control, 0x8913, request)  # SIOCGIFFLAGS
        flags = struct.unpack_from("H", request, 16)[0]
        struct.pack_into("H", request, 16, flags | 1 if up else flags & ~1)
        began = time.monotonic()
        fcntl.ioctl(self.control, 0x8914, request)  # SIOCSIFFLAGS
        return began

    def received(self) -> list[int]:
        """Numbers of the test frames that came through the mobile node's bridge since the last call."""
        numbers = []
        while True:
            try:
                frame = self.receiver.recv(2048)
            except BlockingIOError:
                return numbers
            if frame[12:14] == b"\x86\xdd" and frame[38] == 0xFF and frame[20] == 17:
                numbers.append(number_of(frame))


@pytest.fixture
def link() -> Iterator[Link]:
    ip("netns", "add", MAG)
    try:
        ip("netns", "add", MOBILE_NODE)
        ip("-n", MAG, "link", "add", ACCESS_PORT, "index", str(ACCESS_PORT_INDEX), "type", "veth",
           "peer", "name", MOBILE_NODE_PORT, "netns", MOBILE_NODE)  # fmt: skip
        # A bridge keeps a port that comes up deaf for its forward delay, with or without spanning tree.
        ip("-n", MOBILE_NODE, "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        ip("-n", MOBILE_NODE, "link", "set", MOBILE_NODE_PORT, "master", BRIDGE)
        ip("-n", MOBILE_NODE, "link", "set", BRIDGE, "up")
        for namespace, name in ((MAG, "lo"), (MAG, ACCESS_PORT), (MOBILE_NODE, MOBILE_NODE_PORT)):
            ip("-n", namespace, "link", "set", name, "up")
        with inside(MOBILE_NODE), contextlib.ExitStack() as stack:
            control = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
            receiver = stack.enter_context(
                socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
            )
            receiver.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
            receiver.bind((BRIDGE, 0x0003))
            kept = stack.pop_all()
        with kept:
            yield Link(control, receiver)
    finally:
        for namespace in (MAG, MOBILE_NODE):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


async def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    """Let the loop run until the condition holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("condition not met in time")
        await asyncio.sleep(0.0005)


class Changes:
    """Records what a LinkMonitor says."""

    def __init__(self) -> None:
        self.log: list[tuple[str, bool, float]] = []

    def __call__(self, name: str, up: bool, now: float) -> None:
        self.log.append((name, up, now))

    def last(self) -> bool | None:
        return self.log[-1][1] if self.log else None


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


def test_signalling_frames_only_or_every_frame(link: Link) -> None:
    def ipv6(next_header: int, payload: bytes) -> bytes:
        header = struct.pack("!IHBB", 6 << 28, len(payload), next_header, 1)
        return bytes(6) + b"\x02" + bytes(5) + b"\x86\xdd" + header + bytes(32) + payload

    router_alert = bytes.fromhex("3a00050200000100")
    wanted = [
        ipv6(0, router_alert + b"\x8f" + bytes(7)),
        ipv6(0, router_alert + b"\x83" + bytes(23)),
        ipv6(58, b"\x85" + bytes(7)),
        ipv6(135, b"\x3b\x01\x0b" + bytes(13)),
    ]
    unwanted = [ipv6(58, b"\x80" + bytes(7)), ipv6(17, bytes(16)), bytes(12) + b"\x08\x06" + bytes(28), bytes(14)]

    async def scenario() -> None:
        filtered: list[bytes] = []
        everything: list[bytes] = []
        with inside(MAG):
            ports = [
                AccessPort(ACCESS_PORT, lambda frame, _: filtered.append(frame)),
                AccessPort(ACCESS_PORT, lambda frame, _: everything.append(frame), every_frame=True),
            ]
            assert all(port.open() for port in ports)
            assert all(port.open() for port in ports)
        with inside(MOBILE_NODE), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as node:
            node.bind((MOBILE_NODE_PORT, 0))
            for frame in [*wanted, *unwanted, wanted[0]]:
                node.send(frame)
        await until(lambda: everything.count(wanted[0]) == 2 and filtered.count(wanted[0]) == 2)
        ours = [frame for frame in filtered if frame[6:12] == wanted[0][6:12]]
        assert ours == [*wanted, wanted[0]]
        assert [frame for frame in everything if frame in wanted or frame in unwanted] == [
            *wanted, *unwanted, wanted[0]
        ]  # fmt: skip
        assert ports[0].counters["received"] == len(filtered)
        for port in ports:
            port.close()
            port.close()

    asyncio.run(scenario())


def test_port_that_goes_away_and_comes_back(link: Link) -> None:
    async def scenario() -> None:
        frames: list[bytes] = []
        with inside(MAG):
            missing = AccessPort("nothere", lambda *_: None)
            assert not missing.open()
            assert missing.counters["open_no_interface"] == 1
            assert not missing.send(b"x" * 60)
            assert not missing.watch_sent(lambda *_: None)
            assert missing.settle_sent() is None
            assert missing.transmit_dropped() == 0
            port = AccessPort(ACCESS_PORT, lambda frame, _: frames.append(frame), every_frame=True)
            assert port.open()
            assert port.watch_sent(lambda *_: None)
            ip("-n", MAG, "link", "del", ACCESS_PORT)
            await until(lambda: port.counters["receive_interface_down"] > 0)
            assert port.settle_sent() is None
            assert not port.send(multicast_frame(1))
            assert not port.open()
            ip("-n", MAG, "link", "add", ACCESS_PORT, "index", str(ACCESS_PORT_INDEX + 1), "type", "veth",
               "peer", "name", MOBILE_NODE_PORT, "netns", MOBILE_NODE)  # fmt: skip
            ip("-n", MOBILE_NODE, "link", "set", MOBILE_NODE_PORT, "up")
            ip("-n", MAG, "link", "set", ACCESS_PORT, "up")
            assert port.open()
        await until(lambda: port.send(multicast_frame(1)))
        with inside(MOBILE_NODE), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as node:
            node.bind((MOBILE_NODE_PORT, 0))
            node.send(multicast_frame(7))
        await until(lambda: multicast_frame(7) in frames)
        port.close()

    asyncio.run(scenario())


def test_link_changes_are_reported_at_once(link: Link) -> None:
    async def scenario() -> None:
        changes = Changes()
        with inside(MAG):
            monitor = LinkMonitor([ACCESS_PORT, "later"], changes)
            monitor.open()
            monitor.open()
            assert {name for name, _, _ in changes.log} == {ACCESS_PORT, "later"}
            await until(lambda: monitor.is_up(ACCESS_PORT))
            latencies: dict[bool, list[float]] = {True: [], False: []}
            for up in (False, True) * 10:
                began = await asyncio.to_thread(link.set_up, up)
                await until(lambda up=up: monitor.is_up(ACCESS_PORT) is up)  # type: ignore[misc]
                latencies[up].append(changes.log[-1][2] - began)
            # Typically 0.3 ms; the bound only tells "at once" from linkwatch's second.
            assert max(sorted(latencies[True])[:5] + sorted(latencies[False])[:5]) < 0.05, latencies
            changes.log.clear()
            ip("link", "add", "later", "type", "veth", "peer", "name", "later-peer")
            ip("link", "set", "later-peer", "up")
            ip("link", "set", "later", "up")
            await until(lambda: monitor.is_up("later"))
            ip("link", "del", "later")
            await until(lambda: not monitor.is_up("later"))
            assert [up for name, up, _ in changes.log if name == "later"] == [True, False]
            monitor.close()
            monitor.close()
            changes.log.clear()
            monitor.open()
            assert (ACCESS_PORT, True) in [(name, up) for name, up, _ in changes.log]
            monitor.close()

    asyncio.run(scenario())


def test_lost_link_events_are_made_good(link: Link) -> None:
    async def scenario() -> None:
        changes = Changes()
        with inside(MAG):
            monitor = LinkMonitor([ACCESS_PORT], changes)
            monitor.open()
            await until(lambda: monitor.is_up(ACCESS_PORT))
            assert monitor._socket is not None
            monitor._socket.setsockopt(socket.SOL_SOCKET, 33, 4096)
            for number in range(20):  # the loop does not run meanwhile
                ip("link", "add", f"other{number}", "type", "veth", "peer", "name", f"peer{number}")
            link.set_up(False)
        await until(lambda: not monitor.is_up(ACCESS_PORT))
        assert monitor.counters["overrun"] > 0
        monitor.close()

    asyncio.run(scenario())


def test_mobility_header_messages(link: Link) -> None:
    here, peer = IPv6Address("2001:db8:ff::11"), IPv6Address("2001:db8:ff::12")
    message = bytes.fromhex("3b010e0000000001200000000104ffff")[:16]

    async def scenario() -> None:
        received: dict[IPv6Address, list[tuple[bytes, IPv6Address]]] = {here: [], peer: []}
        with inside(MAG):
            for address in (here, peer):
                ip("addr", "add", f"{address}/128", "dev", "lo")
            ends = {
                address: MobilitySocket(address, lambda data, source, log=log: log.append((data, source)))  # type: ignore[misc]
                for address, log in received.items()
            }
            for end in ends.values():
                end.open()
                end.open()
            with pytest.raises(AdapterError, match="2001:db8:ff::99"):
                MobilitySocket(IPv6Address("2001:db8:ff::99"), lambda *_: None).open()
            for _ in range(100):
                assert ends[here].send(message, peer) is None
            await until(lambda: len(received[peer]) == 100)
            data, source = received[peer][0]
            assert source == here
            assert (data[:4], data[6:]) == (message[:4], message[6:])
            words = struct.unpack("!28H", here.packed + peer.packed + struct.pack("!I3xB", 16, 135) + data)
            total = sum(words)
            assert total % 0xFFFF == 0  # RFC 6275 section 6.1.1, over the pseudo-header: the kernel has filled it
            assert ends[here].send(message, IPv6Address("2001:db8:1::1")) == "no_route"
            assert ends[here].send(bytes(70_000), peer) == "too_long"
            with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as forger:
                header = struct.pack("!IHBB", 6 << 28, 16, 135, 64) + here.packed + peer.packed
                forger.sendto(header + message, (str(peer), 0))  # checksum 0
            assert ends[peer].send(message, here) is None
            await until(lambda: bool(received[here]))
        assert len(received[peer]) == 100
        assert received[here][0][1] == peer
        for end in ends.values():
            end.close()
            end.close()
        assert ends[here].send(message, peer) == "not_open"
        assert ends[here].counters == {"sent": 100, "send_no_route": 1, "send_too_long": 1, "send_not_open": 1,
                                       "received": 1}  # fmt: skip

    asyncio.run(scenario())


def test_buffer_port_names_the_path_of_each_packet(link: Link) -> None:
    def frame(source: bytes, number: int) -> bytes:
        whole = multicast_frame(number)
        return whole[:6] + source + whole[12:]

    async def scenario() -> None:
        packets: list[tuple[int, bytes]] = []
        with inside(MAG):
            port = BufferPort("hob0", lambda index, packet, _: packets.append((index, packet)))
            assert not port.open()
            try:
                tap = os.open("/dev/net/tun", os.O_RDWR)
            except OSError as error:
                pytest.skip(f"no tap devices: {os.strerror(error.errno or errno.ENOENT)}")
            try:
                fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"hob0", 0x1002))  # TUNSETIFF, IFF_TAP | IFF_NO_PI
                subprocess.run(["sysctl", "-qw", "net.ipv6.conf.hob0.disable_ipv6=1"], check=True)
                ip("link", "set", "hob0", "up")
                assert port.open()
                for number in range(200):
                    os.write(tap, frame(path_mac(number % 3), number))
                os.write(tap, frame(bytes.fromhex("020000000001"), 1))
                os.write(tap, bytes(12) + b"\x08\x06" + bytes(46))
                os.write(tap, bytes(20))
                os.write(tap, frame(path_mac(4), 4) + b"padding")
                await until(lambda: len(packets) == 201)
                assert packets[:200] == [(number % 3, multicast_frame(number)[14:]) for number in range(200)]
                assert packets[200] == (4, multicast_frame(4)[14:])
                assert port.counters == {
                    "open_no_interface": 1, "received": 201, "discarded_no_path_mark": 1, "discarded_not_ipv6": 1,
                    "discarded_short": 1,
                }  # fmt: skip
                assert port.count_overflow() == 0
                port.close()
                port.close()
                assert port.open()
                os.write(tap, frame(path_mac(9), 9))
                await until(lambda: len(packets) == 202)
                assert packets[201][0] == 9
                port.close()
            finally:
                os.close(tap)

    asyncio.run(scenario())

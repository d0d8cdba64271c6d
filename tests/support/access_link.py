# SPDX-License-Identifier: Apache-2.0
"""One access link: the network namespaces of a MAG and a mobile node and a veth between them."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address

import pytest

LAB_MARKS = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="needs iproute2"),
]
MAG = f"cst-adapt-{os.getpid()}-mag"
MOBILE_NODE = f"cst-adapt-{os.getpid()}-mn"
ACCESS_PORT, MOBILE_NODE_PORT, BRIDGE = "acc", "radio", "wlan0"
ACCESS_PORT_INDEX = 50
"""Not what the other end gets: linkwatch would delay events (see link_monitor)."""


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


@contextlib.contextmanager
def access_link() -> Iterator[Link]:
    """The link, up at both ends, with IPv6 as the kernel sets it; all of it goes away at the end."""
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

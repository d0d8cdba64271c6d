# SPDX-License-Identifier: Apache-2.0
"""The MAG agent's sockets on real interfaces: two network namespaces, a veth between them, a tap."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest

from southbound.agent.adapters.access_port import AccessPort
from southbound.agent.adapters.buffer_port import BufferPort
from southbound.agent.adapters.errors import AdapterError
from southbound.agent.adapters.link_monitor import LinkMonitor
from southbound.agent.adapters.mobility_socket import MobilitySocket
from southbound.path_mark import path_mac
from tests.support.access_link import (
    ACCESS_PORT,
    ACCESS_PORT_INDEX,
    LAB_MARKS,
    MAG,
    MOBILE_NODE,
    MOBILE_NODE_PORT,
    Changes,
    Link,
    access_link,
    inside,
    ip,
    multicast_frame,
    until,
)

pytestmark = LAB_MARKS


@pytest.fixture
def link() -> Iterator[Link]:
    with access_link() as made:
        yield made


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


def opened(end: MobilitySocket) -> bool:
    """Opened now; not while duplicate address detection has its turn on the address."""
    try:
        end.open()
    except AdapterError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        return False
    return True


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
                await until(lambda end=end: opened(end))  # type: ignore[misc]
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
                for number in range(100):
                    os.write(tap, frame(path_mac(0), number))
                assert not port.drain(60)
                assert len(packets) == 261
                assert port.drain()
                assert packets[201:] == [(0, multicast_frame(number)[14:]) for number in range(100)]
                assert port.counters == {
                    "open_no_interface": 1, "received": 301, "discarded_no_path_mark": 1, "discarded_not_ip": 1,
                    "discarded_short": 1,
                }  # fmt: skip
                assert port.count_overflow() == 0
                port.close()
                port.close()
                assert port.open()
                os.write(tap, frame(path_mac(9), 9))
                await until(lambda: len(packets) == 302)
                assert packets[301][0] == 9
                port.close()
            finally:
                os.close(tap)

    asyncio.run(scenario())

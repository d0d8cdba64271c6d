# SPDX-License-Identifier: Apache-2.0
"""What MNs send waits in front of a real gate: on a tap device, as Open vSwitch's userspace datapath has."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from southbound.agent.adapters.buffer_port import BufferPort
from southbound.agent.adapters.egress_gate import EgressGate
from southbound.agent.adapters.queueing_discipline import QueueingDisciplines
from southbound.agent.adapters.uplink_gate import UplinkGate
from southbound.agent.commands import ExpectMobileNode
from southbound.agent.uplink_marker import word_of
from southbound.path_mark import NATIVE_PATH, UPLINK_PATH, path_mac
from tests.support.access_link import LAB_MARKS, MAG, access_link, inside, ip, until
from tests.support.simulated_domain import three_mags

pytestmark = LAB_MARKS

DOMAIN = three_mags("draft")
MAG1, _, MAG3 = DOMAIN.mags
MN1 = DOMAIN.mobile_nodes[0]
HOME = MN1.home_network_prefixes[0]
PORT = "hob0"
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def frame(number: int, path: int = UPLINK_PATH, source: IPv6Address = HOME[5]) -> bytes:
    header = struct.pack("!IHBB", 6 << 28, 4, 17, 64) + source.packed + IPv6Address("2001:db8:c0::10").packed
    return MN1.link_layer_id + path_mac(path) + b"\x86\xdd" + header + number.to_bytes(4, "big")


class Switch:
    """Its end of the buffer port."""

    def __init__(self, tap: int) -> None:
        self._tap = tap

    def output(self, octets: bytes) -> None:
        os.write(self._tap, octets)

    def came_back(self) -> list[int]:
        numbers = []
        while True:
            try:
                octets = os.read(self._tap, 2048)
            except BlockingIOError:
                return numbers
            if octets[6:12] == path_mac(UPLINK_PATH):
                numbers.append(int.from_bytes(octets[-4:], "big"))


@pytest.fixture
def switch() -> Iterator[Switch]:
    with access_link(), inside(MAG):
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", PORT.encode(), _IFF_TAP | _IFF_NO_PI))
        Path(f"/proc/sys/net/ipv6/conf/{PORT}/disable_ipv6").write_text("1")
        ip("link", "set", PORT, "up")
        yield Switch(tap)
        os.close(tap)


class Agent:
    """The gate and the buffer port, as the process has them; `sent` is what goes into tunnels."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, IPv6Address, int]] = []
        self.for_mobile_nodes: list[bytes] = []
        self.drained = 0
        self.gate = UplinkGate(DOMAIN, PORT, self._send, self._count_drained)
        self.port = BufferPort(PORT, self._packet)
        self.port.open()
        self.gate.start()

    def _send(self, packet: bytes, destination: IPv6Address, key: int) -> bool:
        self.sent.append((packet, destination, key))
        return True

    def _count_drained(self) -> None:
        self.drained += 1

    def _packet(self, path_index: int, packet: bytes, now: float) -> None:
        if not self.gate.takes(path_index, packet, now):
            self.for_mobile_nodes.append(packet)

    def close(self) -> None:
        self.gate.close()
        self.port.close()


def expected() -> ExpectMobileNode:
    return ExpectMobileNode(
        mn_id=MN1.id, handover_id="ho1", memberships=(), tunnel_path=1, port="mn1", prefixes=(HOME,),
        link_layer_id=MN1.link_layer_id, peer=MAG1.id, uplink_waits=True,
    )


async def _what_waits_goes_on_in_order_when_the_marker_is_back_and_then_at_once(switch: Switch) -> None:
    agent = Agent()
    try:
        assert agent.gate.is_worth_it(MAG1.id)
        agent.gate.expect(expected())
        agent.gate.arrived(MN1.id)
        for number in range(300):
            switch.output(frame(number))
        await until(lambda: len(agent.sent) == 2)
        assert switch.came_back() == []
        assert not agent.gate.may_leave(MN1.id)
        (behind, by_peer, key), (_, straight, lma_key) = agent.sent
        assert (by_peer, key) == (MAG1.address, DOMAIN.relay_key(MN1.id))
        assert (straight, lma_key) == (DOMAIN.lma.address, DOMAIN.lma_gre_key)
        switch.output(MN1.link_layer_id + path_mac(NATIVE_PATH) + b"\x86\xdd" + behind)
        came: list[int] = []

        def all_came() -> bool:
            came.extend(switch.came_back())
            return len(came) >= 300

        await until(all_came)
        await until(lambda: agent.drained == 1)
        assert came == list(range(300))
        assert agent.for_mobile_nodes == []
        # By the tunnel, too: no packet of the MN's, as what comes after it is.
        switch.output(MN1.link_layer_id + path_mac(1) + b"\x86\xdd" + behind)
        switch.output(frame(1, NATIVE_PATH))
        await until(lambda: len(agent.for_mobile_nodes) > 0)
        assert [word_of(packet) for packet in agent.for_mobile_nodes] == [None]
        assert agent.gate.may_leave(MN1.id)
        # Open: it is back before the switch has written the next one.
        for number in range(50):
            switch.output(frame(number))
            assert switch.came_back() == [number]
        assert agent.gate.counters["uplink_in_order"] == 1
    finally:
        agent.close()


async def _only_what_has_the_mark_comes_back_and_other_packets_are_for_mobile_nodes(switch: Switch) -> None:
    agent = Agent()
    try:
        assert agent.gate.is_worth_it(MAG3.id)
        switch.output(frame(1, NATIVE_PATH))
        switch.output(frame(2, UPLINK_PATH, IPv6Address("2001:db8::1")))
        await until(lambda: len(agent.for_mobile_nodes) == 1)
        assert switch.came_back() == [2]
    finally:
        agent.close()


async def _an_agent_that_begins_opens_what_another_has_left_shut(switch: Switch) -> None:
    first = Agent()
    assert first.gate.is_worth_it(MAG1.id)
    first.close()
    disciplines = QueueingDisciplines()
    assert EgressGate(PORT, disciplines, Counter()).shut()
    disciplines.close()
    switch.output(frame(7))
    assert switch.came_back() == []
    second = Agent()
    try:
        came: list[int] = []

        def one_came() -> bool:
            came.extend(switch.came_back())
            return bool(came)

        await until(one_came)
        assert came == [7]
        assert second.gate.is_worth_it(MAG1.id)
        shown = subprocess.run(["tc", "filter", "show", "dev", PORT, "ingress"], check=True, capture_output=True, text=True)
        assert shown.stdout.count("Egress Redirect") == 1
    finally:
        second.close()


async def _where_the_kernel_cannot_send_it_back_nothing_is_asked_for(switch: Switch) -> None:
    agent = Agent()
    try:
        ip("link", "del", PORT)
        assert not agent.gate.is_worth_it(MAG1.id)
    finally:
        agent.close()


@pytest.mark.parametrize("scenario", [
    _what_waits_goes_on_in_order_when_the_marker_is_back_and_then_at_once,
    _only_what_has_the_mark_comes_back_and_other_packets_are_for_mobile_nodes,
    _an_agent_that_begins_opens_what_another_has_left_shut,
    _where_the_kernel_cannot_send_it_back_nothing_is_asked_for,
], ids=lambda scenario: scenario.__name__[1:])
def test_uplink_gate(switch: Switch, scenario: Callable[[Switch], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario(switch)

    asyncio.run(run())

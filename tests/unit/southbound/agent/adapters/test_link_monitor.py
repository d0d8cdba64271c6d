# SPDX-License-Identifier: Apache-2.0
"""Parsing of rtnetlink link messages, built by pyroute2, and LinkMonitor on this host's own loopback interface."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from southbound.agent.adapters.link_monitor import LinkMonitor, parse_links

NEW, DELETED = 16, 17
UP, RUNNING, LOWER_UP = 0x1, 0x40, 0x10000


def message(name: str, flags: int, kind: int = NEW, family: int = socket.AF_UNSPEC) -> bytes:
    link = ifinfmsg()
    link["family"], link["index"], link["flags"] = family, 7, flags
    link["attrs"] = [("IFLA_MTU", 1500), ("IFLA_IFNAME", name), ("IFLA_OPERSTATE", "UP")]
    link["header"]["type"], link["header"]["sequence_number"] = kind, 99
    link.encode()
    return bytes(link.data)


@pytest.mark.parametrize(
    ("flags", "up"),
    [
        (UP | RUNNING | LOWER_UP, True),
        (UP | RUNNING | LOWER_UP | 0x1002, True),
        (UP | LOWER_UP, False),
        (UP | RUNNING, False),
        (RUNNING | LOWER_UP, False),
        (0, False),
    ],
)
def test_up_means_that_frames_get_through(flags: int, up: bool) -> None:
    assert list(parse_links(message("mn1", flags))) == [(NEW, 99, "mn1", up)]


def test_several_messages_in_one_datagram() -> None:
    everything = UP | RUNNING | LOWER_UP
    datagram = message("mn1", everything) + message("a-longer-name", 0) + message("mn2", everything, DELETED)
    assert [(name, up) for _, _, name, up in parse_links(datagram)] == [
        ("mn1", True), ("a-longer-name", False), ("mn2", False)
    ]  # fmt: skip


def test_what_a_bridge_says_of_its_port_is_not_the_port_itself() -> None:
    assert list(parse_links(message("mn1", UP, DELETED, socket.AF_BRIDGE))) == [(DELETED, 99, "", False)]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_octets_end(octets: bytes) -> None:
    assert len(list(parse_links(octets))) <= len(octets) // 16


@settings(deadline=None)
@given(st.integers(0, 120), st.integers(0, 255))
def test_any_damage_ends(position: int, octet: int) -> None:
    damaged = bytearray(message("mn1", UP) * 2)
    damaged[position % len(damaged)] = octet
    assert len(list(parse_links(bytes(damaged)))) <= len(damaged) // 16


def test_initial_state_is_reported_once_each_time_that_it_is_opened() -> None:
    async def scenario() -> None:
        changes: list[tuple[str, bool, float]] = []
        monitor = LinkMonitor(
            ["nothere0"], lambda name, up, now: changes.append((name, up, now)), clock=lambda: 12.5
        )
        monitor.open()
        monitor.open()
        assert changes == [("nothere0", False, 12.5)]
        assert not monitor.is_up("nothere0")
        monitor.close()
        monitor.close()
        monitor.open()
        assert len(changes) == 2
        monitor.close()

    asyncio.run(scenario())

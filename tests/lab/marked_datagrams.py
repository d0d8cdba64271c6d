# SPDX-License-Identifier: Apache-2.0
"""Datagrams of each ECN field, a router that marks them, and what arrives (RFC 3168 section 5)."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address
from pathlib import Path

from lab.capture_reader import read_fields
from lab.namespaces import run_inside
from lab.network import Lab
from lab.plan import RADIO_BRIDGE
from southbound.codec.ipv6 import Ipv6Packet, encode_ipv6, upper_layer_checksum

NOT_ECT, ECT_1, ECT_0, CE = range(4)
MARKS = (NOT_ECT, ECT_1, ECT_0, CE)
PORT = 40_000
HOP_LIMIT = 16
_UDP = 17
_GRE = 47
_WAIT_S = 20.0


def say(lab: Lab, node: str, destination: IPv6Address) -> None:
    """One datagram of each mark, which stands in it, too."""

    def send() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOP_LIMIT)
            for mark in MARKS:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, mark)
                sock.sendto(bytes([mark]), (str(destination), PORT))

    run_inside(lab.node(node).namespace, send)


def datagram(source: IPv6Address, destination: IPv6Address, mark: int) -> bytes:
    """The same as a packet, for those who send through a tunnel themselves."""
    header = struct.pack("!HHHH", PORT, PORT, 9, 0)
    checksum = upper_layer_checksum(source, destination, _UDP, header + bytes([mark]))
    payload = header[:6] + checksum.to_bytes(2, "big") + bytes([mark])
    packet = encode_ipv6(Ipv6Packet(source=source, destination=destination, next_header=_UDP, payload=payload))
    return bytes([packet[0], packet[1] | mark << 4]) + packet[2:]


@contextmanager
def listening(lab: Lab, node: str, *groups: IPv6Address) -> Iterator[socket.socket]:
    """A program there that is told the traffic class of what it receives."""

    def bind() -> socket.socket:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.bind(("::", PORT))
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        sock.settimeout(_WAIT_S)
        for one in groups:
            request = one.packed + struct.pack("I", socket.if_nametoindex(RADIO_BRIDGE))
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        return sock

    with run_inside(lab.node(node).namespace, bind) as sock:
        yield sock


def heard(sock: socket.socket, last: int = CE) -> list[tuple[int, int]]:
    """(mark that was sent, mark that has come), up to the datagram that was sent with `last`."""
    found: list[tuple[int, int]] = []
    while not found or found[-1][0] != last:
        octets, control, *_ = sock.recvmsg(1, 64)
        (traffic_class,) = [int.from_bytes(data, "little") for _, kind, data in control if kind == socket.IPV6_TCLASS]
        found.append((octets[0], traffic_class & CE))
    return found


@contextmanager
def congested(lab: Lab, *nodes: str) -> Iterator[None]:
    """Routers ahead of these nodes mark whatever comes to them in tunnels."""
    rules = [
        (lab.switch(node), names.transport_bridge, f"priority=1,in_port={names.transport_port},ipv6,nw_proto={_GRE}")
        for node in nodes for names in (lab.domain.switch_names(node),)
    ]
    for switch, bridge, rule in rules:
        switch.ofctl("add-flow", bridge, f"{rule},actions=mod_nw_ecn:{CE},NORMAL")
    try:
        yield
    finally:
        for switch, bridge, rule in rules:
            switch.ofctl("--strict", "del-flows", bridge, rule)


def in_tunnel(file: Path, source: IPv6Address, destination: IPv6Address, count: int) -> list[tuple[int, int]]:
    """(mark of the inner header, of the outer one) of the datagrams in the tunnel from one to the other, as captured, when
    there are so many: tcpdump comes after the packets."""
    tunnel = f"gre && ipv6.src == {source} && ipv6.dst == {destination} && udp.dstport == {PORT}"
    deadline = time.monotonic() + _WAIT_S
    while True:
        rows = read_fields(file, tunnel, ["ipv6.tclass.ecn"])
        if len(rows) >= count or time.monotonic() > deadline:
            return [(int(inner), int(outer)) for outer, inner in (row[0].split(",") for row in rows)]
        time.sleep(0.05)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Joins a multicast group and counts what arrives of send.py: an ordinary program that knows nothing of Castover.

    examples/listen.py GROUP [SOURCE]        for example: examples/listen.py ff1e::101
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from ipaddress import IPv6Address

PORT = 5001
MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP = 42, 46
"""RFC 3678 section 5, by their numbers in Linux: Python names them from 3.12 on."""


@dataclass
class Account:
    """Of numbered packets."""

    received: int = 0
    twice: int = 0
    out_of_order: int = 0
    expected: int | None = None
    missing: set[int] = field(default_factory=set)

    def take(self, number: int) -> None:
        """The first packet is where counting begins."""
        self.received += 1
        if self.expected is None or number >= self.expected:
            self.missing.update(range(self.expected if self.expected is not None else number, number))
            self.expected = number + 1
        elif number in self.missing:
            self.missing.remove(number)
            self.out_of_order += 1
        else:
            self.twice += 1

    def __str__(self) -> str:
        return f"{self.received} received, {len(self.missing)} lost, {self.twice} twice, {self.out_of_order} out of order"


def address(text: str) -> str:
    """An argument. Raises ArgumentTypeError."""
    try:
        return str(IPv6Address(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address of IPv6") from error


def multicast_group(text: str) -> str:
    """An argument. Raises ArgumentTypeError."""
    if not IPv6Address(address(text)).is_multicast:
        raise argparse.ArgumentTypeError(f"{text!r} is not a multicast address")
    return text


def joined(group: str, source: str | None) -> socket.socket:
    """A socket that hears the group, of one source or of all, on the interface that the host's routes name."""

    def socket_address(text: str) -> bytes:
        return struct.pack("@HHI16sI100x", socket.AF_INET6, 0, 0, IPv6Address(text).packed, 0)

    receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    receiver.bind((group, PORT))
    if source is None:
        receiver.setsockopt(socket.IPPROTO_IPV6, MCAST_JOIN_GROUP, struct.pack("@I4x", 0) + socket_address(group))
    else:
        request = struct.pack("@I4x", 0) + socket_address(group) + socket_address(source)
        receiver.setsockopt(socket.IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, request)
    receiver.settimeout(1.0)
    return receiver


def main() -> None:
    """Until Ctrl-C: a line a second."""
    parser = argparse.ArgumentParser(description="Joins a multicast group and counts what arrives of send.py.")
    parser.add_argument("group", metavar="GROUP", type=multicast_group, help="IPv6, such as ff1e::101")
    parser.add_argument("source", metavar="SOURCE", nargs="?", type=address, help="hear this one only")
    arguments = parser.parse_args()
    group, source = arguments.group, arguments.source
    account, said = Account(), time.monotonic()
    with joined(group, source) as receiver:
        print(f"listening to {group}, port {PORT}; Ctrl-C ends this", flush=True)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    account.take(int.from_bytes(receiver.recv(2048)[:8], "big"))
                if time.monotonic() - said >= 1:
                    said = time.monotonic()
                    print(account, flush=True)
        except KeyboardInterrupt:
            print(account)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"{sys.argv[0]}: {error}")

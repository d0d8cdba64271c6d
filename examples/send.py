#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends numbered packets to a multicast group: an ordinary program that knows nothing of Castover.

    examples/send.py GROUP [PACKETS_PER_SECOND]        for example: examples/send.py ff1e::101 1000
"""

from __future__ import annotations

import argparse
import math
import socket
import sys
import time
from ipaddress import IPv6Address

PORT = 5001


def multicast_group(text: str) -> str:
    """An argument. Raises ArgumentTypeError."""
    try:
        if IPv6Address(text).is_multicast:
            return text
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address of IPv6") from error
    raise argparse.ArgumentTypeError(f"{text!r} is not a multicast address")


def packet_rate(text: str) -> float:
    """An argument. Raises ArgumentTypeError."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return rate


def main() -> None:
    """Until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Sends numbered packets to a multicast group.")
    parser.add_argument("group", metavar="GROUP", type=multicast_group, help="IPv6, such as ff1e::101")
    parser.add_argument(
        "rate", metavar="PACKETS_PER_SECOND", nargs="?", type=packet_rate, default=1000.0, help="default: %(default)g"
    )
    arguments = parser.parse_args()
    group, rate = arguments.group, arguments.rate
    sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 8)
    print(f"sending to {group}, port {PORT}, {rate:g} packets/s; Ctrl-C ends this", flush=True)
    begin, number = time.monotonic(), 0
    while True:
        sender.sendto(number.to_bytes(8, "big") + bytes(92), (group, PORT))
        number += 1
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except OSError as error:
        sys.exit(f"{sys.argv[0]}: {error}")

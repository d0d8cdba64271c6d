#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends numbered packets to a multicast group: an ordinary program that knows nothing of Castover.

    examples/send.py GROUP [PACKETS_PER_SECOND]        for example: examples/send.py ff1e::101 1000
"""

from __future__ import annotations

import socket
import sys
import time

PORT = 5001


def main() -> None:
    """Until Ctrl-C."""
    group, rate = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1000.0
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
    except (IndexError, ValueError, OSError) as error:
        sys.exit(f"{error}\n{__doc__}")

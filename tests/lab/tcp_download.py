# SPDX-License-Identifier: Apache-2.0
"""A download that tells how far it is: `python -m tests.lab.tcp_download serve`, `... fetch ADDRESS FILE`.

The server sends at a steady rate, and each octet says where in the stream it is. FILE has the number of octets received and
how many blocks of them were not what was sent; it is replaced as a whole.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

PORT = 5003
BLOCK = bytes(range(256)) * 64
BLOCKS_PER_S = 100
"""1.6 MB/s."""
TIMEOUT_S = 15.0
_PERIOD = len(BLOCK)


def serve() -> None:
    """To one client after the other, until killed."""
    with socket.create_server(("::", PORT), family=socket.AF_INET6) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                while True:
                    connection.sendall(BLOCK)
                    time.sleep(1 / BLOCKS_PER_S)


def fetch(address: str, report: Path) -> None:
    """Until killed."""
    octets, wrong = 0, 0
    with _connected(address) as connection:
        while data := connection.recv(65536):
            start = octets % _PERIOD
            expected = (BLOCK * (2 + len(data) // _PERIOD))[start : start + len(data)]
            wrong += data != expected
            octets += len(data)
            part = report.with_suffix(".part")
            part.write_text(f"{octets} {wrong}")
            part.replace(report)


def _connected(address: str) -> socket.socket:
    """When the server is there; it is started at the same time."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return socket.create_connection((address, PORT), timeout=TIMEOUT_S)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        fetch(sys.argv[2], Path(sys.argv[3]))

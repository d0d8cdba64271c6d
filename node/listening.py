# SPDX-License-Identifier: Apache-2.0
"""Whether a server could listen, found out before it is started, so that the answer is one line and names the key."""

from __future__ import annotations

import errno
import socket


def cannot_listen(key: str, host: str, port: int) -> list[str]:
    """What keeps a TCP server from listening there, as a line that names the key of topology.yaml; none when nothing."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE,
        )[0]
    except socket.gaierror as error:
        return [f"{key}: {host} is no address of this machine: {error.strerror}"]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            said = {
                errno.EADDRINUSE: "somebody listens there already; is another controller running?",
                errno.EADDRNOTAVAIL: "this machine does not have that address; give it to an interface, or name another",
            }.get(error.errno or 0, error.strerror)
            return [f"{key}: cannot listen on {where}: {said}"]
    return []

# SPDX-License-Identifier: Apache-2.0
"""How both ends of an RPC connection set their TCP sockets."""

from __future__ import annotations

import socket
from typing import Protocol

WRITE_BUFFER_MAX_OCTETS = 4 * 1024 * 1024
"""What may wait for a peer that does not read, before the connection is given up."""

_PROBE_IDLE_S = 1
_PROBE_INTERVAL_S = 1
_PROBES = 3
_USER_TIMEOUT_MS = 2_500


class _SocketOptions(Protocol):
    def setsockopt(self, level: int, name: int, value: int, /) -> None: ...


def notice_dead_peer(sock: _SocketOptions) -> None:
    """Send small messages at once, and let the kernel end the connection about 3 s after the peer's host went silent.

    Keepalive probes cover an idle connection; TCP_USER_TIMEOUT (RFC 5482) one with unacknowledged data, whose
    retransmissions would else go on for many minutes. It is a little below the third probe, because Linux looks at it
    when a probe is due. A process that hangs while its host answers is noticed by the timeouts of calls only.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_INTERVAL_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)

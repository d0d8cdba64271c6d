# SPDX-License-Identifier: Apache-2.0
"""The UDP socket on which a MAG speaks CXTP (RFC 4067) with other MAGs."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address

from southbound.agent.adapters.errors import AdapterError
from southbound.codec.cxtp import PORT

_DATAGRAM_OCTETS_MAX = 65_535
_DATAGRAMS_PER_WAKEUP = 32

OnDatagram = Callable[[bytes, IPv6Address], None]


class ContextTransferSocket:
    """Sends and receives whole messages from and to one address of this node, port 5091 at both ends.

    Counts: received, receive_failed, discarded_port, sent, send_failed.
    """

    def __init__(self, local: IPv6Address, on_datagram: OnDatagram) -> None:
        self.counters: Counter[str] = Counter()
        self._local, self._on_datagram = local, on_datagram
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Open in the current network namespace; does nothing when open. Raises AdapterError."""
        if self._socket is not None:
            return
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            sock.bind((str(self._local), PORT))
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(sock, self._receive, sock)
        except OSError as error:
            sock.close()
            raise AdapterError(error.errno, f"{self._local} UDP port {PORT}: {error.strerror}") from error
        self._socket = sock

    def send(self, datagram: bytes, destination: IPv6Address) -> bool:
        """Send one message; whether it has gone."""
        sent = False
        if self._socket is not None:
            try:
                self._socket.sendto(datagram, (str(destination), PORT))
                sent = True
            except OSError:
                sent = False
        self.counters["sent" if sent else "send_failed"] += 1
        return sent

    def _receive(self, sock: socket.socket) -> None:
        for _ in range(_DATAGRAMS_PER_WAKEUP):
            if sock is not self._socket:  # closed by a callback
                return
            try:
                datagram, address = sock.recvfrom(_DATAGRAM_OCTETS_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # An ICMPv6 error for an earlier datagram: the peer's agent is not there.
                self.counters["receive_failed"] += 1
                continue
            if address[1] != PORT:
                self.counters["discarded_port"] += 1
                continue
            self.counters["received"] += 1
            self._on_datagram(datagram, IPv6Address(address[0].partition("%")[0]))

    def close(self) -> None:
        """Idempotent; `open` may follow."""
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

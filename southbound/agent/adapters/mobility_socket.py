# SPDX-License-Identifier: Apache-2.0
"""The raw socket on which a MAG speaks Mobility Header messages (IPv6 next header 135, RFC 6275 section 6.1).

The kernel fills the checksum of what is sent and drops what arrives with a wrong one; it checks nothing else.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address

from southbound.agent.adapters.errors import AdapterError

_IPPROTO_MOBILITY_HEADER = 135
_LONGEST_MESSAGE = 2048
"""(255 + 1) * 8 octets: the 8-bit Header Len of RFC 6275 section 6.1.1."""
_MESSAGES_PER_WAKEUP = 32
_RECEIVE_BUFFER_BYTES = 1 << 20

_SEND_FAILURES = {
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "no_route",
    errno.ENETDOWN: "network_down",
    errno.ENODEV: "network_down",
    errno.EADDRNOTAVAIL: "address_gone",
    errno.EAGAIN: "no_buffer",
    errno.ENOBUFS: "no_buffer",
    errno.EMSGSIZE: "too_long",
    errno.EPERM: "refused",
    errno.EACCES: "refused",
}

OnPacket = Callable[[bytes, IPv6Address], None]


class MobilitySocket:
    """Sends and receives whole Mobility Headers from and to one address of this node.

    `on_packet(mobility_header, source)` is called in the event loop for each message to `local`.
    Counts: received, sent, received_too_long, receive_failed, send_<reason of `send`>.
    """

    def __init__(self, local: IPv6Address, on_packet: OnPacket) -> None:
        self.counters: Counter[str] = Counter()
        self._local = local
        self._on_packet = on_packet
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Open in the current network namespace; does nothing when open. Raises AdapterError.

        The error is worth another try when `local` has only just been configured: an address on which duplicate
        address detection still runs cannot be bound.
        """
        if self._socket is not None:
            return
        try:
            sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _IPPROTO_MOBILITY_HEADER)
        except OSError as error:
            raise AdapterError(error.errno, f"raw socket for Mobility Header: {error.strerror}") from error
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            sock.bind((str(self._local), 0))
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(sock, self._receive, sock)
        except OSError as error:
            sock.close()
            raise AdapterError(error.errno, f"{self._local}: {error.strerror}") from error
        except BaseException:
            sock.close()
            raise
        self._socket = sock

    def send(self, mobility_header: bytes, destination: IPv6Address) -> str | None:
        """Send one message; its checksum octets are overwritten by the kernel. Returns None, or why it was not sent:

        no_route, network_down, address_gone, no_buffer, too_long, refused, not_open, failed.
        """
        reason = None
        if self._socket is None:
            reason = "not_open"
        else:
            try:
                self._socket.sendto(mobility_header, (str(destination), 0))
            except OSError as error:
                reason = _SEND_FAILURES.get(error.errno or 0, "failed")
        self.counters["sent" if reason is None else f"send_{reason}"] += 1
        return reason

    def _receive(self, sock: socket.socket) -> None:
        for _ in range(_MESSAGES_PER_WAKEUP):
            if sock is not self._socket:  # closed by a callback
                return
            try:
                message, address = sock.recvfrom(_LONGEST_MESSAGE + 1)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.counters["receive_failed"] += 1
                return
            if len(message) > _LONGEST_MESSAGE:
                self.counters["received_too_long"] += 1
                continue
            self.counters["received"] += 1
            # A link-local source comes with "%interface"; peers are compared without.
            self._on_packet(message, IPv6Address(address[0].partition("%")[0]))

    def close(self) -> None:
        """Idempotent; `open` may follow."""
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

# SPDX-License-Identifier: Apache-2.0
"""An HTTP client connection that is over by a deadline, however slowly the other side answers.

The timeout of http.client is that of each read: whoever sends an octet now and then is read for ever. Blocks the thread.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from typing import Any


class Deadline:
    """So many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds; TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class BoundedConnection(http.client.HTTPConnection):
    """`context`: speak TLS. Only the resolver has a time of its own; what it took is gone from what is left."""

    def __init__(self, host: str, port: int | None, context: ssl.SSLContext | None, deadline: Deadline) -> None:
        self.default_port = http.client.HTTP_PORT if context is None else http.client.HTTPS_PORT
        # With a port, an IPv6 address is not taken for a name with a port.
        super().__init__(host, port or self.default_port)
        self._tls = context
        self._deadline = deadline

    def connect(self) -> None:
        """TCP to the first address that answers, then TLS."""
        sock = self._reach()
        if self._tls is not None:
            try:
                sock.settimeout(self._deadline.left())
                sock = self._tls.wrap_socket(sock, server_hostname=self.host)
            except BaseException:
                sock.close()
                raise
        self.sock: Any = _BoundedSocket(sock, self._deadline)

    def _reach(self) -> socket.socket:
        failure: OSError = OSError("the name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._deadline.left())
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure


class _BoundedSocket:
    """What http.client asks of a socket."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, octets: bytes) -> None:
        self._sock.settimeout(self._deadline.left())  # of sendall it is that of the whole
        self._sock.sendall(octets)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._deadline))

    def close(self) -> None:
        self._sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)

# SPDX-License-Identifier: Apache-2.0
"""The listening socket of REST: bound here, or inherited from whoever started the controller."""

from __future__ import annotations

import ipaddress
import logging
import os
import stat
from collections.abc import Callable
from typing import Any

import eventlet
from eventlet.green import socket
from eventlet.greenio import GreenSocket
from eventlet.patcher import original

from southbound.fact_log import log_fact

_log = logging.getLogger("castover.rest")

_BACKLOG = 128
_ACCEPT_PAUSE_S = 0.1
_ROOM_PAUSE_S = 0.02


class RestSocketError(OSError):
    """REST cannot listen; the message says where, and what was found."""


def listen(host: str, port: int) -> Any:
    """A new listening socket. Raises RestSocketError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Not reuse_port: a second controller on the port must fail, not silently take half of the requests.
        return eventlet.listen(address, family=family, backlog=_BACKLOG, reuse_port=False)
    except OSError as error:
        raise RestSocketError(f"REST cannot listen on {host} port {port}: {error}") from error


def inherit(descriptor: int) -> Any:
    """The listening socket behind a descriptor, which may be of another network namespace. Raises RestSocketError."""
    try:
        is_socket = stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except (OSError, OverflowError) as error:
        raise RestSocketError(f"descriptor {descriptor} for REST: {error}") from error
    if not is_socket:
        raise RestSocketError(f"descriptor {descriptor} for REST: found no socket; allowed: a listening TCP socket")
    os.set_inheritable(descriptor, False)
    # eventlet's own constructor takes every descriptor for an IPv4 socket; the original asks the kernel.
    found = original("socket").socket(fileno=descriptor)
    family, kind = found.family, found.type
    listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if family not in (socket.AF_INET, socket.AF_INET6) or kind != socket.SOCK_STREAM or not listens:
        found.detach()
        raise RestSocketError(
            f"descriptor {descriptor} for REST: found {family.name} {kind.name}, "
            f"{'' if listens else 'not '}listening; allowed: a listening TCP socket"
        )
    return GreenSocket(found)


class Listener:
    """The listening socket as wsgi.server uses it, which would end at the first failed accept."""

    def __init__(self, sock: Any, has_room: Callable[[], bool]) -> None:
        self._sock = sock
        self._has_room = has_room
        self.family = sock.family

    def accept(self) -> Any:
        """The next connection and who it is from."""
        while True:
            try:
                accepted = self._sock.accept()
            except OSError as error:
                # Out of descriptors, or the peer was gone already: neither is a reason to stop listening.
                log_fact(_log, "rest_accept_failed", {"error": str(error)}, level=logging.WARNING)
                eventlet.sleep(_ACCEPT_PAUSE_S)
                continue
            while not self._has_room():
                eventlet.sleep(_ROOM_PAUSE_S)
            return accepted

    def getsockname(self) -> Any:
        """Address as bound."""
        return self._sock.getsockname()

    def close(self) -> None:
        """Stop listening."""
        self._sock.close()


def is_loopback(listener: Any) -> bool:
    """Whether only this machine reaches a listening socket."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback

# SPDX-License-Identifier: Apache-2.0
"""The connection of one reader of events, who says nothing more: what is heard of it is that it has gone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import eventlet
from eventlet.green import socket
from eventlet.hubs import get_hub, trampoline

SEND_BUFFER_OCTETS = 64 * 1024
"""Small, so that a client that does not read is noticed by us and not stored for by the kernel."""
_READ_OCTETS = 4096


class EventSocket:
    """`connection` may speak TLS: it is read as the application reads it, for a close_notify is no end of TCP."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._watcher: Any = None
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_OCTETS)

    def hang_up(self) -> None:
        """End the connection under its writer, who may be blocked in send; shutting down wakes it, and only it closes."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def watch(self, gone: Callable[[], None]) -> None:
        """`gone` is called when the client has closed. In a quiet domain nothing is written that would tell of it."""
        self._watcher = eventlet.spawn(self._watch, gone)

    def let_go(self) -> None:
        """Watch no longer: the connection is about to be closed."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            # By the hub, in a moment: to kill is to wait, which whoever publishes an event must not do.
            get_hub().schedule_call_global(0, watcher.kill)

    def _watch(self, gone: Callable[[], None]) -> None:
        # A request that follows is thrown away: the stream has no end after which it could be answered.
        with contextlib.suppress(OSError):
            while self._hear():
                pass
        gone()

    def _hear(self) -> bool:
        """Wait for octets; False when there are no more."""
        trampoline(self._connection, read=True)
        try:
            return bool(self._connection.recv(_READ_OCTETS))
        except TimeoutError:
            return True  # half a TLS record

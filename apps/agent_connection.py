# SPDX-License-Identifier: Apache-2.0
"""One accepted TCP connection on eventlet's hub: socket and timer around `southbound.rpc.session`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import eventlet
from eventlet.green import socket

from southbound.rpc.session import Session, SessionLimits
from southbound.rpc.session_events import SessionEvent, TimedOut
from southbound.tcp_liveness import WRITE_BUFFER_MAX_OCTETS, notice_dead_peer

_READ_OCTETS = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCall:
    """A request of the agent that has not been answered yet."""

    wire_id: int
    method: str
    at: float
    """When it came; time.monotonic()."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A call of ours that has not been answered yet."""

    token: Hashable
    """The caller's own."""
    method: str
    at: float
    """When it went out; time.monotonic()."""


class AgentConnection:
    """A connection, from accept to close. `on_event(connection, event)` runs on the hub and does not block."""

    def __init__(
        self,
        *,
        sock: Any,
        peer: str,
        accepts: Mapping[str, type[Any]],
        limits: SessionLimits,
        on_event: Callable[[AgentConnection, SessionEvent | TimedOut], None],
    ) -> None:
        self.peer = peer
        """Address and port of the other end, for logs."""
        self.mag_id: str | None = None
        """Whose connection it is, once its hello has been accepted."""
        self.requests: dict[int, AgentCall] = {}
        """By AgentRequest.msgid: what the agent waits for."""
        self.questions: dict[int, Question] = {}
        """By id on the wire: what we wait for."""
        self.closed: str | None = None
        """Why it has ended, or None."""
        self.session = Session(accepts=accepts, limits=limits)
        self._sock = sock
        self._on_event = on_event
        self._unsent = bytearray()
        self._writer: Any = None
        self._timer: Any = None
        self._timer_at = 0.0

    def run(self) -> None:
        """Read until the end of the connection, then close the socket. Blocks the calling green thread only."""
        try:
            notice_dead_peer(self._sock)
            while self.closed is None:
                data = self._sock.recv(_READ_OCTETS)
                if not data:
                    self.close("closed by the agent")
                    break
                for event in self.session.receive(data, time.monotonic()):
                    self._on_event(self, event)
                    if self.closed is not None:
                        break
                if len(data) == _READ_OCTETS:
                    eventlet.sleep(0)  # recv does not yield while there is more to read; other agents want their turn
        except OSError as error:
            self.close(str(error))
        finally:
            self.close("handler failed")  # no-op unless on_event raised
            self._sock.close()

    def close(self, reason: str) -> None:
        """End it; what was given to the kernel still goes out. Returns at once; does nothing the second time."""
        if self.closed is not None:
            return
        self.closed = reason
        if self._timer is not None:
            self._timer.cancel()
        # The reader owns the descriptor: shutting down wakes it, and only it closes.
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def request(self, call: Any, token: Hashable, timeout_s: float) -> None:
        """Call the agent. Raises TooManyOutstandingError or FrameError, and then nothing has been sent."""
        msgid, data = self.session.request(call, time.monotonic(), timeout_s)
        self.questions[msgid] = Question(token=token, method=call.method, at=time.monotonic())
        self.send(data)
        self._arm()

    def send(self, data: bytes) -> None:
        """Send in order without ever blocking; a peer that does not read is cut off."""
        if self.closed is not None or not data:
            return
        if not self._unsent:
            try:
                sent = self._sock.fd.send(data)  # the plain non-blocking socket: no switch to the hub
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self.close(str(error))
                return
            if sent == len(data):
                return
            data = data[sent:]
        self._unsent += data
        if len(self._unsent) > WRITE_BUFFER_MAX_OCTETS:
            self.close("the agent does not read")
        elif self._writer is None:
            self._writer = eventlet.spawn(self._write_rest)

    def _write_rest(self) -> None:
        try:
            while self._unsent and self.closed is None:
                sent = self._sock.send(bytes(self._unsent[:_READ_OCTETS]))
                del self._unsent[:sent]
        except OSError as error:
            self.close(str(error))
        finally:
            self._writer = None

    def _arm(self) -> None:
        # One timer for all calls. It is left alone when answers come early: when it fires, it looks again.
        deadline = self.session.next_deadline()
        if deadline is None or self.closed is not None or (self._timer is not None and self._timer_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = eventlet.spawn_after(max(0.0, deadline - time.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        for event in self.session.tick(time.monotonic()):
            if self.closed is None:
                self._on_event(self, event)
        self._arm()

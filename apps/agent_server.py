# SPDX-License-Identifier: Apache-2.0
"""Where the MAG agents connect: a msgpack-RPC server on eventlet's hub that turns what they say into events.

It knows who is connected and which answer belongs to which question; what any of it means is the controller core's
business. Peers are not authenticated: the management network is trusted (docs/reference/rpc.md).
"""

from __future__ import annotations

import ipaddress
import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import eventlet
from eventlet.green import socket

from apps.agent_connection import AgentCall, AgentConnection, Question
from apps.agent_events import (
    AgentConnected,
    AgentDisconnected,
    AgentEvent,
    AgentNotification,
    AgentRequest,
    AgentResponse,
)
from southbound.rpc.errors import ErrorCode, Failure, FrameError, TooManyOutstandingError
from southbound.rpc.methods import CONTROLLER_METHODS, Hello
from southbound.rpc.session import DEFAULT_LIMITS, SessionLimits
from southbound.rpc.session_events import (
    ErrorReceived,
    MessageRefused,
    NotificationReceived,
    ProtocolBroken,
    RequestReceived,
    ResponseReceived,
    SessionEvent,
    TimedOut,
)

_log = logging.getLogger(__name__)

HELLO_TIMEOUT_S = 5.0
UNIDENTIFIED_CONNECTIONS_MAX = 64
"""Connections that have not said hello yet; those of agents are bounded by the predicate `accepts`."""
_ACCEPT_PAUSE_S = 0.1
_OUTCOMES = frozenset({"ok", *(code.value for code in ErrorCode)})
"""A peer may answer with any code; what is counted by it may not."""


class AgentServer:
    """Accepts agents on (host, port); `host` is a literal address, port 0 takes a free one.

    `accepts(mag_id)` says whether that MAG may connect. `on_event` gets every AgentEvent on the hub, one after the
    other as long as it does not block or yield, which it must not.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        accepts: Callable[[str], bool],
        on_event: Callable[[AgentEvent], None],
        limits: SessionLimits = DEFAULT_LIMITS,
        hello_timeout_s: float = HELLO_TIMEOUT_S,
    ) -> None:
        self._where = (host, port)
        self._accepts = accepts
        self._on_event = on_event
        self._limits = limits
        self._hello_timeout_s = hello_timeout_s
        self._listener: Any = None
        self._acceptor: Any = None
        self._open: set[AgentConnection] = set()
        self._agents: dict[str, AgentConnection] = {}
        self._request_ids = itertools.count(1)
        self._discarded: Counter[str] = Counter()
        self.on_timed: Callable[[str, str, str, float], None] = lambda *_: None
        """Told of every call that is over: ('to_agent' | 'from_agent', method, 'ok' or an error code, seconds)."""

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen. Raises OSError when the address cannot be bound."""
        host, port = self._where
        family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
        # Not reuse_port: a second controller on the port must fail, not silently take half of the agents.
        self._listener = eventlet.listen((host, port), family=family, reuse_port=False)
        self._acceptor = eventlet.spawn(self._accept)

    def stop(self) -> None:
        """Close everything; every connected agent is reported as disconnected."""
        if self._listener is None:
            return
        self._acceptor.kill()
        self._listener.close()
        self._listener = None
        for connection in list(self._open):
            self._lose(connection, "the controller stops")

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, as bound."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    def connected(self) -> dict[str, float | None]:
        """MAG id -> time.monotonic() of the last octets from its agent, of those connected now."""
        return {mag_id: connection.session.last_heard for mag_id, connection in self._agents.items()}

    def discarded(self) -> Counter[str]:
        """What was not used or not sent, by reason, since the start."""
        total = Counter(self._discarded)
        for connection in self._open:
            total.update({reason.value: count for reason, count in connection.session.discarded.items()})
        return total

    # --- for the controller ----------------------------------------------------------------------------------------

    def respond(self, mag_id: str, msgid: int, result: Any) -> bool:
        """Answer an AgentRequest with success. False (and counted) when nobody waits for it any more."""
        found = self._take_request(mag_id, msgid)
        if found is None:
            return False
        connection, call = found
        try:
            connection.send(connection.session.respond(call.wire_id, result))
        except FrameError as error:
            _log.error("rpc=unsendable_result mag_id=%s error=%s", mag_id, error)
            connection.send(connection.session.fail(call.wire_id, ErrorCode.INTERNAL, str(error)))
        self._timed("from_agent", call, "ok")
        return True

    def reject(self, mag_id: str, msgid: int, code: str, message: str, field: str | None = None) -> bool:
        """Answer an AgentRequest with an error. False (and counted) when nobody waits for it any more."""
        found = self._take_request(mag_id, msgid)
        if found is None:
            return False
        connection, call = found
        connection.send(connection.session.fail(call.wire_id, code, message, field))
        self._timed("from_agent", call, code)
        return True

    def call(self, mag_id: str, call: Any, token: Hashable, timeout_s: float) -> None:
        """Call an agent. The outcome comes as one AgentResponse with this token, never before this has returned."""
        connection = self._agents.get(mag_id)
        if connection is None:
            self._fail_later(mag_id, token, ErrorCode.UNAVAILABLE, "the agent is not connected")
            return
        try:
            connection.request(call, token, timeout_s)
        except TooManyOutstandingError as error:
            self._fail_later(mag_id, token, ErrorCode.UNAVAILABLE, str(error))
        except FrameError as error:
            self._fail_later(mag_id, token, ErrorCode.INTERNAL, str(error))

    def _take_request(self, mag_id: str, msgid: int) -> tuple[AgentConnection, AgentCall] | None:
        connection = self._agents.get(mag_id)
        call = None if connection is None else connection.requests.pop(msgid, None)
        if connection is None or call is None:
            self._discarded["answer_to_nobody"] += 1
            return None
        return connection, call

    def _timed(self, direction: str, call: AgentCall | Question, outcome: str) -> None:
        known = outcome if outcome in _OUTCOMES else "other"
        self.on_timed(direction, call.method, known, time.monotonic() - call.at)

    def _fail_later(self, mag_id: str, token: Hashable, code: ErrorCode, message: str) -> None:
        failure = Failure(code=code, message=message)
        eventlet.spawn(self._on_event, AgentResponse(mag_id=mag_id, token=token, error=failure))

    # --- connections -----------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                sock, peer = self._listener.accept()
            except OSError as error:
                # Out of descriptors, or the peer was gone already: neither is a reason to stop listening.
                _log.warning("rpc=accept_failed error=%s", error)
                eventlet.sleep(_ACCEPT_PAUSE_S)
                continue
            if len(self._open) - len(self._agents) >= UNIDENTIFIED_CONNECTIONS_MAX:
                self._discarded["too_many_connections"] += 1
                sock.close()
                continue
            connection = AgentConnection(
                sock=sock,
                peer=f"{peer[0]} port {peer[1]}",
                accepts=CONTROLLER_METHODS,
                limits=self._limits,
                on_event=self._session_event,
            )
            self._open.add(connection)
            eventlet.spawn(self._serve, connection)

    def _serve(self, connection: AgentConnection) -> None:
        hello_timer = eventlet.spawn_after(self._hello_timeout_s, self._require_hello, connection)
        try:
            connection.run()
        finally:
            hello_timer.cancel()
            self._lose(connection, connection.closed or "closed")

    def _require_hello(self, connection: AgentConnection) -> None:
        if connection.mag_id is None:
            self._discarded["no_hello"] += 1
            connection.close("no hello in time")

    def _lose(self, connection: AgentConnection, reason: str) -> None:
        """Forget a connection and report what that ends. Does nothing the second time."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._discarded.update({cause.value: count for cause, count in connection.session.discarded.items()})
        connection.close(reason)
        mag_id = connection.mag_id
        _log.info("rpc=down mag_id=%s peer=%s reason=%s", mag_id, connection.peer, reason)
        if mag_id is None:
            return
        if self._agents.get(mag_id) is connection:
            del self._agents[mag_id]
        questions, connection.questions = connection.questions, {}
        failure = Failure(code=ErrorCode.UNAVAILABLE, message=f"connection lost: {reason}")
        for question in questions.values():
            self._timed("to_agent", question, failure.code)
            self._on_event(AgentResponse(mag_id=mag_id, token=question.token, error=failure))
        self._on_event(AgentDisconnected(mag_id=mag_id, reason=reason))

    # --- events of a session ---------------------------------------------------------------------------------------

    def _session_event(self, connection: AgentConnection, event: SessionEvent | TimedOut) -> None:
        if isinstance(event, MessageRefused):
            _log.warning("rpc=refused mag_id=%s code=%s message=%s", connection.mag_id, event.code, event.message)
            connection.send(event.reply)
            if connection.mag_id is None:
                connection.close("the first message is not a good agent.hello")
        elif isinstance(event, ProtocolBroken):
            connection.close(f"protocol broken: {event.reason}")
        elif connection.mag_id is None:
            self._first_message(connection, event)
        else:
            self._agent_event(connection, connection.mag_id, event)

    def _first_message(self, connection: AgentConnection, event: SessionEvent | TimedOut) -> None:
        if not isinstance(event, RequestReceived):
            self._discarded["no_hello"] += 1
            connection.close("the first message is not agent.hello")
            return
        session, hello = connection.session, event.call
        if not isinstance(hello, Hello):
            self._discarded["no_hello"] += 1
            connection.send(session.fail(event.msgid, ErrorCode.REFUSED, "the first message must be agent.hello"))
            connection.close("the first message is not agent.hello")
        elif not self._accepts(hello.mag_id):
            self._discarded["unknown_mag"] += 1
            message = f"no MAG {hello.mag_id!r} in this domain"
            connection.send(session.fail(event.msgid, ErrorCode.REFUSED, message, "mag_id"))
            connection.close("unknown MAG")
        else:
            older = self._agents.get(hello.mag_id)
            if older is not None:
                self._lose(older, "replaced by a newer connection")
            connection.mag_id = hello.mag_id
            self._agents[hello.mag_id] = connection
            connection.send(session.respond(event.msgid, None))
            _log.info("rpc=up mag_id=%s peer=%s", hello.mag_id, connection.peer)
            self._on_event(AgentConnected(mag_id=hello.mag_id, hello=hello))

    def _agent_event(self, connection: AgentConnection, mag_id: str, event: SessionEvent | TimedOut) -> None:
        match event:
            case RequestReceived(call=Hello()):
                refusal = connection.session.fail(event.msgid, ErrorCode.REFUSED, "hello has been said already")
                connection.send(refusal)
            case RequestReceived():
                msgid = next(self._request_ids)
                connection.requests[msgid] = AgentCall(
                    wire_id=event.msgid, method=event.call.method, at=time.monotonic()
                )
                self._on_event(AgentRequest(mag_id=mag_id, msgid=msgid, call=event.call))
            case NotificationReceived():
                self._on_event(AgentNotification(mag_id=mag_id, call=event.call))
            case ResponseReceived():
                question = connection.questions.pop(event.msgid)
                self._timed("to_agent", question, "ok")
                self._on_event(AgentResponse(mag_id=mag_id, token=question.token, result=event.result))
            case ErrorReceived():
                self._failed(connection.questions.pop(event.msgid), mag_id, Failure(
                    code=event.code, message=event.message, field=event.field
                ))
            case TimedOut():
                failure = Failure(code=ErrorCode.TIMEOUT, message="no answer in time")
                self._failed(connection.questions.pop(event.msgid), mag_id, failure)

    def _failed(self, question: Question, mag_id: str, failure: Failure) -> None:
        self._timed("to_agent", question, failure.code)
        self._on_event(AgentResponse(mag_id=mag_id, token=question.token, error=failure))

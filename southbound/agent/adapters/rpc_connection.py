# SPDX-License-Identifier: Apache-2.0
"""One TCP connection of an agent to the controller, as an asyncio protocol around `southbound.rpc.session`.

A protocol and not a stream: an answer settles its caller's future in the callback that read it, with no task between.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from southbound.rpc.errors import ConnectionLostError, ErrorCode, FrameError, RpcError, TooManyOutstandingError
from southbound.rpc.methods import AGENT_METHODS, Hello
from southbound.rpc.session import Session, SessionLimits
from southbound.rpc.session_events import (
    ErrorReceived,
    MessageRefused,
    NotificationReceived,
    ProtocolBroken,
    RequestReceived,
    ResponseReceived,
)
from southbound.tcp_liveness import WRITE_BUFFER_MAX_OCTETS, notice_dead_peer

_log = logging.getLogger(__name__)

CALL_TIMEOUT_S = 3.0
"""More than Timers.switch_confirmation_timeout_ms, so that the controller's own refusal arrives first."""

OnRequest = Callable[[Any], Awaitable[Any]]


class RpcConnection(asyncio.Protocol):
    """One TCP connection, from connect to loss."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        hello: Hello,
        on_request: OnRequest,
        on_accepted: Callable[[RpcConnection], None],
        limits: SessionLimits,
    ) -> None:
        self._loop = loop
        self._hello = hello
        self._on_request = on_request
        self._on_accepted = on_accepted
        self._session = Session(accepts=AGENT_METHODS, limits=limits)
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._handlers: set[asyncio.Future[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._dropped: Counter[str] = Counter()
        self._reason: str | None = None
        self._ended = asyncio.Event()
        self._lost = asyncio.Event()

    def discarded(self) -> Counter[str]:
        """What this connection has not used or not sent, by reason."""
        counts: Counter[str] = Counter({reason.value: n for reason, n in self._session.discarded.items()})
        return counts + self._dropped

    # --- asyncio.Protocol ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("not a stream transport")
        self._transport = transport
        notice_dead_peer(transport.get_extra_info("socket"))
        self.request(self._hello, CALL_TIMEOUT_S).add_done_callback(self._hello_answered)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        for event in self._session.receive(data, self._loop.time()):
            match event:
                case ResponseReceived():
                    self._settle(event.msgid, event.result, None)
                case ErrorReceived():
                    self._settle(event.msgid, None, RpcError(event.code, event.message, event.field))
                case RequestReceived():
                    self._answer(event.msgid, event.call)
                case MessageRefused():
                    self._write(event.reply)
                    _log.warning("rpc=refused code=%s message=%s", event.code, event.message)
                case NotificationReceived():
                    self._dropped["unexpected_notification"] += 1
                case ProtocolBroken():
                    self.close(f"protocol broken: {event.reason}")

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._lost.set()
        self._end(self._reason or (str(exc) if exc else "closed by the controller"))

    # --- for RpcClient ---------------------------------------------------------------------------------------------

    def request(self, call: Any, timeout_s: float) -> asyncio.Future[Any]:
        """The future result of a call; its only exception is RpcError."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        try:
            msgid, data = self._session.request(call, self._loop.time(), timeout_s)
        except TooManyOutstandingError as error:
            answer.set_exception(RpcError(ErrorCode.UNAVAILABLE, str(error)))
        except FrameError as error:
            answer.set_exception(RpcError(ErrorCode.INTERNAL, str(error)))
        else:
            self._waiting[msgid] = answer
            self._write(data)
            self._arm()
        return answer

    def notify(self, call: Any) -> bool:
        """Send a notification; whether it could be. Raises FrameError when it cannot be encoded."""
        return self._write(self._session.notify(call))

    def close(self, reason: str) -> None:
        """End the connection at once."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.close()
        self._end(self._reason)

    async def wait_ended(self) -> str:
        """Return the reason when the connection has ended; cancelling the wait does not touch it."""
        await self._ended.wait()
        return self._reason or ""

    async def wait_lost(self, timeout_s: float) -> None:
        """Return when the socket is closed; what is still unsent after `timeout_s` is thrown away."""
        if self._transport is None:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._lost.wait()
        except TimeoutError:
            self._transport.abort()

    # --- inside ----------------------------------------------------------------------------------------------------

    def _hello_answered(self, answer: asyncio.Future[Any]) -> None:
        error = answer.exception()
        if self._ended.is_set():
            return
        if error is None:
            self._on_accepted(self)
        else:
            self.close(f"hello not accepted: {error}")

    def _settle(self, msgid: int, result: Any, error: RpcError | None) -> None:
        answer = self._waiting.pop(msgid, None)
        if answer is None or answer.done():  # done: whoever called was cancelled
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)

    def _answer(self, msgid: int, call: Any) -> None:
        handler = self._loop.create_task(self._handle(call))
        self._handlers.add(handler)
        handler.add_done_callback(lambda done: self._answered(msgid, done))

    async def _handle(self, call: Any) -> Any:
        return await self._on_request(call)

    def _answered(self, msgid: int, handler: asyncio.Future[Any]) -> None:
        self._handlers.discard(handler)
        if handler.cancelled():
            self._reply_error(msgid, RpcError(ErrorCode.UNAVAILABLE, "the agent gave it up"))
            return
        error = handler.exception()
        if error is None:
            try:
                self._write(self._session.respond(msgid, handler.result()))
            except FrameError as fault:
                self._reply_error(msgid, RpcError(ErrorCode.INTERNAL, str(fault)))
        elif isinstance(error, RpcError):
            self._reply_error(msgid, error)
        else:
            self._reply_error(msgid, RpcError(ErrorCode.INTERNAL, "a fault inside the agent; its log says where"))
            self._loop.call_exception_handler({"message": "RPC request handler failed", "exception": error})

    def _reply_error(self, msgid: int, error: RpcError) -> None:
        self._write(self._session.fail(msgid, error.code, error.message, error.field))

    def _write(self, data: bytes) -> bool:
        transport = self._transport
        if transport is None or self._ended.is_set() or transport.is_closing():
            self._dropped["message_after_the_end"] += 1
            return False
        transport.write(data)
        if transport.get_write_buffer_size() > WRITE_BUFFER_MAX_OCTETS:
            self._reason = "the controller does not read"
            transport.abort()
        return True

    def _arm(self) -> None:
        # One timer for all calls. It is left alone when answers come early: when it fires, it looks again.
        deadline = self._session.next_deadline()
        if deadline is None or (self._timer is not None and self._timer.when() <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for event in self._session.tick(self._loop.time()):
            self._settle(event.msgid, None, RpcError(ErrorCode.TIMEOUT, "no answer in time"))
        self._arm()

    def _end(self, reason: str) -> None:
        if self._ended.is_set():
            return
        self._reason = reason
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()
        for msgid in list(self._waiting):
            self._settle(msgid, None, ConnectionLostError(f"connection lost: {reason}"))
        for handler in list(self._handlers):
            handler.cancel()  # nobody is left to answer, and handlers of lost connections must not pile up

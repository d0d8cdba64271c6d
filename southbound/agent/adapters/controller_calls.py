# SPDX-License-Identifier: Apache-2.0
"""What the core asks of the controller, and when it may be asked: not while a takeover it would disturb is under way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from southbound.agent.adapters.buffer_owner import BufferOwner
from southbound.agent.adapters.rpc_client import RpcClient
from southbound.agent.commands import CallController
from southbound.agent.events import ControllerAnswered
from southbound.fact_log import log_fact
from southbound.rpc.errors import ConnectionLostError
from southbound.rpc.methods import CloneGroups, DeliverDirectly, ReleaseForwarding

_log = logging.getLogger("castover.mag")


class ControllerCalls:
    """Calls under way; `answered` takes what comes of each."""

    def __init__(self, rpc: RpcClient, buffer: BufferOwner, answered: Callable[[ControllerAnswered], None]) -> None:
        self._rpc, self._buffer, self._answered = rpc, buffer, answered
        self._under_way: set[asyncio.Future[Any]] = set()

    def make(self, command: CallController) -> None:
        """Ask, now or when takeovers allow it."""
        if isinstance(command.call, CloneGroups):
            # A clone that began in the middle of a takeover would miss what waits in front of the gate.
            self._buffer.takeovers.when_settled(lambda: self._ask(command))
        else:
            self._ask(command)

    def _ask(self, command: CallController) -> None:
        """Sent at once, before what is told after it; the answer comes as an event."""
        if isinstance(command.call, DeliverDirectly | ReleaseForwarding):
            self._buffer.change_asked(command.call, time.monotonic())
        answer = self._rpc.request(command.call)
        self._under_way.add(answer)
        answer.add_done_callback(lambda done: self._done(command, done))

    def _done(self, command: CallController, answer: asyncio.Future[Any]) -> None:
        self._under_way.discard(answer)
        if answer.cancelled():
            return
        failure = answer.exception()
        error = str(failure) if failure is not None else None
        if error is not None:
            fields = {"method": command.call.method, "reason": error}
            log_fact(_log, "call_failed", fields, level=logging.WARNING)
        if isinstance(command.call, DeliverDirectly):
            self._buffer.change_answered(command.call.mn_id, error)
        result = None if failure is not None else answer.result()
        lost = isinstance(failure, ConnectionLostError)
        self._answered(ControllerAnswered(token=command.token, error=error, lost=lost, result=result))

# SPDX-License-Identifier: Apache-2.0
"""The agent's connection to the controller: msgpack-RPC over TCP, in asyncio, kept up for as long as the agent lives.

It says agent.hello first on every connection, comes back after a loss with a growing pause, and answers what the
controller calls. The protocol itself is `southbound.rpc.session`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

from southbound.agent.adapters.rpc_connection import CALL_TIMEOUT_S, OnRequest, RpcConnection
from southbound.rpc.errors import ConnectionLostError, RpcError
from southbound.rpc.methods import Hello
from southbound.rpc.session import DEFAULT_LIMITS, SessionLimits

__all__ = ["CALL_TIMEOUT_S", "RpcClient", "RpcError"]

_log = logging.getLogger(__name__)

FIRST_RETRY_S = 0.05
"""A controller that restarts is back within moments, and handovers wait for it."""
RETRY_MAX_S = 2.0
CONNECT_TIMEOUT_S = 3.0
_CLOSE_TIMEOUT_S = 1.0


class RpcClient:
    """Calls to the controller, and its calls to us, over whichever connection there is now.

    `on_request(call)` returns the result or raises RpcError; any other exception is answered with `internal` and
    given to the event loop's exception handler. `on_connected()` runs when the controller has accepted the hello,
    `on_disconnected(reason)` when such a connection has ended. All of them run in the loop that `start` was called in.
    A handler that still runs when its connection ends is cancelled.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        hello: Hello,
        on_request: OnRequest,
        on_connected: Callable[[], None] | None = None,
        on_disconnected: Callable[[str], None] | None = None,
        limits: SessionLimits = DEFAULT_LIMITS,
    ) -> None:
        self._host = host
        self._port = port
        self._hello = hello
        self._on_request = on_request
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected
        self._limits = limits
        self._connection: RpcConnection | None = None
        self._runner: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._discarded: Counter[str] = Counter()

    @property
    def connected(self) -> bool:
        """Whether a controller has accepted our hello and is still there."""
        return self._connection is not None

    def start(self) -> None:
        """Begin to connect, in the running loop. Returns at once."""
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._run(), name="rpc-client")
            self._runner.add_done_callback(_report_failure)

    async def close(self) -> None:
        """Close the connection and stay away. Calls that wait end with `unavailable`."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.cancel()
            await asyncio.wait([runner])

    def discarded(self) -> Counter[str]:
        """What was not used or not sent, by reason, since the start."""
        return self._discarded if self._connection is None else self._discarded + self._connection.discarded()

    async def wait_connected(self) -> None:
        """Return when there is a connection; the caller bounds the wait."""
        while self._connection is None:
            self._changed.clear()
            await self._changed.wait()

    async def call(self, call: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """The controller's result. Raises RpcError: the controller's own, `timeout`, or `unavailable` at once when
        there is no connection (or it is lost before the answer, when the call may or may not have been carried out).
        """
        connection = self._connection
        if connection is None:
            raise ConnectionLostError("no connection to the controller")
        return await connection.request(call, timeout_s)

    def request(self, call: Any, timeout_s: float = CALL_TIMEOUT_S) -> asyncio.Future[Any]:
        """The same as a future: what is told after this is sent after it."""
        connection = self._connection
        if connection is not None:
            return connection.request(call, timeout_s)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answer.set_exception(ConnectionLostError("no connection to the controller"))
        return answer

    def notify(self, call: Any) -> bool:
        """Tell the controller. False (and counted) when there is no connection: nothing is kept for later.

        Raises FrameError when the call cannot be encoded.
        """
        if self._connection is None:
            self._discarded["notification_without_connection"] += 1
            return False
        return self._connection.notify(call)

    async def _run(self) -> None:
        pause_s = FIRST_RETRY_S
        while True:
            accepted, reason = await self._one_connection()
            if accepted:
                pause_s = FIRST_RETRY_S
            _log.warning("rpc=down mag_id=%s reason=%s retry_in_s=%.2f", self._hello.mag_id, reason, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_MAX_S)

    async def _one_connection(self) -> tuple[bool, str]:
        loop = asyncio.get_running_loop()
        connection = RpcConnection(
            loop=loop,
            hello=self._hello,
            on_request=self._on_request,
            on_accepted=self._up,
            limits=self._limits,
        )
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.create_connection(lambda: connection, self._host, self._port)
            reason = await connection.wait_ended()
        except OSError as error:  # TimeoutError is one
            reason = f"cannot connect to {self._host} port {self._port}: {str(error) or 'timeout'}"
        except asyncio.CancelledError:
            connection.close("closed")
            self._down(connection, "closed")
            await connection.wait_lost(_CLOSE_TIMEOUT_S)
            raise
        return self._down(connection, reason), reason

    def _up(self, connection: RpcConnection) -> None:
        self._connection = connection
        self._changed.set()
        _log.info("rpc=up mag_id=%s", self._hello.mag_id)
        if self._on_connected is not None:
            self._on_connected()

    def _down(self, connection: RpcConnection, reason: str) -> bool:
        self._discarded.update(connection.discarded())
        if self._connection is not connection:
            return False
        self._connection = None
        if self._on_disconnected is not None:
            self._on_disconnected(reason)
        return True


def _report_failure(runner: asyncio.Task[None]) -> None:
    # Only a fault of ours (a callback that raises) ends the task by itself; the agent would stay cut off silently.
    if not runner.cancelled() and (error := runner.exception()) is not None:
        runner.get_loop().call_exception_handler({"message": "RPC client stopped", "exception": error, "task": runner})

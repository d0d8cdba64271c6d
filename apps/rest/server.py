# SPDX-License-Identifier: Apache-2.0
"""Serves REST: eventlet.wsgi on a listening socket that was inherited or is bound here, in green threads."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from typing import Any

import eventlet
from eventlet import wsgi

from apps.executor import Executor
from apps.metrics import Metrics
from apps.rest.access import Hosts
from apps.rest.api import Api
from apps.rest.connection import connection_type
from apps.rest.credentials import Credentials
from apps.rest.event_stream import EventStream
from apps.rest.idle import IdleConnections
from apps.rest.sockets import Listener, RestSocketError, inherit, is_loopback, listen
from apps.rest.switches import Switches
from apps.rest.trace import AskAgents, remember
from southbound.fact_log import log_fact
from southbound.facts import FactMemory
from topology.model import Domain

_log = logging.getLogger("castover.rest")

CONNECTIONS_MAX = 256
IDLE_S = 60.0
"""How long a connection may wait between two requests."""
SOCKET_TIMEOUT_S = 15.0
"""How long a client may take for the next octets of a request, or to take those of an answer."""
_STOP_S = 1.0


class RestServer:
    """REST of one controller process."""

    def __init__(
        self,
        *,
        domain: Domain,
        executor: Executor,
        switches: Switches,
        ask_agents: AskAgents,
        credentials: Credentials | None = None,
        inherited_fd: int | None = None,
    ) -> None:
        self._where = (domain.controller.rest_host, domain.controller.rest_port)
        credentials = credentials or Credentials()
        self._access = credentials.access
        self._insecure = domain.rest.insecure
        self._tls = credentials.tls
        self._inherited_fd = inherited_fd
        self._listener: Any = None
        self._server: Any = None
        self._pool = eventlet.GreenPool(CONNECTIONS_MAX)
        self._lost: Counter[str] = Counter()
        self._idle = IdleConnections(self._lost)
        self.events = EventStream(secrets.token_hex(4))
        self._executor = executor
        self.metrics = Metrics(executor.snapshot, self._dropped, switches)
        memory = FactMemory()
        executor.listen(self.events.publish)
        executor.listen(self.metrics.observe)
        executor.listen(remember(memory))
        open_to_all = self._access.required or domain.rest.insecure
        self.api = Api(
            domain=domain, core=executor, switches=switches, metrics=self.metrics, events=self.events, memory=memory,
            ask_agents=ask_agents, webhook_secrets=credentials.webhook_secrets, access=self._access,
            hosts=None if open_to_all else Hosts([domain.controller.rest_host]),
        )

        # After the event stream, whose ids its messages have.
        executor.listen(self.api.webhooks.observe)

    def start(self) -> None:
        """Listen and serve. Raises RestSocketError: address or inherited descriptor are of no use, or too many reach it."""
        self._listener = listen(*self._where) if self._inherited_fd is None else inherit(self._inherited_fd)
        if not is_loopback(self._listener):
            self._judge_reach()
        self.api.webhooks.start()
        self._server = eventlet.spawn(
            wsgi.server, Listener(self._listener, self._has_room), self.api.application,
            protocol=connection_type(self._tls, self._lost, self._idle), custom_pool=self._pool, keepalive=IDLE_S,
            socket_timeout=SOCKET_TIMEOUT_S, log=_ServerLog(), log_x_forwarded_for=False, debug=False,
        )

    def stop(self) -> None:
        """Close; answers under way have a second to end."""
        if self._server is None:
            return
        self.events.close()
        self.api.webhooks.stop()
        server, self._server = self._server, None
        server.kill()
        # wsgi.server waits for its connections before it ends.
        with eventlet.Timeout(_STOP_S, False):
            self._pool.waitall()
        for connection in list(self._pool.coroutines_running):
            connection.kill()
        self._listener.close()

    @property
    def url(self) -> str:
        """Where it listens, as bound."""
        scheme = "http" if self._tls is None else "https"
        host, port = self._listener.getsockname()[:2]
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def _judge_reach(self) -> None:
        """topology.load has judged what is configured; a name or an inherited socket may turn out to be more than that."""
        if not self._access.required and not self._insecure:
            address = self._listener.getsockname()[0]
            self._listener.close()
            raise RestSocketError(
                f"REST would listen on {address}, which others reach, without rest.tokens; "
                "allowed: a loopback address, or tokens, or rest.insecure: true (docs/reference/rest.md)"
            )
        if self._access.required and self._tls is None:
            detail = "tokens travel without TLS: use it, or a proxy that does"
            log_fact(_log, "rest_tokens_in_clear", {"detail": detail}, level=logging.WARNING)

    def _has_room(self) -> bool:
        """Whether another connection can be served, after an idle one has gone if need be."""
        if self._pool.free() <= 0:
            self._idle.make_room()
        return bool(self._pool.free() > 0)

    def _dropped(self) -> dict[tuple[str, str], int]:
        return {
            ("event_queue", "full"): self._executor.dropped_events,
            **{("rest_events", reason): count for reason, count in self.events.dropped.items()},
            **{("rest_connections", reason): count for reason, count in self._lost.items()},
        }


class _ServerLog:
    """eventlet logs an access line for each request, and what goes wrong while writing, at level info."""

    def info(self, message: str, *_: Any) -> None:
        _log.debug("event=rest_server %s", message)

    debug = error = info

# SPDX-License-Identifier: Apache-2.0
"""Serves REST: eventlet.wsgi on a listening socket that was inherited or is bound here, in green threads."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import stat
from collections.abc import Callable
from typing import Any

import eventlet
from eventlet import wsgi
from eventlet.green import socket
from eventlet.greenio import GreenSocket
from eventlet.patcher import original

from apps.executor import Executor
from apps.metrics import Metrics
from apps.rest.application import CLOSE_CONNECTION, RestApi
from apps.rest.event_stream import EventStream
from apps.rest.problems import MALFORMED, MEDIA_TYPE, Problem
from apps.rest.resources import EVENT_SOCKET, Resources, Switches
from topology.model import Domain

_log = logging.getLogger("castover.rest")

CONNECTIONS_MAX = 256
IDLE_S = 60.0
"""How long a connection may wait between two requests."""
SOCKET_TIMEOUT_S = 15.0
"""How long a client may take for the next octets of a request, or to take those of an answer."""
UNREAD_OCTETS_MAX = 1024 * 1024
"""Of a refused body that are read and thrown away, so that the client gets to read why (RFC 9112 section 9.6)."""
EVENT_SEND_BUFFER_OCTETS = 64 * 1024
"""Small, so that a client that does not read is noticed by us and not stored for by the kernel."""
_BACKLOG = 128
_STOP_S = 1.0
_ACCEPT_PAUSE_S = 0.1


class RestSocketError(OSError):
    """REST cannot listen; the message says where, and what was found."""


class RestServer:
    """REST of one controller process."""

    def __init__(
        self, *, domain: Domain, executor: Executor, switches: Switches, inherited_fd: int | None = None
    ) -> None:
        self._where = (domain.controller.rest_host, domain.controller.rest_port)
        self._inherited_fd = inherited_fd
        self._listener: Any = None
        self._server: Any = None
        self._pool = eventlet.GreenPool(CONNECTIONS_MAX)
        self.events = EventStream(secrets.token_hex(4))
        self._executor = executor
        metrics = Metrics(executor.snapshot, self._dropped)
        executor.listen(self.events.publish)
        executor.listen(metrics.observe)
        resources = Resources(
            domain=domain, core=executor, switches=switches, metrics=metrics, events=self.events
        )
        self.application = RestApi(resources.routes(), metrics.answered)

    def start(self) -> None:
        """Listen and serve. Raises RestSocketError when address or inherited descriptor is of no use."""
        self._listener = _listen(*self._where) if self._inherited_fd is None else _inherit(self._inherited_fd)
        self._server = eventlet.spawn(
            wsgi.server, _Listener(self._listener), self.application, protocol=_Connection, custom_pool=self._pool,
            keepalive=IDLE_S, socket_timeout=SOCKET_TIMEOUT_S, log=_ServerLog(), log_x_forwarded_for=False, debug=False,
        )

    def stop(self) -> None:
        """Close; answers under way have a second to end."""
        if self._server is None:
            return
        self.events.close()
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
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def _dropped(self) -> dict[tuple[str, str], int]:
        return {
            ("event_queue", "full"): self._executor.dropped_events,
            **{("rest_events", reason): count for reason, count in self.events.dropped.items()},
        }


def _listen(host: str, port: int) -> Any:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Not reuse_port: a second controller on the port must fail, not silently take half of the requests.
        return eventlet.listen(address, family=family, backlog=_BACKLOG, reuse_port=False)
    except OSError as error:
        raise RestSocketError(f"REST cannot listen on {host} port {port}: {error}") from error


def _inherit(descriptor: int) -> Any:
    """The listening socket behind a descriptor, which may be of another network namespace."""
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


class _Listener:
    """The listening socket as wsgi.server uses it, which would end at the first failed accept."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.family = sock.family

    def accept(self) -> Any:
        while True:
            try:
                return self._sock.accept()
            except OSError as error:
                # Out of descriptors, or the peer was gone already: neither is a reason to stop listening.
                _log.warning("event=rest_accept_failed error=%s", error)
                eventlet.sleep(_ACCEPT_PAUSE_S)

    def getsockname(self) -> Any:
        return self._sock.getsockname()

    def close(self) -> None:
        self._sock.close()


class _Connection(wsgi.HttpProtocol):  # type: ignore[misc]
    """One connection, with what the application may ask of it in the environment."""

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[CLOSE_CONNECTION] = lambda: self._close_after_answer(environ)
        environ[EVENT_SOCKET] = lambda: self._become_event_socket(environ)
        return environ

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What cannot be parsed as HTTP gets a problem document too."""
        body = Problem(MALFORMED, "This is not HTTP/1.1.").body()
        self.close_connection = True
        head = (
            f"HTTP/1.1 400 Bad Request\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        self.wfile.write(head.encode() + body)
        self.wfile.flush()

    def _close_after_answer(self, environ: dict[str, Any]) -> None:
        self.close_connection = True
        body = environ["wsgi.input"]
        if body.should_send_hundred_continue:
            return  # the client waits for leave to send, and gets none
        left = UNREAD_OCTETS_MAX
        with contextlib.suppress(OSError, ValueError):
            while left > 0 and (part := body.read(min(left, 64 * 1024))):
                left -= len(part)

    def _become_event_socket(self, environ: dict[str, Any]) -> Callable[[], None]:
        # Events go out one by one, not when 4 KiB have come together.
        environ["eventlet.minimum_write_chunk_size"] = 1
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, EVENT_SEND_BUFFER_OCTETS)

        def hang_up() -> None:
            # The writer may be blocked in send; shutting down wakes it, and only it closes.
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        return hang_up


class _ServerLog:
    """eventlet logs an access line for each request, and what goes wrong while writing, at level info."""

    def info(self, message: str, *_: Any) -> None:
        _log.debug("event=rest_server %s", message)

    debug = error = info

# SPDX-License-Identifier: Apache-2.0
"""A node's side of the control socket: takes requests, each in a thread of its own, until it is closed."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from containers.wire import MESSAGE_OCTETS_MAX, Answer, decode_request, encode
from lab.errors import LabError

Handler = Callable[[Mapping[str, Any]], Answer]
_AT_ONCE = 16
_REQUEST_TIMEOUT_S = 5.0


class ControlServer:
    """Answers with what the handler of the request's name returns; a LabError, or a wrong request, as its words.

    The files in answers are closed here when they have been handed over.
    """

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = dict(handlers)
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._listener: socket.socket | None = None

    def start(self) -> None:
        """Listen. The folder must exist; an old socket there is replaced. Raises OSError."""
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(self._path))
        self._path.chmod(0o600)
        self._listener.listen(_AT_ONCE)
        threading.Thread(target=self._accept, args=(self._listener,), name="control", daemon=True).start()

    def close(self) -> None:
        """Take no more requests; nothing when it was never started."""
        if self._listener is not None:
            self._path.unlink(missing_ok=True)
            self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            self._places.acquire()
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.settimeout(_REQUEST_TIMEOUT_S)
                answer = self.answer(connection.recv(MESSAGE_OCTETS_MAX))
                _send(connection, answer)
            except OSError:
                return  # whoever wanted to ask has gone
            finally:
                self._places.release()
            if answer.hung_up is not None:
                _await_end(connection)
                answer.hung_up()

    def answer(self, message: bytes) -> Answer:
        """To one request."""
        try:
            request = decode_request(message)
            handler = self._handlers.get(request["do"])
            if handler is None:
                raise LabError(f"nobody here can do {request['do']!r}", f"allowed: {', '.join(sorted(self._handlers))}")
            answer = handler(request)
            encode(answer.value)
            return answer
        except (LabError, OSError) as error:
            return Answer(value={"error": str(error)[:1000]})
        except (KeyError, TypeError, ValueError) as error:
            return Answer(value={"error": f"a request that does not fit: {type(error).__name__}: {error}"[:1000]})


def _send(connection: socket.socket, answer: Answer) -> None:
    """Whether it arrives is not said: whoever has asked may have gone."""
    descriptors = [] if answer.descriptor is None else [answer.descriptor]
    try:
        socket.send_fds(connection, [encode(answer.value)], descriptors)
    except OSError:
        return
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _await_end(connection: socket.socket) -> None:
    """Until the other end is closed; what it says before does not matter."""
    connection.settimeout(None)
    try:
        while connection.recv(1):
            pass
    except OSError:
        return

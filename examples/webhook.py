#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Receives webhooks of a controller, checks who has sent them, and prints a line for each: standard library only.

    examples/webhook.py secrets/billing             for a webhook with url: http://127.0.0.1:9000/

The file has the webhook's secret, as its secret_file in topology.yaml. Signatures are those of Standard Webhooks 1.0.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import hmac
import json
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BODY_OCTETS_MAX = 1 << 20
OLD_S = 300.0
"""A message that says it is older, or this far ahead, is somebody's copy: it would come again and again."""
REMEMBERED = 1000
"""Ids, to know what comes twice."""
CONNECTIONS_MAX = 16
"""At a time; one that sends nothing is closed after 10 s."""


class RefusedError(Exception):
    """A message that is not what it should be; the first argument is the HTTP status to answer with."""


def secret_of(text: str) -> bytes:
    """The secret that a file contains. Raises ValueError."""
    text = text.strip()
    secret = text.encode()
    if text.startswith("whsec_"):
        try:
            secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise ValueError(f"after whsec_ Base64 is expected: {error}") from error
    if not 24 <= len(secret) <= 64:
        raise ValueError(f"a secret of {len(secret)} octets; allowed: 24 to 64")
    return secret


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """The id of a message that whoever knows the secret has sent, and lately. Raises RefusedError."""
    message_id, sent, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (sent.isascii() and sent.isdecimal()):
        raise RefusedError(400, f"webhook-timestamp: {sent!r} is no number of seconds")
    content = b".".join((message_id.encode(), sent.encode(), body))
    expected = b"v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest())
    # There may be several, while a secret is being replaced. Compared in constant time: how long it takes says nothing.
    if not any(hmac.compare_digest(one.encode(), expected) for one in signatures.split()):
        raise RefusedError(401, "webhook-signature: nobody who knows the secret has signed this")
    if abs(now - int(sent)) > OLD_S:
        raise RefusedError(401, f"webhook-timestamp: {now - int(sent):.0f} s old; allowed: {OLD_S:.0f}")
    return message_id


def line(message: Any) -> str:
    """What a message says, for people. Raises KeyError, TypeError when it is none of a controller's."""
    data = message["data"]
    handover = data["handover"]
    if handover is None:
        return printable(f"{message['timestamp']} {message['type']} {json.dumps(data['fields'])}")
    way = f"{handover['mn_id']} from {handover['previous_mag']} to {handover['new_mag']}"
    error = f": {handover['error']}" if handover["error"] else ""
    return printable(f"{message['timestamp']} {message['type']} {handover['id']} {way}, {handover['state']}{error}")


def printable(text: str) -> str:
    """On one line, and nothing in it that a terminal would obey."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


class Receiver(ThreadingHTTPServer):
    """A thread a connection, at most CONNECTIONS_MAX: somebody who sends slowly, or nothing, holds up nobody else."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], secret: bytes) -> None:
        super().__init__(address, _Handler)
        self.secret = secret
        self.taking = threading.Lock()
        """Held from looking whether an id is known until it is: the same message may come on two connections."""
        self.known: deque[str] = deque(maxlen=REMEMBERED)
        self._free = threading.BoundedSemaphore(CONNECTIONS_MAX)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - socketserver's
        """Whether there is room for this connection; else it is closed at once, and the controller tries again."""
        return self._free.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who hangs up in the middle is not worth a traceback; what is wrong here is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = 10.0

    def do_POST(self) -> None:
        """Take a message, or say why not: the controller tries again, and shows it in GET /v1/webhooks."""
        try:
            self._take(self._body())
        except RefusedError as refused:
            status, why = refused.args
            print(printable(f"refused: {why}"), flush=True)
            self.send_error(status, why)
            return
        self.send_response(204)
        self.end_headers()

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            raise RefusedError(411, "Content-Length: a number of octets is expected")
        if len(length) > 9 or int(length) > BODY_OCTETS_MAX:
            raise RefusedError(413, f"at most {BODY_OCTETS_MAX} octets")
        return self.rfile.read(int(length))

    def _take(self, body: bytes) -> None:
        message_id = verify(self.server.secret, self.headers, body, time.time())  # type: ignore[arg-type]
        with self.server.taking:
            # Also a message that has been taken may come again, when our answer was lost.
            if message_id in self.server.known:
                return
            try:
                print(line(json.loads(body)), flush=True)
            except (KeyError, TypeError, ValueError, RecursionError) as error:
                raise RefusedError(400, "no message of a controller of Castover") from error
            self.server.known.append(message_id)

    def log_message(self, format: str, *args: object) -> None:
        """What is to be said is on standard output."""


def main() -> None:
    """Until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Receives webhooks, checks their signatures, prints a line for each.")
    parser.add_argument("secret", metavar="SECRET_FILE", type=Path, help="of this webhook, as secret_file in topology.yaml")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen; default: %(default)s")
    parser.add_argument("--port", type=int, default=9000, help="default: %(default)s")
    given = parser.parse_args()
    try:
        secret = secret_of(given.secret.read_text(encoding="utf-8"))
        receiver = Receiver((given.address, given.port), secret)
    except (OSError, OverflowError, ValueError) as error:
        sys.exit(f"webhook.py: {error}")
    with receiver:
        print(f"listening to http://{given.address}:{receiver.server_port}/; Ctrl-C ends this", flush=True)
        try:
            receiver.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()

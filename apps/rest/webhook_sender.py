# SPDX-License-Identifier: Apache-2.0
"""One HTTP POST to a webhook, in a thread of its own: name look-up and TLS must not hold up the event loop."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from eventlet import tpool

from apps.rest.bounded_http import BoundedConnection, Deadline
from apps.rest.webhook_queue import Outcome

TIMEOUT_S = 10.0
"""From the look-up of the name to the last octet of the answer."""
_ANSWER_OCTETS_MAX = 16 * 1024


def post(url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
    """What came of it; never raises for what a receiver or the network does. Blocks this green thread only."""
    found: Outcome = tpool.execute(_post, url, dict(headers), body)
    return found


def _post(url: str, headers: dict[str, str], body: bytes) -> Outcome:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    context = ssl.create_default_context() if parts.scheme == "https" else None
    connection = BoundedConnection(str(parts.hostname), parts.port, context, Deadline(TIMEOUT_S))
    try:
        connection.request("POST", path, body=body, headers=headers)
        response = connection.getresponse()
        response.read(_ANSWER_OCTETS_MAX)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        return Outcome(_words(error))
    finally:
        connection.close()
    if 200 <= response.status < 300:
        return Outcome()
    # Redirections are not followed: a message goes to whom the operator has named.
    asked_for = response.headers.get("Retry-After", "")
    seconds = float(asked_for) if asked_for.isascii() and asked_for.isdigit() and len(asked_for) < 6 else None
    return Outcome(f"{response.status} {response.reason[:100]}", seconds)


def _words(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200].lower()

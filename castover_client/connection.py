# SPDX-License-Identifier: Apache-2.0
"""One HTTP connection to the API, kept open: requests, answers, and what is tried again."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from castover_client.errors import CastoverError, NotTrusted, UnexpectedAnswer, Unreachable, refusal

TRIES = 3
"""Of a request that may be sent again: a GET, or a POST with an Idempotency-Key."""
_ACCEPT = "application/json, application/problem+json"
_BROKEN = (http.client.HTTPException, ConnectionResetError, BrokenPipeError, ConnectionAbortedError)
"""After these a new connection may do; a refused or silent one would be refused or silent again."""

_TOKEN = re.compile(r"[\x21-\x7e]+")
"""Wider than RFC 6750 section 2.1, which is the server's to judge; nothing that would end or break a header."""
_ISSUER_UNKNOWN = frozenset({18, 19, 20, 21})
"""X509_V_ERR_* of OpenSSL that end when the issuer, or the certificate itself, is trusted."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer, or 304."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    content: bytes

    @property
    def document(self) -> Any:
        """The JSON in it. Raises UnexpectedAnswer."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise UnexpectedAnswer(f"{self.status}, and what follows is not JSON: {error}") from error


class HangUp:
    """Ends an answer without end, also under somebody who reads it in another thread."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        # http.client forgets it when the server says that it will close the connection.
        self._socket = connection.sock

    def close(self) -> None:
        """Idempotent."""
        # Closing alone would leave a reader waiting for octets that may not come for a long time.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class Connection:
    """To one API, by its base URL. Not for several threads at once."""

    def __init__(self, url: str, *, token: str | None = None, timeout_s: float = 5.0, ca_file: str | None = None) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise CastoverError(f"{url!r} is not the URL of a REST API; for example http://127.0.0.1:8080")
        if token is not None and not _TOKEN.fullmatch(token):
            # Not shown: it may be right but for a line break.
            raise CastoverError(
                f"token (CASTOVER_TOKEN): found {len(token)} characters, not all of them printable ASCII without blanks; "
                "allowed: one token, such as `castover token` prints"
            )
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s
        self._base = parts.path.rstrip("/")
        self._host, self._port = parts.hostname, port
        self._token = token
        self._tls = _trusting(ca_file) if parts.scheme == "https" else None
        self._kept: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Give the connection up; the next request opens another."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """A good answer, or 304. Raises Refused, Unreachable."""
        sent = {"Accept": _ACCEPT, **self._authorization(), **(headers or {})}
        octets = None
        if body is not None:
            octets, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        again = method in ("GET", "HEAD") or "Idempotency-Key" in sent
        for left in reversed(range(TRIES if again else 1)):
            if not again:
                # A kept connection that the server closes just now would leave open whether the request was taken.
                self.close()
            connection = self._kept = self._kept or self._open(self.timeout_s)
            try:
                connection.request(method, self._base + path, body=octets, headers=sent)
                response = connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if left and isinstance(error, _BROKEN):
                    continue
                raise self._unreachable(error) from error
            return _judged(response, content)
        raise AssertionError("unreachable")

    def stream(self, path: str, headers: Mapping[str, str], timeout_s: float) -> tuple[http.client.HTTPResponse, HangUp]:
        """An answer without end on a connection of its own, and what closes it. Raises Refused, Unreachable."""
        connection = self._open(timeout_s)
        try:
            connection.request("GET", self._base + path, headers={**self._authorization(), **headers})
            hang_up = HangUp(connection)
            response = connection.getresponse()
            if response.status != 200:
                _judged(response, response.read())
                raise UnexpectedAnswer(f"{response.status} {response.reason} for a stream")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._unreachable(error) from error
        except BaseException:
            connection.close()
            raise
        return response, hang_up

    def _open(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port or 80, timeout=timeout_s)
        return http.client.HTTPSConnection(self._host, self._port or 443, timeout=timeout_s, context=self._tls)

    def _authorization(self) -> dict[str, str]:
        return {} if self._token is None else {"Authorization": f"Bearer {self._token}"}

    def _unreachable(self, error: Exception) -> Unreachable:
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = error.verify_message.rstrip(".")
            if error.verify_code not in _ISSUER_UNKNOWN:
                return NotTrusted(f"{self.url}: the controller's certificate is refused: {reason}")
            return NotTrusted(
                f"{self.url}: the controller's certificate is not trusted: {reason}; "
                "set CASTOVER_CA_FILE (ca_file) to a file with it or with its issuer's"
            )
        reason = getattr(error, "strerror", None) or str(error)
        return Unreachable(f"no controller answers on {self.url}: {reason or type(error).__name__}")


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = error.reason if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
        raise CastoverError(
            f"ca_file (CASTOVER_CA_FILE): found {ca_file!r}, {str(reason or error).lower().replace('_', ' ')}; "
            "allowed: a file of PEM certificates"
        ) from error


def _judged(response: http.client.HTTPResponse, content: bytes) -> Reply:
    headers = {name.lower(): value for name, value in response.getheaders()}
    if response.status < 300 or response.status == 304:
        return Reply(response.status, headers, content)
    document = None
    with contextlib.suppress(ValueError):
        document = json.loads(content)
    raise refusal(response.status, response.reason, document, headers)

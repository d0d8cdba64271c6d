# SPDX-License-Identifier: Apache-2.0
"""The controller's REST API from a command line's point of view: small, synchronous, errors in one line."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from lab.errors import LabError
from lab.typed import typed

ENDED = frozenset({"completed", "failed", "cancelled"})
MAY_LEAVE = frozenset({"joined", "forwarding", "bound", "delivered"}) | ENDED
"""States in which waiting for the forwarding is over."""


class RestError(LabError):
    """The API refused; `status` is the HTTP status, 0 when it could not be reached."""

    def __init__(self, status: int, problem: str, mend: str = "") -> None:
        super().__init__(problem, mend)
        self.status = status


class HandoverTimeoutError(LabError):
    """A handover has not come as far as wanted in the time that was given."""


class RestClient:
    """One API, by its base URL; a context manager that closes its connection. Not for several threads at once."""

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme != "http" or not parts.hostname or port == -1:
            raise LabError(f"{url!r} is not the URL of a REST API", "for example http://127.0.0.1:8080")
        self.url = url.rstrip("/")
        self._path = parts.path.rstrip("/")
        self._host, self._port, self._timeout_s = parts.hostname, port or 80, timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> RestClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str) -> Any:
        """The JSON document at a path such as '/v1/bindings'. Raises RestError."""
        return self.request("GET", path)[2]

    def post(self, path: str, body: Mapping[str, Any]) -> tuple[Mapping[str, str], Any]:
        """POST; headers (lower-case names) and document of the answer. Raises RestError."""
        # A connection that the server is about to close would leave it open whether the request was taken.
        self.close()
        _, headers, document = self.request("POST", path, body)
        return headers, document

    def ready(self) -> bool:
        """Whether /readyz says that switches and agents are there; False also when nobody answers yet."""
        try:
            self.get("/readyz")
        except RestError:
            return False
        return True

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Mapping[str, str], Any]:
        """Status, headers, document. Raises RestError for every status from 300 on."""
        octets = json.dumps(body).encode() if body is not None else None
        headers = {"Accept": "application/json, application/problem+json"}
        if octets is not None:
            headers["Content-Type"] = "application/json"
        fresh = self._connection is None
        while True:
            connection = self._connection or http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            self._connection = connection
            try:
                connection.request(method, self._path + path, body=octets, headers=headers)
                response = connection.getresponse()
                content = response.read()
                break
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if not fresh and method == "GET":  # a kept connection has a right to be closed meanwhile
                    fresh = True
                    continue
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                raise RestError(
                    0, f"no controller answers on {self.url}: {reason}", f"is the lab up ({typed('lab', 'status')})?"
                ) from error
        document = _document(content)
        if response.status >= 300:
            raise RestError(response.status, problem_line(response.status, response.reason, document))
        return response.status, {name.lower(): value for name, value in response.getheaders()}, document

    def close(self) -> None:
        """Give the connection up; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def problem_line(status: int, reason: str, document: Any) -> str:
    """One line from an RFC 9457 problem document, or from the status line where there is none."""
    if not isinstance(document, dict):
        return f"{status} {reason}"
    title, detail = document.get("title") or reason, document.get("detail")
    said = f"{status} {title}" + (f": {detail}" if detail else "")
    errors = document.get("errors")
    if isinstance(errors, list) and errors:
        said += " (" + "; ".join(_error_words(error) for error in errors) + ")"
    return said


def _error_words(error: Any) -> str:
    if isinstance(error, dict):
        where = error.get("pointer") or error.get("field") or error.get("loc")
        said = error.get("detail") or error.get("message") or error.get("msg") or error
        return f"{where}: {said}" if where else str(said)
    return str(error)


def _document(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return None


def items(document: Any, key: str) -> list[dict[str, Any]]:
    """The list of a collection document, whether it is the document or one of its members."""
    found = document.get(key, document.get("items")) if isinstance(document, dict) else document
    if not isinstance(found, list):
        raise RestError(0, f"the controller's list of {key} is no list", "do castover and controller fit together?")
    return found


def start_handover(client: RestClient, mn_id: str, new_mag: str, mode: str = "predictive") -> str:
    """POST /v1/handovers; the id of the new handover. Raises RestError."""
    body = {"mn_id": mn_id, "new_mag": new_mag}
    headers, document = client.post("/v1/handovers", body if mode == "predictive" else {**body, "mode": mode})
    if isinstance(document, dict) and "id" in document:
        return str(document["id"])
    identifier = headers.get("location", "").rstrip("/").rpartition("/")[2]
    if not identifier:
        raise RestError(0, "the controller took the handover but did not name it")
    return identifier


def get_handover(client: RestClient, handover_id: str) -> dict[str, Any]:
    """GET /v1/handovers/{id}. Raises RestError."""
    document: dict[str, Any] = client.get(f"/v1/handovers/{quote(handover_id, safe='')}")
    return document


def follow_handover(
    client: RestClient, handover_id: str, *, until: frozenset[str] = ENDED, timeout_s: float, poll_s: float = 0.005,
    check: Callable[[], None] = lambda: None,
) -> Iterator[dict[str, Any]]:
    """The handover each time it looks different, the last time in one of the states `until`.

    Raises RestError, and HandoverTimeoutError when it takes longer than `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    before: dict[str, Any] | None = None
    while True:
        check()
        present = get_handover(client, handover_id)
        if present != before:
            before = present
            yield present
        if present["state"] in until:
            return
        if time.monotonic() > deadline:
            raise HandoverTimeoutError(f"handover {handover_id} is still {present['state']} after {timeout_s:g} s")
        time.sleep(poll_s)

# SPDX-License-Identifier: Apache-2.0
"""The WSGI application of REST: finds the route, checks method, query and body, and turns every error into a problem.

What the resources say is in `apps.rest.resources`. Ryu's own WSGI module answers a wrong method with 404; this one
says 405 and what is allowed (RFC 9110 section 15.5.6).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel
from webob import Request, Response

from apps.rest.problems import (
    INTERNAL,
    MALFORMED,
    METHOD_NOT_ALLOWED,
    NOT_VALID,
    TOO_LARGE,
    UNKNOWN_PATH,
    UNSUPPORTED_MEDIA_TYPE,
    FieldError,
    Problem,
    quoted,
)
from apps.rest.request_models import NoQuery, read_body, read_query

_log = logging.getLogger("castover.rest")

BODY_OCTETS_MAX = 64 * 1024
CLOSE_CONNECTION = "castover.close_connection"
"""Key of the WSGI environment: ends the connection after the answer, with what is unread of the body."""
_READ_OCTETS = 16 * 1024
_PARAMETERS_MAX = 20
_NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request whose route, query and body have been judged."""

    names: Mapping[str, str]
    """The variable parts of the path."""
    query: Any
    """Of the route's query model."""
    body: Any
    """Of the route's body model; None when it has none."""
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path; {name} in the path stands for one segment."""

    method: str
    path: str
    summary: str
    answer: Callable[[Call], Response]
    """Raises Problem when there is no good answer."""
    query: type[BaseModel] = NoQuery
    body: type[BaseModel] | None = None

    def match(self, path: str) -> dict[str, str] | None:
        """The variable parts of a path of this route; None for any other path."""
        wanted, found = self.path.split("/"), path.split("/")
        if len(wanted) != len(found):
            return None
        names = {}
        for part, segment in zip(wanted, found, strict=True):
            if part.startswith("{") and segment:
                names[part[1:-1]] = segment
            elif part != segment:
                return None
        return names


class RestApi:
    """WSGI. `answered(method, route path, status)` is told of every answer."""

    def __init__(self, routes: Iterable[Route], answered: Callable[[str, str, int], None]) -> None:
        self._routes = tuple(routes)
        self._answered = answered

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request; never raises."""
        request = Request(environ)
        route_path = _NO_ROUTE
        try:
            path = _path(environ)
            candidates = [(route, names) for route in self._routes if (names := route.match(path)) is not None]
            route_path = candidates[0][0].path if candidates else _NO_ROUTE
            response = self._respond(request, path, candidates)
        except Problem as problem:
            response = problem.response()
        except Exception:
            _log.exception("event=rest_fault method=%r path=%r", request.method, environ.get("PATH_INFO"))
            response = Problem(INTERNAL, "The controller could not answer; its log says why.").response()
        # Nothing here may be kept: every answer is the state of a moment.
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        method = request.method if request.method in _METHODS else "other"
        self._answered(method, route_path, response.status_int)
        _log.debug("event=rest_answer method=%s route=%s status=%d", method, route_path, response.status_int)
        found: Iterable[bytes] = response(environ, start_response)
        return found

    def _respond(self, request: Request, path: str, candidates: list[tuple[Route, dict[str, str]]]) -> Response:
        if request.method == "OPTIONS" and path == "*":
            return _options({route.method for route in self._routes})
        if not candidates:
            raise Problem(UNKNOWN_PATH, f"There is no {quoted(path)} here; / lists what there is.")
        methods = {route.method for route, _ in candidates}
        if request.method == "OPTIONS":
            return _options(methods)
        wanted = "GET" if request.method == "HEAD" else request.method
        for route, names in candidates:
            if route.method == wanted:
                query = read_query(route.query, _parameters(request.environ))
                body = None if route.body is None else read_body(route.body, _body(request))
                return route.answer(Call(names=names, query=query, body=body, request=request))
        allow = _allow(methods)
        detail = f"{request.method[:20]} is not a method of {candidates[0][0].path}; allowed: {allow}"
        raise Problem(METHOD_NOT_ALLOWED, detail, headers={"Allow": allow})


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON, one line."""
    # Without indentation: only then does json use its fast encoder, and the event loop waits for this.
    response = Response(status=status, body=json.dumps(value).encode() + b"\n", content_type="application/json")
    response.headers.update(headers or {})
    return response


def text_response(text: bytes, content_type: str) -> Response:
    """An answer of text; `content_type` with its parameters."""
    response = Response(body=text)
    response.headers["Content-Type"] = content_type
    return response


def _allow(methods: set[str]) -> str:
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


def _options(methods: set[str]) -> Response:
    response = Response(status=204)
    response.headers["Allow"] = _allow(methods)
    return response


def _path(environ: Mapping[str, Any]) -> str:
    try:
        # PEP 3333: WSGI carries octets as Latin-1.
        return str(environ.get("PATH_INFO", "")).encode("latin-1").decode()
    except UnicodeError as error:
        raise Problem(MALFORMED, "The path is not UTF-8.") from error


def _parameters(environ: Mapping[str, Any]) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            environ.get("QUERY_STRING", ""), keep_blank_values=True, strict_parsing=bool(environ.get("QUERY_STRING")),
            errors="strict", max_num_fields=_PARAMETERS_MAX,
        )
    except ValueError as error:
        raise Problem(MALFORMED, f"The query cannot be read: {error}") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = [name for name in found if sum(name == other for other, _ in pairs) > 1]
        errors = [FieldError(field=name, detail="given more than once; allowed: once") for name in twice]
        raise Problem(NOT_VALID, f"The query is not valid: {', '.join(twice)}", errors=errors)
    return found


def _body(request: Request) -> bytes:
    """The whole body. Judged by its headers first, so that what is refused need not be sent (Expect: 100-continue)."""
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        detail = f"found {quoted(media_type)}; allowed: application/json"
        raise Problem(UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept": "application/json"})
    if request.content_length is not None and request.content_length > BODY_OCTETS_MAX:
        raise _too_large(request)
    coding = request.headers.get("Transfer-Encoding", "").lower()
    if coding not in ("", "chunked"):
        raise _unreadable(request, f"Transfer-Encoding {quoted(coding)} is not known; allowed: chunked")
    source = request.environ["wsgi.input"]
    left = BODY_OCTETS_MAX + 1
    if coding == "" and request.content_length is not None:
        left = request.content_length
    body = bytearray()
    try:
        while left > 0 and (part := source.read(min(left, _READ_OCTETS))):
            body += part
            left -= len(part)
    except (ValueError, OSError) as error:
        raise _unreadable(request, "The body ended early, or its chunks cannot be read.") from error
    if len(body) > BODY_OCTETS_MAX:
        raise _too_large(request)
    return bytes(body)


def _too_large(request: Request) -> Problem:
    _close(request)
    return Problem(TOO_LARGE, f"allowed: {BODY_OCTETS_MAX} octets", headers={"Connection": "close"})


def _unreadable(request: Request, detail: str) -> Problem:
    _close(request)
    return Problem(MALFORMED, detail, headers={"Connection": "close"})


def _close(request: Request) -> None:
    close = request.environ.get(CLOSE_CONNECTION)
    if close is not None:
        close()

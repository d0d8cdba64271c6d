# SPDX-License-Identifier: Apache-2.0
"""The WSGI application of REST: finds the route, checks who asks and what for, and turns every error into a problem.

Ryu's own WSGI module answers a wrong method with 404; this one says 405 and what is allowed (RFC 9110 section 15.5.6).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from webob import Request, Response

from apps.rest.access import Access, Hosts, Role
from apps.rest.conditional import matches
from apps.rest.problems import INTERNAL, METHOD_NOT_ALLOWED, UNKNOWN_PATH, Problem, quoted
from apps.rest.requests import leave_body, read_body, read_path, read_query
from apps.rest.routing import Call, Route, matching
from southbound.fact_log import log_fact

_log = logging.getLogger("castover.rest")

_NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RestApi:
    """WSGI. `answered(method, route path, status)` is told of every answer; `hosts` None: any Host is taken."""

    def __init__(
        self,
        routes: Iterable[Route],
        answered: Callable[[str, str, int], None],
        access: Access | None = None,
        hosts: Hosts | None = None,
    ) -> None:
        self._routes = tuple(routes)
        self._answered = answered
        self._access = access or Access()
        self._hosts = hosts

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request; never raises."""
        request = Request(environ)
        route_path = _NO_ROUTE
        try:
            if self._hosts is not None:
                self._hosts.judge(environ.get("HTTP_HOST"))
            path = read_path(environ)
            candidates = matching(self._routes, path)
            route_path = candidates[0][0].path if candidates else _NO_ROUTE
            response = self._respond(request, path, candidates)
        except Problem as problem:
            response = problem.response()
            leave_body(request)
        except Exception:
            _log.exception("event=rest_fault method=%r path=%r", request.method, environ.get("PATH_INFO"))
            response = Problem(INTERNAL, "The controller could not answer; its log says why.").response()
        if "Cache-Control" not in response.headers:
            # What has no ETag is the answer of a moment: nothing to keep.
            response.headers["Cache-Control"] = "private, no-cache" if "ETag" in response.headers else "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        method = request.method if request.method in _METHODS else "other"
        self._answered(method, route_path, response.status_int)
        _log.debug("event=rest_answer method=%s route=%s status=%d", method, route_path, response.status_int)
        found: Iterable[bytes] = response(environ, start_response)
        return found

    def _respond(self, request: Request, path: str, candidates: list[tuple[Route, dict[str, str]]]) -> Response:
        if request.method == "OPTIONS" and path == "*":
            return _options({route.method for route in self._routes})
        if request.method == "CONNECT":
            allow = _allow({route.method for route in self._routes})
            raise Problem(METHOD_NOT_ALLOWED, f"This is no proxy; allowed: {allow}", headers={"Allow": allow})
        if not candidates:
            raise Problem(UNKNOWN_PATH, f"There is no {quoted(path)} here; / lists what there is.")
        methods = {route.method for route, _ in candidates}
        if request.method == "OPTIONS":
            return _options(methods)
        wanted = "GET" if request.method == "HEAD" else request.method
        for route, names in candidates:
            if route.method == wanted:
                return self._carry_out(route, names, request)
        allow = _allow(methods)
        detail = f"{request.method[:20]} is not a method of {candidates[0][0].path}; allowed: {allow}"
        raise Problem(METHOD_NOT_ALLOWED, detail, headers={"Allow": allow})

    def _carry_out(self, route: Route, names: dict[str, str], request: Request) -> Response:
        client = "" if route.role is None else self._access.judge(request.headers.get("Authorization"), route.role)
        if route.role is Role.TRIGGER:
            fields = {"client": client or "-", "method": route.method, "route": route.path}
            log_fact(_log, "rest_trigger", fields)
        query = read_query(route.query, request.environ)
        body = None if route.body is None else read_body(route.body, request)
        call = Call(names=names, query=query, body=body, request=request, client=client)
        if route.revision is None:
            return route.answer(call)
        tag = f'"{route.revision(call)}"'
        condition = request.environ.get("HTTP_IF_NONE_MATCH")
        if condition is not None and condition.strip() != "*" and matches(condition, tag):
            return _not_modified(tag)  # without having made the body: a client that looks often costs next to nothing
        response = route.answer(call)
        response.headers["ETag"] = tag
        return _not_modified(tag) if condition is not None and condition.strip() == "*" else response


def _not_modified(tag: str) -> Response:
    response = Response(status=304)
    response.headers["ETag"] = tag
    return response


def _allow(methods: set[str]) -> str:
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


def _options(methods: set[str]) -> Response:
    response = Response(status=204)
    response.headers["Allow"] = _allow(methods)
    return response

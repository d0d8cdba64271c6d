# SPDX-License-Identifier: Apache-2.0
"""Routes: which method on which path is answered by whom, and all that a reader of the OpenAPI document must know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from webob import Request, Response

from apps.rest.access import Role
from apps.rest.problems import ProblemType
from apps.rest.request_models import NoQuery

JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request whose route, client, query and body have been judged."""

    names: Mapping[str, str]
    """The variable parts of the path."""
    query: Any
    """Of the route's query model."""
    body: Any
    """Of the route's body model; None when it has none."""
    request: Request
    client: str = ""
    """Name of the token that it came with; '' where none is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """One of the answers of a route that are no problems."""

    description: str
    model: type[BaseModel] | None = None
    """Shape of a JSON body, or of each event of a stream."""
    status: int = 200
    media_type: str = JSON
    headers: tuple[str, ...] = ()
    """Names of `apps.rest.openapi_parts.RESPONSE_HEADERS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path; {name} in the path stands for one segment."""

    method: str
    path: str
    summary: str
    answer: Callable[[Call], Response]
    """Raises Problem when there is no good answer."""
    answers: tuple[Good, ...]
    tag: str
    role: Role | None = Role.READ
    """What a token must allow; None: open to everybody."""
    query: type[BaseModel] = NoQuery
    body: type[BaseModel] | None = None
    problems: tuple[ProblemType, ...] = ()
    """Besides those that come of its query, its body and its role."""
    request_headers: tuple[str, ...] = ()
    """Names of `apps.rest.openapi_parts.REQUEST_HEADERS`."""
    revision: Callable[[Call], str] | None = None
    """Names the state that the answer shows: two answers to one URL with the same revision are the same octets."""

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

    @property
    def variables(self) -> int:
        """How many segments are variable: the route with the fewest is the one that is meant."""
        return self.path.count("{")


def matching(routes: Iterable[Route], path: str) -> list[tuple[Route, dict[str, str]]]:
    """The routes of a path with its variable parts: a fixed segment comes before a variable one."""
    found = [(route, names) for route in routes if (names := route.match(path)) is not None]
    fewest = min((route.variables for route, _ in found), default=0)
    return [(route, names) for route, names in found if route.variables == fewest]


def model_response(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON, one line; what is None by default is left out."""
    return json_response(model.model_dump_json().encode(), status, headers)


def json_response(octets: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON that has been written already."""
    response = Response(status=status, body=octets + b"\n", content_type=JSON)
    response.headers.update(headers or {})
    return response


def raw_response(octets: bytes, content_type: str) -> Response:
    """An answer of anything; `content_type` with its parameters."""
    response = Response(body=octets)
    response.headers["Content-Type"] = content_type
    return response

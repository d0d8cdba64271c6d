# SPDX-License-Identifier: Apache-2.0
"""Errors of the REST API as problem documents (RFC 9457). docs/rest.md lists the types for readers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webob import Response

MEDIA_TYPE = "application/problem+json"
QUOTED_MAX = 100
"""How much of what a client sent is said back to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemType:
    """One kind of error; `type` is resolved against the server, which explains it there (RFC 9457 section 3.1.1)."""

    name: str
    status: int
    title: str
    meaning: str

    @property
    def type(self) -> str:
        """The URI reference that identifies it."""
        return f"/problems/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One field of a body, a query or a path that is at fault, and what would be right."""

    field: str
    detail: str


MALFORMED = ProblemType(
    name="malformed", status=400, title="Malformed request",
    meaning="The body is not JSON, or path, query or framing of the request cannot be read.",
)
UNKNOWN_PATH = ProblemType(
    name="unknown-path", status=404, title="No such resource", meaning="The API has no such path; / lists those it has."
)
NOT_FOUND = ProblemType(
    name="not-found", status=404, title="Not found",
    meaning="The path is right, but there is no such mobile node, binding, MAG, switch or handover.",
)
METHOD_NOT_ALLOWED = ProblemType(
    name="method-not-allowed", status=405, title="Method not allowed",
    meaning="The resource is there and has not this method; the Allow header names those it has.",
)
CONFLICT = ProblemType(
    name="conflict", status=409, title="Conflict",
    meaning="The mobile node or the handover is in a state that does not allow it, for example under way already.",
)
TOO_LARGE = ProblemType(
    name="too-large", status=413, title="Body too large", meaning="A request body may have 65536 octets."
)
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    name="unsupported-media-type", status=415, title="Unsupported media type",
    meaning="A request body is sent as application/json.",
)
NOT_VALID = ProblemType(
    name="not-valid", status=422, title="Not valid",
    meaning="Understood, but fields have values that are not allowed; `errors` names each.",
)
INTERNAL = ProblemType(
    name="internal", status=500, title="Internal error", meaning="A fault of the controller; its log has more."
)
UNAVAILABLE = ProblemType(
    name="unavailable", status=503, title="Not available now",
    meaning="An agent or a switch is away, or the controller is too busy. Ask again later.",
)

PROBLEM_TYPES: Mapping[str, ProblemType] = {
    kind.name: kind
    for kind in (
        MALFORMED, UNKNOWN_PATH, NOT_FOUND, METHOD_NOT_ALLOWED, CONFLICT, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, NOT_VALID,
        INTERNAL, UNAVAILABLE,
    )
}
"""All there are, by name."""


class Problem(Exception):  # noqa: N818 - named by RFC 9457
    """Ends a request with a problem document."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = dict(members or {})
        """Extension members of the document (RFC 9457 section 3.2)."""

    def document(self) -> dict[str, Any]:
        """The members of the problem document."""
        found: dict[str, Any] = {
            "type": self.kind.type, "title": self.kind.title, "status": self.kind.status, "detail": str(self),
        }
        if self.errors:
            found["errors"] = [{"field": error.field, "detail": error.detail} for error in self.errors]
        return found | self.members

    def body(self) -> bytes:
        """The problem document as JSON, one line."""
        return json.dumps(self.document()).encode() + b"\n"

    def response(self) -> Response:
        """The whole answer."""
        response = Response(status=self.kind.status, body=self.body(), content_type=MEDIA_TYPE)
        response.headers.update(self.headers)
        return response


def quoted(text: str) -> str:
    """What a client sent, for a message: in quotes, shortened."""
    return repr(text if len(text) <= QUOTED_MAX else f"{text[:QUOTED_MAX]}...")

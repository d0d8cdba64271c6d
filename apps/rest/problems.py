# SPDX-License-Identifier: Apache-2.0
"""Errors of the REST API as problem documents (RFC 9457). docs/reference/rest.md lists the types for readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from webob import Response

from apps.rest.answers.problems import ProblemDocument

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
UNAUTHORIZED = ProblemType(
    name="unauthorized", status=401, title="Token needed",
    meaning="There is no bearer token, or one that is not known; the WWW-Authenticate header says which.",
)
FORBIDDEN = ProblemType(
    name="forbidden", status=403, title="Not allowed",
    meaning="The token is known and its role does not allow this.",
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
KEY_IN_USE = ProblemType(
    name="idempotency-key-in-use", status=409, title="Request under way",
    meaning="A request with this Idempotency-Key is being carried out; ask again later for its answer.",
)
TOO_LARGE = ProblemType(
    name="too-large", status=413, title="Body too large", meaning="A request body may have 65536 octets."
)
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    name="unsupported-media-type", status=415, title="Unsupported media type",
    meaning="A request body is sent as application/json, without a Content-Encoding.",
)
NOT_VALID = ProblemType(
    name="not-valid", status=422, title="Not valid",
    meaning="Understood, but fields have values that are not allowed; `errors` names each.",
)
URI_TOO_LONG = ProblemType(
    name="uri-too-long", status=414, title="Request line too long", meaning="A request line may have 8192 octets."
)
MISDIRECTED = ProblemType(
    name="misdirected", status=421, title="Not this server",
    meaning="The Host header names another server; where no token is asked for, only addresses and localhost are taken.",
)
KEY_REUSED = ProblemType(
    name="idempotency-key-reused", status=422, title="Idempotency-Key of another request",
    meaning="A request with this Idempotency-Key and another content has been answered before; a new one needs a new key.",
)
HEADERS_TOO_LARGE = ProblemType(
    name="headers-too-large", status=431, title="Headers too large",
    meaning="There may be 100 headers of 8192 octets each and 65536 octets together.",
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
        MALFORMED, UNAUTHORIZED, FORBIDDEN, UNKNOWN_PATH, NOT_FOUND, METHOD_NOT_ALLOWED, CONFLICT, KEY_IN_USE,
        TOO_LARGE, URI_TOO_LONG, UNSUPPORTED_MEDIA_TYPE, MISDIRECTED, NOT_VALID, KEY_REUSED, HEADERS_TOO_LARGE, INTERNAL,
        UNAVAILABLE,
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

    def document(self) -> ProblemDocument:
        """The problem document."""
        return ProblemDocument(
            type=self.kind.type, title=self.kind.title, status=self.kind.status, detail=str(self),
            errors=[{"field": error.field, "detail": error.detail} for error in self.errors] or None, **self.members,
        )

    def body(self) -> bytes:
        """The problem document as JSON, one line."""
        return self.document().model_dump_json(ensure_ascii=True).encode() + b"\n"

    def response(self) -> Response:
        """The whole answer."""
        # WebOb has no words for all of them.
        status = f"{self.kind.status} {HTTPStatus(self.kind.status).phrase}"
        response = Response(status=status, body=self.body(), content_type=MEDIA_TYPE)
        response.headers.update(self.headers)
        return response


def quoted(text: str) -> str:
    """What a client sent, for a message: in quotes, shortened."""
    return repr(text if len(text) <= QUOTED_MAX else f"{text[:QUOTED_MAX]}...")

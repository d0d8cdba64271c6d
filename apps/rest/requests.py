# SPDX-License-Identifier: Apache-2.0
"""Reads requests: path, query and body, with every fault told by name."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from webob import Request

from apps.rest.problems import (
    MALFORMED,
    NOT_VALID,
    TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    FieldError,
    Problem,
    ProblemType,
    quoted,
)
from apps.rest.request_models import NAME_MAX

BODY_OCTETS_MAX = 64 * 1024
CLOSE_CONNECTION = "castover.close_connection"
"""Key of the WSGI environment: ends the connection after the answer, with what is unread of the body."""
_CHARSET = re.compile(r"""(?:^|;)\s*charset\s*=\s*"?([^\s";]*)""", re.IGNORECASE)
_BODY_READ = "castover.body_read"
_READ_OCTETS = 16 * 1024
_PARAMETERS_MAX = 20
_ERRORS_MAX = 20
"""Field errors in one answer: a body can hold thousands of unknown fields."""

Model = TypeVar("Model", bound=BaseModel)


def read_path(environ: Mapping[str, Any]) -> str:
    """The path, percent-decoded. Raises Problem 400."""
    try:
        # PEP 3333: WSGI carries octets as Latin-1.
        return str(environ.get("PATH_INFO", "")).encode("latin-1").decode()
    except UnicodeError as error:
        raise Problem(MALFORMED, "The path is not UTF-8.") from error


def read_query(model: type[Model], environ: Mapping[str, Any]) -> Model:
    """The model from query parameters. Raises Problem 400, or 422 with every parameter at fault."""
    try:
        return model.model_validate(_parameters(environ))
    except ValidationError as error:
        raise _not_valid(model, error.errors(include_url=False), "query") from error


def read_body(model: type[Model], request: Request) -> Model:
    """The model from a JSON body. Raises Problem: 400, 413, 415, or 422 with every field at fault."""
    octets = _octets(request)
    try:
        found = model.model_validate_json(octets)
    except ValidationError as error:
        faults: list[Any] = error.errors(include_url=False)
        if faults[0]["type"] == "json_invalid":
            reason = faults[0].get("ctx", {}).get("error", "not JSON")
            raise Problem(MALFORMED, f"The body is not JSON: {reason}") from error
        _judge_json(octets)
        raise _not_valid(model, faults, "body") from error
    _judge_json(octets)
    return found


def _judge_json(octets: bytes) -> None:
    """What pydantic takes for JSON and is none: NaN and Infinity (RFC 8259 section 6), a name twice. Raises Problem 400."""
    # No number is made of digits here: of many, that takes long.
    json.loads(octets, object_pairs_hook=_once_each, parse_constant=_no_number, parse_int=len, parse_float=len)


def _no_number(name: str) -> None:
    raise Problem(MALFORMED, f"The body is not JSON: found {name}; allowed: numbers of digits")


def _once_each(pairs: list[tuple[str, Any]]) -> None:
    """RFC 8259 section 4: which of two equal names counts is anybody's guess, so none does."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise _given_twice(MALFORMED, "The body names a field twice", pairs)


def _given_twice(kind: ProblemType, what: str, pairs: Iterable[tuple[str, Any]]) -> Problem:
    counts = Counter(name for name, _ in pairs)
    twice = sorted(name[:NAME_MAX] for name, count in counts.items() if count > 1)[:_ERRORS_MAX]
    errors = [FieldError(field=name, detail="given more than once; allowed: once") for name in twice]
    return Problem(kind, f"{what}: {', '.join(twice)}", errors=errors)


def _parameters(environ: Mapping[str, Any]) -> dict[str, str]:
    text = environ.get("QUERY_STRING", "")
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=_PARAMETERS_MAX
        )
    except ValueError as error:
        raise Problem(MALFORMED, f"The query cannot be read: {error}") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _given_twice(NOT_VALID, "The query is not valid", pairs)
    return found


# --- what is at fault ------------------------------------------------------------------------------------------------


def _not_valid(model: type[BaseModel], faults: Sequence[Any], part: str) -> Problem:
    errors: dict[str, FieldError] = {}
    for fault in faults:
        name, detail = _named(model, fault)
        errors.setdefault(name, FieldError(field=name[:NAME_MAX], detail=detail))
        if len(errors) == _ERRORS_MAX:
            break
    told = list(errors.values())
    named = ", ".join(error.field or "the whole" for error in told)
    return Problem(NOT_VALID, f"The {part} is not valid: {named}", errors=told)


def _named(model: type[BaseModel], fault: Any) -> tuple[str, str]:
    """Field and detail of one fault. The field may be in a list of objects: 'handovers[1].new_mag'."""
    where: list[str | int] = list(fault["loc"])
    holder, name = model, ""
    description = f"an object with {', '.join(model.model_fields)}"
    for depth, step in enumerate(where):
        if isinstance(step, int):
            inner = _model_in(holder.model_fields[str(where[depth - 1])].annotation) if depth else None
            if inner is None:
                break  # an item of a list in a query is no field of its own
            name += f"[{step}]"
            holder, description = inner, f"an object with {', '.join(inner.model_fields)}"
        elif step in holder.model_fields:
            name += f".{step}" if name else step
            description = holder.model_fields[step].description or ""
        else:
            name += f".{step}" if name else step
            if fault["type"] == "extra_forbidden":
                return name, f"unknown field; allowed: {', '.join(holder.model_fields) or 'none'}"
            break
    found = "nothing" if fault["type"] == "missing" else _found(fault["input"])
    return name, f"found {found}; allowed: {description}"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model of a list of models; None for a list of anything else."""
    for argument in getattr(annotation, "__args__", ()):
        if isinstance(argument, type) and issubclass(argument, BaseModel):
            return argument
    return None


def _found(value: object) -> str:
    match value:
        case str():
            return quoted(value)
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case int() | float():
            return quoted(str(value)).strip("'")
        case list():
            return f"an array of {len(value)}" if value else "an empty array"
        case dict():
            return "an object"
        case _:
            return f"a value of type {type(value).__name__}"


# --- octets ----------------------------------------------------------------------------------------------------------


def _octets(request: Request) -> bytes:
    """The whole body. Judged by its headers first, so that what is refused need not be sent (Expect: 100-continue)."""
    media_type, _, parameters = request.headers.get("Content-Type", "").partition(";")
    media_type = media_type.strip().lower()
    charset = _CHARSET.search(parameters)
    if charset is not None and charset[1].lower() not in ("utf-8", "utf8"):
        # RFC 8259 section 8.1: JSON between systems is UTF-8; the parameter has no meaning, but says that this is not.
        detail = f"found charset {quoted(charset[1])}; allowed: utf-8, or no charset"
        raise Problem(UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept": "application/json"})
    if media_type != "application/json":
        detail = f"found {quoted(media_type)}; allowed: application/json"
        raise Problem(UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept": "application/json"})
    encoding = request.headers.get("Content-Encoding", "").strip(" \t").lower()
    if encoding not in ("", "identity"):
        detail = f"found Content-Encoding {quoted(encoding)}; allowed: none"
        raise Problem(UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept-Encoding": "identity"})
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
    if left > 0 and coding == "" and request.content_length is not None:
        # RFC 9112 section 8: what came may read like a whole and is none.
        raise _unreadable(request, f"The body ended after {len(body)} of {request.content_length} octets.")
    request.environ[_BODY_READ] = True
    return bytes(body)


def leave_body(request: Request) -> None:
    """A request that was refused before its body was read: nobody can make us read on for the sake of keep-alive."""
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    if has_body and not request.environ.get(_BODY_READ):
        _close(request)


def _too_large(request: Request) -> Problem:
    _close(request)
    return Problem(TOO_LARGE, f"allowed: {BODY_OCTETS_MAX} octets")


def _unreadable(request: Request, detail: str) -> Problem:
    _close(request)
    return Problem(MALFORMED, detail)


def _close(request: Request) -> None:
    # Once: it reads on for a while. The server says `Connection: close` itself (PEP 3333: hop-by-hop headers are its own).
    close = request.environ.pop(CLOSE_CONNECTION, None)
    if close is not None:
        close()

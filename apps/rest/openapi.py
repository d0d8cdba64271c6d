# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI 3.1 document, made of the table of routes and the models that read requests and shape answers."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from apps.rest.access import Access, Role
from apps.rest.answers.events import WebhookMessage
from apps.rest.answers.problems import ProblemDocument
from apps.rest.openapi_parts import (
    DESCRIPTION,
    LINKS,
    PATH_PARAMETERS,
    PROBLEM_HEADERS,
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    TAGS,
    WEBHOOK_HEADERS,
)
from apps.rest.problems import (
    FORBIDDEN,
    HEADERS_TOO_LARGE,
    INTERNAL,
    MALFORMED,
    MEDIA_TYPE,
    MISDIRECTED,
    NOT_VALID,
    TOO_LARGE,
    UNAUTHORIZED,
    UNSUPPORTED_MEDIA_TYPE,
    URI_TOO_LONG,
    ProblemType,
)
from apps.rest.request_models import NAME_MAX
from apps.rest.routing import JSON, Good, Route

API_VERSION = "1.0.0"
_REFERENCE = "#/components/schemas/{model}"


def document(routes: Sequence[Route], access: Access) -> bytes:
    """The document as JSON."""
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route, access)
    return json.dumps({
        "openapi": "3.1.0",
        "info": {
            "title": "Castover", "version": API_VERSION, "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS],
        "paths": dict(paths),
        "webhooks": {"handover": {"post": _WEBHOOK}},
        "components": {
            "schemas": _schemas(routes),
            "securitySchemes": {
                "bearer": {
                    "type": "http", "scheme": "bearer",
                    "description": f"Roles: {', '.join(role.value for role in Role)}; each allows what those before it do.",
                },
            },
        },
    }).encode()


def _schemas(routes: Iterable[Route]) -> dict[str, Any]:
    models = {good.model for route in routes for good in route.answers if good.model}
    models |= {route.body for route in routes if route.body} | {ProblemDocument, WebhookMessage}
    in_order = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema([(model, "validation") for model in in_order], ref_template=_REFERENCE)
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


_WEBHOOK = {
    "operationId": "handover_webhook",
    "summary": "what each webhook of topology.yaml is sent for a handover's events (Standard Webhooks 1.0)",
    "tags": ["events"],
    "parameters": [
        {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in WEBHOOK_HEADERS.items()
    ],
    "requestBody": {
        "required": True, "content": {JSON: {"schema": {"$ref": _REFERENCE.format(model=WebhookMessage.__name__)}}}
    },
    "responses": {"2XX": {"description": "Taken. Anything else is tried again."}},
}


def _operation(route: Route, access: Access) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": _responses(route),
        "security": [],
    }
    if route.role is not None:
        # Without tokens in the configuration one may be sent and is not looked at.
        operation["security"] = [{"bearer": [route.role.value]}, *([] if access.required else [{}])]
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": _reference(route.body)}}}
    return operation


def _operation_id(route: Route) -> str:
    return str(getattr(route.answer, "__name__", route.path))


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


# --- parameters ------------------------------------------------------------------------------------------------------


def _path_parameters(route: Route) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", route.path):
        schema = {"type": "string", "minLength": 1, "maxLength": NAME_MAX}
        yield {"name": name, "in": "path", "required": True, "description": PATH_PARAMETERS[name], "schema": schema}


def _query_parameters(route: Route) -> Iterable[dict[str, Any]]:
    for name, schema in route.query.model_json_schema(ref_template=_REFERENCE).get("properties", {}).items():
        # A parameter is there or not; nothing that can be sent is null.
        kinds = [kind for kind in schema.get("anyOf", []) if kind.get("type") != "null"]
        plain = {key: value for key, value in schema.items() if key not in ("anyOf", "title", "description", "default")}
        if kinds:
            plain |= kinds[0]
        if schema.get("default") is not None:
            plain["default"] = schema["default"]
        parameter = {"name": name, "in": "query", "description": schema.get("description", ""), "schema": plain}
        yield parameter | ({"style": "form", "explode": False} if plain.get("type") == "array" else {})


def _header_parameters(route: Route) -> Iterable[dict[str, Any]]:
    names = [*route.request_headers, *(["If-None-Match"] if route.revision else [])]
    for name in names:
        yield {"name": name, "in": "header", "required": False, **REQUEST_HEADERS[name]}


# --- answers ---------------------------------------------------------------------------------------------------------


def _responses(route: Route) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for good in route.answers:
        found = _good(route, good)
        # One status may have several media types, of which the Accept header chooses.
        responses.setdefault(str(good.status), found)["content"] |= found["content"]
    if route.revision is not None:
        responses["304"] = {
            "description": "It is still what the ETag in If-None-Match names.",
            "headers": {"ETag": RESPONSE_HEADERS["ETag"]},
        }
    kinds: dict[int, list[ProblemType]] = defaultdict(list)
    for kind in _problems(route):
        if kind not in kinds[kind.status]:
            kinds[kind.status].append(kind)
    return responses | {str(status): _bad(found) for status, found in sorted(kinds.items())}


def _problems(route: Route) -> Iterable[ProblemType]:
    yield from (MALFORMED, URI_TOO_LONG, MISDIRECTED, NOT_VALID, HEADERS_TOO_LARGE, INTERNAL)
    if route.role is not None:
        yield from (UNAUTHORIZED, FORBIDDEN)
    if route.body is not None:
        yield from (TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)
    yield from route.problems


def _good(route: Route, good: Good) -> dict[str, Any]:
    schema = {"type": "string"} if good.media_type != JSON else {"type": "object"} if good.model is None else None
    media: dict[str, Any] = {"schema": _reference(good.model) if good.model else schema}
    names = [*good.headers, *(["ETag"] if route.revision else [])]
    response: dict[str, Any] = {"description": good.description, "content": {good.media_type: media}}
    if names:
        response["headers"] = {name: RESPONSE_HEADERS[name] for name in names}
    links = LINKS.get((_operation_id(route), good.status))
    return response | ({"links": links} if links else {})


def _bad(kinds: Sequence[ProblemType]) -> dict[str, Any]:
    status = kinds[0].status
    response: dict[str, Any] = {
        "description": " ".join(f"{kind.type}: {kind.meaning}" for kind in kinds) or HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": _reference(ProblemDocument)}},
    }
    headers = {name: RESPONSE_HEADERS[name] for name in PROBLEM_HEADERS.get(status, ())}
    return response | ({"headers": headers} if headers else {})

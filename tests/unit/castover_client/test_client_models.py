# SPDX-License-Identifier: Apache-2.0
"""The client's models against the OpenAPI document, and what does not fit them."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

import pytest

from castover_client import models
from castover_client.decoding import decode
from castover_client.errors import UnexpectedAnswer
from tests.support.rest_world import RestWorld

SCHEMAS: dict[str, Any] = RestWorld().get("/openapi.json").json["components"]["schemas"]
NAMES = {"Step": "HandoverStep", "BatchItem": "BatchResult", "Batch": "BatchAnswer", "Problem": "ProblemDocument",
         "FieldFault": "FieldFault"}
LEFT_OUT = {("ProblemDocument", "away")}
"""Of /readyz, which the client only asks whether it says yes."""
MODELS = [found for found in vars(models).values() if dataclasses.is_dataclass(found)]


def schema_of(hint: Any) -> Any:
    """What the OpenAPI document says of a value of this type, without descriptions."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return {"enum": sorted(arguments)}
    if origin in (types.UnionType, typing.Union):
        kinds = [schema_of(argument) for argument in arguments]
        return {"anyOf": sorted(kinds, key=str)}
    if origin is tuple:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if dataclasses.is_dataclass(hint):
        return {"$ref": NAMES.get(hint.__name__, hint.__name__)}
    return {"type": {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}[hint]}


def plain(schema: Any) -> Any:
    """The same of a schema of the document."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return plain(SCHEMAS[name]) if "enum" in SCHEMAS[name] else {"$ref": name}
    if "enum" in schema:
        return {"enum": sorted(schema["enum"])}
    if "anyOf" in schema:
        return {"anyOf": sorted((plain(kind) for kind in schema["anyOf"]), key=str)}
    if schema["type"] == "array":
        return {"type": "array", "items": plain(schema["items"])}
    if schema["type"] == "object":
        return {"type": "object", "additionalProperties": plain(schema["additionalProperties"])}
    return {"type": schema["type"]}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_is_what_the_document_says(model: Any) -> None:
    name = NAMES.get(model.__name__, model.__name__)
    schema = SCHEMAS[name]
    hints = typing.get_type_hints(model)
    expected = {key: plain(value) for key, value in schema["properties"].items() if (name, key) not in LEFT_OUT}
    assert {key: schema_of(hint) for key, hint in hints.items()} == expected
    required = {field.name for field in dataclasses.fields(model) if field.default is dataclasses.MISSING}
    assert required == set(schema["required"])


def test_every_answer_of_the_api_has_a_model() -> None:
    ours = {NAMES.get(model.__name__, model.__name__) for model in MODELS}
    lists = {name for name in SCHEMAS if name.endswith("List")}
    others = {"Event", "Gap", "ServerSentEvent", "BatchRequest", "HandoverState"}  # castover_client.events, plain values
    others |= {"WebhookMessage", "WebhookData"}  # for those who are told
    process = {"Index", "ResourceLine", "Health", "Readiness", "ProblemMeaning", "AwayPart"}  # for people and monitors
    assert set(SCHEMAS) - lists - others - process <= ours


HANDOVER: dict[str, Any] = {
    "id": "ho-1", "number": 1, "mn_id": "mn1@example.net", "previous_mag": "mag1", "new_mag": "mag2", "state": "bound",
    "mode": "predictive", "trigger": "rest", "started_at": 5, "groups": [], "steps": [], "packets": {"delivered": 3},
    "packets_over_time": [],
    "error": None,
}


def test_what_is_new_is_passed_over() -> None:
    found = decode(models.Handover, {**HANDOVER, "colour": "red", "state": "thinking"})
    assert (found.state, found.started_at, found.ended, found.may_leave) == ("thinking", 5.0, False, False)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"number": "1"}, "number: found '1', expected a value of type int"), ({"number": True}, "number: found True"),
        ({"steps": {}}, "steps: found {}, expected an array"),
        ({"steps": [{"step": 1}]}, "steps\\[0\\].name: found nothing"), ({"packets": {"x": "y"}}, "packets.x: found 'y'"),
        ({"state": 4}, "state: found 4"), ({"error": 4}, "error: found 4"),
        ({"groups": [7]}, "groups\\[0\\]: found 7, expected an object"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], place: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=place):
        decode(models.Handover, {**HANDOVER, **change})
    with pytest.raises(UnexpectedAnswer, match="the answer: found"):
        decode(models.Handover, [])

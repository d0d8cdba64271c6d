# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document says what the models check: in words of JSON Schema, and with the bounds that requests meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_specifications import REGISTRY

from tests.support.rest_world import RestWorld

VOCABULARIES = ("core", "applicator", "unevaluated", "validation", "meta-data", "format-annotation", "content")
OF_OPENAPI = {"discriminator", "xml", "externalDocs", "example"}
"""OpenAPI 3.1 section 4.8.24.1: its own vocabulary."""
MAPS = ("properties", "patternProperties", "$defs", "dependentSchemas")
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames",
          "unevaluatedItems", "unevaluatedProperties", "contentSchema")


def keywords() -> set[str]:
    base = "https://json-schema.org/draft/2020-12/meta/"
    return OF_OPENAPI.union(*(REGISTRY.contents(base + name)["properties"] for name in VOCABULARIES))


def schemas(document: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every schema of the document with its place, those in others as well."""
    for name, schema in document["components"]["schemas"].items():
        yield from inner(f"#/components/schemas/{name}", schema)
    yield from named_schema("#", {key: value for key, value in document.items() if key != "components"})


def named_schema(where: str, part: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(part, dict):
        for key, value in part.items():
            yield from inner(f"{where}/schema", value) if key == "schema" else named_schema(f"{where}/{key}", value)
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from named_schema(f"{where}/{number}", value)


def inner(where: str, schema: Any) -> Iterator[tuple[str, Any]]:
    yield where, schema
    if not isinstance(schema, dict):
        return
    for key in MAPS:
        for name, value in schema.get(key, {}).items():
            yield from inner(f"{where}/{key}/{name}", value)
    for key in LISTS:
        for number, value in enumerate(schema.get(key, [])):
            yield from inner(f"{where}/{key}/{number}", value)
    for key in SINGLE:
        if key in schema:
            yield from inner(f"{where}/{key}", schema[key])


@pytest.fixture(scope="module")
def document() -> Any:
    return RestWorld().get("/openapi.json").json


def test_every_schema_is_written_in_json_schema(document: Any) -> None:
    known = keywords()
    assert {"minimum", "maxLength", "$ref", "anyOf"} <= known
    unknown: dict[str, Any] = {}
    count = 0
    for where, schema in schemas(document):
        count += 1
        if strange := schema.keys() - known if isinstance(schema, dict) else {type(schema)} - {bool}:
            unknown[where] = strange
    assert not unknown
    assert count > 200


def test_every_reference_leads_somewhere(document: Any) -> None:
    found = {schema["$ref"] for _, schema in schemas(document) if isinstance(schema, dict) and "$ref" in schema}
    assert found <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def test_the_bounds_of_limit_are_those_that_are_checked(document: Any) -> None:
    rest = RestWorld()
    seen = 0
    for path, operations in document["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", []):
            if parameter["name"] != "limit":
                continue
            seen += 1
            lowest, highest = parameter["schema"]["minimum"], parameter["schema"]["maximum"]
            statuses = [rest.get(f"{path}?limit={limit}").status for limit in (lowest - 1, lowest, highest, highest + 1)]
            assert statuses == [422, 200, 200, 422], path
    assert seen == 8


def test_texts_of_requests_have_a_length(document: Any) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if parameter["schema"].get("type") == "string":
                    assert parameter["schema"]["maxLength"] < 8192, (path, parameter["name"])

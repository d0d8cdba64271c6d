# SPDX-License-Identifier: Apache-2.0
"""For schemathesis: names of the domain in some of the requests that it makes up (only they lead beyond 404); a check."""

from __future__ import annotations

from typing import Any

import schemathesis

from apps.rest.request_models import NAME_MAX

NAMES = {
    "mn_id": ("mn1", "mn2", "mn1@example.net"), "new_mag": ("mag2", "mag1"), "mag_id": ("mag1",), "name": ("conflict",),
    "mag": ("mag1",), "switch": ("mag2",),
}


def _named(fields: Any, always: bool) -> Any:
    """Values of fields that have names, all or every other, chosen by what was made up, is one of them."""
    if not isinstance(fields, dict):
        return fields
    chosen = dict(fields)
    for name in NAMES.keys() & fields.keys():
        value = fields[name]
        # What is made up to be refused stays as it is.
        if isinstance(value, str) and 1 <= len(value) <= NAME_MAX and (always or len(value) % 2):
            chosen[name] = NAMES[name][len(value) // 2 % len(NAMES[name])]
    return chosen


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Bodies of POST /v1/handovers and of the batch."""
    if isinstance(body, dict) and isinstance(body.get("handovers"), list):
        return {**body, "handovers": [_named(one, always=True) for one in body["handovers"]]}
    return _named(body, always=True)


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """{mn_id}, {mag_id}, {name}."""
    return _named(path_parameters, always=False)


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """Filters."""
    return _named(query, always=False)


@schemathesis.check
def list_parameters_are_taken(context: Any, response: Any, case: Any) -> None:
    """What fits the document is refused for its cursor alone, of which no document can say which ones there are."""
    operation = case.operation.definition.raw.get("operationId", "")
    good = case.meta is not None and case.meta.generation.mode.is_positive
    if good and operation.startswith("list_") and response.status_code == 422:
        refused = {error["field"] for error in response.json()["errors"]}
        assert refused == {"cursor"}, f"refused although the document allows it: {refused}"

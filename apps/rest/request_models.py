# SPDX-License-Identifier: Apache-2.0
"""What a client may send: bodies and queries as pydantic models, and their faults as field errors.

The description of each field says what is allowed; it is what a client reads in the answer 422.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from apps.rest.problems import MALFORMED, NOT_VALID, FieldError, Problem, quoted
from controller.handover import HandoverState

NAME_MAX = 253
"""Characters of a NAI (RFC 4282 section 2.3: the shortest limit that all must carry)."""
LIMIT_DEFAULT = 100
LIMIT_MAX = 1000
_STATES = tuple(state.value for state in HandoverState)


def _whole_number(text: str) -> str:
    # int() also takes '+1', '1_0', ' 1 ' and digits of other scripts.
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LIMIT_MAX)) and 1 <= int(text) <= LIMIT_MAX):
        raise ValueError("not a whole number in range")
    return text


def _state(text: str) -> str:
    if text not in _STATES:
        raise ValueError("not a state")
    return text


_MnId = Annotated[
    str, Field(min_length=1, max_length=NAME_MAX, description=f"MN-ID (NAI) or short name, 1 to {NAME_MAX} characters")
]


class HandoverRequest(BaseModel):
    """Body of POST /v1/handovers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    mn_id: _MnId
    new_mag: Annotated[
        str, Field(min_length=1, max_length=NAME_MAX, description=f"id of a MAG, 1 to {NAME_MAX} characters")
    ]
    mode: Literal["predictive", "join"] = Field(default="predictive", description="predictive or join")


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NoQuery(_Query):
    """Query of a resource that takes no parameters."""


class HandoverQuery(_Query):
    """Query of GET /v1/handovers."""

    mn_id: _MnId | None = Field(default=None, description=f"MN-ID (NAI) or short name, 1 to {NAME_MAX} characters")
    state: Annotated[str, AfterValidator(_state)] | None = Field(
        default=None, description=f"one of {', '.join(_STATES)}"
    )
    limit: Annotated[str, AfterValidator(_whole_number)] = Field(
        default=str(LIMIT_DEFAULT), description=f"a whole number, 1 to {LIMIT_MAX}"
    )


class FlowQuery(_Query):
    """Query of GET /v1/flows."""

    switch: str | None = Field(default=None, description="name of a switch")


Model = TypeVar("Model", bound=BaseModel)


def read_body(model: type[Model], body: bytes) -> Model:
    """The model from a JSON body. Raises Problem: 400 when it is not JSON, 422 with every field at fault."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults: list[Any] = error.errors(include_url=False)
        if faults[0]["type"] == "json_invalid":
            reason = faults[0].get("ctx", {}).get("error", "not JSON")
            raise Problem(MALFORMED, f"The body is not JSON: {reason}") from error
        raise _not_valid(model, faults, "body") from error


def read_query(model: type[Model], parameters: Mapping[str, str]) -> Model:
    """The model from query parameters. Raises Problem 422 with every parameter at fault."""
    try:
        return model.model_validate(dict(parameters))
    except ValidationError as error:
        raise _not_valid(model, error.errors(include_url=False), "query") from error


def _not_valid(model: type[BaseModel], faults: list[Any], part: str) -> Problem:
    names = ", ".join(model.model_fields)
    errors: dict[str, FieldError] = {}
    for fault in faults:
        name = str(fault["loc"][0]) if fault["loc"] else ""
        if not name:
            detail = f"found {_found(fault['input'])}; allowed: an object with {names}"
        elif fault["type"] == "extra_forbidden":
            detail = f"unknown field; allowed: {names or 'none'}"
        else:
            found = "nothing" if fault["type"] == "missing" else _found(fault["input"])
            detail = f"found {found}; allowed: {model.model_fields[name].description}"
        errors.setdefault(name, FieldError(field=name[:NAME_MAX], detail=detail))
    told = list(errors.values())[:_ERRORS_MAX]
    named = ", ".join(error.field or "the whole" for error in told)
    return Problem(NOT_VALID, f"The {part} is not valid: {named}", errors=told)


_ERRORS_MAX = 20
"""Field errors in one answer: a body can hold thousands of unknown fields."""


def _found(value: object) -> str:
    match value:
        case str():
            return quoted(value)
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case int() | float():
            return quoted(str(value)).strip("'")
        case list():
            return "an array"
        case dict():
            return "an object"
        case _:
            return f"a value of type {type(value).__name__}"

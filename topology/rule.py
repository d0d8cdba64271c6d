# SPDX-License-Identifier: Apache-2.0
"""What a `Rule` is: the kind of one value of topology.yaml, with the sentence that says what is allowed.

A rule stands in the `Annotated` of a schema field: pydantic calls it, and the same object documents the field.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import PydanticCustomError, core_schema

from topology.problem import show_value


class RefusedValueError(ValueError):
    """The value is not what the rule allows; the message, when there is one, goes on after the value found."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Mark of a schema field that holds a mapping or a list."""

    allowed: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Mark of a schema field that holds one value, and its parser."""

    allowed: str
    parse: Callable[[object], object]
    """Raises RefusedValueError."""
    required: bool = False

    def needed(self) -> Rule:
        """The same rule for a field that must be there."""
        return replace(self, required=True)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def _validate(self, value: object) -> object:
        # None is only seen for a list item that was refused already and keeps its place.
        if value is None:
            return None
        try:
            return self.parse(value)
        except RefusedValueError as refused:
            reason = f", {refused}" if str(refused) else ""
            context = {"found": show_value(value) + reason, "allowed": self.allowed}
            raise PydanticCustomError("refused", "{found}", context) from refused


def whole_number(minimum: int, maximum: int, *, step: int = 1) -> Rule:
    """A rule for int fields; both ends included."""

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise RefusedValueError
        if not minimum <= value <= maximum or value % step:
            raise RefusedValueError
        return value

    multiple = f", a multiple of {step}" if step > 1 else ""
    return Rule(f"a whole number from {minimum} to {maximum}{multiple}", parse)


def number(minimum: float, maximum: float) -> Rule:
    """A rule for float fields; both ends included; whole numbers are taken as well."""

    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RefusedValueError
        # The comparison comes before float(), which cannot take every int.
        if not minimum <= value <= maximum or not math.isfinite(value):
            raise RefusedValueError
        return float(value)

    return Rule(f"a number from {minimum:g} to {maximum:g}", parse)


def one_of(*choices: str) -> Rule:
    """A rule for a word out of a few."""

    def parse(value: object) -> str:
        if isinstance(value, str) and value in choices:
            return value
        raise RefusedValueError(did_you_mean(value, choices))

    return Rule(" or ".join(choices), parse)


def did_you_mean(value: object, choices: tuple[str, ...]) -> str:
    """'did you mean x?' for the nearest choice, or '' when none is near."""
    near = difflib.get_close_matches(value[:100], choices, n=1) if isinstance(value, str) else []
    return f"did you mean {near[0]}?" if near else ""


def plain_text(value: object) -> str:
    """The value as text. Raises RefusedValueError."""
    if not isinstance(value, str):
        raise RefusedValueError
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise RefusedValueError
    return value


TRUTH = Rule("true or false", _truth)

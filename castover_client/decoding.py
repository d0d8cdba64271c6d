# SPDX-License-Identifier: Apache-2.0
"""JSON -> the dataclasses of `castover_client.models`. What a newer controller tells besides is passed over."""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import cache
from typing import Any, TypeVar

from castover_client.errors import UnexpectedAnswer

Model = TypeVar("Model")


def decode(kind: type[Model], document: Any, where: str = "") -> Model:
    """The document as one of the models. Raises UnexpectedAnswer with the place that does not fit."""
    if not isinstance(document, dict):
        raise _unfit(where, document, "an object")
    hints = _hints(typing.cast(Any, kind))
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        place = f"{where}.{field.name}" if where else field.name
        if field.name in document:
            values[field.name] = _value(hints[field.name], document[field.name], place)
        elif field.default is dataclasses.MISSING:
            raise _unfit(place, None, "something")
    return kind(**values)


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _value(hint: Any, found: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        # A word that this client does not know yet is no reason to fail; what cannot be a word is.
        return _plain(str, found, where)
    if origin in (types.UnionType, typing.Union):
        if found is None and type(None) in arguments:
            return None
        inner = [argument for argument in arguments if argument is not type(None)]
        plain = next((kind for kind in inner if isinstance(kind, type) and type(found) is kind), inner[0])
        return _value(plain, found, where)
    if origin is tuple:
        if not isinstance(found, list):
            raise _unfit(where, found, "an array")
        return tuple(_value(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(found))
    if origin is dict:
        if not isinstance(found, dict):
            raise _unfit(where, found, "an object")
        return {key: _value(arguments[1], value, f"{where}.{key}") for key, value in found.items()}
    if dataclasses.is_dataclass(hint):
        return decode(typing.cast(type[Any], hint), found, where)
    return _plain(hint, found, where)


def _plain(kind: type[Any], found: Any, where: str) -> Any:
    if kind is float and isinstance(found, int) and not isinstance(found, bool):
        return float(found)
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise _unfit(where, found, f"a value of type {kind.__name__}")
    return found


def _unfit(where: str, found: Any, wanted: str) -> UnexpectedAnswer:
    told = "nothing" if found is None else f"{found!r:.60}"
    return UnexpectedAnswer(
        f"{where or 'the answer'}: found {told}, expected {wanted}; do client and controller fit together?"
    )

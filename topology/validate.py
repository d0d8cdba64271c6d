# SPDX-License-Identifier: Apache-2.0
"""Located values -> the sections of `topology.schema`, and what each fault is in the operator's words.

Faulty values are taken out and the rest is validated again, so that the caller gets every good value of a bad file.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from topology.locate import Fault, Located
from topology.problem import Location, show_value
from topology.rule import Rule, Shape, did_you_mean
from topology.schema import Document
from topology.section import Section


def validate(located: Located) -> tuple[Document, list[Fault]]:
    """The document with None for whatever was refused, and the faults besides `located.faults`."""
    faults: list[Fault] = []
    data = located.data
    if not isinstance(data, dict):
        if not located.faults:
            found = show_value(data) if data is not None else "an empty file"
            faults.append(Fault(line=1, location=(), found=found, allowed="a mapping that starts with 'castover: 1'"))
        return Document(), faults
    told = {fault.location for fault in located.faults}
    while True:
        try:
            document = Document.model_validate(data)
            break
        except ValidationError as error:
            details = error.errors(include_url=False)
        faults.extend(fault for fault in (_fault(detail, located) for detail in details) if fault.location not in told)
        # Innermost and last first, so that the places of the others stay valid. Every round takes something out; a
        # second one comes only where a list was too long, whose items pydantic does not look at.
        for detail in sorted(details, key=lambda detail: _order(detail["loc"]), reverse=True):
            _take_out(data, detail["loc"], detail.get("ctx", {}).get("max_length"))
    told.update(fault.location for fault in faults)
    faults.extend(_missing(document, (), located, told))
    return document, faults


def _fault(detail: Any, located: Located) -> Fault:
    location: Location = detail["loc"]
    found, allowed = show_value(detail["input"]), detail["msg"]
    if detail["type"] == "refused":
        found, allowed = detail["ctx"]["found"], detail["ctx"]["allowed"]
    elif detail["type"] == "extra_forbidden":
        keys = tuple(_section(location[:-1]).model_fields)
        hint = did_you_mean(location[-1], keys)
        found, allowed = "an unknown key" + (f", {hint}" if hint else ""), ", ".join(keys)
    elif detail["type"] == "too_long":
        found, allowed = f"{len(detail['input'])} items", _allowed(_field(location))
    elif detail["type"] == "list_type":
        allowed = _allowed(_field(location))
    elif detail["type"] == "model_type":
        allowed = f"a mapping of {', '.join(_section(location).model_fields)}"
    return Fault(line=located.line(location), location=location, found=found, allowed=allowed)


def _take_out(data: Any, location: Location, max_length: int | None) -> None:
    """Remove a faulty value; a list item leaves an empty one, a list that is too long its first part."""
    for step in location[:-1]:
        data = data[step]
    last = location[-1]
    if max_length is not None:
        data[last] = data[last][:max_length]
    elif isinstance(data, list):
        data[typing.cast(int, last)] = {} if _holds_sections(location) else None
    else:
        del data[last]


def _order(location: Location) -> tuple[int, tuple[str, ...]]:
    return len(location), tuple(f"{step:09}" if isinstance(step, int) else step for step in location)


def _missing(section: Section, location: Location, located: Located, told: set[Location]) -> Iterator[Fault]:
    """A fault for every required field that is None and lies in nothing that was refused as a whole."""
    for key, field in type(section).model_fields.items():
        where, value = (*location, key), getattr(section, key)
        if value is None and _mark(field).required and where not in told:
            allowed = f"(required) {_allowed(field)}"
            yield Fault(line=located.line(where), location=where, found="nothing", allowed=allowed)
        elif isinstance(value, Section):
            yield from _missing(value, where, located, told)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, Section) and (*where, index) not in told:
                    yield from _missing(item, (*where, index), located, told)


def _mark(field: FieldInfo) -> Rule | Shape:
    return next(mark for mark in field.metadata if isinstance(mark, Rule | Shape))


def _allowed(field: FieldInfo) -> str:
    return _mark(field).allowed


def _field(location: Location) -> FieldInfo:
    """The schema field of a location that ends with a known key."""
    return _section(location[:-1]).model_fields[str(location[-1])]


def _section(location: Location) -> type[Section]:
    """The schema section that stands at a location, which must lead through known keys."""
    section: type[Section] = Document
    for step in location:
        if isinstance(step, str):
            section = _inner_section(section.model_fields[step]) or section
    return section


def _holds_sections(location: Location) -> bool:
    """Whether the items of the list that this location points into are mappings."""
    return _inner_section(_field(location[:-1])) is not None


def _inner_section(field: FieldInfo) -> type[Section] | None:
    """The section class in `X | None` or `list[X] | None`."""
    pending: list[Any] = [field.annotation]
    while pending:
        kind = pending.pop()
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
        pending.extend(typing.get_args(kind))
    return None

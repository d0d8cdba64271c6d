# SPDX-License-Identifier: Apache-2.0
"""YAML text -> plain values with the line of each, and every fault of the YAML itself.

Scalars follow the YAML 1.2 core schema, not PyYAML's YAML 1.1: there `12:00:00:00:00:11` is a number in base 60 and
`no` is false. Aliases and tags are refused: no topology file needs them, and they can make a small file huge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from topology.problem import Location, show_value

DEPTH_MAX = 16
"""Nesting of lists and mappings; the schema needs five."""

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
# No leading zeros: an Open vSwitch datapath id copied as 0000000000000011 means 0x11 and must not become eleven.
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,99})|0x[0-9a-fA-F]{1,99}|0o[0-7]{1,99}")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_LEADING_ZEROS = re.compile(r"[-+]?0[0-9]+")

_PARSE_ALLOWED = "YAML: spaces for indentation, quotes around a value with ': ', a leading '[' or a trailing ':'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault with its place but without the file's name."""

    line: int
    location: Location
    found: str
    allowed: str


@dataclass(slots=True, kw_only=True)
class Located:
    """A document: dict, list, str, int, float and bool, the line of every key and list item, and what was wrong.

    A key without a value is left out of `data`, so that a section whose entries are all commented out is absent.
    """

    data: object = None
    lines: dict[Location, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, location: Location) -> int:
        """Line of the value, or of the nearest thing around it that is in the file; 1 for the document."""
        while location:
            if location in self.lines:
                return self.lines[location]
            location = location[:-1]
        return 1


class _RefusedError(Exception):
    def __init__(self, line: int, found: str, allowed: str) -> None:
        super().__init__(found)
        self.line, self.found, self.allowed = line, found, allowed


class _Composer(yaml.SafeLoader):
    """Only composes nodes; the constructor half of the loader is never run."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML's own class attribute)
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError(line, "an alias (*)", "values written out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise _RefusedError(line, f"the tag {show_value(tag)}", "values without tags")
        if self.depth > DEPTH_MAX:
            raise _RefusedError(line, f"nesting deeper than {DEPTH_MAX}", "the nesting of docs/reference/topology.md")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def locate(text: str) -> Located:
    """Parse one YAML document. Never raises on any text: what is wrong is in `faults`."""
    located = Located()
    try:
        node = _compose(text)
    except _RefusedError as refused:
        located.faults.append(Fault(line=refused.line, location=(), found=refused.found, allowed=refused.allowed))
        return located
    located.data = None if node is None else _plain(node, (), located)
    return located


def _compose(text: str) -> yaml.Node | None:
    loader = None
    try:
        loader = _Composer(text)
        node: yaml.Node | None = loader.get_single_node()
        return node
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _RefusedError(line, f"the control character {text[error.position]!r}", "printable text") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        if "another document" in reason:
            raise _RefusedError(mark.line + 1 if mark else 1, "a second YAML document", "one document") from error
        found = f"what is not YAML ({' '.join(reason.split())})"
        raise _RefusedError(mark.line + 1 if mark else 1, found, _PARSE_ALLOWED) from error
    except (ValueError, OverflowError) as error:
        # PyYAML lets chr() and int() raise for escapes such as "\UFFFFFFFF" and for absurd %YAML versions.
        line = loader.line + 1 if loader is not None else 1
        raise _RefusedError(line, "an escape or a version that is no YAML", _PARSE_ALLOWED) from error
    finally:
        if loader is not None:
            loader.dispose()


def _plain(node: yaml.Node, location: Location, located: Located) -> object:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, location, located)
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            where = (*location, index)
            located.lines[where] = item.start_mark.line + 1
            value = _plain(item, where, located)
            if value is None:
                located.faults.append(
                    Fault(line=located.lines[where], location=where, found="nothing", allowed="a value after the '-'")
                )
            items.append(value)
        return items
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return _scalar(node.value) if plain else node.value


def _mapping(node: yaml.MappingNode, location: Location, located: Located) -> dict[str, object]:
    mapping: dict[str, object] = {}
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            located.faults.append(
                Fault(line=line, location=location, found="a key that is a list or a mapping", allowed="plain keys")
            )
            continue
        key = key_node.value
        where = (*location, key)
        if key in seen:
            found = f"the key a second time, first on line {seen[key]}"
            located.faults.append(Fault(line=line, location=where, found=found, allowed="each key once"))
            continue
        seen[key] = line
        located.lines[where] = line
        value = _plain(value_node, where, located)
        if value is not None:
            mapping[key] = value
    return mapping


def _scalar(text: str) -> object:
    """A plain (unquoted) scalar by the YAML 1.2 core schema (YAML 1.2.2 section 10.3.2)."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and not _LEADING_ZEROS.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text

# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a topology file: one `Problem` per fault, all of them in one `TopologyError`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

Location = tuple[str | int, ...]
"""Where a value stands in the document: keys and 0-based list indexes, outermost first."""

_SHOWN_CHARACTERS_MAX = 60
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault of a topology file."""

    file: str
    line: int
    """1-based; 0 when the fault has no line (the file could not be read)."""
    path: str
    """Like 'mags[1].datapath_id'; empty for the document as a whole."""
    found: str
    allowed: str

    def __str__(self) -> str:
        place = f"{show_file(self.file)}:{self.line}" if self.line else show_file(self.file)
        where = f"{place} {self.path}" if self.path else place
        return f"{where}: found {self.found}; allowed: {self.allowed}"


class TopologyError(Exception):
    """A topology file does not describe a domain. `problems` holds every reason, in the order of the file's lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def show_location(location: Location) -> str:
    """The location as text, e.g. 'mags[1].datapath_id'."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _PLAIN_KEY.fullmatch(step) else show_value(step))
    return text


def show_value(value: object) -> str:
    """A value of the document in words for `Problem.found`: one line, at most about 60 characters."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 256:
        # str() of a very long number raises, and nobody reads its digits.
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS_MAX:
        return f"{value[:_SHOWN_CHARACTERS_MAX]!r}... ({len(value)} characters)"
    return repr(value)


def show_file(name: str) -> str:
    """The file's name as it is, or quoted when it would break the one-line form."""
    return name if name.isprintable() else repr(name)

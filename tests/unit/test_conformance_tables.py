# SPDX-License-Identifier: Apache-2.0
"""docs/conformance names tests; they are there, no row is without one, and what is not done says why."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
INDEX = REPOSITORY / "docs" / "conformance.md"
PAGES = INDEX.with_suffix("")
TESTS = REPOSITORY / "tests" / "scenario" / "test_failure_table.py"
PAGE = PAGES / "handover.md"
TABLES = ("lma.md", "mag.md", "handover-protocol.md", "listeners.md")
"""Pages of five columns: requirement, section, level, state, test."""
STATES = ("done", "partly", "not done", "not applicable")
WORD = r"(MUST( NOT)?|SHOULD( NOT)?|MAY|REQUIRED|RECOMMENDED)"
LEVEL = re.compile(f"-|{WORD}(, {WORD})?")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def functions(path: str) -> frozenset[str]:
    """Every test function of a file, in classes, too."""
    module = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def rows(name: str) -> list[list[str]]:
    lines = (PAGES / name).read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in cells if row[0] not in ("Requirement",)]


def test_rows_and_tests_are_one_to_one() -> None:
    rows = re.findall(r"^\|.*\| `(test_\w+)` \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    module = ast.parse(TESTS.read_text(encoding="utf-8"))
    tests = [node.name for node in module.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    assert rows == tests


def test_every_other_file_that_is_named_is_there() -> None:
    named = re.findall(r"`(tests/\S+\.py)`", PAGE.read_text(encoding="utf-8"))
    assert named
    assert [path for path in named if not (REPOSITORY / path).is_file()] == []


@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("*.md")))
def test_every_test_that_is_named_exists(page: str) -> None:
    named = NAMED.findall((PAGES / page).read_text(encoding="utf-8"))
    missing = [(path, name) for path, name in named if name not in functions(path)]
    assert missing == []


@pytest.mark.parametrize("page", TABLES)
def test_every_row_says_what_holds_and_how_that_is_known(page: str) -> None:
    found = rows(page)
    assert len(found) > 40
    for row in found:
        assert len(row) == 5, row
        requirement, section, level, state, tests = row
        assert requirement, row
        assert section, row
        assert LEVEL.fullmatch(level), row
        begins = next((one for one in STATES if state.startswith(one)), "")
        # A number stands for what is done otherwise than the document's own arithmetic says.
        assert begins or state[0].isdigit(), row
        # What is not done has one of what happens instead. What no test can say is a sentence, and no row.
        assert NAMED.findall(tests), f"says no test: {row}"
        assert NAMED.sub("", tests).strip() == "", row
        if begins in ("partly", "not done", "not applicable"):
            assert ":" in state, f"says no reason: {row}"


def test_the_index_has_every_page() -> None:
    index = INDEX.read_text(encoding="utf-8")
    assert [path.name for path in PAGES.glob("*.md") if f"](conformance/{path.name})" not in index] == []

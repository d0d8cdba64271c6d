# SPDX-License-Identifier: Apache-2.0
"""docs/conformance names tests; they are there, and none of them is left out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = REPOSITORY / "tests" / "scenario" / "test_failure_table.py"
PAGE = REPOSITORY / "docs" / "conformance" / "handover.md"


def test_rows_and_tests_are_one_to_one() -> None:
    rows = re.findall(r"^\|.*\| `(test_\w+)` \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    module = ast.parse(TESTS.read_text(encoding="utf-8"))
    tests = [node.name for node in module.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    assert rows == tests


def test_every_other_file_that_is_named_is_there() -> None:
    named = re.findall(r"`(tests/\S+\.py)`", PAGE.read_text(encoding="utf-8"))
    assert named
    assert [path for path in named if not (REPOSITORY / path).is_file()] == []

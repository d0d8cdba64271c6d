# SPDX-License-Identifier: Apache-2.0
"""docs/reference/limits.md gives the limits that the code has."""

from __future__ import annotations

import importlib
import re

import pytest

from tests.support.documents import REPOSITORY

ROWS = re.findall(
    r"(?m)^\| [^|]+ \| ([\d,]+) \| `([\w.]+)\.([A-Z_]+)` \| [^|]+ \|$",
    (REPOSITORY / "docs" / "reference" / "limits.md").read_text(encoding="utf-8"),
)


@pytest.mark.parametrize(("value", "module", "name"), ROWS)
def test_the_limit_is_the_one_in_the_code(value: str, module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name) == int(value.replace(",", ""))


def test_no_row_is_missed() -> None:
    page = (REPOSITORY / "docs" / "reference" / "limits.md").read_text(encoding="utf-8")
    assert len(ROWS) == len(re.findall(r"(?m)^\| ", page)) - 1 >= 15

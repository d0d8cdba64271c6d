# SPDX-License-Identifier: Apache-2.0
"""The commands of the documents that need no lab, page by page, in a copy of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.documents import commands, pages
from tests.support.terminal import Terminal, copy_repository


@pytest.mark.parametrize("page", pages("run"), ids=str)
def test_the_commands_of_a_page(page: Path, tmp_path: Path) -> None:
    terminal = Terminal(copy_repository(tmp_path / "castover"))
    try:
        terminal.follow([block for block in commands(page) if block.way == "run"])
    finally:
        terminal.close()

# SPDX-License-Identifier: Apache-2.0
"""The commands of the documents that need no lab, page by page, in a copy of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.documents import REPOSITORY, commands, pages
from tests.support.terminal import Terminal, copy_repository


@pytest.mark.parametrize("page", pages("run"), ids=str)
def test_the_commands_of_a_page(page: Path, tmp_path: Path) -> None:
    terminal = Terminal(copy_repository(tmp_path / "castover"), environment=_own_pip(tmp_path))
    try:
        terminal.follow([block for block in commands(page) if block.way == "run"])
    finally:
        terminal.close()


def _own_pip(folder: Path) -> dict[str, str]:
    """The reader's pip, which installs into a folder, and asks no index for what it builds with."""
    (folder / "bin").mkdir()
    (folder / "bin" / "pip").symlink_to(REPOSITORY / ".venv" / "bin" / "pip")
    return {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PIP_TARGET": str(folder / "installed"), "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as "no"
    }

# SPDX-License-Identifier: Apache-2.0
"""Where commands find no lab of a user's."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty /run/castover of our own, and commands called `castover`."""
    for module in ("lab.state", "lab.inventory"):
        monkeypatch.setattr(f"{module}.RUN_FOLDER", tmp_path / "labs")
    monkeypatch.delenv("CASTOVER_COMMAND", raising=False)
    return tmp_path / "labs"

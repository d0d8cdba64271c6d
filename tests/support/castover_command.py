# SPDX-License-Identifier: Apache-2.0
"""The `castover` command in the test's own process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from cli.__main__ import castover


def run(*words: str) -> Result:
    """What it says to these words."""
    return CliRunner().invoke(castover, words)

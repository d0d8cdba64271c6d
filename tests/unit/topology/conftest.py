# SPDX-License-Identifier: Apache-2.0
"""The default file with something replaced: the shortest way to say what a test is about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from topology.load import parse_topology
from topology.model import Domain
from topology.problem import TopologyError

DEFAULT_FILE = Path(__file__).resolve().parents[3] / "topology.yaml"


def edited(*replacements: tuple[str, str]) -> str:
    """The default file's text with the first occurrence of each old text replaced."""
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


@pytest.fixture
def edit() -> Callable[..., Domain]:
    """Load the default file with these replacements."""
    return lambda *replacements: parse_topology(edited(*replacements), "topology.yaml")


@pytest.fixture
def problems() -> Callable[..., list[str]]:
    """The problems of the default file with these replacements, without the file's name."""

    def find(*replacements: tuple[str, str]) -> list[str]:
        with pytest.raises(TopologyError) as caught:
            parse_topology(edited(*replacements), "topology.yaml")
        return [line.removeprefix("topology.yaml:") for line in str(caught.value).splitlines()]

    return find

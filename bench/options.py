# SPDX-License-Identifier: Apache-2.0
"""Option types of the commands below `castover bench`."""

from __future__ import annotations

from typing import Any

import click


class NumberList(click.ParamType[tuple[float, ...]]):
    """Comma-separated numbers within bounds."""

    name = "numbers"

    def __init__(self, minimum: float, maximum: float) -> None:
        self._minimum, self._maximum = minimum, maximum

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """'13,64' -> (13.0, 64.0)."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(word) for word in str(value).split(",") if word.strip())
        except ValueError:
            numbers = ()
        if not numbers or not all(self._minimum <= number <= self._maximum for number in numbers):
            self.fail(f"{value!r}: allowed: numbers from {self._minimum:g} to {self._maximum:g}", param, ctx)
        return tuple(dict.fromkeys(numbers))


class NameList(click.ParamType[tuple[str, ...]]):
    """Comma-separated names out of a few."""

    name = "names"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._allowed = allowed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """'asm,ssm' -> ('asm', 'ssm')."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(word.strip() for word in str(value).split(",") if word.strip()))
        if not names or not set(names) <= set(self._allowed):
            self.fail(f"{value!r}: allowed: {', '.join(self._allowed)}", param, ctx)
        return names

# SPDX-License-Identifier: Apache-2.0
"""The type of every option that takes a number with a fraction: click's range, without what is no number."""

from __future__ import annotations

from math import isfinite
from typing import Any

import click


class NumberRange(click.FloatRange):
    """As click.FloatRange, but 'nan' is refused, which compares as neither too small nor too large, and so is 'inf'."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """'2.5' -> 2.5."""
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value!r} is not in the range {self._describe_range()}.", param, ctx)
        return number

# SPDX-License-Identifier: Apache-2.0
"""The story of one handover."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from apps.rest.answers.base import Answer


class TraceFact(Answer):
    """One thing that a node heard, said, saw or decided."""

    at: Annotated[float, Field(description="Seconds since 1970 on the clock of that node")]
    node: Annotated[str, Field(description="A MAG's id, or 'controller'")]
    name: str
    fields: Annotated[dict[str, str | int | float | bool], Field(description="Of this kind of fact")]


class MissingPart(Answer):
    """A node that could not be asked."""

    node: str
    reason: str


class Trace(Answer):
    """The story of one handover."""

    handover_id: str
    facts: Annotated[list[TraceFact], Field(description="By time")]
    missing: Annotated[list[MissingPart], Field(description="Whose part is not told")]

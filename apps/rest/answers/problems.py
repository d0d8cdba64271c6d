# SPDX-License-Identifier: Apache-2.0
"""Problem documents (RFC 9457), and what their types mean."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from apps.rest.answers.base import Answer, Sparse


class FieldFault(Answer):
    """One field that is at fault."""

    field: Annotated[str, Field(description="Of the body, the query, the path or the headers; '' for the whole")]
    detail: Annotated[str, Field(description="What was found, what is allowed")]


class AwayPart(Answer):
    """A part of the domain that is not connected."""

    part: Literal["agent", "switch"]
    name: str


class ProblemDocument(Sparse):
    """RFC 9457: every answer from 400 on."""

    type: Annotated[str, Field(description="URI reference of an explanation on this server")]
    title: str
    status: int
    detail: Annotated[str, Field(description="For people: what was wrong this time")]
    errors: Annotated[list[FieldFault] | None, Field(description="The fields at fault, where there are any")] = None
    away: Annotated[list[AwayPart] | None, Field(description="Of /readyz: what is not connected")] = None


class ProblemMeaning(Answer):
    """What a type of problem means."""

    type: str
    title: str
    status: int
    meaning: str

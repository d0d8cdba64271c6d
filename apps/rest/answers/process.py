# SPDX-License-Identifier: Apache-2.0
"""The controller itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from apps.rest.answers.base import Answer


class ResourceLine(Answer):
    """One method on one path."""

    method: str
    path: str
    summary: str
    role: Annotated[Literal["read", "trigger"] | None, Field(description="What a token must allow; null: open")]


class Index(Answer):
    """What there is."""

    name: Literal["castover"] = "castover"
    domain: str
    description: Annotated[str, Field(description="Path of the OpenAPI document")] = "/openapi.json"
    tokens_required: bool
    resources: list[ResourceLine]


class AccessState(Answer):
    """What whoever asks may do."""

    name: Annotated[str | None, Field(description="Of the token; null where none is asked for")]
    role: Literal["read", "trigger"]


class Health(Answer):
    """The process lives."""

    status: Literal["alive"] = "alive"


class Readiness(Answer):
    """All agents and switches are connected."""

    status: Literal["ready"] = "ready"

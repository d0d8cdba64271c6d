# SPDX-License-Identifier: Apache-2.0
"""What a client may send, as pydantic models: bodies and queries.

The description of each field says what is allowed; it is what a client reads in the answer 422 and in the OpenAPI
document. `apps.rest.requests` reads requests with them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from controller.handover import HandoverState

NAME_MAX = 253
"""Characters of a NAI (RFC 4282 section 2.3: the shortest limit that all must carry)."""
LIMIT_DEFAULT = 100
LIMIT_MAX = 1000
CURSOR_MAX = 600
BATCH_MAX = 256
"""As many mobile nodes as a domain can have; `limits.handovers_per_request` may allow fewer."""
_STATES = tuple(state.value for state in HandoverState)


def _whole_number(text: object) -> int:
    # int() also takes '+1', '1_0', ' 1 ' and digits of other scripts.
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= len(str(LIMIT_MAX))):
        raise ValueError("not a whole number in range")
    return int(text)


def _comma_separated(text: object) -> object:
    return text.split(",") if isinstance(text, str) else text


def _truth(text: object) -> bool:
    # pydantic also takes 1, yes, on and others.
    if text not in ("true", "false"):
        raise ValueError("neither true nor false")
    return text == "true"


def _name_field(what: str) -> object:
    return Field(min_length=1, max_length=NAME_MAX, description=f"{what}, 1 to {NAME_MAX} characters")


MnId = Annotated[str, _name_field("MN-ID (NAI) or short name")]
MagId = Annotated[str, _name_field("id of a MAG")]


class HandoverRequest(BaseModel):
    """Body of POST /v1/handovers."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_extra={"examples": [{"mn_id": "mn1", "new_mag": "mag2"}]}
    )

    mn_id: MnId
    new_mag: MagId
    mode: Literal["predictive", "join"] = Field(default="predictive", description="predictive or join")


class BatchRequest(BaseModel):
    """Body of POST /v1/handovers/batch."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    handovers: Annotated[
        list[HandoverRequest],
        Field(min_length=1, max_length=BATCH_MAX, description=f"1 to {BATCH_MAX} handovers as for POST /v1/handovers"),
    ]


class Query(BaseModel):
    """The parameters of a resource; all of them come as text, once each."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(Query):
    """Query of a resource that takes no parameters."""


class PageQuery(Query):
    """Which part of a list."""

    # The bounds stand before the reader of text: only there they are bounds of a number in the OpenAPI document as well.
    limit: Annotated[
        int, Field(ge=1, le=LIMIT_MAX, description=f"a whole number, 1 to {LIMIT_MAX}"), BeforeValidator(_whole_number)
    ] = LIMIT_DEFAULT
    cursor: Annotated[
        str | None,
        Field(min_length=1, max_length=CURSOR_MAX, description="a cursor from the Link header of the page before"),
    ] = None


class HandoverQuery(PageQuery):
    """Query of GET /v1/handovers."""

    mn_id: MnId | None = Field(default=None, description=f"MN-ID (NAI) or short name, 1 to {NAME_MAX} characters")
    previous_mag: MagId | None = Field(default=None, description=f"id of a MAG, 1 to {NAME_MAX} characters")
    new_mag: MagId | None = Field(default=None, description=f"id of a MAG, 1 to {NAME_MAX} characters")
    state: Annotated[
        list[HandoverState], Field(min_length=1, max_length=len(_STATES)), BeforeValidator(_comma_separated)
    ] | None = Field(
        default=None, description=f"one or more of {', '.join(_STATES)}, separated by commas"
    )
    ended: Annotated[bool, BeforeValidator(_truth)] | None = Field(default=None, description="true or false")


class BindingQuery(PageQuery):
    """Query of GET /v1/bindings."""

    mag: MagId | None = Field(default=None, description=f"id of a MAG, 1 to {NAME_MAX} characters")


class ListenerQuery(PageQuery):
    """Query of GET /v1/listeners."""

    mag: MagId | None = Field(default=None, description=f"id of a MAG, 1 to {NAME_MAX} characters")
    mn_id: MnId | None = Field(default=None, description=f"MN-ID (NAI) or short name, 1 to {NAME_MAX} characters")


class SwitchQuery(PageQuery):
    """Query of GET /v1/flows."""

    switch: str | None = Field(
        default=None, min_length=1, max_length=NAME_MAX, description=f"name of a switch, 1 to {NAME_MAX} characters"
    )


class EventQuery(Query):
    """Query of GET /v1/events."""

    handover_id: str | None = Field(
        default=None, min_length=1, max_length=NAME_MAX, description=f"id of a handover, 1 to {NAME_MAX} characters"
    )
    mn_id: MnId | None = Field(default=None, description=f"MN-ID (NAI) or short name, 1 to {NAME_MAX} characters")
    last_event_id: str | None = Field(
        default=None, min_length=1, max_length=NAME_MAX, description="id of an event; the Last-Event-ID header goes first"
    )

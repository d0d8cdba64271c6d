# SPDX-License-Identifier: Apache-2.0
"""Events, as a stream and to webhooks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Json

from apps.rest.answers.base import Answer
from apps.rest.answers.handovers import Handover


class Event(Answer):
    """`data` of one server-sent event."""

    name: Annotated[str, Field(description="What has happened, such as handover_step; a line of the log has the same name")]
    at: Annotated[float, Field(description="Seconds since 1970")]
    fields: Annotated[dict[str, Any], Field(description="What is told of it")]
    too_long: Annotated[bool, Field(description="true when the fields were too long to be told")] = False


class Gap(Answer):
    """`data` of a server-sent event of type `gap`: what comes next is not what came next."""

    detail: str


class ServerSentEvent(Answer):
    """One event of the stream; comments and events without data say how far it is."""

    id: str | None = None
    event: Literal["message", "gap"] = "message"
    retry: int | None = None
    data: Annotated[Json[Event | Gap], Field(description="JSON: an Event; of a gap, a Gap")]


class WebhookData(Answer):
    """What is told."""

    fields: Annotated[dict[str, Any], Field(description="Those of the event")]
    handover: Annotated[Handover | None, Field(description="As it was when this was first sent")]


class WebhookMessage(Answer):
    """Body of a POST to a webhook."""

    type: Annotated[str, Field(description="Name of the event, such as handover_ended")]
    timestamp: Annotated[str, Field(description="When it happened, RFC 3339")]
    data: WebhookData


class WebhookState(Answer):
    """Somebody who is told of handovers."""

    name: str
    url: Annotated[str, Field(description="Without its query")]
    events: list[str]
    waiting: Annotated[int, Field(description="Messages that wait")]
    delivered: int
    failed: Annotated[int, Field(description="Tries that failed")]
    given_up: Annotated[int, Field(description="Messages that were tried too often")]
    dropped: Annotated[int, Field(description="Messages that were too many")]
    last_problem: Annotated[str | None, Field(description="Of the last try; null when it went well, or there was none")]


class WebhookList(Answer):
    """A page of webhooks, in the order of topology.yaml."""

    webhooks: list[WebhookState]
    total: int

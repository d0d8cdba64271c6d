# SPDX-License-Identifier: Apache-2.0
"""What happens, as Server-Sent Events; and the place in them that belongs to a picture of the core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webob import Response

from apps.rest.answers.events import ServerSentEvent
from apps.rest.event_socket import EventSocket
from apps.rest.event_stream import EventFilter, EventStream, TooManyReadersError
from apps.rest.lookup import Lookup, not_found
from apps.rest.problems import NOT_FOUND, UNAVAILABLE, Problem, quoted
from apps.rest.request_models import EventQuery
from apps.rest.routing import Call, Good, Route

EVENT_SOCKET = "castover.event_socket"
"""Key of the WSGI environment: a function that makes the connection one for events, an EventSocket."""
EVENT_ID_HEADER = "Castover-Event-Id"
EVENT_STREAM = "text/event-stream"
_RETRY_AFTER_S = 1


class EventCursor:
    """Where in the events a picture of the core belongs."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream

    def header(self) -> dict[str, str]:
        """For an answer that shows the core: whoever follows the events after this id misses nothing."""
        return {EVENT_ID_HEADER: self._stream.last_id}


class EventResources:
    """/v1/events. `handover` finds the picture of a handover by its id."""

    def __init__(
        self, stream: EventStream, lookup: Lookup, handover: Callable[[str], dict[str, Any] | None]
    ) -> None:
        self._stream = stream
        self._lookup = lookup
        self._handover = handover

    def routes(self) -> tuple[Route, ...]:
        """Their routes."""
        return (
            Route(method="GET", path="/v1/events", summary="what happens, as Server-Sent Events", answer=self.follow_events,
                  tag="events", query=EventQuery, request_headers=("Last-Event-ID",),
                  problems=(NOT_FOUND, UNAVAILABLE),
                  answers=(Good(description="Events without end; the schema is that of each.", model=ServerSentEvent,
                                media_type=EVENT_STREAM),)),
        )

    def follow_events(self, call: Call) -> Response:
        """Events from now on, or after Last-Event-ID."""
        query: EventQuery = call.query
        mn_id = None if query.mn_id is None else self._lookup.mobile_node(query.mn_id)
        # Ids are the controller's own: one that it does not know is of no handover that will come.
        if query.handover_id is not None and self._handover(query.handover_id) is None:
            detail = f"no handover {quoted(query.handover_id)}; ended ones are forgotten in the end"
            raise not_found("handover_id", detail)
        response = Response(content_type=EVENT_STREAM)
        response.headers["X-Accel-Buffering"] = "no"
        del response.content_length
        if call.request.method == "HEAD":
            return response
        last = call.request.headers.get("Last-Event-ID") or query.last_event_id or ""
        take_over = call.request.environ.get(EVENT_SOCKET)
        connection: EventSocket | None = None if take_over is None else take_over()
        try:
            wanted = EventFilter(handover_id=query.handover_id, mn_id=mn_id)
            response.app_iter = self._stream.follow(last, connection, wanted)
        except TooManyReadersError as error:
            raise Problem(UNAVAILABLE, str(error), headers={"Retry-After": str(_RETRY_AFTER_S)}) from error
        return response

# SPDX-License-Identifier: Apache-2.0
"""What each resource of the REST API answers: views of the core's snapshot, and the two things a client may ask for."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import eventlet
from webob import Response

from apps.metrics import CONTENT_TYPE as METRICS_TYPE
from apps.metrics import Metrics
from apps.rest.application import Call, Route, json_response, text_response
from apps.rest.event_stream import EventStream, TooManyReadersError
from apps.rest.problems import (
    CONFLICT,
    INTERNAL,
    NOT_FOUND,
    NOT_VALID,
    PROBLEM_TYPES,
    UNAVAILABLE,
    FieldError,
    Problem,
    quoted,
)
from apps.rest.request_models import FlowQuery, HandoverQuery, HandoverRequest
from apps.rest.rule_view import rules_view
from controller.commands import Command, HandoverAccepted, HandoverRefused
from controller.events import Event, HandoverCancelRequested, HandoverRequested
from controller.snapshot import Snapshot
from southbound.openflow.rules import SwitchRules
from topology.model import Domain
from topology.policy_store import PolicyStore

RETRY_AFTER_S = 1
EVENT_SOCKET = "castover.event_socket"
"""Key of the WSGI environment: a function that makes the connection one for events and returns how to hang it up."""
_REFUSALS = {kind.status: kind for kind in (NOT_FOUND, CONFLICT, NOT_VALID, UNAVAILABLE)}


class Core(Protocol):
    """What REST needs of `apps.executor.Executor`."""

    def ask(self, event: Event) -> list[Command]:
        """The commands that the event led to; raises eventlet.Timeout when the core is too busy."""

    def snapshot(self) -> Snapshot:
        """An immutable picture of the core."""


class Switches(Protocol):
    """What REST needs of `apps.datapaths.Datapaths`."""

    def rules(self, name: str) -> SwitchRules:
        """What the switch is known to have."""


class Resources:
    """All of them. `routes` is the table of the API."""

    def __init__(
        self,
        *,
        domain: Domain,
        core: Core,
        switches: Switches,
        metrics: Metrics,
        events: EventStream,
        new_id: Callable[[], str] = lambda: f"ho-{secrets.token_hex(6)}",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._domain = domain
        self._policy = PolicyStore(domain.mobile_nodes)
        self._core = core
        self._switches = switches
        self._metrics = metrics
        self._events = events
        self._new_id = new_id
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        """Every method on every path."""
        return (
            Route(method="GET", path="/", summary="this list", answer=self._index),
            Route(method="POST", path="/v1/handovers", summary="start a handover", answer=self._start_handover,
                  body=HandoverRequest),
            Route(method="GET", path="/v1/handovers", summary="handovers, newest first; ?mn_id= ?state= ?limit=",
                  answer=self._handovers, query=HandoverQuery),
            Route(method="GET", path="/v1/handovers/{handover_id}", summary="one handover", answer=self._handover),
            Route(method="DELETE", path="/v1/handovers/{handover_id}",
                  summary="cancel a handover whose mobile node has not arrived", answer=self._cancel_handover),
            Route(method="GET", path="/v1/bindings", summary="the binding cache", answer=self._bindings),
            Route(method="GET", path="/v1/bindings/{mn_id}", summary="the binding of one mobile node",
                  answer=self._binding),
            Route(method="GET", path="/v1/mags", summary="mobile access gateways", answer=self._mags),
            Route(method="GET", path="/v1/mags/{mag_id}", summary="one mobile access gateway", answer=self._mag),
            Route(method="GET", path="/v1/listeners", summary="who listens to what, at which MAG",
                  answer=self._listeners),
            Route(method="GET", path="/v1/switches", summary="switches and what they have confirmed",
                  answer=self._switch_states),
            Route(method="GET", path="/v1/flows", summary="confirmed OpenFlow rules; ?switch=", answer=self._flows,
                  query=FlowQuery),
            Route(method="GET", path="/v1/events", summary="what happens, as Server-Sent Events",
                  answer=self._follow_events),
            Route(method="GET", path="/healthz", summary="whether the process lives", answer=self._health),
            Route(method="GET", path="/readyz", summary="whether all agents and switches are connected",
                  answer=self._readiness),
            Route(method="GET", path="/metrics", summary="Prometheus metrics", answer=self._exposition),
            Route(method="GET", path="/problems/{name}", summary="what a type of problem means",
                  answer=self._problem_type),
        )

    # --- handovers --------------------------------------------------------------------------------------------------

    def _start_handover(self, call: Call) -> Response:
        handover_id = self._new_id()
        event = HandoverRequested(
            handover_id=handover_id, mn_id=call.body.mn_id, new_mag=call.body.new_mag, requested_at=self._clock(),
            mode=call.body.mode,
        )
        self._ask(event, handover_id)
        headers = {"Location": f"/v1/handovers/{handover_id}"}
        return json_response(self._view(handover_id), 202, headers)

    def _cancel_handover(self, call: Call) -> Response:
        handover_id = call.names["handover_id"]
        self._view(handover_id)  # 404 costs the core nothing
        self._ask(HandoverCancelRequested(handover_id=handover_id), handover_id)
        return json_response(self._view(handover_id), 202)

    def _ask(self, event: Event, handover_id: str) -> None:
        try:
            commands = self._core.ask(event)
        except eventlet.Timeout as timeout:
            detail = f"The controller is busy and may still carry this out; look for handover {handover_id}."
            raise Problem(UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_S)}) from timeout
        for command in commands:
            match command:
                case HandoverAccepted():
                    return
                case HandoverRefused(status=status, field=field, reason=reason):
                    errors = [FieldError(field=field, detail=reason)] if field else []
                    raise Problem(_REFUSALS.get(status, INTERNAL), reason, errors=errors)
        raise RuntimeError(f"the core did not answer {type(event).__name__}")

    def _handovers(self, call: Call) -> Response:
        query: HandoverQuery = call.query
        mn_id = None if query.mn_id is None else self._mobile_node(query.mn_id)
        found = [
            handover
            for handover in reversed(self._core.snapshot().handovers)
            if mn_id in (None, handover["mn_id"]) and query.state in (None, handover["state"])
        ]
        return json_response({"handovers": found[: int(query.limit)], "total": len(found)})

    def _handover(self, call: Call) -> Response:
        return json_response(self._view(call.names["handover_id"]))

    def _view(self, handover_id: str) -> dict[str, Any]:
        found = _find(self._core.snapshot().handovers, "id", handover_id)
        if found is None:
            raise _not_found("handover_id", f"no handover {quoted(handover_id)}; ended ones are forgotten in the end")
        return found

    # --- what there is ----------------------------------------------------------------------------------------------

    def _bindings(self, _: Call) -> Response:
        return json_response({"bindings": self._core.snapshot().bindings})

    def _binding(self, call: Call) -> Response:
        mn_id = self._mobile_node(call.names["mn_id"])
        found = _find(self._core.snapshot().bindings, "mn_id", mn_id)
        if found is None:
            raise _not_found("mn_id", f"{mn_id} is not registered at any MAG")
        return json_response(found)

    def _mags(self, _: Call) -> Response:
        return json_response({"mags": self._core.snapshot().mags})

    def _mag(self, call: Call) -> Response:
        mags = self._core.snapshot().mags
        found = _find(mags, "id", call.names["mag_id"])
        if found is None:
            raise _not_found("mag_id", _none_of("MAG", call.names["mag_id"], (mag["id"] for mag in mags)))
        return json_response(found)

    def _listeners(self, _: Call) -> Response:
        return json_response({"listeners": self._core.snapshot().listeners})

    def _switch_states(self, _: Call) -> Response:
        return json_response({"switches": self._core.snapshot().switches})

    def _flows(self, call: Call) -> Response:
        names = [switch["name"] for switch in self._core.snapshot().switches]
        wanted = call.query.switch
        if wanted is not None and wanted not in names:
            raise _not_found("switch", _none_of("switch", wanted, names))
        chosen = names if wanted is None else [wanted]
        views = [{"name": name, **rules_view(self._switches.rules(name))} for name in chosen]
        return json_response({"switches": views})

    def _follow_events(self, call: Call) -> Response:
        response = Response(content_type="text/event-stream")
        response.headers["X-Accel-Buffering"] = "no"
        del response.content_length
        if call.request.method == "HEAD":
            return response
        take_over = call.request.environ.get(EVENT_SOCKET, lambda: lambda: None)
        try:
            last = call.request.headers.get("Last-Event-ID", "")
            response.app_iter = self._events.follow(last, take_over())
        except TooManyReadersError as error:
            raise Problem(UNAVAILABLE, str(error), headers={"Retry-After": str(RETRY_AFTER_S)}) from error
        return response

    # --- the process itself -----------------------------------------------------------------------------------------

    def _index(self, _: Call) -> Response:
        lines = [f"{route.method:<6} {route.path:<29} {route.summary}\n" for route in self.routes()]
        text = f"Castover, PMIPv6 domain {self._domain.name}\n\n{''.join(lines)}"
        return text_response(text.encode(), "text/plain; charset=utf-8")

    def _health(self, _: Call) -> Response:
        return json_response({"status": "alive"})

    def _readiness(self, _: Call) -> Response:
        picture = self._core.snapshot()
        away = [{"part": "agent", "name": mag["id"]} for mag in picture.mags if not mag["agent_connected"]]
        away += [{"part": "switch", "name": switch["name"]} for switch in picture.switches if not switch["connected"]]
        if away:
            named = ", ".join(f"{part['part']} of {part['name']}" for part in away)
            raise Problem(UNAVAILABLE, f"not connected: {named}", members={"away": away})
        return json_response({"status": "ready"})

    def _exposition(self, _: Call) -> Response:
        return text_response(self._metrics.exposition(), METRICS_TYPE)

    def _problem_type(self, call: Call) -> Response:
        kind = PROBLEM_TYPES.get(call.names["name"])
        if kind is None:
            raise _not_found("name", _none_of("problem type", call.names["name"], PROBLEM_TYPES))
        return json_response(
            {"type": kind.type, "title": kind.title, "status": kind.status, "meaning": kind.meaning}
        )

    def _mobile_node(self, mn_id_or_name: str) -> str:
        profile = self._policy.find(mn_id_or_name)
        if profile is None:
            raise _not_found("mn_id", f"no mobile node {quoted(mn_id_or_name)} in the policy store")
        return profile.id


def _find(views: Sequence[dict[str, Any]], key: str, value: str) -> dict[str, Any] | None:
    return next((view for view in views if view[key] == value), None)


def _none_of(what: str, found: str, names: Iterable[str]) -> str:
    return f"no {what} {quoted(found)}; there are: {', '.join(names)}"


def _not_found(field: str, detail: str) -> Problem:
    return Problem(NOT_FOUND, detail, errors=[FieldError(field=field, detail=detail)])

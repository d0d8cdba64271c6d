# SPDX-License-Identifier: Apache-2.0
"""Handovers: what there are, and the two things that a client may ask for: begin one (or many), call one off."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import eventlet
from webob import Response

from apps.rest.access import Role
from apps.rest.answers.handovers import BatchAnswer, BatchResult, Handover, HandoverList
from apps.rest.conditional import Pictures
from apps.rest.events import EventCursor
from apps.rest.idempotency import IdempotencyStore, Reservation
from apps.rest.lookup import Lookup, find, not_found
from apps.rest.paging import page_of
from apps.rest.problems import (
    CONFLICT,
    INTERNAL,
    KEY_IN_USE,
    KEY_REUSED,
    NOT_FOUND,
    NOT_VALID,
    UNAVAILABLE,
    FieldError,
    Problem,
    quoted,
)
from apps.rest.rendering import HandoverRenderer
from apps.rest.request_models import BatchRequest, HandoverQuery, HandoverRequest
from apps.rest.routing import Call, Good, Route, json_response, model_response
from controller.commands import Command, HandoverAccepted, HandoverRefused
from controller.events import Event, HandoverCancelRequested, HandoverRequested
from controller.handover import ENDED

RETRY_AFTER_S = 1
MULTI_STATUS = 207
_REFUSALS = {kind.status: kind for kind in (NOT_FOUND, CONFLICT, NOT_VALID, UNAVAILABLE)}


class Core(Protocol):
    """What these resources need of `apps.executor.Executor`."""

    def ask(self, event: Event) -> list[Command]:
        """The commands that the event led to; raises eventlet.Timeout when the core is too busy."""


class BusyError(Exception):
    """The core did not answer in time, and may still carry out what it was asked."""


class HandoverResources:
    """/v1/handovers and what is below it."""

    def __init__(
        self,
        *,
        core: Core,
        pictures: Pictures,
        lookup: Lookup,
        event_cursor: EventCursor,
        idempotency: IdempotencyStore,
        batch_max: int,
        remembered: int,
        new_id: Callable[[], str] = lambda: f"ho-{secrets.token_hex(6)}",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._core = core
        self._pictures = pictures
        self._lookup = lookup
        self._event_cursor = event_cursor
        self._idempotency = idempotency
        self._batch_max = batch_max
        self._new_id = new_id
        self._clock = clock
        self._renderer = HandoverRenderer(remembered)

    def routes(self) -> tuple[Route, ...]:
        """Their routes."""
        handovers = self._pictures.revision_of("handovers")
        event = ("Castover-Event-Id",)
        answers = ("Idempotent-Replayed",)
        return (
            Route(method="POST", path="/v1/handovers", summary="start a handover", answer=self.start_handover,
                  tag="handovers", role=Role.TRIGGER, body=HandoverRequest, request_headers=("Idempotency-Key",),
                  answers=(Good(status=202, description="It has begun; Location names it.", model=Handover,
                                headers=("Location", *answers)),),
                  problems=(NOT_FOUND, CONFLICT, KEY_IN_USE, KEY_REUSED, UNAVAILABLE)),
            Route(method="POST", path="/v1/handovers/batch", summary="start many handovers at once",
                  answer=self.start_handovers, tag="handovers", role=Role.TRIGGER, body=BatchRequest,
                  request_headers=("Idempotency-Key",),
                  answers=(Good(status=202, description="All have begun.", model=BatchAnswer, headers=answers),
                           Good(status=MULTI_STATUS, description="Some, or all, were refused: see the results.",
                                model=BatchAnswer, headers=answers)),
                  problems=(KEY_IN_USE, KEY_REUSED)),
            Route(method="GET", path="/v1/handovers", summary="handovers, newest first", answer=self.list_handovers,
                  tag="handovers", query=HandoverQuery, revision=handovers, problems=(NOT_FOUND,),
                  answers=(Good(description="A page of them.", model=HandoverList, headers=("Link", *event)),)),
            Route(method="GET", path="/v1/handovers/{handover_id}", summary="one handover", answer=self.get_handover,
                  tag="handovers", revision=handovers, problems=(NOT_FOUND,),
                  answers=(Good(description="The handover.", model=Handover, headers=event),)),
            Route(method="DELETE", path="/v1/handovers/{handover_id}",
                  summary="cancel a handover whose mobile node has not arrived", answer=self.cancel_handover,
                  tag="handovers", role=Role.TRIGGER, problems=(NOT_FOUND, CONFLICT, UNAVAILABLE),
                  answers=(Good(status=202, description="It is being called off.", model=Handover),)),
        )

    # --- what there are ---------------------------------------------------------------------------------------------

    def list_handovers(self, call: Call) -> Response:
        """A page, newest first."""
        query: HandoverQuery = call.query
        mn_id = None if query.mn_id is None else self._lookup.mobile_node(query.mn_id)
        for field, mag_id in (("previous_mag", query.previous_mag), ("new_mag", query.new_mag)):
            self._lookup.check_mag(field, mag_id)
        states = None if query.state is None else {state.value for state in query.state}
        ended = {state.value for state in ENDED}
        found = [
            view
            for view in reversed(self._pictures.current().handovers)
            if mn_id in (None, view["mn_id"])
            and query.previous_mag in (None, view["previous_mag"])
            and query.new_mag in (None, view["new_mag"])
            and (states is None or view["state"] in states)
            and query.ended in (None, view["state"] in ended)
        ]
        page = page_of(found, query, call.request, _older_than, lambda view: str(view["number"]))
        octets = self._renderer.page(page.items, page.total)
        return json_response(octets, headers={**page.headers, **self._event_cursor.header()})

    def get_handover(self, call: Call) -> Response:
        """One."""
        view = self._view(call.names["handover_id"])
        return json_response(self._renderer.one(view), headers=self._event_cursor.header())

    def _view(self, handover_id: str) -> dict[str, Any]:
        found = find(self._pictures.current().handovers, "id", handover_id)
        if found is None:
            raise not_found("handover_id", f"no handover {quoted(handover_id)}; ended ones are forgotten in the end")
        return found

    # --- what may be asked for --------------------------------------------------------------------------------------

    def start_handover(self, call: Call) -> Response:
        """Begin one."""
        return self._idempotency.answer(call, lambda reservation: self._start_one(call.body, reservation))

    def start_handovers(self, call: Call) -> Response:
        """Begin many, each as if it had come alone; what becomes of one is nothing to the others."""
        batch: BatchRequest = call.body
        if len(batch.handovers) > self._batch_max:
            detail = f"found {len(batch.handovers)} handovers; allowed: limits.handovers_per_request, {self._batch_max}"
            error = FieldError(field="handovers", detail=detail)
            raise Problem(NOT_VALID, "The body is not valid: handovers", errors=[error])
        return self._idempotency.answer(call, lambda reservation: self._start_many(batch.handovers, reservation))

    def cancel_handover(self, call: Call) -> Response:
        """Call one off."""
        handover_id = call.names["handover_id"]
        self._view(handover_id)  # 404 costs the core nothing
        try:
            self._ask(HandoverCancelRequested(handover_id=handover_id))
        except BusyError as error:
            raise _busy(handover_id) from error
        return model_response(Handover.model_validate(self._view(handover_id)), 202)

    def _start_one(self, wanted: HandoverRequest, reservation: Reservation) -> Response:
        (handover_id,) = reservation.names(1, self._new_id)
        try:
            view = self._begin(wanted, handover_id)
        except BusyError as error:
            raise _busy(handover_id) from error
        return json_response(self._renderer.one(view), 202, {"Location": f"/v1/handovers/{handover_id}"})

    def _start_many(self, wanted: Sequence[HandoverRequest], reservation: Reservation) -> Response:
        results: list[BatchResult] = []
        busy = False
        for index, (one, handover_id) in enumerate(
            zip(wanted, reservation.names(len(wanted), self._new_id), strict=True)
        ):
            try:
                if busy:  # one that has waited in vain speaks for those behind it
                    raise BusyError
                view = self._begin(one, handover_id)
                results.append(BatchResult(index=index, status=202, handover=Handover.model_validate(view)))
            except BusyError:
                busy = True
                problem = _busy(handover_id)
                results.append(BatchResult(index=index, status=problem.kind.status, problem=problem.document()))
            except Problem as problem:
                results.append(BatchResult(index=index, status=problem.kind.status, problem=problem.document()))
        reservation.keep = not busy
        accepted = sum(result.handover is not None for result in results)
        answer = BatchAnswer(accepted=accepted, refused=len(results) - accepted, results=results)
        return model_response(answer, 202 if accepted == len(results) else MULTI_STATUS)

    def _begin(self, wanted: HandoverRequest, handover_id: str) -> dict[str, Any]:
        """Raises Problem, or BusyError."""
        try:
            self._ask(HandoverRequested(
                handover_id=handover_id, mn_id=wanted.mn_id, new_mag=wanted.new_mag, requested_at=self._clock(),
                mode=wanted.mode,
            ))
        except Problem:
            known = find(self._pictures.current().handovers, "id", handover_id)
            if known is None:
                raise
            return known  # taken before under the same key, when the core was too busy to say so
        return self._view(handover_id)

    def _ask(self, event: Event) -> None:
        try:
            commands = self._core.ask(event)
        except eventlet.Timeout as timeout:
            raise BusyError from timeout
        for command in commands:
            match command:
                case HandoverAccepted():
                    return
                case HandoverRefused(status=status, field=field, reason=reason):
                    errors = [FieldError(field=field, detail=reason)] if field else []
                    raise Problem(_REFUSALS.get(status, INTERNAL), reason, errors=errors)
        raise RuntimeError(f"the core did not answer {type(event).__name__}")


def _older_than(cursor: str) -> Callable[[dict[str, Any]], bool]:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 20):
        raise ValueError("not a number")
    number = int(cursor)
    return lambda view: view["number"] < number


def _busy(handover_id: str) -> Problem:
    detail = f"The controller is busy and may still carry this out; look for handover {handover_id}."
    return Problem(UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_S)})

# SPDX-License-Identifier: Apache-2.0
"""One run of the demo: a stream, and the mover going back and forth between two MAGs in one mode."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.demo_modes import MODES
from lab.demo_settings import Cast, DemoSettings
from lab.errors import LabError
from lab.ground import Ground, MovableNode
from lab.mobile_node import Move
from lab.rest_client import (
    ENDED,
    MAY_LEAVE,
    RestClient,
    RestError,
    cancel_handover,
    follow_handover,
    get_handover,
    items,
    start_handover,
)
from lab.stream import MeasuredStream

BOUND = "bound"
"""Name of the step that the demo itself observes: the LMA's binding names the new MAG."""
_PREPARE_TIMEOUT_S = 5.0
_COMPLETE_TIMEOUT_S = 15.0
_BIND_TIMEOUT_S = 30.0
_RECEPTION_TIMEOUT_S = 30.0
_POLL_S = 0.02
"""Seldom enough that asking the controller does not slow down what is measured."""
_NOT_MENDED_BY_WAITING = frozenset({401, 403})
SETTLE_S = 0.1
"""Undisturbed stream between the end of one handover and the request for the next."""
_UNANNOUNCED_APART_S = 0.5
"""A MAG sends three PBUs a second for one node at most (RFC 6275, MAX_UPDATE_RATE), one with each move; what is announced
need not wait. A node that moved faster would be measured while it waits for that."""

Tell = Callable[[int, int], None]
"""(number of the handover that begins, from 1; handovers wanted)."""


@dataclass(slots=True, kw_only=True)
class HandoverRun:
    """One handover as the demo saw it; times in ns since 1970."""

    previous_mag: str
    new_mag: str
    requested_ns: int
    """Announced: just before the request. Otherwise: just before the link went down."""
    handover_id: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    """As REST shows them; where there is no handover in REST, what the demo observed."""
    packets: Mapping[str, int] = field(default_factory=dict)
    """The agents' own counters of this handover."""
    completed: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a run happens on: a lab that is up, its controller, a stream that all sinks receive."""

    lab: Ground
    client: RestClient
    stream: MeasuredStream
    cast: Cast
    settings: DemoSettings


def run_handovers(stage: Stage, mode: str, tell: Tell) -> list[HandoverRun]:
    """Move back and forth as often as wanted. A handover that fails is recorded, and the next one tried.

    Raises LabError when the run itself cannot go on: no controller, no sink, a mobile node that hears nothing any more.
    """
    how = MODES[mode]
    runs: list[HandoverRun] = []
    with stage.lab.mobile_node(stage.cast.mover.name) as host:
        for number in range(1, stage.settings.handovers + 1):
            tell(number, stage.settings.handovers)
            present = host.attached_to()
            target = next(mag for mag in stage.cast.mags if mag != present)
            run = HandoverRun(previous_mag=present or "", new_mag=target, requested_ns=time.time_ns())
            runs.append(run)
            if how.announced:
                with _called_off_when_interrupted(stage, run):
                    _announced(stage, host, run, how.announced)
            else:
                _unannounced(stage, host, run, followed=how.followed)
            _settle(stage)
            if not how.announced:
                time.sleep(max(0.0, run.requested_ns / 1e9 + _UNANNOUNCED_APART_S - time.time()))
            _read_again(stage, run)
    return runs


@contextlib.contextmanager
def _called_off_when_interrupted(stage: Stage, run: HandoverRun) -> Iterator[None]:
    """A handover that nobody will complete is not left under way: as long as it is, the next one is refused."""
    try:
        yield
    except BaseException:
        if run.handover_id is not None and not run.completed:
            with contextlib.suppress(LabError):
                cancel_handover(stage.client, run.handover_id)
        raise


def _announced(stage: Stage, host: MovableNode, run: HandoverRun, mode: str) -> None:
    try:
        run.handover_id = _trigger(stage, run, mode)
        time.sleep(_POLL_S)  # it takes some ms, and a question would be answered by those who are busy with it
        _follow(stage, run, MAY_LEAVE, _PREPARE_TIMEOUT_S)
    except LabError as error:
        run.error = str(error)
    # The radio does not ask whether the network is ready.
    host.move(run.new_mag, stage.settings.gap_ms)
    if run.handover_id is not None and not run.error:
        try:
            _follow(stage, run, ENDED, _COMPLETE_TIMEOUT_S)
        except LabError as error:
            run.error = str(error)
    if not run.completed:
        _await_binding(stage, run)


def _follow(stage: Stage, run: HandoverRun, until: frozenset[str], timeout_s: float) -> None:
    seen: dict[str, Any] = {}
    for seen in follow_handover(
        stage.client, run.handover_id or "", until=until, timeout_s=timeout_s, poll_s=_POLL_S
    ):
        run.steps, run.packets = seen["steps"], seen.get("packets") or {}
    run.completed = seen["state"] == "completed"
    if seen["state"] in ENDED and not run.completed:
        run.error = f"{seen['state']}: {seen.get('error') or 'no reason given'}"


def _read_again(stage: Stage, run: HandoverRun) -> None:
    """What the agents told after the handover had ended: their counters, the last steps."""
    if run.handover_id is not None:
        seen = get_handover(stage.client, run.handover_id)
        observed = [step for step in run.steps if step["name"] == BOUND]
        run.steps, run.packets = [*seen["steps"], *observed], seen.get("packets") or {}


def _trigger(stage: Stage, run: HandoverRun, mode: str) -> str:
    mover = stage.cast.mover
    if stage.settings.trigger == "rest":
        return start_handover(stage.client, mover.id, run.new_mag, mode)
    known = set(_handovers(stage))
    send = [sys.executable, "-m", "lab.ho_initiate", "--mn-id", mover.id, "--new-mag", run.new_mag]
    stage.lab.run_on(mover.name, send)
    return _await_new_handover(stage, known, f"{mover.id} has sent HO-Initiate")


def _await_new_handover(stage: Stage, known: set[str], why: str) -> str:
    deadline = time.monotonic() + _PREPARE_TIMEOUT_S
    while True:
        new = [identifier for identifier in _handovers(stage) if identifier not in known]
        if new:
            return new[-1]
        if time.monotonic() > deadline:
            raise LabError(f"{why}, and no handover came of it")
        time.sleep(_POLL_S)


def _handovers(stage: Stage) -> list[str]:
    found = items(stage.client.get("/v1/handovers?limit=1000"), "handovers")
    return [str(handover["id"]) for handover in found if handover["mn_id"] == stage.cast.mover.id]


def _unannounced(stage: Stage, host: MovableNode, run: HandoverRun, *, followed: bool) -> None:
    known = set(_handovers(stage)) if followed else set()
    run.requested_ns = time.time_ns()
    move = host.move(run.new_mag, stage.settings.gap_ms)
    observed = _link_steps(move)
    bound = _await_binding(stage, run)
    if followed:
        try:
            run.handover_id = _await_new_handover(stage, known, f"{stage.cast.mover.id} has come to {run.new_mag}")
            _follow(stage, run, ENDED, _COMPLETE_TIMEOUT_S)
        except LabError as error:
            run.error = run.error or str(error)
        run.completed = run.completed and bound
    else:
        run.steps += observed
        run.completed = bound and not run.error


def _link_steps(move: Move) -> list[dict[str, Any]]:
    """Step 6 as the radio itself sees it, and nobody else in a plain run."""
    changes = (("link down", move.down), ("link up", move.up))
    return [
        {"step": 6, "name": name, "node": change.mag, "at": change.called.realtime}
        for name, change in changes if change is not None
    ]


def _await_binding(stage: Stage, run: HandoverRun) -> bool:
    """Wait until the LMA has the mover at its new MAG."""
    deadline = time.monotonic() + _BIND_TIMEOUT_S
    while bound_at(stage.client).get(stage.cast.mover.id) != run.new_mag:
        if time.monotonic() > deadline:
            run.error = run.error or f"not bound at {run.new_mag} after {_BIND_TIMEOUT_S:g} s"
            return False
        time.sleep(_POLL_S)
    run.steps.append({"step": 9, "name": BOUND, "node": stage.lab.domain.lma.id, "at": time.time()})
    return True


def _settle(stage: Stage) -> None:
    """The mover hears the stream, and goes on to hear it for a while."""
    packets = max(2, round(stage.settings.rate_pps * SETTLE_S))
    stage.stream.await_reception(stage.cast.mover.name, packets, _RECEPTION_TIMEOUT_S)


def bound_at(client: RestClient) -> dict[str, str]:
    """MN-ID -> MAG of every binding that is registered. Raises RestError."""
    bindings = items(client.get("/v1/bindings"), "bindings")
    return {str(binding["mn_id"]): str(binding["mag"]) for binding in bindings}


def await_ready(
    client: RestClient, wanted: Mapping[str, str], timeout_s: float, check: Callable[[], None] = lambda: None
) -> None:
    """Wait until the controller is ready and every MN-ID of `wanted` is bound at its MAG. Raises LabError."""
    deadline = time.monotonic() + timeout_s
    missing = "/readyz does not say that switches and agents are there"
    while True:
        check()
        if client.ready():
            try:
                present = bound_at(client)
            except RestError as error:
                if error.status in _NOT_MENDED_BY_WAITING:
                    raise
                missing = str(error)
            else:
                away = [f"{mn_id} at {mag}" for mn_id, mag in wanted.items() if present.get(mn_id) != mag]
                if not away:
                    return
                missing = f"not bound: {', '.join(away)}"
        if time.monotonic() > deadline:
            raise LabError(f"the domain is not ready after {timeout_s:g} s: {missing}")
        time.sleep(_POLL_S * 4)

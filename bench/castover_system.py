# SPDX-License-Identifier: Apache-2.0
"""Castover as a system under measurement: controller and agents, asked over REST."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.lanes import Lane
from bench.listeners import Listener
from bench.system import Outcome, System
from lab.demo_run import await_ready, bound_at
from lab.errors import LabError
from lab.network import Lab
from lab.programs import start_programs
from lab.rest_client import ENDED, MAY_LEAVE, RestClient, follow_handover, get_handover, items, start_handover

Say = Callable[[str], None]
_READY_TIMEOUT_S = 30.0
_PREPARE_TIMEOUT_S = 5.0
_COMPLETE_TIMEOUT_S = 15.0
_POLL_S = 0.005


class CastoverSystem:
    """Castover's controller and agents, asked over REST, for one mobile node."""

    def __init__(self, client: RestClient, mn_id: str, lane: Lane) -> None:
        self._client, self._mn_id, self._lane = client, mn_id, lane

    def before_move(self, new_mag: str, outcome: Outcome) -> None:
        """Ask for the handover, where the lane does, and wait until the mobile node may leave."""
        if self._lane.announced:
            self.announce(new_mag, outcome)
            self.await_state(outcome, MAY_LEAVE)

    def announce(self, new_mag: str, outcome: Outcome) -> None:
        """Ask for the handover."""
        try:
            outcome.handover_id = start_handover(self._client, self._mn_id, new_mag, self._lane.mode)
        except LabError as error:
            outcome.error = str(error)

    def await_state(self, outcome: Outcome, until: frozenset[str], poll_s: float | None = None) -> None:
        """Wait until the handover that was asked for is in one of these states; not at all when it has failed."""
        if outcome.error:
            return
        try:
            self._follow(outcome, until, _PREPARE_TIMEOUT_S, poll_s or _POLL_S)
        except LabError as error:
            outcome.error = str(error)

    def after_move(self, new_mag: str, outcome: Outcome) -> None:
        """Wait for the binding at the new MAG and for the handover's end."""
        deadline = time.monotonic() + _COMPLETE_TIMEOUT_S
        try:
            while bound_at(self._client).get(self._mn_id) != new_mag:
                if time.monotonic() > deadline:
                    raise LabError(f"not bound at {new_mag} after {_COMPLETE_TIMEOUT_S:g} s")
                time.sleep(_POLL_S)
            if self._lane.followed:
                outcome.handover_id = self._latest_handover(new_mag)
            if outcome.handover_id is not None and not outcome.error:
                self._follow(outcome, ENDED, _COMPLETE_TIMEOUT_S, _POLL_S)
        except LabError as error:
            outcome.error = outcome.error or str(error)

    def read_again(self, outcome: Outcome) -> None:
        """What the agents have told after the handover's end: the last steps, their counters. Raises RestError."""
        if outcome.handover_id is not None:
            seen = get_handover(self._client, outcome.handover_id)
            outcome.steps, outcome.packets = seen["steps"], seen.get("packets") or {}

    def _follow(self, outcome: Outcome, until: frozenset[str], timeout_s: float, poll_s: float) -> None:
        for seen in follow_handover(
            self._client, outcome.handover_id or "", until=until, timeout_s=timeout_s, poll_s=poll_s
        ):
            outcome.steps = seen["steps"]
            if seen["state"] in ENDED and seen["state"] != "completed":
                outcome.error = f"{seen['state']}: {seen.get('error') or 'no reason given'}"

    def _latest_handover(self, new_mag: str) -> str | None:
        found = items(self._client.get("/v1/handovers?limit=1000"), "handovers")
        there = (self._mn_id, new_mag)
        mine = [str(handover["id"]) for handover in found if (handover["mn_id"], handover["new_mag"]) == there]
        return mine[0] if mine else None  # newest first


@contextmanager
def running_castover(lab: Lab, topology: Path, say: Say) -> Iterator[RestClient]:
    """Start controller and agents, attach the mobile nodes, wait for their bindings."""
    start_programs(lab, topology, say)
    with RestClient(lab.state.rest_url) as client:
        lab.attach_mobile_nodes()
        wanted = {node.id: node.attached_to for node in lab.domain.mobile_nodes}
        await_ready(client, wanted, _READY_TIMEOUT_S)
        yield client


@contextmanager
def castover_system(lab: Lab, topology: Path, lane: Lane, listener: Listener, say: Say) -> Iterator[System]:
    """The system for the first mobile node of the lab."""
    del listener  # the mobile node's own reports, or the policy store, say what it wants
    with running_castover(lab, topology, say) as client:
        yield CastoverSystem(client, lab.domain.mobile_nodes[0].id, lane)

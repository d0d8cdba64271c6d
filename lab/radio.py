# SPDX-License-Identifier: Apache-2.0
"""The radio of a lab: moves a mobile node to its new MAG as soon as its handover says that it may leave.

In a real network the mobile node does that by itself, and often without asking. Here somebody has to take one link down
and bring the other up; with the radio a handover that is asked for over REST, or in the live view, completes by itself.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from castover_client import Castover, CastoverError, Event, Handover, NotFound
from lab.errors import LabError
from lab.ground import Reach
from lab.mobile_node import Move

MAY_LEAVE_NOW = frozenset({"forwarding", "joined"})
"""States in which the network waits for the mobile node to move, and for nothing else."""
_REMEMBERED = 1_000
_AT_ONCE = 8
"""Mobile nodes that move at the same time; more wait for each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What the radio did for one handover; `move` None: it could not, and `problem` says why."""

    handover: Handover
    move: Move | None
    problem: str = ""


class Radio:
    """Follows the events of a controller until `stop`; `gap_ms` is how long a mobile node is without a link."""

    def __init__(self, lab: Reach, castover: Castover, *, gap_ms: float, told: Callable[[Moved], None]) -> None:
        """`told` is called from a thread of the radio's own. The radio closes `castover` when it ends."""
        self._lab = lab
        self._castover = castover
        self._gap_ms = gap_ms
        self._told = told
        self._carried_out: OrderedDict[str, None] = OrderedDict()
        self._movers = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="radio")
        self._stopped = threading.Event()
        # Opened here: whoever asks for a handover after this has a radio that hears of it.
        self._events = castover.events()

    def run(self) -> None:
        """Until `stop`. Raises CastoverError when the controller stays away."""
        try:
            self._carry_out(self._castover.handovers(ended=False))
            for event in self._events:
                if self._stopped.is_set():
                    return
                self._carry_out(self._concerned(event))
        except CastoverError:
            if not self._stopped.is_set():
                raise
        finally:
            self._events.close()
            self._castover.close()

    def stop(self) -> None:
        """End `run`; moves under way are finished first."""
        self._stopped.set()
        self._events.close()
        self._movers.shutdown(wait=True)

    def _concerned(self, event: Event) -> Iterable[Handover]:
        if event.is_gap:
            return self._castover.handovers(ended=False)
        handover_id = event.fields.get("handover_id")
        # Step 10 ahead of the mobile node is how mode `join` says it.
        tells = event.name == "handover_forwarding" or (event.name == "handover_step" and event.fields.get("step") == 10)
        if not tells or handover_id is None or handover_id in self._carried_out:
            return ()
        try:
            return (self._castover.handover(str(handover_id)),)
        except NotFound:
            return ()

    def _carry_out(self, handovers: Iterable[Handover]) -> None:
        for handover in handovers:
            if handover.state in MAY_LEAVE_NOW and handover.id not in self._carried_out:
                self._carried_out[handover.id] = None
                if len(self._carried_out) > _REMEMBERED:
                    self._carried_out.popitem(last=False)
                self._movers.submit(self._move, handover)

    def _move(self, handover: Handover) -> None:
        try:
            with self._lab.mobile_node(handover.mn_id) as host:
                # Somebody else may have moved it already.
                there = host.attached_to() == handover.new_mag
                move = None if there else host.move(handover.new_mag, self._gap_ms)
        except (LabError, OSError) as error:
            self._told(Moved(handover=handover, move=None, problem=str(error)))
            return
        if move is not None:
            self._told(Moved(handover=handover, move=move))


class RadioThread:
    """A radio beside whatever else the process does; a context manager."""

    def __init__(self, radio: Radio) -> None:
        self._radio = radio
        self._thread = threading.Thread(target=self._run, name="radio")
        self.failure: CastoverError | None = None
        """Why it ended by itself."""

    def __enter__(self) -> RadioThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._radio.stop()
        self._thread.join()

    @property
    def running(self) -> bool:
        """Whether it still listens."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._radio.run()
        except CastoverError as error:
            self.failure = error

# SPDX-License-Identifier: Apache-2.0
"""Carries out what SwitchTakeover says, for every MN that the switch is about to take over: gates, buffer port, timer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from southbound.agent.adapters.egress_gate import EgressGate
from southbound.agent.adapters.queueing_discipline import QueueingDisciplines
from southbound.agent.switch_takeover import (
    Action,
    Asked,
    Confirmed,
    Delivered,
    Drained,
    EgressEmpty,
    Ended,
    Event,
    Observed,
    Phase,
    Refused,
    SwitchTakeover,
)

_log = logging.getLogger("castover.mag")

SETTLED_WITHIN_S = 0.05
"""Longer than a takeover lasts while packets come."""
_WIDE_AFTER_S = 0.01
_WIDE_ATTEMPTS = 10
"""A stream so fast that something always waits is not slowed down for longer than these times that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An MN that the switch is to take over."""

    port_name: str
    streams: Callable[[], int]
    """How many streams of it are alive."""
    egress_empty: Callable[[], bool]
    """Whether nothing waits to be sent to it by the agent."""


class _Running:
    """One takeover under way."""

    def __init__(self, machine: SwitchTakeover, gate: EgressGate, candidate: Candidate, now: float) -> None:
        self.machine = machine
        self.gate = gate
        self.candidate = candidate
        self.began_at = now
        self.timer: asyncio.TimerHandle | None = None


class Takeovers:
    """At most one for each MN. `drain` reads the buffer port, `hand_over(mn_id)` tells the buffer.

    Each MN is taken over by itself, whoever shares its groups (controller.forwarding). One that has asked in vain stays a
    candidate until `end`, because the release of its handover may change the switch over for it all the same: `may_change`
    shuts the gates of all candidates but those known to be served by the switch.
    `counters` are those of SwitchTakeover and EgressGate, over all MNs.
    """

    def __init__(
        self,
        interfaces: Mapping[str, str],
        *,
        drain: Callable[[], bool],
        hand_over: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._interfaces = dict(interfaces)
        self._gates: dict[str, EgressGate] = {}
        self._disciplines: QueueingDisciplines | None = None
        self._drain = drain
        self._hand_over = hand_over
        self._clock = clock
        self._running: dict[str, _Running] = {}
        self._candidates: dict[str, Candidate] = {}
        self._served: set[str] = set()
        self._ajar: set[EgressGate] = set()
        """Gates that may still let through what waited."""
        self._afterwards: dict[str, Callable[[], None]] = {}
        self._settled: list[tuple[Callable[[], None], asyncio.TimerHandle]] = []

    def start(self) -> None:
        """In the network namespace of the ports: open and clear what an earlier process may have left."""
        self._disciplines = QueueingDisciplines()
        self._gates = {
            port: EgressGate(interface, self._disciplines, self.counters) for port, interface in self._interfaces.items()
        }
        for gate in self._gates.values():
            gate.clear_leftover()

    def is_running(self, mn_id: str) -> bool:
        """Whether the end of its takeover is awaited."""
        return mn_id in self._running

    def when_over(self, mn_id: str, then: Callable[[], None]) -> None:
        """Call `then` in the event loop when its takeover, which is running, is over; a later call replaces this one."""
        self._afterwards[mn_id] = then

    def when_settled(self, then: Callable[[], None]) -> None:
        """Call `then` when no MN is between the two ways any more: at once when none is, else in the event loop.

        It is for a clone: what waits in front of the gate was there before it, and would be in neither. Not later than
        after SETTLED_WITHIN_S, counted as takeover_not_waited_for.
        """
        if not self._is_between():
            then()
            return
        timer = asyncio.get_running_loop().call_later(SETTLED_WITHIN_S, self._give_up_waiting, then)
        self._settled.append((then, timer))

    def wait_no_longer(self) -> None:
        """Call what `when_settled` still keeps, in order: something is about to be asked that must come after it."""
        kept, self._settled = self._settled, []
        for then, timer in kept:
            timer.cancel()
            then()

    def _is_between(self) -> bool:
        return bool(self._ajar) or any(running.machine.asked for running in self._running.values())

    def _give_up_waiting(self, then: Callable[[], None]) -> None:
        self._settled = [entry for entry in self._settled if entry[0] is not then]
        self.counters["takeover_not_waited_for"] += 1
        then()

    def expected(self, port_name: str) -> None:
        """An MN is expected on this port: make its gate before anything is sent there."""
        self._served.clear()
        gate = self._gates.get(port_name)
        if gate is not None:
            gate.prepare()

    def asked(self, mn_id: str, candidate: Candidate) -> None:
        """The switch is about to be asked to deliver to this MN: shut the gate. `answered` must follow."""
        self._candidates[mn_id] = candidate
        if mn_id in self._running:
            self._tell(mn_id, Asked())
        elif mn_id not in self._served:
            self._begin(mn_id, candidate, asked=True)

    def may_change(self) -> None:
        """The switch is about to be asked for something that may make it change over for other candidates, too."""
        for mn_id, candidate in list(self._candidates.items()):
            if mn_id not in self._running and mn_id not in self._served:
                self._begin(mn_id, candidate, asked=False)

    def answered(self, mn_id: str, error: str | None) -> None:
        """The controller's answer to `asked`."""
        for other in list(self._running):
            # The frames that wait come first: they tell that the switch has changed over, whatever the answer.
            self._observe(other)
        self._tell(mn_id, Confirmed() if error is None else Refused())
        if error is not None:
            for other, running in list(self._running.items()):
                if not running.machine.asked:
                    self._tell(other, Refused())

    def delivered(self, mn_id: str) -> None:
        """A packet from the buffer port has been delivered to the MN or queued for it."""
        running = self._running.get(mn_id)
        if running is not None:
            running.machine.handle(Delivered(), self._clock())  # brings about nothing

    def egress_empty(self, mn_id: str) -> None:
        """The agent has sent all that waited for the MN."""
        self._tell(mn_id, EgressEmpty())

    def end(self, mn_id: str, *, here: bool) -> None:
        """End it in any case: the handover is over, or the MN leaves."""
        self._tell(mn_id, Ended(here=here))
        self._candidates.pop(mn_id, None)
        self._served.discard(mn_id)

    def close(self) -> None:
        """Every gate open; those of links that are down are removed (see EgressGate why not the others)."""
        self._afterwards.clear()
        for _, timer in self._settled:
            timer.cancel()
        self._settled.clear()
        for mn_id in list(self._running):
            self.end(mn_id, here=True)
        for gate in self._gates.values():
            gate.open_wide()
            gate.remove_when_down()
        self._gates = {}
        self._ajar.clear()
        if self._disciplines is not None:
            self._disciplines.close()
            self._disciplines = None

    def _begin(self, mn_id: str, candidate: Candidate, *, asked: bool) -> None:
        gate = self._gates.get(candidate.port_name)
        if gate is None:
            return
        shut = gate.shut()
        self._ajar.discard(gate)
        if not shut and not asked:
            return  # without a gate nothing would tell
        now = self._clock()
        machine = SwitchTakeover(
            gated=shut, streams=candidate.streams(), now=now, counters=self.counters, asked=asked
        )
        self._running[mn_id] = running = _Running(machine, gate, candidate, now)
        self._arm(mn_id, running)

    def _arm(self, mn_id: str, running: _Running) -> None:
        after = running.machine.next_deadline()
        if after is not None:
            running.timer = asyncio.get_running_loop().call_later(after, self._poll, mn_id, running)

    def _poll(self, mn_id: str, running: _Running) -> None:
        if self._running.get(mn_id) is running:
            self._observe(mn_id)
            self._arm(mn_id, running)

    def _observe(self, mn_id: str) -> None:
        running = self._running.get(mn_id)
        if running is not None:
            self._tell(mn_id, Observed(held=running.gate.held()))

    def _tell(self, mn_id: str, event: Event) -> None:
        running = self._running.get(mn_id)
        if running is None:
            return
        for action in running.machine.handle(event, self._clock()):
            match action:
                case Action.DRAIN:
                    self._drain()
                    self._tell(mn_id, Drained(egress_empty=running.candidate.egress_empty()))
                case Action.HAND_OVER:
                    self._hand_over(mn_id)
                case Action.OPEN:
                    running.gate.open()
                    self._ajar.add(running.gate)
                    self._widen_later(running.gate, _WIDE_ATTEMPTS)
        if running.machine.phase is Phase.OVER and self._running.get(mn_id) is running:
            self._over(mn_id, running)

    def _widen_later(self, gate: EgressGate, attempts: int) -> None:
        asyncio.get_running_loop().call_later(_WIDE_AFTER_S, self._widen, gate, attempts)

    def _widen(self, gate: EgressGate, attempts: int) -> None:
        if gate not in self._ajar:
            return  # shut again by now, or all closed
        if gate.held() and attempts > 1:
            self._widen_later(gate, attempts - 1)
            return
        gate.open_wide()
        self._ajar.discard(gate)
        self._call_settled()

    def _call_settled(self) -> None:
        if self._settled and not self._is_between():
            asyncio.get_running_loop().call_soon(self.wait_no_longer)

    def _over(self, mn_id: str, running: _Running) -> None:
        del self._running[mn_id]
        if running.machine.first_held_at is not None:
            self._served.add(mn_id)
        then = self._afterwards.pop(mn_id, None)
        if then is not None:
            asyncio.get_running_loop().call_soon(then)
        self._call_settled()
        if running.timer is not None:
            running.timer.cancel()
        now, first = self._clock(), running.machine.first_held_at
        held_ms = 0.0 if first is None else (now - first) * 1000
        _log.info(
            "event=taken_over mn_id=%s outcome=%s held_frames=%d held_ms=%.2f after_ms=%.2f", mn_id,
            running.machine.outcome, running.machine.held_most, held_ms, (now - running.began_at) * 1000,
        )

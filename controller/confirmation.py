# SPDX-License-Identifier: Apache-2.0
"""What is wanted of each switch, by generation, and who waits for the switch to confirm it.

An answer that promises forwarding (the PBA, the reply to an agent's request) leaves only after the barrier.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.commands import Command, SetForwarding
from controller.handover import HandoverInput
from southbound.openflow.intents import Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Commands that are held back until every switch in `needs` has confirmed its generation."""

    needs: dict[str, int]
    deadline: float
    then: tuple[Command, ...]
    otherwise: tuple[Command, ...]
    handover_id: str = ""
    advance: HandoverInput | None = None
    """What the handover does when the wait is over."""


@dataclass(slots=True)
class _Switch:
    connected: bool = False
    intent: Intent | None = None
    wanted: int = 0
    confirmed: int = 0
    error: str = ""


@dataclass(slots=True)
class Confirmations:
    """Generations of all switches and the waits on them."""

    _switches: dict[str, _Switch] = field(default_factory=dict)
    _waits: list[Wait] = field(default_factory=list)

    def add_switch(self, name: str) -> None:
        """Make a switch known; it starts disconnected."""
        self._switches[name] = _Switch()

    def names(self) -> tuple[str, ...]:
        """All switches."""
        return tuple(self._switches)

    def is_connected(self, name: str) -> bool:
        """Whether the switch can be given rules now."""
        return self._switches[name].connected

    def set_connected(self, name: str, connected: bool) -> None:
        """The OpenFlow connection of the switch has come or gone."""
        self._switches[name].connected = connected

    def want(self, name: str, intent: Intent) -> SetForwarding | None:
        """The command that brings the switch to `intent`, or None when that is wanted already."""
        switch = self._switches[name]
        if switch.intent == intent:
            return None
        switch.intent, switch.wanted = intent, switch.wanted + 1
        return SetForwarding(switch=name, intent=intent, generation=switch.wanted)

    def repeat(self, name: str) -> SetForwarding | None:
        """The same wish under a new generation, for a switch that has come back."""
        switch = self._switches[name]
        if switch.intent is None:
            return None
        switch.wanted += 1
        return SetForwarding(switch=name, intent=switch.intent, generation=switch.wanted)

    def generation(self, name: str) -> int:
        """The generation that is wanted now."""
        return self._switches[name].wanted

    def state(self, name: str) -> tuple[bool, int, int, str]:
        """connected, wanted, confirmed generation, last error ('' when none)."""
        switch = self._switches[name]
        return switch.connected, switch.wanted, switch.confirmed, switch.error

    def intent(self, name: str) -> Intent | None:
        """What is wanted of the switch now."""
        return self._switches[name].intent

    def hold(self, wait: Wait) -> Wait | None:
        """Keep the wait; or hand it back at once when everything it needs is confirmed already."""
        if self._is_met(wait):
            return wait
        self._waits.append(wait)
        return None

    def confirmed(self, name: str, generation: int) -> list[Wait]:
        """The waits that this confirmation ends."""
        switch = self._switches[name]
        switch.confirmed, switch.error = max(switch.confirmed, generation), ""
        met = [wait for wait in self._waits if self._is_met(wait)]
        self._waits = [wait for wait in self._waits if wait not in met]
        return met

    def failed(self, name: str, generation: int, reason: str) -> list[Wait]:
        """The waits that can no longer be met, because the switch refused the change they need."""
        self._switches[name].error = reason
        lost = [wait for wait in self._waits if wait.needs.get(name, generation + 1) <= generation]
        self._waits = [wait for wait in self._waits if wait not in lost]
        return lost

    def expire(self, now: float) -> list[Wait]:
        """The waits whose time is up."""
        lost = [wait for wait in self._waits if wait.deadline <= now]
        self._waits = [wait for wait in self._waits if wait.deadline > now]
        return lost

    def next_deadline(self) -> float | None:
        """When `expire` has something next."""
        return min((wait.deadline for wait in self._waits), default=None)

    def _is_met(self, wait: Wait) -> bool:
        return all(self._switches[name].confirmed >= generation for name, generation in wait.needs.items())

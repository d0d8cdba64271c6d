# SPDX-License-Identifier: Apache-2.0
"""What one event leads to, and how an answer is held back until the switches have confirmed what it promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from controller.commands import (
    Command,
    RecordEvent,
    RejectAgent,
    RespondToAgent,
)
from controller.confirmation import Wait
from controller.handover import Handover, HandoverInput
from controller.state import LmaState


@dataclass(slots=True)
class Reaction:
    """What one event leads to."""

    commands: list[Command] = field(default_factory=list)
    dirty: set[str] = field(default_factory=set)
    """Switches of which something else may be wanted now."""
    waits: Callable[[LmaState], list[Wait]] | None = None
    first: frozenset[str] = frozenset()
    """Those of them that are told before the others, because somebody waits for them."""

    def wait_for(self, waits: Callable[[LmaState], list[Wait]]) -> None:
        """Hold these answers, too."""
        present = self.waits
        self.waits = waits if present is None else lambda state: [*present(state), *waits(state)]

    def add(self, other: Reaction) -> None:
        """What else the event leads to, after what it has led to so far."""
        self.commands += other.commands
        self.dirty |= other.dirty
        self.first |= other.first
        if other.waits is not None:
            self.wait_for(other.waits)


def ignored(state: LmaState, mag_id: str, reason: str) -> Reaction:
    """An agent's message changes nothing; `reason` is a name of ours, and counted."""
    state.count(f"agent_message_ignored.{reason}")
    return Reaction([RecordEvent(name="agent_message_ignored", fields={"mag_id": mag_id, "reason": reason})])


def facts_of(handover: Handover) -> dict[str, Any]:
    """What every event about a handover says of it."""
    return {
        "handover_id": handover.handover_id,
        "mn_id": handover.mn_id,
        "previous_mag": handover.previous_mag,
        "new_mag": handover.new_mag,
        "trigger": handover.trigger,
        "state": handover.state.value,
    }


def answer_when_confirmed(
    mag_id: str,
    token: int,
    handover: Handover,
    switches: set[str],
    what: HandoverInput,
    now: float,
    also: set[str] | None = None,
) -> Reaction:
    """Answer the agent, and move the handover on, when all `switches` have confirmed; `also` is only refreshed."""
    done = RespondToAgent(mag_id=mag_id, token=token, result={})

    def wait(state: LmaState) -> list[Wait]:
        return [wait_for(state, switches, now, done, mag_id, token, handover.handover_id, what)]

    return Reaction([], switches | (also or set()), wait, frozenset(switches))


def wait_for(
    state: LmaState,
    switches: set[str],
    now: float,
    done: RespondToAgent,
    mag_id: str,
    token: int,
    handover_id: str = "",
    what: HandoverInput | None = None,
) -> Wait:
    """`done` when the switches have confirmed what is wanted of them now; in time, or the agent gets `unavailable`."""
    return Wait(
        needs={name: state.switches.generation(name) for name in switches},
        deadline=now + state.domain.timers.switch_confirmation_timeout_ms / 1000,
        then=(done,),
        otherwise=(RejectAgent(mag_id=mag_id, token=token, code="unavailable", message=""),),
        handover_id=handover_id,
        advance=what,
    )


def followed_by(waits: Callable[[LmaState], list[Wait]] | None, command: Command) -> Callable[[LmaState], list[Wait]]:
    """The same waits, each followed by one more command."""

    def extended(state: LmaState) -> list[Wait]:
        return [replace(wait, then=(*wait.then, command)) for wait in (waits(state) if waits else [])]

    return extended

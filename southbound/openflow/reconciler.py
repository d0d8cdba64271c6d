# SPDX-License-Identifier: Apache-2.0
"""The owner of one switch's rules: wanted against confirmed. Sans-IO; time comes in as `now` (seconds, any origin).

Each input returns what is to be done or told, in order: a `Batch` to send, or an outcome. At most one batch is under
way. A want that comes meanwhile waits, and only the newest waits. Generations increase; Confirmed, Incomplete and
Failed of a generation settle every earlier one too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from southbound.openflow.changes import Change, plan
from southbound.openflow.compiler import compile_intent
from southbound.openflow.intents import Intent, SwitchRole
from southbound.openflow.ports import installable, renamed
from southbound.openflow.rules import OpenFlowInvariantError, SwitchRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Modifications to send now, followed by a barrier. More than one goes as one atomic, ordered bundle.

    Answer with `batch_confirmed` when the barrier reply comes, or `batch_failed` when any of its messages is refused.
    """

    batch_id: int
    """1, 2, ... in the life of one Reconciler; also the bundle id."""
    generation: int
    changes: tuple[Change, ...]
    ports: Mapping[str, int]
    """Port numbers to encode with."""

    @property
    def needs_bundle(self) -> bool:
        """Whether the changes must go together or not at all."""
        return len(self.changes) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The switch does all that was wanted in this generation."""

    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Incomplete:
    """The switch does what was wanted, but for what needs ports that it does not have.

    No confirmation: the rest goes in when the ports appear, and is told then. Whether it matters is for the core to
    say; the access port of an MN that has left is no loss, a missing tunnel port is.
    """

    generation: int
    missing_ports: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """What was wanted is not in force now. The reconciler goes on trying: Confirmed of this generation may follow."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncRequired:
    """What the switch has is in doubt: read its ports, flows and groups again and call `connected`."""

    reason: str


Outcome = Batch | Confirmed | Incomplete | Failed | ResyncRequired


class State(Enum):
    """How far one switch is known."""

    AWAY = "away"
    """No connection; what it has is not known."""
    READING = "reading"
    """Connected; waiting for `connected` with what it has."""
    DOUBTFUL = "doubtful"
    """Refused a batch repeatedly; waiting before it is read again."""
    READY = "ready"
    APPLYING = "applying"
    """One batch is under way."""


class Reconciler:
    """Takes one switch to what is wanted of it, and says when it is there."""

    def __init__(
        self,
        role: SwitchRole,
        *,
        confirmation_timeout_s: float = 2.0,
        retry_after_s: float = 1.0,
        retry_after_max_s: float = 30.0,
    ) -> None:
        """`confirmation_timeout_s`: a batch without barrier reply for so long has failed (topology.settings.Timers)."""
        self.role = role
        self.state = State.AWAY
        self.counters: Counter[str] = Counter()
        """batches, changes, resyncs, and by name what went wrong: batch_refused, batch_unanswered, batch_abandoned,
        late_result (an answer to a batch that is no longer under way)."""
        self._confirmation_timeout_s = confirmation_timeout_s
        self._retry_after_s = retry_after_s
        self._retry_after_max_s = retry_after_max_s
        self._intent: Intent | None = None
        self._wanted: SwitchRules | None = None
        self._generation = 0
        self._installed = SwitchRules()
        self._ports: Mapping[str, int] = MappingProxyType({})
        self._batch: Batch | None = None
        self._batch_target = SwitchRules()
        self._batch_missing: frozenset[str] = frozenset()
        self._batches_made = 0
        self._failures = 0
        self._told: Confirmed | Incomplete | Failed | None = None
        self._deadline: float | None = None

    @property
    def ports(self) -> Mapping[str, int]:
        """Number by name of the ports that the switch had when it was last read."""
        return self._ports

    @property
    def installed(self) -> SwitchRules:
        """What the switch is known to have, as of the last confirmation or reading."""
        return self._installed

    @property
    def wanted(self) -> SwitchRules | None:
        """What the switch shall have; None before the first want."""
        return self._wanted

    # --- inputs ------------------------------------------------------------------------------------------------------

    def want(self, intent: Intent, generation: int, now: float) -> list[Outcome]:
        """Replace what is wanted. `generation` is not less than the last one.

        Not connected: Failed at once; the want stays and is carried out on `connected`.
        """
        if generation < self._generation:
            raise OpenFlowInvariantError(f"{self.role.name}: generation {generation} after {self._generation}")
        changed = intent != self._intent
        if changed:
            self._intent, self._wanted = intent, compile_intent(intent, self.role)
        self._generation = generation
        if self.state is State.AWAY:
            return self._tell(Failed(generation=generation, reason="switch is not connected"))
        if self.state is State.DOUBTFUL and changed:
            return self._read("a new want after a refusal", now)
        return self._advance(now)

    def connected(self, ports: Mapping[str, int], observed: SwitchRules, now: float) -> list[Outcome]:
        """The switch is there with these ports (name -> number) and these rules of ours, named by the same ports.

        For each new connection and each ResyncRequired. Before the first want nothing is changed: a controller that has
        just started must not take away what still serves listeners.
        """
        self._abandon_batch()
        self.counters["resyncs"] += 1
        self._ports = MappingProxyType(dict(ports))
        self._installed = observed
        self._become(State.READY)
        return self._advance(now)

    def disconnected(self) -> list[Outcome]:
        """The connection is gone. The switch keeps what it has; a batch under way may have been applied or not."""
        self._abandon_batch()
        self._failures = 0
        self._become(State.AWAY)
        unsettled = self._wanted is not None and (self._told is None or self._told.generation < self._generation)
        return self._tell(Failed(generation=self._generation, reason="switch disconnected")) if unsettled else []

    def ports_changed(self, ports: Mapping[str, int], now: float) -> list[Outcome]:
        """The switch's ports are now these (name -> number). Rules for renumbered ports are replaced."""
        before, self._ports = self._ports, MappingProxyType(dict(ports))
        self._installed = renamed(self._installed, before, self._ports)
        if self._batch is not None:
            self._batch_target = renamed(self._batch_target, before, self._ports)
        return self._advance(now)

    def batch_confirmed(self, batch_id: int, now: float) -> list[Outcome]:
        """The barrier reply of the batch has come, and no error before it."""
        batch = self._take_batch(batch_id)
        if batch is None:
            return []
        self._installed, missing = self._batch_target, self._batch_missing
        self._failures = 0
        self._become(State.READY)
        # An older generation is told as done now; the newest is told by _advance once nothing is left to do for it.
        told = self._tell_done(batch.generation, missing) if batch.generation < self._generation else []
        return told + self._advance(now)

    def batch_failed(self, batch_id: int, reason: str, now: float) -> list[Outcome]:
        """A message of the batch was refused. `reason`: the error's type and code in words, for the operator."""
        batch = self._take_batch(batch_id)
        if batch is None:
            return []
        self.counters["batch_refused"] += 1
        return self._failed(batch, reason, now)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, or None."""
        return self._deadline

    def tick(self, now: float) -> list[Outcome]:
        """Time has passed."""
        if self._deadline is None or now < self._deadline:
            return []
        if self._batch is not None:
            batch = self._batch
            self.counters["batch_unanswered"] += 1
            return self._failed(batch, f"no barrier reply within {self._confirmation_timeout_s} s", now)
        return self._read("asked again" if self.state is State.READING else "retry after a refusal", now)

    # --- steps -------------------------------------------------------------------------------------------------------

    def _advance(self, now: float) -> list[Outcome]:
        if self.state is not State.READY or self._wanted is None:
            return []
        target, missing = installable(self._wanted, self._ports)
        changes = plan(self._installed, target)
        if not changes:
            return self._tell_done(self._generation, missing)
        self._batches_made += 1
        self.counters["batches"] += 1
        self.counters["changes"] += len(changes)
        self._batch_target, self._batch_missing = target, missing
        self._batch = Batch(
            batch_id=self._batches_made, generation=self._generation, changes=changes, ports=self._ports
        )
        self._become(State.APPLYING, now + self._confirmation_timeout_s)
        return [self._batch]

    def _failed(self, batch: Batch, reason: str, now: float) -> list[Outcome]:
        self._batch = None
        self._failures += 1
        told = self._tell(Failed(generation=batch.generation, reason=reason))
        if self._failures == 1:
            # Most likely the switch has something else than we think; reading it again tells.
            return told + self._read(reason, now)
        wait = self._retry_after_s * 2 ** min(self._failures - 2, 16)
        self._become(State.DOUBTFUL, now + min(wait, self._retry_after_max_s))
        return told

    def _read(self, reason: str, now: float) -> list[Outcome]:
        self._become(State.READING, now + self._confirmation_timeout_s)
        return [ResyncRequired(reason=reason)]

    def _take_batch(self, batch_id: int) -> Batch | None:
        batch = self._batch
        if batch is None or batch.batch_id != batch_id:
            self.counters["late_result"] += 1
            return None
        self._batch = None
        return batch

    def _abandon_batch(self) -> None:
        if self._batch is not None:
            self.counters["batch_abandoned"] += 1
        self._batch, self._batch_target = None, SwitchRules()

    def _become(self, state: State, deadline: float | None = None) -> None:
        self.state, self._deadline = state, deadline

    def _tell_done(self, generation: int, missing: frozenset[str]) -> list[Outcome]:
        if missing:
            return self._tell(Incomplete(generation=generation, missing_ports=missing))
        return self._tell(Confirmed(generation=generation))

    def _tell(self, outcome: Confirmed | Incomplete | Failed) -> list[Outcome]:
        """Say it once: what was told last is not news."""
        if outcome == self._told:
            return []
        self._told = outcome
        return [outcome]

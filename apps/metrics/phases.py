# SPDX-License-Identifier: Apache-2.0
"""How long the parts of a handover take, by the times of its steps (the draft's Figure 2)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

HANDOVERS_TIMED_MAX = 1000
"""Handovers whose steps are kept until they end."""
PHASES = ("prepare", "move", "complete")
BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_CLONE_CONFIRMED = (4, 42)
"""The p-MAG's half of step 4: its HAck to HI with F leaves when the switch has confirmed the clone."""


class PhaseMetrics:
    """Histograms of the phases."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._phases = Histogram(
            "castover_handover_phase_seconds",
            "prepare: HO-Initiate to clone confirmed; move: MN left to delivery; complete: HO-Initiate to last HAck.",
            ["phase"], buckets=BUCKETS_S, registry=registry,
        )
        self._discarded = Counter(
            "castover_handover_phases_discarded", "Phases that were not measured, by reason.", ["reason"], registry=registry
        )
        for phase in PHASES:
            self._phases.labels(phase)
        self._begun: OrderedDict[str, _Times] = OrderedDict()

    def step(self, fields: dict[str, Any]) -> None:
        """A step of some handover has been reached: the fields of the event `handover_step`."""
        times = self._begun.get(fields["handover_id"])
        if times is None:
            if fields["step"] != 1:
                return
            if len(self._begun) >= HANDOVERS_TIMED_MAX:
                self._begun.popitem(last=False)
                self._discarded.labels("too_many_handovers").inc()
            times = self._begun[fields["handover_id"]] = _Times()
        for phase, seconds in times.step(fields["step"], fields["node"], fields["at"]):
            if seconds < 0:
                # Steps of two nodes are on two clocks.
                self._discarded.labels("clocks_differ").inc()
            else:
                self._phases.labels(phase).observe(seconds)

    def ended(self, handover_id: str) -> None:
        """Nothing more will come of this handover."""
        self._begun.pop(handover_id, None)


class _Times:
    """First time of the steps of one handover from which phases are measured."""

    __slots__ = ("_initiate", "_left", "_measured", "_previous_mag")

    def __init__(self) -> None:
        self._initiate: float | None = None
        self._left: float | None = None
        self._previous_mag = ""
        self._measured: set[str] = set()

    def step(self, step: int, node: str, at: float) -> Iterable[tuple[str, float]]:
        """The phases that this step ends, with their seconds."""
        if step == 1 and self._initiate is None:
            self._initiate, self._previous_mag = at, node
        elif step in _CLONE_CONFIRMED and node == self._previous_mag:
            yield from self._since(self._initiate, "prepare", at)
        elif step == 6 and self._left is None:
            self._left = at
        elif step == 7:
            yield from self._since(self._left, "move", at)
        elif step == 11 and node != self._previous_mag:
            yield from self._since(self._initiate, "complete", at)

    def _since(self, begin: float | None, phase: str, at: float) -> Iterable[tuple[str, float]]:
        if begin is not None and phase not in self._measured:
            self._measured.add(phase)
            yield phase, at - begin

# SPDX-License-Identifier: Apache-2.0
"""Prometheus metrics: what events tell as it happens, and what the core knows at the time of asking. docs/rest.md."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controller.commands import RecordEvent
from controller.snapshot import Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HANDOVERS_TIMED_MAX = 1000
"""Handovers whose steps are kept until they end."""
OUTCOMES = ("completed", "failed", "cancelled")
PHASES = ("prepare", "move", "complete")
_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_PROXY_BINDING_UPDATE = "proxy_binding_update"
_CLONE_CONFIRMED = (4, 42)
"""The p-MAG's half of step 4: its HAck to HI with F leaves when the switch has confirmed the clone."""


class Metrics:
    """A registry of our own. `snapshot` gives the core's picture, `dropped` what the edge dropped by (part, reason)."""

    def __init__(
        self, snapshot: Callable[[], Snapshot], dropped: Callable[[], dict[tuple[str, str], int]] = dict
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._handovers = Counter(
            "castover_handovers", "Handovers that have ended, by outcome.", ["outcome"], registry=self.registry
        )
        self._phases = Histogram(
            "castover_handover_phase_seconds",
            "prepare: HO-Initiate to clone confirmed; move: MN left to delivery; complete: HO-Initiate to last HAck.",
            ["phase"], buckets=_BUCKETS_S, registry=self.registry,
        )
        self._discarded = Counter(
            "castover_handover_phases_discarded", "Phases that were not measured, by reason.", ["reason"],
            registry=self.registry,
        )
        self._requests = Counter(
            "castover_rest_requests", "Answers of the REST API.", ["method", "route", "status"], registry=self.registry
        )
        for outcome in OUTCOMES:
            self._handovers.labels(outcome)
        for phase in PHASES:
            self._phases.labels(phase)
        self._begun: OrderedDict[str, _Times] = OrderedDict()
        ProcessCollector(registry=self.registry)
        self.registry.register(_CoreCollector(snapshot, dropped))

    def observe(self, fact: RecordEvent, at: float) -> None:  # noqa: ARG002 - a listener of the executor
        """Count one event."""
        if fact.name == "handover_step":
            self._step(fact.fields)
        elif fact.name == "handover_ended":
            self._handovers.labels(fact.fields["state"]).inc()
            self._begun.pop(fact.fields["handover_id"], None)

    def answered(self, method: str, route: str, status: int) -> None:
        """Count one answer; `method` and `route` are of the routing table, never what a client sent."""
        self._requests.labels(method, route, str(status)).inc()

    def exposition(self) -> bytes:
        """All metrics in the text format 0.0.4."""
        return generate_latest(self.registry)

    def _step(self, fields: dict[str, Any]) -> None:
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


class _CoreCollector(Collector):
    """Reads the core once for each scrape."""

    def __init__(
        self, snapshot: Callable[[], Snapshot], dropped: Callable[[], dict[tuple[str, str], int]]
    ) -> None:
        self._snapshot = snapshot
        self._dropped = dropped

    def collect(self) -> Iterable[Metric]:
        """All families."""
        picture = self._snapshot()
        agents = GaugeMetricFamily("castover_agent_connected", "1 when the MAG's agent is connected.", labels=["mag"])
        nodes = GaugeMetricFamily("castover_mobile_nodes_attached", "Mobile nodes on a MAG's links.", labels=["mag"])
        for mag in picture.mags:
            agents.add_metric([mag["id"]], mag["agent_connected"])
            nodes.add_metric([mag["id"]], len(mag["mobile_nodes"]))
        switches = GaugeMetricFamily("castover_switch_connected", "1 when the switch is connected.", labels=["switch"])
        for switch in picture.switches:
            switches.add_metric([switch["name"]], switch["connected"])
        yield from (agents, nodes, switches)
        yield GaugeMetricFamily("castover_bindings", "Entries of the binding cache.", value=len(picture.bindings))
        under_way = sum(handover["state"] not in OUTCOMES for handover in picture.handovers)
        yield GaugeMetricFamily("castover_handovers_under_way", "Handovers that have not ended.", value=under_way)
        yield from self._counters(picture)

    def _counters(self, picture: Snapshot) -> Iterable[Metric]:
        updates = CounterMetricFamily(
            "castover_proxy_binding_updates", "PBUs by the status of their PBA (RFC 5213 section 8.9).",
            labels=["status"],
        )
        drops = CounterMetricFamily(
            "castover_drops", "What was dropped, ignored or refused, by the part that did and why.",
            labels=["part", "mag", "reason"],
        )
        for name, count in sorted(picture.counters.items()):
            part, _, reason = name.partition(".")
            if part == _PROXY_BINDING_UPDATE:
                updates.add_metric([reason], count)
            else:
                drops.add_metric([part, "", reason], count)
        for (part, reason), count in sorted(self._dropped().items()):
            drops.add_metric([part, "", reason], count)
        for mag in picture.mags:
            for reason, count in sorted(mag["counters"].items()):
                drops.add_metric(["agent", mag["id"], reason], count)
        yield from (updates, drops)

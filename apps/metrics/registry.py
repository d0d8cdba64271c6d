# SPDX-License-Identifier: Apache-2.0
"""All metrics together: what events tell as it happens, and what the core knows at the time of asking."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from apps.metrics.buffer import BufferMetrics
from apps.metrics.core_collector import OUTCOMES, CoreCollector, Rules
from apps.metrics.phases import BUCKETS_S, PhaseMetrics
from controller.commands import RecordEvent
from controller.snapshot import Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_RPC_BUCKETS_S = (0.0001, 0.0002, 0.0005, *BUCKETS_S)


class Metrics:
    """A registry of our own. `snapshot` gives the core's picture, `dropped` what the edge dropped by (part, reason)."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        dropped: Callable[[], dict[tuple[str, str], int]],
        rules: Rules,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._handovers = Counter(
            "castover_handovers", "Handovers that have ended, by outcome.", ["outcome"], registry=self.registry
        )
        for outcome in OUTCOMES:
            self._handovers.labels(outcome)
        self._phases = PhaseMetrics(self.registry)
        self._buffers = BufferMetrics(self.registry, [mag["id"] for mag in snapshot().mags])
        self._requests = Counter(
            "castover_rest_requests", "Answers of the REST API.", ["method", "route", "status"], registry=self.registry
        )
        self._rpc = Histogram(
            "castover_rpc_seconds",
            "From a call to its answer. to_agent: the controller waits; from_agent: the agent does, all confirmed.",
            ["direction", "method", "outcome"], buckets=_RPC_BUCKETS_S, registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        self.registry.register(CoreCollector(snapshot, dropped, rules))

    def observe(self, fact: RecordEvent, at: float) -> None:  # noqa: ARG002 - a listener of the executor
        """Count one event."""
        if fact.name == "handover_step":
            self._phases.step(fact.fields)
        elif fact.name == "buffer_report":
            self._buffers.report(fact.fields["mag_id"], fact.fields)
        elif fact.name == "handover_ended":
            self._handovers.labels(fact.fields["state"]).inc()
            self._phases.ended(fact.fields["handover_id"])

    def answered(self, method: str, route: str, status: int) -> None:
        """Count one answer of REST; `method` and `route` are of the routing table, never what a client sent."""
        self._requests.labels(method, route, str(status)).inc()

    def called(self, direction: str, method: str, outcome: str, seconds: float) -> None:
        """One call between controller and agents is over (`apps.agent_server.AgentServer.on_timed`)."""
        self._rpc.labels(direction, method, outcome).observe(seconds)

    def exposition(self) -> bytes:
        """All metrics in the text format 0.0.4."""
        return generate_latest(self.registry)

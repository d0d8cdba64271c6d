# SPDX-License-Identifier: Apache-2.0
"""What the core and the switches know, read once for each scrape."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controller.snapshot import Snapshot
from southbound.codec.iana import BindingStatus
from southbound.openflow.rules import SwitchRules

OUTCOMES = ("completed", "failed", "cancelled")
_PROXY_BINDING_UPDATE = "proxy_binding_update"
_MESSAGE = re.compile(
    r"(sent|received)_(handover_initiate|handover_acknowledge|proxy_binding_update|proxy_binding_acknowledgement)_(\w+)"
)
"""southbound.agent.journal.Journal.messages."""


class Rules(Protocol):
    """What the collector needs of `apps.datapaths.Datapaths`."""

    def rules(self, name: str) -> SwitchRules:
        """What the switch is known to have."""


class CoreCollector(Collector):
    """`dropped`: what the edge dropped, by (part, reason)."""

    def __init__(
        self, snapshot: Callable[[], Snapshot], dropped: Callable[[], dict[tuple[str, str], int]], rules: Rules
    ) -> None:
        self._snapshot = snapshot
        self._dropped = dropped
        self._rules = rules

    def collect(self) -> Iterable[Metric]:
        """All families."""
        picture = self._snapshot()
        agents = GaugeMetricFamily("castover_agent_connected", "1 when the MAG's agent is connected.", labels=["mag"])
        nodes = GaugeMetricFamily("castover_mobile_nodes_attached", "Mobile nodes on a MAG's links.", labels=["mag"])
        for mag in picture.mags:
            agents.add_metric([mag["id"]], mag["agent_connected"])
            nodes.add_metric([mag["id"]], len(mag["mobile_nodes"]))
        yield from (agents, nodes)
        yield GaugeMetricFamily("castover_bindings", "Entries of the binding cache.", value=len(picture.bindings))
        under_way = sum(handover["state"] not in OUTCOMES for handover in picture.handovers)
        yield GaugeMetricFamily("castover_handovers_under_way", "Handovers that have not ended.", value=under_way)
        yield from self._switches(picture)
        yield from self._counters(picture)
        yield self._messages(picture)

    def _switches(self, picture: Snapshot) -> Iterable[Metric]:
        connected = GaugeMetricFamily("castover_switch_connected", "1 when the switch is connected.", labels=["switch"])
        behind = GaugeMetricFamily(
            "castover_switch_generations_behind", "Changes wanted of the switch that it has not confirmed.",
            labels=["switch"],
        )
        rules = GaugeMetricFamily(
            "castover_switch_rules", "Flows and groups of ours that the switch has confirmed.", labels=["switch", "kind"]
        )
        for switch in picture.switches:
            name = switch["name"]
            connected.add_metric([name], switch["connected"])
            behind.add_metric([name], switch["wanted_generation"] - switch["confirmed_generation"])
            found = self._rules.rules(name)
            rules.add_metric([name, "flow"], len(found.flows))
            rules.add_metric([name, "group"], len(found.groups))
        yield from (connected, behind, rules)

    def _counters(self, picture: Snapshot) -> Iterable[Metric]:
        updates = CounterMetricFamily(
            "castover_proxy_binding_updates", "PBUs by the status of their PBA (RFC 5213 section 8.9).",
            labels=["status"],
        )
        drops = CounterMetricFamily(
            "castover_drops", "What was dropped, ignored or refused, by the part that did and why.",
            labels=["part", "mag", "reason"],
        )
        # From the start, so that Prometheus sees the first of each come (`apps.metrics.buffer`).
        by_status = dict.fromkeys((str(status.value) for status in BindingStatus), 0)
        for name, count in sorted(picture.counters.items()):
            part, _, reason = name.partition(".")
            if part == _PROXY_BINDING_UPDATE:
                by_status[reason] = count
            else:
                drops.add_metric([part, "", reason], count)
        for status, count in by_status.items():
            updates.add_metric([status], count)
        for (part, reason), count in sorted(self._dropped().items()):
            drops.add_metric([part, "", reason], count)
        for mag in picture.mags:
            for reason, count in sorted(mag["counters"].items()):
                drops.add_metric(["agent", mag["id"], reason], count)
        yield from (updates, drops)

    def _messages(self, picture: Snapshot) -> Metric:
        family = CounterMetricFamily(
            "castover_mobility_messages",
            "Mobility Header messages of a MAG; code: of HAck and PBA, of HI its purpose, of PBU what it asks for.",
            labels=["mag", "direction", "message", "code"],
        )
        for mag in picture.mags:
            for name, count in sorted(mag["messages"].items()):
                found = _MESSAGE.fullmatch(name)
                if found is not None:
                    family.add_metric([mag["id"], *found.groups()], count)
        return family

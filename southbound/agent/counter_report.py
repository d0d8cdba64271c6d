# SPDX-License-Identifier: Apache-2.0
"""What a MAG tells the controller of its drops: agent.counters, when something has changed since it was told last.

Of all that core and sockets count, this takes what did not go as it was meant to, and leaves out mere traffic.
"""

from __future__ import annotations

from collections.abc import Mapping

from southbound.rpc.methods import COUNTER_NAME, AgentCounters
from southbound.rpc.parameters import COUNTERS_MAX

OTHERS = "others"
"""Sum of what found no place of its own among COUNTERS_MAX names."""

NOT_DROPS = frozenset(
    {
        "changes", "received", "relayed", "retained", "sent", "sent_seen", "sent_seen_other", "takeover_exact",
        "takeover_not_yet", "takeover_overdue", "takeover_quiet", "takeover_ungated", "tunnel_sent",
        "uplink_in_order",
    }
)
"""Counters of sockets, of the kept packets and of the takeovers for what went well."""


class CounterReport:
    """Remembers what has been told on the present connection, and which names have a place."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._told: AgentCounters | None = None

    def connected(self) -> None:
        """Another controller, perhaps: the next report is due even without a change."""
        self._told = None

    def due(
        self, parts: Mapping[str, Mapping[str, int]], messages: Mapping[str, int] | None = None
    ) -> AgentCounters | None:
        """The report when it differs from the last one, else None.

        `parts`: counters since the agent's start, by part; a name becomes `<part>_<name>`, and stays as it is in the
        part ''. `messages`: how many of each kind went in and out (journal.Journal.messages).
        """
        report = AgentCounters(counters=self._sum(parts), messages=_bounded(messages or {}))
        if report == self._told:
            return None
        self._told = report
        return report

    def _sum(self, parts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
        found: dict[str, int] = {}
        for part, counters in parts.items():
            for name, count in counters.items():
                if count <= 0 or name in NOT_DROPS:
                    continue
                key = self._place(f"{part}_{name}" if part else name)
                found[key] = found.get(key, 0) + count
        return found

    def _place(self, name: str) -> str:
        # A name that has a place keeps it: what Prometheus reads may only grow.
        if name not in self._names:
            if len(self._names) >= COUNTERS_MAX - 1 or COUNTER_NAME.fullmatch(name) is None:
                return OTHERS
            self._names.add(name)
        return name


def _bounded(messages: Mapping[str, int]) -> dict[str, int]:
    """Codes come from peers, so there may be many: the first kinds have a place each, the sum of the rest one."""
    kinds = list(messages.items())
    kept = dict(kinds[: COUNTERS_MAX - 1])
    rest = sum(count for _, count in kinds[COUNTERS_MAX - 1 :])
    return kept | ({OTHERS: rest} if rest else {})

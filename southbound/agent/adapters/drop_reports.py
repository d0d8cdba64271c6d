# SPDX-License-Identifier: Apache-2.0
"""What one agent says of its drops, once a second: to the log what is due, to the controller what has changed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from southbound.agent.adapters.rpc_client import RpcClient
from southbound.agent.commands import PACKET_DROPPED, RecordFact
from southbound.agent.counter_report import CounterReport
from southbound.drop_log import DropLog, DropSummary
from southbound.fact_log import log_fact

_log = logging.getLogger("castover.mag")
_EVERY_S = 1.0


class DropReports:
    """`counters()` are those of all parts, `messages()` how many went in and out (both as in CounterReport.due)."""

    def __init__(
        self,
        rpc: RpcClient,
        counters: Callable[[], Mapping[str, Mapping[str, int]]],
        messages: Callable[[], Mapping[str, int]],
    ) -> None:
        self._rpc, self._counters, self._messages = rpc, counters, messages
        self._lines, self._report = DropLog(), CounterReport()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """In the running loop."""
        self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self.start)
        self._log(self._lines.tick(time.monotonic()))
        if self._rpc.connected:
            self._tell()

    def close(self) -> None:
        """The last lines."""
        if self._timer is not None:
            self._timer.cancel()
        self._log(self._lines.rest())

    def dropped(self, fact: RecordFact) -> None:
        """One more; the first of its reason is a line at once."""
        if self._lines.drop(str(fact.fields["reason"]), time.monotonic()):
            log_fact(_log, fact.name, fact.fields, time.time())

    def connected(self) -> None:
        """A controller is there, perhaps another one: it is told all."""
        self._report.connected()
        self._tell()

    def _log(self, summaries: list[DropSummary]) -> None:
        for summary in summaries:
            log_fact(_log, PACKET_DROPPED, summary.fields(time.time() - time.monotonic()))

    def _tell(self) -> None:
        report = self._report.due(self._counters(), self._messages())
        if report is not None:
            self._rpc.notify(report)

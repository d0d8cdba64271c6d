# SPDX-License-Identifier: Apache-2.0
"""The journal in a process: what has happened becomes lines of the log a moment later, and the answer to handover.trace."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from southbound.agent.commands import PACKET_DROPPED, RecordFact
from southbound.agent.journal import Journal, Noted
from southbound.fact_log import log_fact
from southbound.rpc.methods import facts_to_wire

_WRITE_UP_AFTER_S = 0.05
"""A handover's next message goes first."""


class Storyteller:
    """Of one agent; lives in the running loop."""

    def __init__(self, journal: Journal, logger: logging.Logger) -> None:
        self.journal = journal
        self._log = logger
        self._timer: asyncio.TimerHandle | None = None

    def note(self, what: Noted | object) -> None:
        """An event comes in or a command goes out; what is no part of any story is passed over."""
        if isinstance(what, RecordFact) and what.name == PACKET_DROPPED:
            return  # anybody can cause as many as he likes: those are rationed elsewhere
        self.journal.note(what, time.time())
        if self._timer is None and self.journal.waiting:
            self._timer = asyncio.get_running_loop().call_later(_WRITE_UP_AFTER_S, self._write_up)

    async def trace(self, handover_id: str) -> dict[str, Any]:
        """What is known of one handover, as the answer to TraceHandover."""
        while self.journal.waiting:
            self._write_up()
            await asyncio.sleep(0)  # packets first
        return facts_to_wire(self.journal.memory.of(handover_id))

    def close(self) -> None:
        """The last lines."""
        while self.journal.waiting:
            self._write_up()
        if self._timer is not None:
            self._timer.cancel()

    def _write_up(self) -> None:
        self._timer = None
        for fact in self.journal.write_up():
            log_fact(self._log, fact.name, fact.fields, fact.at)
        if self.journal.waiting:
            self._timer = asyncio.get_running_loop().call_later(0, self._write_up)

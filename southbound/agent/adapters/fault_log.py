# SPDX-License-Identifier: Apache-2.0
"""Faults of ours in the log: those that are contained once for each place, and the one that ends the process."""

from __future__ import annotations

import logging
import os
import traceback
from typing import NoReturn

from southbound.agent.commands import ReportFault
from southbound.facts import fact_line

FAULT_STATUS = 70
"""EX_SOFTWARE of sysexits.h; the controller ends so, too. Who runs the agent starts it anew."""


class FaultLog:
    """Of one agent."""

    def __init__(self, logger: logging.Logger) -> None:
        self._log = logger
        self._told: set[tuple[str, int]] = set()
        """Places in our code: there are only so many."""

    def contained(self, report: ReportFault) -> None:
        """With the traceback for the first time from this place; then only the counter grows."""
        frames = traceback.extract_tb(report.fault.__traceback__)
        place = (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)
        if place in self._told:
            return
        self._told.add(place)
        fields = {"doing": report.doing, "mn_ids": ",".join(report.mn_ids), "reason": report.fault}
        self._log.error(fact_line("internal_fault", fields), exc_info=report.fault)

    def fatal(self, fault: Exception) -> NoReturn:
        """What cannot be contained: the process ends, the switch forwards on, and a new agent learns what there is."""
        self._log.critical("core failed; the agent stops", exc_info=fault)
        os._exit(FAULT_STATUS)

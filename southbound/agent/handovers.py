# SPDX-License-Identifier: Apache-2.0
"""The machines of one MAG's handovers, from here and to here, as one: they know each other, others know all of them."""

from __future__ import annotations

from dataclasses import dataclass

from southbound.agent.context import MagContext
from southbound.agent.context_intake import ContextIntake
from southbound.agent.departures import Departures
from southbound.agent.leaving_table import LeavingTable
from southbound.agent.new_mag import NewMag
from southbound.agent.previous_mag import PreviousMag


@dataclass(frozen=True, slots=True)
class Handovers:
    """MNs that come: `intake` before they are here, `new` from then on. MNs that leave: `previous`, then `departures`."""

    leaving: LeavingTable
    intake: ContextIntake
    new: NewMag
    previous: PreviousMag
    departures: Departures

    @classmethod
    def of(cls, context: MagContext) -> Handovers:
        """Those of one MAG, at its start."""
        leaving, new = LeavingTable(), NewMag(context)
        departures = Departures(context, leaving, new)
        previous = PreviousMag(context, leaving, departures, new)
        return cls(leaving, ContextIntake(context, new), new, previous, departures)

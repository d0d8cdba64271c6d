# SPDX-License-Identifier: Apache-2.0
"""The one face of everything that serves the mobile node in a lab: Castover, and what users have without it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What the system itself says about one handover."""

    handover_id: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    """As REST shows them; empty where nobody keeps any."""
    packets: dict[str, int] = field(default_factory=dict)
    """The new MAG's own counters of what its buffer did; empty where nobody keeps any, or nobody has asked."""
    error: str = ""


class System(Protocol):
    """Something that forwards the group to the mobile node."""

    def before_move(self, new_mag: str, outcome: Outcome) -> None:
        """What is done while the mobile node is still at its old MAG."""

    def after_move(self, new_mag: str, outcome: Outcome) -> None:
        """Wait until the system has done what it does; the mobile node hears the stream already, or never will."""

# SPDX-License-Identifier: Apache-2.0
"""Facts: what happened where and when, as a line of the log and as the story of one handover. Controller and agents.

A line is logfmt: `event=<name> key=value ...`, quoted where a value has spaces, so that one handover is one `grep` in
the logs of all nodes. `FactMemory` keeps the last handovers' facts for whoever asks later (`castover trace`).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HANDOVERS_MAX = 256
FACTS_MAX = 256
"""Of one handover: about forty in one that goes well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that has happened."""

    at: float
    """Seconds since 1970 on the clock of the node that tells."""
    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def fact_line(name: str, fields: Mapping[str, Any]) -> str:
    """The fact as one line of a log."""
    return " ".join([f"event={name}", *(f"{key}={_value(value)}" for key, value in fields.items())])


def _value(value: Any) -> str:
    text = str(value)
    # What would not read back as one value; a line stays one line whatever a peer has put into a name.
    if text.isprintable() and text and not any(sign in text for sign in ' "='):
        return text
    return json.dumps(text)


class FactMemory:
    """The facts of the last handovers, the oldest handover going first; what exceeds `facts_max` is counted only."""

    def __init__(self, *, handovers_max: int = HANDOVERS_MAX, facts_max: int = FACTS_MAX) -> None:
        self._handovers_max = handovers_max
        self._facts_max = facts_max
        self._handovers: OrderedDict[str, list[Fact]] = OrderedDict()
        self.left_out = 0

    def remember(self, handover_id: str, fact: Fact) -> None:
        """One more fact of this handover."""
        known = self._handovers.get(handover_id)
        if known is None:
            known = self._handovers[handover_id] = []
            if len(self._handovers) > self._handovers_max:
                self._handovers.popitem(last=False)
        if len(known) < self._facts_max:
            known.append(fact)
        else:
            self.left_out += 1

    def of(self, handover_id: str) -> tuple[Fact, ...]:
        """Its facts in the order of their coming; empty when it is not known (any more)."""
        return tuple(self._handovers.get(handover_id, ()))

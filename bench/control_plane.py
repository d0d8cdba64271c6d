# SPDX-License-Identifier: Apache-2.0
"""Where the time of a predictive handover goes, from HO-Initiate to the clone that the switch has confirmed. Pure.

Besides the steps that controller and agents record: the wire. The HAck to HI(F) leaves the p-MAG when the switch has
answered the barrier; the first copy of the group in the p-MAG -> n-MAG tunnel shows when the clone really began.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lab.accounting import percentile

HO_INITIATE = (1, "HO-Initiate")
CLONE_CONFIRMED = (4, "HAck to HI(F)")
HANDOVER_ACKNOWLEDGE = 15  # RFC 5568 section 6.2.1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of the transport network that matters here."""

    time_s: float
    """Since 1970."""
    source: str
    destination: str
    """Of the outer header."""
    message_type: int | None
    """MH type, or None for a packet of the group in a tunnel."""


def frames_of(rows: Sequence[Sequence[str]], group: str) -> list[Frame]:
    """Mobility Header messages and tunnelled packets of the group, from rows (time, sources, destinations, MH type)."""
    frames = []
    for time, sources, destinations, mobility in rows:
        destination, _, inner = destinations.partition(",")
        if mobility or inner.partition(",")[0] == group:
            frames.append(Frame(
                time_s=float(time), source=sources.partition(",")[0], destination=destination,
                message_type=int(mobility.partition(",")[0], 0) if mobility else None,
            ))
    return frames


def first_copy_after_barrier_ms(
    frames: Sequence[Frame], previous: str, new: str, begin_s: float, end_s: float
) -> float | None:
    """First tunnelled packet previous -> new, after the HAck previous -> new, both within [begin, end); ms.

    Negative: data was in the tunnel before the barrier's word. None where one of the two was not seen.
    """
    between = [
        frame for frame in frames
        if begin_s <= frame.time_s < end_s and (frame.source, frame.destination) == (previous, new)
    ]
    # The n-MAG's answer to the first HI goes the other way: the first HAck in this direction answers HI(F).
    answer = next((frame.time_s for frame in between if frame.message_type == HANDOVER_ACKNOWLEDGE), None)
    copy = next((frame.time_s for frame in between if frame.message_type is None), None)
    return None if answer is None or copy is None else (copy - answer) * 1000


def preparation_ms(steps: Sequence[Mapping[str, Any]]) -> float | None:
    """HO-Initiate to the confirmed clone; None when the handover did not get so far."""
    begin, end = _at(steps, HO_INITIATE), _at(steps, CLONE_CONFIRMED)
    return None if begin is None or end is None else (end - begin) * 1000


def stretches_ms(steps: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What lies between each recorded step and the next, from HO-Initiate to the confirmed clone: 'A -> B' to ms."""
    end = _at(steps, CLONE_CONFIRMED)
    begin = _at(steps, HO_INITIATE)
    if begin is None or end is None:
        return {}
    within = (step for step in steps if begin <= step["at"] <= end)
    ordered = sorted(within, key=lambda step: (step["at"], step["step"]))
    return {
        f"{before['step']} {before['name']} ({before['node']}) -> {after['step']} {after['name']} ({after['node']})":
            (after["at"] - before["at"]) * 1000
        for before, after in pairwise(ordered)
    }


def summary(values: Sequence[float]) -> dict[str, float | int | None]:
    """n, p50, p95, p99, max, in the unit of the values."""
    rounded = [round(value, 3) for value in values]
    return {
        "n": len(rounded), "p50": percentile(rounded, 0.5), "p95": percentile(rounded, 0.95),
        "p99": percentile(rounded, 0.99), "max": max(rounded, default=None),
    }


def _at(steps: Sequence[Mapping[str, Any]], wanted: tuple[int, str]) -> float | None:
    return next((float(step["at"]) for step in steps if (step["step"], step["name"]) == wanted), None)

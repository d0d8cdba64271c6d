# SPDX-License-Identifier: Apache-2.0
"""What a switch has counted on its ports and groups, and how fast that grew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """Packets and octets since some beginning."""

    packets: int
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchCounters:
    """One reading of one switch; ports by name, groups and buckets by id."""

    at: float
    """When it was complete, on the reader's clock in seconds."""
    received: Mapping[str, Count]
    sent: Mapping[str, Count]
    groups: Mapping[int, Count]
    buckets: Mapping[tuple[int, int], Count]
    """By group id and bucket id."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Packets and octets a second."""

    packets: float
    octets: float


NOTHING = Rate(0.0, 0.0)


def rate_between(before: Count | None, after: Count | None, seconds: float) -> Rate:
    """How fast a counter grew. One that began anew meanwhile, or was not there yet, has not grown."""
    if before is None or after is None or seconds <= 0 or after.packets < before.packets:
        return NOTHING
    octets = max(after.octets - before.octets, 0)
    return Rate((after.packets - before.packets) / seconds, octets / seconds)

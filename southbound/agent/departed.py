# SPDX-License-Identifier: Apache-2.0
"""Contexts of MNs that have left this MAG unannounced, kept for the MAG that will ask for them. Pure.

One an MN, for FWD_LIFETIME at most: what is not fetched by then is of no use to anybody (RFC 4067 section 2.5.6 drops
it sooner still).
"""

from __future__ import annotations

from dataclasses import dataclass

from southbound.mld.membership import GroupMembership
from topology.model import MobileNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed:
    """One MN that has left."""

    profile: MobileNode
    memberships: tuple[GroupMembership, ...]
    left_at: float
    deadline: float
    retained: bool
    """Its packets are kept, too, and the LMA goes on sending them (reactive handover)."""
    fed_by: str = ""
    """What is kept are the deliveries of our own handover buffer, under this handover; '': it comes natively."""


class DepartedContexts:
    """By MN-ID; there are no more than the policy store has profiles."""

    def __init__(self, lifetime_s: float) -> None:
        self._lifetime_s = lifetime_s
        self._departed: dict[str, Departed] = {}

    def keep(
        self, profile: MobileNode, memberships: tuple[GroupMembership, ...], now: float, *, retained: bool = False,
        fed_by: str = "",
    ) -> None:
        """The MN has left."""
        self._departed[profile.id] = Departed(
            profile=profile, memberships=memberships, left_at=now, deadline=now + self._lifetime_s, retained=retained,
            fed_by=fed_by,
        )

    def find(self, mn_id: str) -> Departed | None:
        """What is kept of this MN."""
        return self._departed.get(mn_id)

    def retained(self) -> list[Departed]:
        """Those whose packets are kept."""
        return [departed for departed in self._departed.values() if departed.retained]

    def take(self, mn_id: str) -> Departed | None:
        """The same, and it is kept no longer."""
        return self._departed.pop(mn_id, None)

    def next_deadline(self) -> float | None:
        """When `expire` has something to do next."""
        return min((departed.deadline for departed in self._departed.values()), default=None)

    def expire(self, now: float) -> list[Departed]:
        """Those for whom nobody has asked in time; they are kept no longer."""
        gone = [departed for departed in self._departed.values() if departed.deadline <= now]
        for departed in gone:
            del self._departed[departed.profile.id]
        return gone

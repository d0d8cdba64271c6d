# SPDX-License-Identifier: Apache-2.0
"""The MNs that are leaving one MAG: of each at most one handover to each other MAG."""

from __future__ import annotations

from collections.abc import Iterator

from southbound.agent.leaving import Leaving, Source
from southbound.mld.membership import GroupMembership
from topology.model import Mag


class LeavingTable:
    """By MN-ID and MAG; no more than the domain has of both."""

    def __init__(self) -> None:
        self._leaving: dict[tuple[str, str], Leaving] = {}

    def __iter__(self) -> Iterator[Leaving]:
        return iter(list(self._leaving.values()))

    def add(self, leaving: Leaving) -> None:
        """A handover has begun."""
        self._leaving[leaving.profile.id, leaving.peer.id] = leaving

    def remove(self, leaving: Leaving) -> None:
        """It has ended."""
        del self._leaving[leaving.profile.id, leaving.peer.id]

    def of(self, mn_id: str) -> list[Leaving]:
        """All handovers of this MN away from here, oldest first."""
        return [leaving for leaving in self._leaving.values() if leaving.profile.id == mn_id]

    def to(self, mn_id: str, peer: Mag) -> Leaving | None:
        """The one to this MAG."""
        return self._leaving.get((mn_id, peer.id))

    def get(self, mn_id: str, handover_id: str) -> Leaving | None:
        """The one with this id."""
        return next((leaving for leaving in self.of(mn_id) if leaving.handover_id == handover_id), None)

    def feeds(self, mn_id: str) -> set[str]:
        """Ids of the handovers to here whose deliveries to this MN are kept or relayed."""
        return {leaving.fed_by for leaving in self.of(mn_id) if leaving.source is Source.DELIVERIES}

    def stored(self, mn_id: str) -> bool:
        """Whether what comes natively for this MN, which has left, is kept or relayed here."""
        return any(leaving.source is Source.STORE for leaving in self.of(mn_id))

    def retained(self) -> list[tuple[str, tuple[GroupMembership, ...]]]:
        """(MN-ID, memberships) of those MNs."""
        return [
            (leaving.profile.id, leaving.memberships)
            for leaving in self._leaving.values()
            if leaving.source is Source.STORE
        ]

    def states(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """(handover id, state) of every handover, by MN-ID."""
        states: dict[str, tuple[tuple[str, str], ...]] = {}
        for leaving in self._leaving.values():
            mn_id = leaving.profile.id
            states[mn_id] = (*states.get(mn_id, ()), (leaving.handover_id, leaving.state.value))
        return states

    def next_deadline(self) -> float | None:
        """The nearest deadline of all."""
        return min((leaving.deadline for leaving in self._leaving.values()), default=None)

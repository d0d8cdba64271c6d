# SPDX-License-Identifier: Apache-2.0
"""Who listens to what, where: what the agents reported and what PBU-Ms carried (RFC 6224 section 4.2).

State per (MAG, MN), because during a handover both MAGs hold state of the same MN.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from southbound.mld.membership import GroupMembership, group_order

Memberships = tuple[GroupMembership, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One MN at one MAG. `access_port` is None until the MN is on the link."""

    mag_id: str
    mn_id: str
    access_port: str | None = None
    memberships: Memberships = ()
    retained: bool = False
    """It has left unannounced, and its packets are kept at the MAG for whoever will ask for them."""


class Listeners:
    """All listeners by (MAG, MN)."""

    def __init__(self) -> None:
        self._listeners: dict[tuple[str, str], Listener] = {}

    def __iter__(self) -> Iterator[Listener]:
        return iter(self._listeners.values())

    def get(self, mag_id: str, mn_id: str) -> Listener | None:
        """The listener, or None."""
        return self._listeners.get((mag_id, mn_id))

    def at(self, mag_id: str) -> Iterator[Listener]:
        """All listeners of one MAG."""
        return (listener for listener in self._listeners.values() if listener.mag_id == mag_id)

    def is_attached(self, mag_id: str, mn_id: str) -> bool:
        """Whether the MN is on this MAG's link."""
        listener = self._listeners.get((mag_id, mn_id))
        return listener is not None and listener.access_port is not None

    def attached_at(self, mn_id: str) -> str | None:
        """The MAG to whose link the MN has come last, if it is still there."""
        found = [one.mag_id for one in self._listeners.values() if one.mn_id == mn_id and one.access_port is not None]
        return found[-1] if found else None

    def attach(self, mag_id: str, mn_id: str, access_port: str) -> None:
        """The MN is on this link now. What a PBU-M already said of it here stays."""
        memberships = self._memberships(mag_id, mn_id)
        self._listeners.pop((mag_id, mn_id), None)  # who attached last comes last
        self._listeners[mag_id, mn_id] = Listener(
            mag_id=mag_id, mn_id=mn_id, access_port=access_port, memberships=memberships
        )

    def detach(self, mag_id: str, mn_id: str) -> None:
        """The MN has left this link: as if it had left all its groups here (RFC 7411 section 4.2.2)."""
        self._listeners.pop((mag_id, mn_id), None)

    def retain(self, mag_id: str, mn_id: str, memberships: Memberships) -> None:
        """The MN has left this link, and this MAG keeps its packets for a reactive handover."""
        self._listeners[mag_id, mn_id] = Listener(mag_id=mag_id, mn_id=mn_id, memberships=memberships, retained=True)

    def report(self, mag_id: str, mn_id: str, memberships: Memberships) -> None:
        """Replace the state of this MN at this MAG."""
        present = self._listeners.get((mag_id, mn_id))
        self._listeners[mag_id, mn_id] = Listener(
            mag_id=mag_id,
            mn_id=mn_id,
            access_port=present.access_port if present else None,
            memberships=tuple(sorted(memberships, key=group_order)),
            retained=present.retained if present else False,
        )

    def _memberships(self, mag_id: str, mn_id: str) -> Memberships:
        present = self._listeners.get((mag_id, mn_id))
        return present.memberships if present else ()

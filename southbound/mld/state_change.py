# SPDX-License-Identifier: Apache-2.0
"""One group's state changes that a host has still to repeat (RFC 3810 section 6.1, RFC 9777 section 6.1)."""

from __future__ import annotations

from southbound.codec.addresses import IpAddress
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.mld.proxy import CHANGE_TO


class StateChange:
    """The Filter Mode Retransmission Counter and the Retransmission List of one multicast address."""

    __slots__ = ("_mode_left", "_sources_left", "_state", "at")

    def __init__(self, group: IpAddress) -> None:
        self._state = no_membership(group)
        self._mode_left = 0
        self._sources_left: dict[IpAddress, int] = {}
        self.at = 0.0
        """When it is to be sent next."""

    def note(self, before: GroupMembership, after: GroupMembership, robustness: int) -> None:
        """The interface's state of the group has changed; each change is told `robustness` times."""
        self._state = after
        if before.filter_mode is not after.filter_mode:
            self._mode_left = robustness
            # What the lists said before was said of the other mode; a record of the new mode carries the whole list.
            self._sources_left = {}
            return
        for source in before.sources ^ after.sources:
            self._sources_left[source] = robustness

    @property
    def is_done(self) -> bool:
        """Whether everything has been said as often as it is to be."""
        return self._mode_left == 0 and not self._sources_left

    def take(self) -> list[MulticastAddressRecord]:
        """The records of the next report; counts as said.

        ALLOW before BLOCK, so that a router that acts record by record never has less than it ends up with.
        """
        changed = sorted(self._sources_left)
        self._sources_left = {source: left - 1 for source, left in self._sources_left.items() if left > 1}
        if self._mode_left > 0:
            self._mode_left -= 1
            return [self._record(CHANGE_TO[self._state.filter_mode], sorted(self._state.sources))]
        wanted = [source for source in changed if self._state.wants(source)]
        blocked = [source for source in changed if not self._state.wants(source)]
        pairs = ((Mldv2RecordType.ALLOW_NEW_SOURCES, wanted), (Mldv2RecordType.BLOCK_OLD_SOURCES, blocked))
        return [self._record(record_type, sources) for record_type, sources in pairs if sources]

    def _record(self, record_type: Mldv2RecordType, sources: list[IpAddress]) -> MulticastAddressRecord:
        return MulticastAddressRecord(record_type=record_type, group=self._state.group, sources=tuple(sources))


def no_membership(group: IpAddress) -> GroupMembership:
    """INCLUDE({}): what a group without a record is (RFC 3810 section 6.1)."""
    return GroupMembership(group=group, filter_mode=FilterMode.INCLUDE)

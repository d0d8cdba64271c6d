# SPDX-License-Identifier: Apache-2.0
"""The multicast router side of MLDv2 on one point-to-point link (RFC 3810 section 7, RFC 9777).

The link of one mobile node at its MAG, or the tunnel of one MAG at the LMA. With one listener on the link, the state of
the interface is the state of the listener (RFC 6224 section 4.2), and this router is always the Querier: there is no
other router to elect. No socket and no clock: what was heard comes in with the time, what is to be done comes out as
`southbound.mld.effects`. `southbound.mld.messages` turns packets into calls and queries into packets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from southbound.codec.addresses import IpAddress
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.context import group_refusal, is_source_specific
from southbound.mld.effects import Effect, IgnoreReason, MembershipChanged, RecordIgnored, SendGeneralQuery
from southbound.mld.group_record import GroupRecord
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.mld.parameters import MldParameters
from southbound.mld.transitions import REPLACING

_RECORD_TYPES = frozenset(Mldv2RecordType)
_IGNORED_GROUPS = {
    "group_not_multicast": IgnoreReason.NOT_MULTICAST,
    "reserved_scope_group": IgnoreReason.LINK_SCOPE,
    "link_scope_group": IgnoreReason.LINK_SCOPE,
}
"""What `group_refusal` says of a group, as this module counts it."""


class CompatibilityMode(Enum):
    """Which MLD the listener speaks (RFC 3810 section 8.3.2; Option-Code 2 and 4 of RFC 7411 section 5.3)."""

    MLDV1 = 1
    MLDV2 = 2


class RouterLink:
    """What is listened to on one link. `now` is in seconds, of any clock that does not go back.

    Every method that takes `now` first lets pass what was due until then, and returns effects in the order in which
    they are to be carried out; of `MembershipChanged` there is at most one, the last.
    """

    def __init__(self, parameters: MldParameters | None = None) -> None:
        self._parameters = parameters or MldParameters()
        self._records: dict[IpAddress, GroupRecord] = {}
        self._memberships: tuple[GroupMembership, ...] = ()
        self._next_general_query: float | None = None
        """None while nobody is asked."""
        self._startup_queries_left = 0

    # --- what happens ------------------------------------------------------------------------------------------------

    def install(
        self,
        memberships: Iterable[GroupMembership],
        now: float,
        *,
        compatibility_mode: CompatibilityMode = CompatibilityMode.MLDV2,
    ) -> list[Effect]:
        """Take over a context, from HI or the policy store, as if a Current State Report had come (RFC 7411 4.2.3).

        All timers start at the Multicast Address Listening Interval, as no option carries them. MLDV1 puts each group
        into that mode, which wins over MLDv2 as long as its timer runs (RFC 7411 section 5.6).
        """
        effects = self._advance(now)
        for membership in memberships:
            include = membership.filter_mode is FilterMode.INCLUDE
            record_type = Mldv2RecordType.MODE_IS_INCLUDE if include else Mldv2RecordType.MODE_IS_EXCLUDE
            record = self._apply(record_type, membership.group, sorted(membership.sources), now, effects)
            if record is not None and compatibility_mode is CompatibilityMode.MLDV1:
                record.note_mldv1_host(now)
        return self._finish(effects)

    def start(self, now: float) -> list[Effect]:
        """There is somebody on the link now: ask at once, for what has changed while there was nobody.

        The rest of the startup queries (RFC 3810 section 9.7) and the periodic ones follow. What is installed stays
        valid meanwhile.
        """
        effects = self._advance(now)
        self._startup_queries_left = self._parameters.startup_query_count - 1
        effects.append(SendGeneralQuery(max_response_ms=round(self._parameters.start_query_response_s * 1000)))
        self._schedule_general_query(now)
        return self._finish(effects)

    def stop(self, now: float) -> list[Effect]:
        """Nobody can be asked any more: no more queries. The state stays, and its timers run on."""
        effects = self._advance(now)
        self._next_general_query = None
        for record in self._records.values():
            record.cancel_queries()
        return self._finish(effects)

    def on_report(self, records: Iterable[MulticastAddressRecord], now: float) -> list[Effect]:
        """A Version 2 Multicast Listener Report (RFC 3810 section 7.4)."""
        effects = self._advance(now)
        for record in records:
            if record.record_type not in _RECORD_TYPES:
                effects.append(RecordIgnored(reason=IgnoreReason.UNKNOWN_RECORD_TYPE, group=record.group))
                continue
            self._apply(record.record_type, record.group, record.sources, now, effects)
        return self._finish(effects)

    def on_mldv1_report(self, group: IpAddress, now: float) -> list[Effect]:
        """A Version 1 Multicast Listener Report: IS_EX({}), and the group is in MLDv1 mode (RFC 3810 section 8.3.2)."""
        effects = self._advance(now)
        record = self._apply(Mldv2RecordType.MODE_IS_EXCLUDE, group, (), now, effects)
        if record is not None:
            record.note_mldv1_host(now)
        return self._finish(effects)

    def on_mldv1_done(self, group: IpAddress, now: float) -> list[Effect]:
        """A Multicast Listener Done: TO_IN({}) (RFC 3810 section 8.3.2)."""
        effects = self._advance(now)
        self._apply(Mldv2RecordType.CHANGE_TO_INCLUDE_MODE, group, (), now, effects)
        return self._finish(effects)

    def tick(self, now: float) -> list[Effect]:
        """Let pass what was due until now."""
        return self._finish(self._advance(now))

    # --- what is -----------------------------------------------------------------------------------------------------

    def memberships(self) -> tuple[GroupMembership, ...]:
        """What is listened to, sorted by group: INCLUDE(A) as INCLUDE(A), EXCLUDE(X,Y) as EXCLUDE(Y)."""
        return self._memberships

    def compatibility_mode(self) -> CompatibilityMode:
        """MLDV1 if any of the groups is in that mode: the lowest wins (RFC 7411 section 5.6)."""
        mldv1 = any(record.in_mldv1_mode for record in self._records.values())
        return CompatibilityMode.MLDV1 if mldv1 else CompatibilityMode.MLDV2

    def next_deadline(self) -> float | None:
        """When `tick` shall be called; None when nothing is pending."""
        deadlines = [record.next_deadline() for record in self._records.values()]
        deadlines.append(self._next_general_query)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # --- how ---------------------------------------------------------------------------------------------------------

    def _advance(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for record in list(self._records.values()):
            record.expire(now)
            if record.is_empty:
                del self._records[record.group]
            else:
                effects.extend(record.due_queries(now))
        if self._next_general_query is not None and self._next_general_query <= now:
            effects.append(SendGeneralQuery(max_response_ms=round(self._parameters.query_response_interval_s * 1000)))
            self._schedule_general_query(now)
        return effects

    def _schedule_general_query(self, now: float) -> None:
        """Counted from now, so that a late tick is followed by one query and not by all that were missed."""
        if self._startup_queries_left > 0:
            self._startup_queries_left -= 1
            self._next_general_query = now + self._parameters.startup_query_interval_s
        else:
            self._next_general_query = now + self._parameters.query_interval_s

    def _finish(self, effects: list[Effect]) -> list[Effect]:
        found = (self._records[group].membership() for group in sorted(self._records))
        memberships = tuple(membership for membership in found if membership is not None)
        if memberships != self._memberships:
            self._memberships = memberships
            effects.append(MembershipChanged(memberships=memberships))
        return effects

    def _apply(
        self,
        record_type: Mldv2RecordType,
        group: IpAddress,
        reported: Iterable[IpAddress],
        now: float,
        effects: list[Effect],
    ) -> GroupRecord | None:
        """One record into the state. The group's record afterwards; None when there is none or it was not touched."""
        refusal = group_refusal(group)
        if refusal is not None:
            effects.append(RecordIgnored(reason=_IGNORED_GROUPS[refusal], group=group))
            return None
        if record_type in REPLACING and is_source_specific(group):
            effects.append(RecordIgnored(reason=IgnoreReason.SSM_WITHOUT_SOURCES, group=group))
            return None
        record = self._records.get(group)
        if record is None:
            record = GroupRecord(group, self._parameters)
        sources = _unicast(group, reported, effects)
        if record.in_mldv1_mode:
            if record_type == Mldv2RecordType.BLOCK_OLD_SOURCES:
                effects.append(RecordIgnored(reason=IgnoreReason.BLOCK_IN_MLDV1_MODE, group=group))
                return None
            if record_type == Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE and sources:
                effects.append(_ignored_sources(IgnoreReason.SOURCES_IN_MLDV1_MODE, group, len(sources)))
                sources = ()
        sources = self._within_limit(record, record_type, sources, effects)
        queries = record.apply(record_type, frozenset(sources), now)
        if record.is_empty:
            return None
        if group not in self._records:
            if len(self._records) >= self._parameters.groups_max:
                effects.append(RecordIgnored(reason=IgnoreReason.GROUPS_OVER_LIMIT, group=group))
                return None
            self._records[group] = record
        effects.extend(queries)
        return record

    def _within_limit(
        self, record: GroupRecord, record_type: Mldv2RecordType, sources: Sequence[IpAddress], effects: list[Effect]
    ) -> Sequence[IpAddress]:
        """The sources that fit: first those the record has already, so that a repeated report changes nothing.

        A source list of EXCLUDE that is cut short lets more through than was asked for, as in RFC 3810 section 5.2.15.
        """
        if record_type == Mldv2RecordType.BLOCK_OLD_SOURCES and record.filter_mode is FilterMode.INCLUDE:
            return sources  # adds nothing to the state
        held = record.requested | record.excluded
        known = [source for source in sources if source in held]
        new = [source for source in sources if source not in held]
        kept = len(known) if record_type in REPLACING else len(held)
        room = max(self._parameters.sources_max - kept, 0)
        if len(new) <= room:
            return sources
        effects.append(_ignored_sources(IgnoreReason.SOURCES_OVER_LIMIT, record.group, len(new) - room))
        return known + new[:room]


def _unicast(group: IpAddress, reported: Iterable[IpAddress], effects: list[Effect]) -> Sequence[IpAddress]:
    distinct = list(dict.fromkeys(reported))
    unicast = [
        source for source in distinct if not (source.is_multicast or source.is_unspecified or source.is_loopback)
    ]
    if len(unicast) < len(distinct):
        effects.append(_ignored_sources(IgnoreReason.SOURCE_NOT_UNICAST, group, len(distinct) - len(unicast)))
    return unicast


def _ignored_sources(reason: IgnoreReason, group: IpAddress, count: int) -> RecordIgnored:
    return RecordIgnored(reason=reason, group=group, sources=count)

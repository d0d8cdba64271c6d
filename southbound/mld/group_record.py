# SPDX-License-Identifier: Apache-2.0
"""The router's record of one multicast address on one link: filter timer, source timers, pending queries.

RFC 3810 section 7.2. Times are absolute, in the seconds of whoever calls; a deadline that equals `now` has passed.
"""

from __future__ import annotations

from southbound.codec.addresses import IpAddress
from southbound.codec.iana import Mldv2RecordType
from southbound.mld.effects import SendGroupQuery
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.mld.parameters import MldParameters
from southbound.mld.transitions import Sources, Transition, transition


class GroupRecord:
    """One record; starts as INCLUDE({}), which is the state of a group that has no record (RFC 3810 section 7.2.1)."""

    __slots__ = (
        "_excluded",
        "_filter_timer",
        "_group_queries_left",
        "_next_group_query",
        "_next_source_query",
        "_older_version_host_present",
        "_parameters",
        "_source_queries_left",
        "_source_timers",
        "group",
    )

    def __init__(self, group: IpAddress, parameters: MldParameters) -> None:
        self.group = group
        self._parameters = parameters
        self._filter_timer: float | None = None
        """When EXCLUDE mode ends; None in INCLUDE mode."""
        self._source_timers: dict[IpAddress, float] = {}
        """A of INCLUDE(A), X of EXCLUDE(X,Y)."""
        self._excluded: Sources = frozenset()
        """Y of EXCLUDE(X,Y): source timer zero."""
        self._older_version_host_present: float | None = None
        self._group_queries_left = 0
        self._next_group_query = 0.0
        self._source_queries_left: dict[IpAddress, int] = {}
        """The Retransmission List with its counters, RFC 3810 section 7.6.3.2."""
        self._next_source_query = 0.0

    @property
    def filter_mode(self) -> FilterMode:
        """EXCLUDE as long as the filter timer runs."""
        return FilterMode.INCLUDE if self._filter_timer is None else FilterMode.EXCLUDE

    @property
    def requested(self) -> Sources:
        """Sources with a running timer."""
        return frozenset(self._source_timers)

    @property
    def excluded(self) -> Sources:
        """Sources with a timer of zero; only in EXCLUDE mode."""
        return self._excluded

    @property
    def is_empty(self) -> bool:
        """INCLUDE({}): nobody listens and the record can go."""
        return self._filter_timer is None and not self._source_timers

    @property
    def in_mldv1_mode(self) -> bool:
        """Multicast Address Compatibility Mode is MLDv1 (RFC 3810 section 8.3.2), as of the last `expire`."""
        return self._older_version_host_present is not None

    def membership(self) -> GroupMembership | None:
        """What the listener wants: INCLUDE(A) as it is, EXCLUDE(X,Y) as EXCLUDE(Y); None when that is nothing."""
        if self.is_empty:
            return None
        exclude = self._filter_timer is not None
        return GroupMembership(
            group=self.group,
            filter_mode=self.filter_mode,
            sources=self._excluded if exclude else self.requested,
        )

    def note_mldv1_host(self, now: float) -> None:
        """An MLDv1 Report was heard: (re)start the Older Version Host Present timer (RFC 3810 section 8.3.2)."""
        self._older_version_host_present = now + self._parameters.multicast_address_listening_interval_s

    def apply(self, record_type: Mldv2RecordType, sources: Sources, now: float) -> list[SendGroupQuery]:
        """Carry out the row of the table for this record; the queries that have to leave at once are returned."""
        row = transition(self.filter_mode, self.requested, self._excluded, record_type, sources)
        self._set_timers(row, now)
        if self._parameters.fast_leave and not self.in_mldv1_mode:
            self._believe(row, now)
            return []
        sources_due = self._schedule_source_query(row.query_sources, now)
        if row.query_group:
            self._schedule_group_query(now)
        return self._queries(now, group_due=row.query_group, sources_due=sources_due)

    def _set_timers(self, row: Transition, now: float) -> None:
        listening_until = now + self._parameters.multicast_address_listening_interval_s
        timers: dict[IpAddress, float] = {}
        for source in row.requested:
            if source in row.listening:
                timers[source] = listening_until
            elif source in row.as_filter_timer and self._filter_timer is not None:
                timers[source] = self._filter_timer
            else:
                timers[source] = self._source_timers[source]
        self._source_timers = timers
        self._excluded = row.excluded
        if row.restart_filter_timer:
            self._filter_timer = listening_until
        self._drop_stale_queries()

    def _believe(self, row: Transition, now: float) -> None:
        """Fast leave: what the table would ask for is not listened to, because the only listener has said so.

        Not in MLDv1 mode: there a host keeps silent when it has heard another one report (RFC 2710 section 4), so one
        that leaves may not be the last.
        """
        for source in row.query_sources:
            self._source_timers[source] = now
        if row.query_group and self._filter_timer is not None:
            self._filter_timer = now
        self.expire(now)

    def _schedule_group_query(self, now: float) -> None:
        """Section 7.6.3.1: lower the filter timer to LLQT and (re)start the series of queries."""
        if self._filter_timer is not None:
            self._filter_timer = min(self._filter_timer, now + self._parameters.last_listener_query_time_s)
        self._group_queries_left = self._parameters.last_listener_query_count

    def _schedule_source_query(self, sources: Sources, now: float) -> bool:
        """Section 7.6.3.2; True when a source was added to the Retransmission List.

        Only sources with more than LLQT left are queried, so a host that repeats its own state change (RFC 3810
        section 6.1) does not start the series again.
        """
        lowered = now + self._parameters.last_listener_query_time_s
        added = [source for source in sources if self._source_timers[source] > lowered]
        for source in added:
            self._source_timers[source] = lowered
            self._source_queries_left[source] = self._parameters.last_listener_query_count
        return bool(added)

    def due_queries(self, now: float) -> list[SendGroupQuery]:
        """Retransmissions whose time has come."""
        return self._queries(
            now,
            group_due=self._group_queries_left > 0 and self._next_group_query <= now,
            sources_due=bool(self._source_queries_left) and self._next_source_query <= now,
        )

    def _queries(self, now: float, *, group_due: bool, sources_due: bool) -> list[SendGroupQuery]:
        queries: list[SendGroupQuery] = []
        lowered = now + self._parameters.last_listener_query_time_s
        if sources_due:
            listed = sorted(self._source_queries_left)
            above = tuple(source for source in listed if self._source_timers[source] > lowered)
            below = tuple(source for source in listed if self._source_timers[source] <= lowered)
            # Beside a query for the whole address the one with the S flag tells the host nothing (7.6.3.2, Note).
            if above and not group_due:
                queries.append(self._query(above, suppress=True))
            if below:
                queries.append(self._query(below, suppress=False))
            self._source_queries_left = {
                source: left - 1 for source, left in self._source_queries_left.items() if left > 1
            }
            self._next_source_query = now + self._parameters.last_listener_query_interval_s
        if group_due:
            suppress = self._filter_timer is not None and self._filter_timer > lowered
            queries.append(self._query((), suppress=suppress))
            self._group_queries_left -= 1
            self._next_group_query = now + self._parameters.last_listener_query_interval_s
        return queries

    def _query(self, sources: tuple[IpAddress, ...], *, suppress: bool) -> SendGroupQuery:
        return SendGroupQuery(
            group=self.group,
            sources=sources,
            max_response_ms=round(self._parameters.last_listener_query_interval_s * 1000),
            suppress=suppress,
        )

    def _drop_stale_queries(self) -> None:
        """A source without a running timer is no longer asked for."""
        if self._source_queries_left:
            self._source_queries_left = {
                source: left for source, left in self._source_queries_left.items() if source in self._source_timers
            }

    def cancel_queries(self) -> None:
        """Give up pending retransmissions; timers that were lowered stay lowered."""
        self._group_queries_left = 0
        self._source_queries_left = {}

    def expire(self, now: float) -> None:
        """Let every timer that has run out take effect (RFC 3810 section 7.5 and the table of 7.2.3)."""
        if self._older_version_host_present is not None and self._older_version_host_present <= now:
            self._older_version_host_present = None
        gone = frozenset(source for source, until in self._source_timers.items() if until <= now)
        for source in gone:
            del self._source_timers[source]
        # Sources before the filter: in either order of their expiry, the sources that are left are the same.
        if self._filter_timer is not None:
            if self._filter_timer <= now:
                self._filter_timer = None
                self._excluded = frozenset()
                self._group_queries_left = 0
            else:
                self._excluded |= gone
        if gone:
            self._drop_stale_queries()

    def next_deadline(self) -> float | None:
        """When `expire` or `due_queries` will next have something to do."""
        deadlines = list(self._source_timers.values())
        if self._filter_timer is not None:
            deadlines.append(self._filter_timer)
        if self._older_version_host_present is not None:
            deadlines.append(self._older_version_host_present)
        if self._group_queries_left:
            deadlines.append(self._next_group_query)
        if self._source_queries_left:
            deadlines.append(self._next_source_query)
        return min(deadlines, default=None)

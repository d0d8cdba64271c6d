# SPDX-License-Identifier: Apache-2.0
"""The host side of MLDv2 on one link (RFC 3810 sections 5 and 6, RFC 9777): what several clients want becomes one state.

The LMA towards the multicast network, or a MAG towards its LMA, as the host side of an MLD proxy (RFC 4605 section 4).
No socket, no clock, no dice: queries and clients' wishes come in with the time, what is to be sent comes out, and
`random_delay(limit)` gives a delay of 0 to `limit` seconds. `southbound.mld.messages` turns packets into calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from southbound.codec.addresses import IpAddress
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.effects import HostEffect, SendReport
from southbound.mld.host_version1 import Version1Host
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.mld.parameters import MldParameters
from southbound.mld.proxy import merge
from southbound.mld.state_change import StateChange, no_membership

_CURRENT = {
    FilterMode.INCLUDE: Mldv2RecordType.MODE_IS_INCLUDE,
    FilterMode.EXCLUDE: Mldv2RecordType.MODE_IS_EXCLUDE,
}


@dataclass(slots=True)
class _Response:
    """A pending answer to a query for one group."""

    at: float
    sources: frozenset[IpAddress]
    """What was asked for; empty: the whole group."""


class HostLink:
    """What is listened to through one interface. `now` is in seconds, of any clock that does not go back.

    Every method that takes `now` first lets pass what was due until then, and returns what is to be sent, in order.
    """

    def __init__(self, random_delay: Callable[[float], float], parameters: MldParameters | None = None) -> None:
        self._random_delay = random_delay
        self._parameters = parameters or MldParameters()
        self._query_interval_s = self._parameters.query_interval_s
        """Of the last query (RFC 3810 section 9.12)."""
        self._clients: dict[str, tuple[GroupMembership, ...]] = {}
        self._state: dict[IpAddress, GroupMembership] = {}
        self._changes: dict[IpAddress, StateChange] = {}
        self._general_at: float | None = None
        self._responses: dict[IpAddress, _Response] = {}
        self._older: Version1Host | None = None
        self._older_until = 0.0
        """Older Version Querier Present timer; means something while `_older` is there."""

    # --- what happens ------------------------------------------------------------------------------------------------

    def listen(self, client: str, memberships: Iterable[GroupMembership], now: float) -> list[HostEffect]:
        """This client wants these from now on, and nothing else; the interface wants what any wants (RFC 3810 4.2)."""
        effects = self._advance(now)
        wanted = tuple(memberships)
        if wanted == self._clients.get(client, ()):
            return effects
        if wanted:
            self._clients[client] = wanted
        else:
            del self._clients[client]
        before, self._state = self._state, {one.group: one for one in merge(self._clients.values())}
        for group in self._responses.keys() - self._state.keys():
            del self._responses[group]
        if self._older is not None:
            return effects + self._older.change(set(self._state), now)
        changed = [
            group for group in before.keys() | self._state.keys() if before.get(group) != self._state.get(group)
        ]
        for group in changed:
            change = self._changes.setdefault(group, StateChange(group))
            nothing = no_membership(group)
            change.note(before.get(group, nothing), self._state.get(group, nothing), self._parameters.robustness)
        return effects + self._report_changes(changed, now)

    def on_query(
        self,
        group: IpAddress | None,
        sources: Iterable[IpAddress],
        max_response_s: float,
        now: float,
        *,
        query_interval_s: float | None = None,
    ) -> list[HostEffect]:
        """A Version 2 Query: for all groups (None), for one, or for one and sources (RFC 3810 section 6.2)."""
        effects = self._advance(now)
        if query_interval_s is not None:
            self._query_interval_s = query_interval_s
        if self._older is not None:
            self._older.on_query(group, max_response_s, now)
            return effects
        at = now + self._random_delay(max_response_s)
        if self._general_at is not None and self._general_at <= at:
            return effects  # rule 1: the answer to all comes sooner
        if group is None:
            self._general_at = at
        elif group in self._state:
            self._schedule_response(group, frozenset(sources), at)
        return effects

    def on_older_query(self, group: IpAddress | None, max_response_s: float, now: float) -> list[HostEffect]:
        """A Version 1 Query: there is an older querier, whom only the older messages reach (RFC 3810 section 8.2.1)."""
        effects = self._advance(now)
        if group is None or self._older is not None:
            self._older_until = (
                now + self._parameters.robustness * self._query_interval_s + 10 * max_response_s
            )
        if group is None and self._older is None:
            # Section 8.2.1: with the mode all pending responses and retransmissions go.
            self._forget_pending()
            self._older = Version1Host(self._random_delay, self._parameters)
            self._older.listens(set(self._state))
        if self._older is not None:
            self._older.on_query(group, max_response_s, now)
            return effects
        return effects + self.on_query(group, (), max_response_s, now)

    def on_older_report(self, group: IpAddress, now: float) -> list[HostEffect]:
        """Somebody else's Version 1 Report."""
        effects = self._advance(now)
        if self._older is not None:
            self._older.on_report(group)
        return effects

    def tick(self, now: float) -> list[HostEffect]:
        """Let pass what was due until now."""
        return self._advance(now)

    # --- what is -----------------------------------------------------------------------------------------------------

    def memberships(self) -> tuple[GroupMembership, ...]:
        """The interface's state, sorted by group."""
        return tuple(self._state[group] for group in sorted(self._state))

    @property
    def in_older_mode(self) -> bool:
        """Host Compatibility Mode is MLDv1, as of the last call with a time."""
        return self._older is not None

    def next_deadline(self) -> float | None:
        """When `tick` shall be called; None when nothing is pending."""
        times = [change.at for change in self._changes.values()]
        times += [response.at for response in self._responses.values()]
        if self._general_at is not None:
            times.append(self._general_at)
        if self._older is not None:
            times.append(self._older_until)
            due = self._older.next_deadline()
            if due is not None:
                times.append(due)
        return min(times, default=None)

    # --- how ---------------------------------------------------------------------------------------------------------

    def _advance(self, now: float) -> list[HostEffect]:
        if self._older is not None:
            if now < self._older_until:
                return self._older.tick(now)
            self._older = None
            return []
        effects = self._report_changes([group for group, change in self._changes.items() if change.at <= now], now)
        due = [group for group, response in self._responses.items() if response.at <= now]
        records = [record for group in sorted(due) for record in self._answer(group)]
        if self._general_at is not None and self._general_at <= now:
            self._general_at = None
            records = [_current_state(membership) for membership in self.memberships()]
        return [*effects, SendReport(records=tuple(records))] if records else effects

    def _report_changes(self, groups: list[IpAddress], now: float) -> list[HostEffect]:
        """One report for these; what is to be said again goes together, too."""
        records: list[MulticastAddressRecord] = []
        again = now + self._random_delay(self._parameters.unsolicited_report_interval_s)
        for group in sorted(groups):
            change = self._changes[group]
            records += change.take()
            change.at = again
            if change.is_done:
                del self._changes[group]
        return [SendReport(records=tuple(records))] if records else []

    def _schedule_response(self, group: IpAddress, sources: frozenset[IpAddress], at: float) -> None:
        """Rules 3 to 5 of section 6.2."""
        pending = self._responses.get(group)
        if pending is None:
            self._responses[group] = _Response(at, sources)
            return
        pending.at = min(pending.at, at)
        union = pending.sources | sources if pending.sources and sources else frozenset()
        # More than a querier of ours would ask for: answered with all there is, which says no less.
        pending.sources = union if len(union) <= self._parameters.sources_max else frozenset()

    def _answer(self, group: IpAddress) -> list[MulticastAddressRecord]:
        """The record of section 6.3 (its table); none when nothing of what was asked for is listened to."""
        asked = self._responses.pop(group).sources
        membership = self._state[group]
        if not asked:
            return [_current_state(membership)]
        wanted = tuple(source for source in sorted(asked) if membership.wants(source))
        record_type = Mldv2RecordType.MODE_IS_INCLUDE
        return [MulticastAddressRecord(record_type=record_type, group=group, sources=wanted)] if wanted else []

    def _forget_pending(self) -> None:
        self._changes.clear()
        self._responses.clear()
        self._general_at = None


def _current_state(membership: GroupMembership) -> MulticastAddressRecord:
    sources = tuple(sorted(membership.sources))
    return MulticastAddressRecord(
        record_type=_CURRENT[membership.filter_mode], group=membership.group, sources=sources
    )

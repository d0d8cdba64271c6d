# SPDX-License-Identifier: Apache-2.0
"""Host and router on one link that loses messages: in the end they agree, whatever is lost within the robustness.

Robustness 2 promises that one loss does no harm (RFC 3810 section 9.1): of a state change that is told twice one report
may be lost, of two periodic queries in a row one, or the answer to it; and every query for a group, because what a
lone host says of itself needs no answer.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from southbound.codec.iana import Mldv2RecordType
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.effects import Effect, HostEffect, SendGeneralQuery, SendGroupQuery, SendReport
from southbound.mld.host import HostLink
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.mld.parameters import MldParameters
from southbound.mld.proxy import merge
from southbound.mld.report_size import reports
from southbound.mld.router import RouterLink

GROUPS = tuple(IPv6Address(f"ff1e::10{n}") for n in range(3))
SOURCES = tuple(IPv6Address(f"2001:db8::{n}") for n in range(1, 5))
STATES = (Mldv2RecordType.MODE_IS_INCLUDE, Mldv2RecordType.MODE_IS_EXCLUDE)
WISHES = st.lists(
    st.builds(
        GroupMembership,
        group=st.sampled_from(GROUPS),
        filter_mode=st.sampled_from(FilterMode),
        sources=st.frozensets(st.sampled_from(SOURCES)),
    ),
    max_size=3,
    unique_by=lambda membership: membership.group,
)
CHANGES = st.lists(
    st.tuples(st.sampled_from(("mn1", "mn2", "mn3")), WISHES, st.floats(0.0, 3.0) | st.floats(0.0, 200.0)), max_size=12
)


class Link:
    """A host and a router; `loses` is asked for each message that may be lost."""

    def __init__(self, seed: int, loses: Callable[[], bool]) -> None:
        dice = Random(seed)
        self.host = HostLink(lambda limit: dice.uniform(0, limit))
        self.router = RouterLink(MldParameters())
        self._loses = loses
        self._lost_changes: set[IPv6Address] = set()
        """Groups whose last state change report was lost: the next one is not."""
        self._lost_round = False
        """The last periodic query, or an answer since, was lost: the next one is not."""

    def change(self, client: str, wanted: list[GroupMembership], now: float) -> None:
        self._from_host(self.host.listen(client, wanted, now), now)

    def until(self, end: float) -> None:
        while (now := self._next_deadline()) is not None and now <= end:
            self._from_router(self.router.tick(now), now)
            self._from_host(self.host.tick(now), now)

    def begin(self) -> None:
        self._from_router(self.router.start(0.0), 0.0)

    def _next_deadline(self) -> float | None:
        times = [at for at in (self.host.next_deadline(), self.router.next_deadline()) if at is not None]
        return min(times, default=None)

    def _from_host(self, effects: list[HostEffect], now: float) -> None:
        for effect in effects:
            assert isinstance(effect, SendReport)
            for records in reports(effect.records):
                self._report(records, now)

    def _report(self, records: tuple[MulticastAddressRecord, ...], now: float) -> None:
        groups = {record.group for record in records}
        is_change = any(record.record_type not in STATES for record in records)
        if is_change:
            if not groups & self._lost_changes and self._loses():
                self._lost_changes |= groups
                return
            self._lost_changes -= groups
        elif not self._lost_round and self._loses():
            self._lost_round = True
            return
        elif len(groups) == len(self.host.memberships()):
            self._lost_round = False
        self._from_router(self.router.on_report(records, now), now)

    def _from_router(self, effects: list[Effect], now: float) -> None:
        for effect in effects:
            match effect:
                case SendGeneralQuery(max_response_ms=delay_ms):
                    if not self._lost_round and self._loses():
                        self._lost_round = True
                        continue
                    self._from_host(self.host.on_query(None, (), delay_ms / 1000, now), now)
                case SendGroupQuery(group=group, sources=sources, max_response_ms=delay_ms):
                    if not self._loses():
                        self._from_host(self.host.on_query(group, sources, delay_ms / 1000, now), now)


@given(CHANGES, st.integers(0, 2**32), st.data())
def test_they_agree_in_the_end_whatever_is_lost_within_the_robustness(
    changes: list[tuple[str, list[GroupMembership], float]], seed: int, data: st.DataObject
) -> None:
    losses = iter(data.draw(st.lists(st.booleans(), max_size=200), label="losses"))
    link = Link(seed, lambda: next(losses, False))
    link.begin()
    now = 0.0
    wanted: dict[str, list[GroupMembership]] = {}
    for client, wish, pause in changes:
        now += pause
        link.until(now)
        link.change(client, wish, now)
        wanted[client] = wish
    # Two reports within the Unsolicited Report Interval, then the Last Listener Query Time.
    link.until(now + 2 * 1.0 + 2.0 + 0.1)
    assert link.host.memberships() == merge(wanted.values())
    assert link.router.memberships() == link.host.memberships()
    link.until(now + 1000.0)
    assert link.router.memberships() == link.host.memberships()


@given(CHANGES, st.integers(0, 2**32))
def test_a_listener_is_never_without_what_it_wants_when_nothing_is_lost(
    changes: list[tuple[str, list[GroupMembership], float]], seed: int
) -> None:
    link = Link(seed, lambda: False)
    link.begin()
    now = 0.0
    for client, wish, pause in changes:
        now += pause
        link.until(now)
        link.change(client, wish, now)
        tracked = {membership.group: membership for membership in link.router.memberships()}
        for membership in link.host.memberships():
            for source in (None, *SOURCES):
                if membership.wants(source):
                    assert tracked[membership.group].wants(source)


@given(st.lists(WISHES, min_size=1, max_size=5), st.integers(0, 2**32))
def test_hosts_that_only_answer_are_learned_within_one_round(wishes: list[list[GroupMembership]], seed: int) -> None:
    dice = Random(seed)
    host, router = HostLink(lambda limit: dice.uniform(0, limit)), RouterLink()
    for number, wish in enumerate(wishes):
        host.listen(f"mn{number}", wish, 0.0)
    while (deadline := host.next_deadline()) is not None:
        host.tick(deadline)
    for effect in router.start(100.0):
        assert isinstance(effect, SendGeneralQuery)
        host.on_query(None, (), effect.max_response_ms / 1000, 100.0)
    for answer in host.tick(101.0):
        assert isinstance(answer, SendReport)
        for records in reports(answer.records):
            router.on_report(records, 101.0)
    assert router.memberships() == host.memberships()

# SPDX-License-Identifier: Apache-2.0
"""Random reports against oracles that know nothing of timers, and against a host that keeps its own state."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from southbound.codec.iana import Mldv2RecordType
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.context import memberships_from_records, records_from_memberships
from southbound.mld.effects import MembershipChanged
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.mld.parameters import MldParameters
from southbound.mld.proxy import merge, state_change_records
from southbound.mld.router import RouterLink

GROUPS = tuple(IPv6Address(f"ff1e::10{n}") for n in range(3))
SOURCES = tuple(IPv6Address(f"2001:db8::{n}") for n in range(1, 6))


def record(record_type: int, group: IPv6Address, sources: Iterable[IPv6Address]) -> MulticastAddressRecord:
    return MulticastAddressRecord(record_type=Mldv2RecordType(record_type), group=group, sources=tuple(sources))


TAME_RECORDS = st.builds(
    record, st.integers(1, 6), st.sampled_from(GROUPS), st.lists(st.sampled_from(SOURCES), max_size=4)
)
ADDRESSES = st.one_of(
    st.sampled_from((*GROUPS, *SOURCES)),
    st.ip_addresses(v=6),
    st.sampled_from([IPv6Address(text) for text in ("ff3e::8000:1", "ff32::8000:1", "::1", "::")]),
    st.integers(0, 0xFF).map(lambda octet: IPv6Address((0xFF00 + octet) << 112 | 1)),
)
WILD_RECORDS = st.builds(record, st.integers(0, 255), ADDRESSES, st.lists(ADDRESSES, max_size=9))


class SetOracle:
    """One group by the letter of the RFC's tables, where every action is on sets: (mode, A or X, Y)."""

    def __init__(self) -> None:
        self.exclude = False
        self.x: set[IPv6Address] = set()
        self.y: set[IPv6Address] = set()

    def hear(self, record_type: int, s: set[IPv6Address]) -> None:
        if not self.exclude:
            if record_type in (1, 3, 5):
                self.x = self.x | s
            elif record_type in (2, 4):
                self.exclude, self.x, self.y = True, self.x & s, s - self.x
        elif record_type in (1, 3, 5):
            self.x, self.y = self.x | s, self.y - s
        elif record_type in (2, 4):
            self.x, self.y = s - self.y, self.y & s
        else:
            self.x = self.x | (s - self.y)

    def read(self, group: IPv6Address) -> GroupMembership | None:
        if self.exclude:
            return GroupMembership(group=group, filter_mode=FilterMode.EXCLUDE, sources=frozenset(self.y))
        if self.x:
            return GroupMembership(group=group, filter_mode=FilterMode.INCLUDE, sources=frozenset(self.x))
        return None


@given(st.lists(st.lists(TAME_RECORDS, max_size=4), max_size=12))
def test_in_zero_time_the_state_is_that_of_the_sets(reports: list[list[MulticastAddressRecord]]) -> None:
    node = RouterLink()
    oracle = {group: SetOracle() for group in GROUPS}
    for report in reports:
        node.on_report(report, 0.0)
        for heard in report:
            oracle[heard.group].hear(heard.record_type, set(heard.sources))
        expected = (oracle[group].read(group) for group in GROUPS)
        assert node.memberships() == tuple(membership for membership in expected if membership is not None)


HOST_STATES = st.lists(
    st.builds(
        GroupMembership,
        group=st.sampled_from(GROUPS),
        filter_mode=st.sampled_from(FilterMode),
        sources=st.frozensets(st.sampled_from(SOURCES)),
    ),
    max_size=3,
    unique_by=lambda membership: membership.group,
)


@given(st.lists(st.tuples(HOST_STATES, st.floats(0.0, 500.0)), max_size=10))
def test_router_follows_a_host_that_answers_and_misses_nothing_it_wants(
    changes: list[tuple[list[GroupMembership], float]],
) -> None:
    """A host that reports changes and answers every query at once is never without what it wants, and after LLQT
    the router has exactly the host's state."""
    node = RouterLink()
    now, state = 0.0, ()
    node.start(now)
    for wanted, pause in changes:
        target = merge([wanted])
        node.on_report(state_change_records(state, target), now)
        state = target
        end = now + 2.0 + pause
        while (deadline := node.next_deadline()) is not None and deadline <= end:
            now = deadline
            if node.tick(now):
                node.on_report([_current_state(membership) for membership in state], now)
            _misses_nothing(node.memberships(), state)
        now = end
        node.tick(now)
        assert node.memberships() == state


def _current_state(membership: GroupMembership) -> MulticastAddressRecord:
    include = membership.filter_mode is FilterMode.INCLUDE
    return record(1 if include else 2, membership.group, sorted(membership.sources))


def _misses_nothing(at_router: tuple[GroupMembership, ...], at_host: tuple[GroupMembership, ...]) -> None:
    tracked = {membership.group: membership for membership in at_router}
    for membership in at_host:
        for source in (None, *SOURCES):
            if membership.wants(source):
                assert membership.group in tracked
                assert tracked[membership.group].wants(source)


INPUTS = st.one_of(
    st.tuples(st.just("report"), st.lists(WILD_RECORDS, max_size=6)),
    st.tuples(st.just("install"), st.lists(
        st.builds(GroupMembership, group=ADDRESSES, filter_mode=st.sampled_from(FilterMode),
                  sources=st.frozensets(ADDRESSES, max_size=9)), max_size=4)),
    st.tuples(st.sampled_from(("v1_report", "v1_done")), ADDRESSES),
    st.tuples(st.sampled_from(("attach", "detach", "tick")), st.none()),
)


@given(st.lists(st.tuples(INPUTS, st.floats(0.0, 300.0)), max_size=20))
def test_any_input_leaves_a_state_within_its_bounds_that_a_context_can_carry(
    steps: list[tuple[tuple[str, object], float]],
) -> None:
    parameters = MldParameters(groups_max=3, sources_max=4)
    node = RouterLink(parameters)
    call = {
        "report": node.on_report, "install": node.install, "v1_report": node.on_mldv1_report,
        "v1_done": node.on_mldv1_done,
    }
    bare = {"attach": node.start, "detach": node.stop, "tick": node.tick}
    now = 0.0
    for (kind, what), pause in steps:
        now += pause
        before = node.memberships()
        effects = bare[kind](now) if kind in bare else call[kind](what, now)  # type: ignore[operator]
        changes = [effect for effect in effects if isinstance(effect, MembershipChanged)]
        assert changes == effects[len(effects) - len(changes):]
        assert [change.memberships for change in changes] == [node.memberships()] * (node.memberships() != before)
        assert len(node.memberships()) <= 3
        for membership in node.memberships():
            assert len(membership.sources) <= 4
            assert membership.filter_mode is FilterMode.EXCLUDE or membership.sources
        assert list(node.memberships()) == sorted(node.memberships(), key=lambda item: item.group)
        carried, refused = memberships_from_records(records_from_memberships(node.memberships()))
        assert (carried, refused) == (node.memberships(), 0)
        deadline = node.next_deadline()
        assert deadline is None or deadline > now
        assert node.memberships() == () or deadline is not None

# SPDX-License-Identifier: Apache-2.0
"""Records of a context become memberships and back; what may not be in a context is refused by name."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from southbound.codec.cursor import Cursor
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.options import decode_options, encode_options
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.context import (
    REFUSAL_REASONS,
    active_multicast_subscriptions,
    memberships_from_records,
    read_context,
    records_from_memberships,
)
from southbound.mld.context_options import multicast_mobility_options
from southbound.mld.membership import FilterMode, GroupMembership

INCLUDE, EXCLUDE = Mldv2RecordType.MODE_IS_INCLUDE, Mldv2RecordType.MODE_IS_EXCLUDE
SOURCE = IPv6Address("2001:db8:c0::10")


def record(kind: int, group: str, *sources: str) -> MulticastAddressRecord:
    return MulticastAddressRecord(
        record_type=Mldv2RecordType(kind),
        group=ip_address(group),
        sources=tuple(IPv6Address(source) for source in sources),
    )


def membership(mode: FilterMode, group: str, *sources: str) -> GroupMembership:
    return GroupMembership(
        group=IPv6Address(group), filter_mode=mode, sources=frozenset(IPv6Address(source) for source in sources)
    )


def test_state_records_become_memberships() -> None:
    records = [record(INCLUDE, "ff3e::8000:1", "2001:db8:c0::10"), record(EXCLUDE, "ff1e::101")]
    expected = (
        membership(FilterMode.INCLUDE, "ff3e::8000:1", "2001:db8:c0::10"),
        membership(FilterMode.EXCLUDE, "ff1e::101"),
    )
    assert memberships_from_records(records) == (expected, 0)
    assert records_from_memberships(expected) == tuple(records)


@pytest.mark.parametrize("kind", [0, 3, 4, 5, 6, 7, 255])
def test_records_that_are_no_state_are_ignored_and_counted(kind: int) -> None:
    reading = read_context([record(kind, "ff1e::101"), record(EXCLUDE, "ff1e::102")])
    assert reading.ignored_count == 1
    assert reading.refused == ()
    assert [str(item.group) for item in reading.memberships] == ["ff1e::102"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record(EXCLUDE, "2001:db8::1"), "group_not_multicast"),
        (record(EXCLUDE, "ff02::1"), "link_scope_group"),
        (record(EXCLUDE, "ff02::1:ff00:11"), "link_scope_group"),
        (record(EXCLUDE, "ff12::1"), "link_scope_group"),
        (record(EXCLUDE, "224.0.0.251"), "link_scope_group"),
        (record(EXCLUDE, "ff00::1"), "reserved_scope_group"),
        (record(EXCLUDE, "ff01::1"), "reserved_scope_group"),
        (record(INCLUDE, "ff1e::101"), "include_without_sources"),
        (record(INCLUDE, "ff1e::101", "ff1e::1"), "source_multicast"),
        (record(EXCLUDE, "ff1e::101", "::"), "source_unspecified"),
        (record(EXCLUDE, "ff1e::101", "::1"), "source_loopback"),
        (record(EXCLUDE, "ff3e::8000:1"), "ssm_without_sources"),
        (record(EXCLUDE, "ff3e::8000:1", "2001:db8::1"), "ssm_without_sources"),
        (record(INCLUDE, "ff3e::8000:1"), "ssm_without_sources"),
    ],
)
def test_records_that_may_not_be_in_a_context(bad: MulticastAddressRecord, reason: str) -> None:
    good = record(EXCLUDE, "ff1e::102")
    reading = read_context([bad, good])
    assert [(item.record, item.reason) for item in reading.refused] == [(bad, reason)]
    assert reason in REFUSAL_REASONS
    assert len(reading.memberships) == 1
    assert memberships_from_records([bad, good])[1] == 1


def test_a_group_outside_the_ssm_range_may_exclude() -> None:
    assert read_context([record(EXCLUDE, "ff3e:40:2001:db8::1")]).refused == ()


def test_caps_on_groups_and_sources() -> None:
    groups = [record(EXCLUDE, f"ff1e::{index:x}") for index in range(1, 52)]
    reading = read_context(groups)
    assert len(reading.memberships) == 50
    assert [item.reason for item in reading.refused] == ["too_many_groups"]
    pieces = [
        record(INCLUDE, "ff1e::101", *(f"2001:db8::{index:x}" for index in range(1, 41))),
        record(INCLUDE, "ff1e::101", *(f"2001:db8::{index:x}" for index in range(101, 141))),
    ]
    reading = read_context(pieces)
    assert [len(item.sources) for item in reading.memberships] == [40]
    assert [item.reason for item in reading.refused] == ["too_many_sources"]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((INCLUDE, "a"), (INCLUDE, "b"), (FilterMode.INCLUDE, "ab")),
        ((EXCLUDE, "abc"), (EXCLUDE, "bcd"), (FilterMode.EXCLUDE, "bc")),
        ((EXCLUDE, "abc"), (INCLUDE, "c"), (FilterMode.EXCLUDE, "ab")),
        ((INCLUDE, "c"), (EXCLUDE, "abc"), (FilterMode.EXCLUDE, "ab")),
    ],
)
def test_records_of_one_group_join(
    first: tuple[int, str], second: tuple[int, str], expected: tuple[FilterMode, str]
) -> None:
    def sources(names: str) -> list[str]:
        return [f"2001:db8::{name}" for name in names]

    reading = read_context([record(kind, "ff1e::101", *sources(names)) for kind, names in (first, second)])
    assert reading.memberships == (membership(expected[0], "ff1e::101", *sources(expected[1])),)


def test_long_include_lists_go_on_and_long_exclude_lists_end() -> None:
    sources = [f"2001:db8::{index:x}" for index in range(1, 101)]
    include = membership(FilterMode.INCLUDE, "ff1e::101", *sources)
    exclude = membership(FilterMode.EXCLUDE, "ff1e::102", *sources)
    assert [len(item.sources) for item in records_from_memberships([include, exclude])] == [62, 38, 62]
    subscriptions = active_multicast_subscriptions([include, exclude])
    assert [len(item.record.sources) for item in subscriptions] == [14] * 7 + [2] + [14]
    assert records_from_memberships([membership(FilterMode.EXCLUDE, "ff02::1")]) == ()
    assert records_from_memberships([membership(FilterMode.INCLUDE, "ff1e::1")]) == ()


groups = st.integers(1, 60).map(lambda index: IPv6Address("ff1e::") + index)
sources_of = st.frozensets(st.integers(0, 80).map(lambda index: SOURCE + index), min_size=1, max_size=62)
memberships = st.lists(
    st.builds(GroupMembership, group=groups, filter_mode=st.sampled_from(FilterMode), sources=sources_of),
    max_size=12,
    unique_by=lambda item: item.group,
)


@settings(deadline=None)
@given(wanted=memberships)
def test_memberships_survive_options_of_any_number(wanted: list[GroupMembership]) -> None:
    options = multicast_mobility_options(wanted)
    read = [decode_options(Cursor(encode_options((option,), 12)))[0] for option in options]
    assert tuple(read) == options
    records = [item for option in options for item in option.records]
    assert memberships_from_records(records) == (tuple(wanted), 0)


def test_fifty_groups_fit_into_one_option() -> None:
    wanted = [membership(FilterMode.EXCLUDE, f"ff1e::{index:x}") for index in range(1, 52)]
    assert [len(option.records) for option in multicast_mobility_options(wanted)] == [50, 1]

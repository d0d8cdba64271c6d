# SPDX-License-Identifier: Apache-2.0
"""The proxy's merge (RFC 3810 section 4.2) and its state-change records (section 6.1)."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.codec.iana import Mldv2RecordType
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.mld.proxy import merge, state_change_records
from southbound.mld.router import RouterLink

GROUPS = tuple(IPv6Address(f"ff1e::10{n}") for n in range(3))
G = GROUPS[0]
NAMES = {
    "TO_IN": Mldv2RecordType.CHANGE_TO_INCLUDE_MODE, "TO_EX": Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE,
    "ALLOW": Mldv2RecordType.ALLOW_NEW_SOURCES, "BLOCK": Mldv2RecordType.BLOCK_OLD_SOURCES,
}
SOURCES = {letter: IPv6Address(f"2001:db8::{letter}") for letter in "abcdef"}


def addresses(letters: str) -> frozenset[IPv6Address]:
    return frozenset(SOURCES[letter] for letter in letters)


def membership(text: str, group: IPv6Address = G) -> GroupMembership:
    """'INCLUDE ab' or 'EXCLUDE'."""
    mode, _, letters = text.partition(" ")
    return GroupMembership(group=group, filter_mode=FilterMode[mode], sources=addresses(letters))


GROUP_MEMBERSHIPS = st.builds(
    GroupMembership,
    group=st.sampled_from(GROUPS),
    filter_mode=st.sampled_from(FilterMode),
    sources=st.frozensets(st.sampled_from(sorted(SOURCES.values()))),
)
LISTENERS = st.lists(GROUP_MEMBERSHIPS, max_size=4, unique_by=lambda item: item.group)


@pytest.mark.parametrize(("listeners", "expected"), [
    # the example of RFC 3810 section 4.2
    (["EXCLUDE abcd", "EXCLUDE bcde", "INCLUDE def"], "EXCLUDE bc"),
    (["EXCLUDE abcd", "EXCLUDE bcde", "INCLUDE def", "EXCLUDE"], "EXCLUDE"),
    (["INCLUDE ab", "INCLUDE bc"], "INCLUDE abc"),
    (["EXCLUDE ab"], "EXCLUDE ab"),
    (["INCLUDE a", "EXCLUDE a"], "EXCLUDE"),
    (["EXCLUDE ab", "INCLUDE"], "EXCLUDE ab"),
])
def test_merge(listeners: list[str], expected: str) -> None:
    assert merge([[membership(text)] for text in listeners]) == (membership(expected),)


def test_merge_keeps_groups_apart_and_sorts_them() -> None:
    first = [membership("EXCLUDE", GROUPS[2]), membership("INCLUDE a", GROUPS[0])]
    second = [membership("INCLUDE b", GROUPS[0]), membership("INCLUDE", GROUPS[1])]
    assert merge([first, second]) == (membership("INCLUDE ab", GROUPS[0]), membership("EXCLUDE", GROUPS[2]))
    assert merge([]) == ()


@given(st.lists(LISTENERS, max_size=5))
def test_merged_membership_wants_what_any_listener_wants(listeners: list[list[GroupMembership]]) -> None:
    merged = {item.group: item for item in merge(listeners)}
    for group in GROUPS:
        for source in (None, *SOURCES.values()):
            anyone = any(item.wants(source) for listener in listeners for item in listener if item.group == group)
            assert (group in merged and merged[group].wants(source)) == anyone


@given(LISTENERS, LISTENERS, LISTENERS)
def test_merge_is_commutative_associative_and_idempotent(
    one: list[GroupMembership], two: list[GroupMembership], three: list[GroupMembership]
) -> None:
    everyone = merge([one, two, three])
    assert merge([three, one, two]) == everyone
    assert merge([merge([one, two]), three]) == everyone
    assert merge([one, merge([two, three])]) == everyone
    assert merge([everyone, everyone]) == everyone
    assert merge([one, []]) == merge([one])


@pytest.mark.parametrize(("before", "after", "expected"), [
    # the table of RFC 3810 section 6.1
    ("INCLUDE ab", "INCLUDE bc", [("ALLOW", "c"), ("BLOCK", "a")]),
    ("EXCLUDE ab", "EXCLUDE bc", [("ALLOW", "a"), ("BLOCK", "c")]),
    ("INCLUDE ab", "EXCLUDE bc", [("TO_EX", "bc")]),
    ("EXCLUDE ab", "INCLUDE bc", [("TO_IN", "bc")]),
    # no record = INCLUDE({}); empty ALLOW and BLOCK are omitted
    (None, "INCLUDE ab", [("ALLOW", "ab")]),
    (None, "EXCLUDE", [("TO_EX", "")]),
    ("INCLUDE ab", None, [("BLOCK", "ab")]),
    ("EXCLUDE ab", None, [("TO_IN", "")]),
    ("INCLUDE ab", "INCLUDE ab", []),
    ("INCLUDE a", "INCLUDE ab", [("ALLOW", "b")]),
    (None, "INCLUDE", []),
    (None, None, []),
])
def test_state_change_records(before: str | None, after: str | None, expected: list[tuple[str, str]]) -> None:
    found = state_change_records(
        [membership(before)] if before else [], [membership(after)] if after else []
    )
    assert list(found) == [
        MulticastAddressRecord(record_type=NAMES[name], group=G, sources=tuple(sorted(addresses(letters))))
        for name, letters in expected
    ]


@given(st.lists(LISTENERS, max_size=4), st.lists(LISTENERS, max_size=4))
def test_a_router_that_heard_the_old_state_knows_the_new_one_from_the_records(
    before: list[list[GroupMembership]], after: list[list[GroupMembership]]
) -> None:
    """Also after a lost first transmission: repeating the records changes nothing (RFC 3810 section 6.1)."""
    router = RouterLink()
    router.install(merge(before), 0.0)
    records = state_change_records(merge(before), merge(after))
    router.on_report(records, 10.0)
    router.on_report(records, 10.5)
    router.tick(20.0)
    assert router.memberships() == merge(after)

# SPDX-License-Identifier: Apache-2.0
"""What the router side does not track: scopes, ranges, record types, and what is beyond the limits."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest

from southbound.codec.iana import Mldv2RecordType
from southbound.mld.effects import IgnoreReason, RecordIgnored
from southbound.mld.parameters import MldParameters
from southbound.mld.router import CompatibilityMode, RouterLink
from tests.unit.southbound.mld.router_script import (
    ALLOW,
    BLOCK,
    G1,
    G2,
    IS_EX,
    IS_IN,
    TO_EX,
    TO_IN,
    A,
    B,
    C,
    Record,
    changed,
    exclude,
    group_query,
    include,
)

# --- what is not tracked ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "ff00::1", "ff01::1", "ff11::5", "ff02::1", "ff02::2", "ff02::16", "ff02::fb", "ff02::1:ff00:11", "ff12::1",
])
def test_link_scope_is_passed_over_without_being_held_against_the_node(text: str) -> None:
    group = IPv6Address(text)
    node = RouterLink()
    ignored = [RecordIgnored(reason=IgnoreReason.LINK_SCOPE, group=group)]
    assert node.on_report([Record(TO_EX, group)], 0.0) == ignored
    assert node.on_mldv1_report(group, 0.0) == ignored
    assert node.install([exclude(group)], 0.0) == ignored
    assert not IgnoreReason.LINK_SCOPE.is_refusal
    assert node.next_deadline() is None


def test_what_a_linux_host_says_when_its_link_comes_up() -> None:
    """Solicited-node groups of its addresses beside the one group that a program joined."""
    node = RouterLink()
    effects = node.on_report([
        Record(TO_EX, IPv6Address("ff02::1:ff00:11")), Record(TO_EX, IPv6Address("ff02::1:ff00:1")), Record(TO_EX, G1),
    ], 0.0)
    assert [effect for effect in effects if isinstance(effect, RecordIgnored) and effect.reason.is_refusal] == []
    assert effects[-1] == changed(exclude(G1))


@pytest.mark.parametrize("text", [
    "ff03::1", "ff05::2", "ff08::1", "ff0e::101", "ff1e::1", "ff3e:20:2001:db8::1", "ff75::1",
])
def test_wider_scopes_are_tracked(text: str) -> None:
    assert RouterLink().on_mldv1_report(IPv6Address(text), 0.0) == [changed(exclude(IPv6Address(text)))]


def test_exclude_for_the_ssm_range_is_refused_and_leaves_the_sources_alone() -> None:
    """RFC 4604; the range is ff3x::/32, RFC 4607 section 1."""
    node = RouterLink()
    node.on_report([Record(ALLOW, G2, (A,))], 0.0)
    ignored = [RecordIgnored(reason=IgnoreReason.SSM_WITHOUT_SOURCES, group=G2)]
    assert node.on_report([Record(TO_EX, G2)], 1.0) == ignored
    assert node.on_report([Record(IS_EX, G2, (B,))], 1.0) == ignored
    assert node.on_mldv1_report(G2, 1.0) == ignored
    assert node.install([exclude(G2)], 1.0) == ignored
    assert node.memberships() == (include(G2, A),)
    assert node.compatibility_mode() is CompatibilityMode.MLDV2
    assert IgnoreReason.SSM_WITHOUT_SOURCES.is_refusal


@pytest.mark.parametrize("record_type", [0, 7, 255])
def test_unknown_record_types_are_ignored_one_by_one(record_type: int) -> None:
    node = RouterLink()
    assert node.on_report([Record(record_type, G1, (A,)), Record(ALLOW, G2, (A,))], 0.0) == [
        RecordIgnored(reason=IgnoreReason.UNKNOWN_RECORD_TYPE, group=G1), changed(include(G2, A)),
    ]


@pytest.mark.parametrize("text", ["2001:db8::1", "::", "fe80::1"])
def test_a_group_must_be_multicast(text: str) -> None:
    assert RouterLink().on_report([Record(IS_EX, IPv6Address(text))], 0.0) == [
        RecordIgnored(reason=IgnoreReason.NOT_MULTICAST, group=IPv6Address(text))
    ]


def test_sources_that_no_packet_can_have_are_left_out() -> None:
    sources = (A, IPv6Address("::"), IPv6Address("::1"), G2, A)
    effects = RouterLink().on_report([Record(ALLOW, G1, sources)], 0.0)
    assert effects == [
        RecordIgnored(reason=IgnoreReason.SOURCE_NOT_UNICAST, group=G1, sources=3), changed(include(G1, A)),
    ]


# --- limits ----------------------------------------------------------------------------------------------------------


def source(number: int) -> IPv6Address:
    return IPv6Address(int(IPv6Address("2001:db8::1:0")) + number)


def group(number: int) -> IPv6Address:
    return IPv6Address(int(IPv6Address("ff1e::1:0")) + number)


def test_group_51_is_refused_until_one_goes() -> None:
    node = RouterLink()
    assert node.on_report([Record(IS_EX, group(n)) for n in range(51)], 0.0)[:-1] == [
        RecordIgnored(reason=IgnoreReason.GROUPS_OVER_LIMIT, group=group(50))
    ]
    assert len(node.memberships()) == 50
    assert node.on_report([Record(IS_EX, group(3))], 1.0) == []
    node.on_report([Record(TO_IN, group(3))], 2.0)
    node.tick(4.0)
    expected = changed(*(exclude(group(n)) for n in range(51) if n != 3))
    assert node.on_report([Record(IS_EX, group(50))], 5.0) == [expected]
    assert IgnoreReason.GROUPS_OVER_LIMIT.is_refusal


def test_leaving_what_was_refused_is_not_another_refusal() -> None:
    node = RouterLink(MldParameters(groups_max=0))
    assert node.on_report([Record(TO_IN, G1), Record(BLOCK, G1, (A,))], 0.0) == []


@pytest.mark.parametrize("record_type", [IS_IN, ALLOW, TO_IN])
def test_source_63_is_refused_and_the_first_62_are_taken(record_type: Mldv2RecordType) -> None:
    node = RouterLink()
    wanted = tuple(source(n) for n in range(65))
    assert node.on_report([Record(record_type, G1, wanted)], 0.0) == [
        RecordIgnored(reason=IgnoreReason.SOURCES_OVER_LIMIT, group=G1, sources=3),
        changed(include(G1, *wanted[:62])),
    ]
    assert len(wanted[:62]) == 62
    assert IgnoreReason.SOURCES_OVER_LIMIT.is_refusal


@pytest.mark.parametrize("record_type", [IS_EX, TO_EX])
def test_exclude_list_is_cut_short_which_lets_more_through(record_type: Mldv2RecordType) -> None:
    node = RouterLink(MldParameters(sources_max=2))
    assert node.on_report([Record(record_type, G1, (A, B, C))], 0.0) == [
        RecordIgnored(reason=IgnoreReason.SOURCES_OVER_LIMIT, group=G1, sources=1), changed(exclude(G1, A, B)),
    ]
    again = node.on_report([Record(record_type, G1, (C, B, A))], 1.0)
    assert again == [RecordIgnored(reason=IgnoreReason.SOURCES_OVER_LIMIT, group=G1, sources=1)]


def test_full_record_takes_a_list_that_replaces_its_own() -> None:
    node = RouterLink(MldParameters(sources_max=2))
    node.on_report([Record(IS_EX, G1, (A, B))], 0.0)
    assert node.on_report([Record(IS_EX, G1, (C, source(1)))], 1.0) == [changed(exclude(G1))]
    node.tick(261.0)
    assert node.on_report([Record(IS_EX, G1, (C, source(1)))], 261.0) == [changed(exclude(G1, C, source(1)))]


def test_full_record_still_takes_what_adds_no_source() -> None:
    node = RouterLink(MldParameters(sources_max=2))
    node.on_report([Record(IS_EX, G1, (A, B))], 0.0)
    assert node.on_report([Record(ALLOW, G1, (A,))], 1.0) == [changed(exclude(G1, B))]
    assert node.on_report([Record(BLOCK, G1, (A, C))], 2.0) == [
        RecordIgnored(reason=IgnoreReason.SOURCES_OVER_LIMIT, group=G1, sources=1), group_query(G1, A),
    ]


def test_block_of_unknown_sources_is_no_refusal_as_it_would_keep_none_of_them() -> None:
    node = RouterLink(MldParameters(sources_max=2))
    node.on_report([Record(IS_IN, G1, (A, B))], 0.0)
    assert node.on_report([Record(BLOCK, G1, (source(1), source(2), source(3)))], 1.0) == []

# SPDX-License-Identifier: Apache-2.0
"""The host side: state change reports (RFC 3810 section 6.1), answers (6.2, 6.3), the older version (8.2.1)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address

import pytest

from southbound.codec.iana import Mldv2RecordType
from southbound.codec.mld import Mldv1Done, Mldv1Query, Mldv1Report, Mldv2Query, Mldv2Report
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.effects import HostEffect, SendOlderDone, SendOlderReport, SendReport
from southbound.mld.host import HostLink
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.mld.messages import ask, report_messages
from southbound.mld.parameters import MldParameters

G, H = IPv6Address("ff1e::101"), IPv6Address("ff1e::102")
A, B, C, D = (IPv6Address(f"2001:db8::{letter}") for letter in "abcd")
IS_IN, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK = (Mldv2RecordType(number) for number in range(1, 7))


def include(group: IPv6Address, *sources: IPv6Address) -> GroupMembership:
    return GroupMembership(group=group, filter_mode=FilterMode.INCLUDE, sources=frozenset(sources))


def exclude(group: IPv6Address, *sources: IPv6Address) -> GroupMembership:
    return GroupMembership(group=group, filter_mode=FilterMode.EXCLUDE, sources=frozenset(sources))


def record(record_type: Mldv2RecordType, group: IPv6Address, *sources: IPv6Address) -> MulticastAddressRecord:
    return MulticastAddressRecord(record_type=record_type, group=group, sources=sources)


def report(*records: MulticastAddressRecord) -> list[HostEffect]:
    return [SendReport(records=records)]


def half(limit: float) -> float:
    return limit / 2


def host(**parameters: float) -> HostLink:
    return HostLink(half, MldParameters(**parameters))  # type: ignore[arg-type]


def settle(node: HostLink, now: float) -> float:
    """Let everything pending pass; the time after it."""
    while (deadline := node.next_deadline()) is not None:
        now = deadline
        node.tick(now)
    return now


@pytest.mark.parametrize(
    ("before", "after", "records"),
    [
        (None, include(G, A), [record(ALLOW, G, A)]),
        (None, exclude(G), [record(TO_EX, G)]),
        (include(G, A, B), include(G, B, C), [record(ALLOW, G, C), record(BLOCK, G, A)]),
        (exclude(G, A, B), exclude(G, B, C), [record(ALLOW, G, A), record(BLOCK, G, C)]),
        (include(G, A), exclude(G, B), [record(TO_EX, G, B)]),
        (exclude(G, A), include(G, B), [record(TO_IN, G, B)]),
        (include(G, A), None, [record(BLOCK, G, A)]),
        (exclude(G, A), None, [record(TO_IN, G)]),
    ],
)
def test_a_change_is_told_at_once_and_once_more(
    before: GroupMembership | None, after: GroupMembership | None, records: list[MulticastAddressRecord]
) -> None:
    node = host()
    node.listen("mn", [] if before is None else [before], 0.0)
    now = settle(node, 0.0) + 1.0
    assert node.listen("mn", [] if after is None else [after], now) == report(*records)
    assert node.next_deadline() == now + 0.5
    assert node.tick(now + 0.4) == []
    assert node.tick(now + 0.5) == report(*records)
    assert node.next_deadline() is None


def test_it_is_told_robustness_times() -> None:
    node = host(robustness=4)
    sent = [node.listen("mn", [exclude(G)], 0.0)]
    while (deadline := node.next_deadline()) is not None:
        sent.append(node.tick(deadline))
    assert sent == [report(record(TO_EX, G))] * 4


def test_a_further_change_is_merged_with_what_is_still_to_be_said() -> None:
    node = host()
    assert node.listen("mn", [include(G, A)], 0.0) == report(record(ALLOW, G, A))
    assert node.listen("mn", [include(G, B)], 0.1) == report(record(ALLOW, G, B), record(BLOCK, G, A))
    assert node.tick(0.6) == report(record(ALLOW, G, B), record(BLOCK, G, A))
    assert node.next_deadline() is None


def test_a_source_that_comes_back_is_allowed_and_no_longer_blocked() -> None:
    node = host()
    node.listen("mn", [include(G, A, B)], 0.0)
    now = settle(node, 0.0)
    assert node.listen("mn", [include(G, B)], now) == report(record(BLOCK, G, A))
    assert node.listen("mn", [include(G, A, B)], now) == report(record(ALLOW, G, A))
    assert node.tick(now + 0.5) == report(record(ALLOW, G, A))


def test_a_change_of_mode_carries_the_list_as_it_is_now() -> None:
    node = host()
    assert node.listen("mn", [exclude(G)], 0.0) == report(record(TO_EX, G))
    assert node.listen("mn", [exclude(G, A)], 0.1) == report(record(TO_EX, G, A))
    # The mode has been said twice; what changed in the list since, once.
    assert node.tick(0.6) == report(record(BLOCK, G, A))
    assert node.next_deadline() is None


def test_changes_of_several_groups_go_in_one_report() -> None:
    node = host()
    assert node.listen("mn", [exclude(H), exclude(G)], 0.0) == report(record(TO_EX, G), record(TO_EX, H))
    assert node.tick(0.5) == report(record(TO_EX, G), record(TO_EX, H))


def test_an_interface_wants_what_any_of_its_clients_wants() -> None:
    node = host()
    node.listen("mn1", [exclude(G, A, B)], 0.0)
    node.listen("mn2", [exclude(G, B, C), include(H, D)], 0.0)
    assert node.memberships() == (exclude(G, B), include(H, D))
    settle(node, 0.0)
    assert node.listen("mn3", [include(H, D)], 10.0) == []
    assert node.listen("mn2", [], 11.0) == report(record(BLOCK, G, A))
    now = settle(node, 11.0)
    assert node.listen("mn1", [], now) == report(record(TO_IN, G))
    assert node.memberships() == (include(H, D),)


def test_a_general_query_is_answered_once_within_its_delay() -> None:
    node = host()
    node.listen("mn", [exclude(G, A), include(H, B)], 0.0)
    now = settle(node, 0.0)
    assert node.on_query(None, (), 10.0, now) == []
    assert node.tick(now + 4.9) == []
    assert node.tick(now + 5.0) == report(record(IS_EX, G, A), record(IS_IN, H, B))
    assert node.next_deadline() is None


def test_without_listeners_no_query_is_answered() -> None:
    node = host()
    for group in (None, G):
        node.on_query(group, (), 1.0, 0.0)
    assert node.tick(10.0) == []


def test_a_pending_general_answer_that_comes_sooner_is_enough() -> None:
    node = host()
    node.listen("mn", [exclude(G)], 0.0)
    now = settle(node, 0.0)
    node.on_query(None, (), 1.0, now)
    node.on_query(G, (), 10.0, now)
    assert node.tick(now + 0.5) == report(record(IS_EX, G))
    assert node.next_deadline() is None


@pytest.mark.parametrize(
    ("state", "asked", "answer"),
    [
        (include(G, A, B), (), [record(IS_IN, G, A, B)]),
        (exclude(G, A), (), [record(IS_EX, G, A)]),
        (include(G, A, B), (B, C), [record(IS_IN, G, B)]),
        (exclude(G, A), (A, C), [record(IS_IN, G, C)]),
        (include(G, A), (C,), []),
        (exclude(G, C), (C,), []),
    ],
)
def test_a_specific_query_is_answered_by_the_table_of_section_6_3(
    state: GroupMembership, asked: Iterable[IPv6Address], answer: list[MulticastAddressRecord]
) -> None:
    node = host()
    node.listen("mn", [state], 0.0)
    now = settle(node, 0.0)
    node.on_query(G, asked, 1.0, now)
    assert node.tick(now + 0.5) == (report(*answer) if answer else [])


def test_queries_for_sources_of_one_group_are_answered_together() -> None:
    node = host()
    node.listen("mn", [include(G, A, B, C)], 0.0)
    now = settle(node, 0.0)
    node.on_query(G, (A,), 10.0, now)
    node.on_query(G, (B,), 1.0, now)
    assert node.tick(now + 0.5) == report(record(IS_IN, G, A, B))
    node.on_query(G, (A,), 1.0, now + 1)
    node.on_query(G, (), 10.0, now + 1)
    assert node.tick(now + 1.5) == report(record(IS_IN, G, A, B, C))


def test_endless_queries_for_sources_do_not_grow_what_is_kept() -> None:
    node = host(sources_max=4)
    node.listen("mn", [include(G, A)], 0.0)
    now = settle(node, 0.0)
    for number in range(40):
        node.on_query(G, (IPv6Address(number + 1),), 1.0, now)
    assert node.tick(now + 0.5) == report(record(IS_IN, G, A))


def test_a_group_that_was_left_is_not_reported_any_more() -> None:
    node = host()
    node.listen("mn", [exclude(G)], 0.0)
    now = settle(node, 0.0)
    node.on_query(G, (), 10.0, now)
    node.listen("mn", [], now + 1)
    now = settle(node, now + 1)
    assert node.tick(now + 10) == []


# --- MLDv1 mode ------------------------------------------------------------------------------------------------------


def test_an_older_querier_gets_older_messages_until_it_has_been_silent_for_long() -> None:
    node = host()
    node.listen("mn", [include(G, A)], 0.0)
    now = settle(node, 0.0)
    assert node.on_older_query(None, 10.0, now) == []
    assert node.in_older_mode
    assert node.tick(now + 5.0) == [SendOlderReport(group=G)]
    assert node.listen("mn", [include(G, B), exclude(H)], now + 6) == [SendOlderReport(group=H)]
    assert node.tick(now + 6.5) == [SendOlderReport(group=H)]
    assert node.listen("mn", [include(G, B)], now + 7) == [SendOlderDone(group=H)]
    # RFC 9777 section 9.12: 2 * 125 s + 10 * 10 s after its last query.
    assert node.tick(now + 349) == []
    assert node.in_older_mode
    node.tick(now + 350)
    assert not node.in_older_mode
    assert node.listen("mn", [include(G, C)], now + 360) == report(record(ALLOW, G, C), record(BLOCK, G, B))


def test_the_older_mode_cancels_what_was_pending() -> None:
    node = host()
    node.listen("mn", [exclude(G)], 0.0)
    node.on_query(None, (), 10.0, 0.1)
    node.on_older_query(None, 2.0, 0.2)
    sent = []
    while (deadline := node.next_deadline()) is not None and deadline < 100:
        sent += node.tick(deadline)
    assert sent == [SendOlderReport(group=G)]


def test_a_report_of_another_listener_stands_for_ours() -> None:
    node = host()
    node.listen("mn", [exclude(G)], 0.0)
    node.on_older_query(None, 10.0, 0.0)
    node.on_older_report(G, 1.0)
    assert node.tick(10.0) == []
    assert node.listen("mn", [], 11.0) == []  # the other one was the last that was heard: RFC 2710 section 4


def test_an_older_query_for_one_group_is_answered_without_changing_the_mode() -> None:
    node = host()
    node.listen("mn", [exclude(G)], 0.0)
    now = settle(node, 0.0)
    node.on_older_query(G, 1.0, now)
    assert not node.in_older_mode
    assert node.tick(now + 0.5) == report(record(IS_EX, G))


def test_a_newer_query_in_the_older_mode_is_answered_in_the_older_version() -> None:
    node = host()
    node.listen("mn", [exclude(G)], 0.0)
    node.on_older_query(None, 10.0, 0.0)
    node.tick(5.0)
    node.on_query(G, (A,), 1.0, 6.0)
    assert node.tick(6.5) == [SendOlderReport(group=G)]


# --- messages --------------------------------------------------------------------------------------------------------


def test_messages_reach_the_machine_and_come_from_it() -> None:
    node = host()
    node.listen("mn", [exclude(G)], 0.0)
    now = settle(node, 0.0)
    ask(node, Mldv2Query(maximum_response_delay_ms=1000), now)
    sent = [message for effect in node.tick(now + 0.5) for message in report_messages(effect)]
    assert sent == [Mldv2Report(records=(record(IS_EX, G),))]
    assert ask(node, Mldv2Report(records=(record(TO_IN, G),)), now + 1) == []
    ask(node, Mldv1Query(maximum_response_delay_ms=1000), now + 1)
    ask(node, Mldv1Report(group=G), now + 1.1)
    assert node.tick(now + 2) == []
    ask(node, Mldv1Query(group=G, maximum_response_delay_ms=1000), now + 3)
    sent = [message for effect in node.tick(now + 3.5) for message in report_messages(effect)]
    assert sent == [Mldv1Report(group=G)]
    sent = [message for effect in node.listen("mn", [], now + 4) for message in report_messages(effect)]
    assert sent == [Mldv1Done(group=G)]


def test_the_query_interval_of_the_last_query_counts_for_the_older_mode() -> None:
    node = host()
    ask(node, Mldv2Query(query_interval_s=10), 0.0)
    ask(node, Mldv1Query(maximum_response_delay_ms=1000), 1.0)
    assert node.next_deadline() == 1.0 + 2 * 10 + 10 * 1.0

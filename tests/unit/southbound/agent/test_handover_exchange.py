# SPDX-License-Identifier: Apache-2.0
"""HandoverInitiates as a reliable exchange: when they are repeated, when given up, and what a repetition gets."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.agent.commands import SendMobilityHeader
from southbound.agent.handover_exchange import (
    ANSWERS_MAX,
    NUMBERS_PER_S,
    OUTSTANDING_MAX,
    HandoverExchange,
    token,
    token_parts,
)
from southbound.agent.sequence_window import SequenceWindow

PEER, OTHER = IPv6Address("2001:db8:b::1"), IPv6Address("2001:db8:c::1")
MN = "mn1@example.net"


def exchange() -> HandoverExchange:
    return HandoverExchange(timeout_s=0.1, retries=3)


def ticks(subject: HandoverExchange) -> tuple[list[float], list[tuple[float, str]]]:
    """(when something was sent again, when what was given up), with every deadline kept."""
    sent: list[float] = []
    given_up: list[tuple[float, str]] = []
    while (deadline := subject.next_deadline()) is not None:
        again, ended = subject.tick(deadline)
        sent += [round(deadline, 3)] * len(again)
        given_up += [(round(deadline, 3), name) for name in ended]
    return sent, given_up


def test_times_of_rfc_5568() -> None:
    """HI_RETRIES = 3 repetitions, the first after 100 ms, doubling (sections 6.2.1.1 and 9)."""
    subject = exchange()
    assert subject.send(PEER, MN, 1, b"hi", "context", 0.0) == [SendMobilityHeader(header=b"hi", destination=PEER)]
    assert ticks(subject) == ([0.1, 0.3, 0.7], [(1.5, "context")])


def test_what_is_urgent_is_repeated_sooner_and_for_as_long() -> None:
    subject = exchange()
    subject.send(PEER, MN, 1, b"hi", "last", 0.0, 0.0075)
    sent, given_up = ticks(subject)
    assert sent == [0.006, 0.019, 0.044, 0.094, 0.194, 0.394, 0.794]
    assert given_up == [(1.594, "last")]


def test_a_repetition_is_the_same_octets() -> None:
    subject = exchange()
    subject.send(PEER, MN, 1, b"hi", "context", 0.0)
    assert subject.tick(0.1) == ([SendMobilityHeader(header=b"hi", destination=PEER)], [])


def test_nothing_is_sent_before_its_time() -> None:
    subject = exchange()
    subject.send(PEER, MN, 1, b"hi", "context", 0.0)
    assert subject.tick(0.0999) == ([], [])


@pytest.mark.parametrize(("peer", "mn_id", "sequence"), [(OTHER, MN, 1), (PEER, "mn2@example.net", 1), (PEER, MN, 2)])
def test_only_the_answer_to_it_ends_it(peer: IPv6Address, mn_id: str, sequence: int) -> None:
    subject = exchange()
    subject.send(PEER, MN, 1, b"hi", "context", 0.0)
    assert subject.acknowledged(peer, mn_id, sequence) is None
    assert subject.outstanding() == ("context",)
    assert subject.acknowledged(PEER, MN, 1) == "context"
    assert subject.acknowledged(PEER, MN, 1) is None
    assert subject.next_deadline() is None


def test_what_is_settled_is_not_repeated() -> None:
    subject = exchange()
    for sequence, name in enumerate(("context a", "context ab", "forward a")):
        subject.send(PEER, MN, sequence, b"hi", name, 0.0)
    subject.settle("context a", "last a")
    assert subject.outstanding() == ("context ab", "forward a")


def test_sequence_numbers_wrap() -> None:
    subject = exchange()
    assert [subject.next_sequence(0xFFFF / NUMBERS_PER_S) for _ in range(3)] == [0xFFFF, 0, 1]


def test_numbers_do_not_go_back_with_the_clock() -> None:
    subject = exchange()
    assert [subject.next_sequence(wall_time) for wall_time in (1000.0, 900.0, 1000.0)] == [16_000, 16_001, 16_002]


@given(
    st.floats(1.7e9, 2e9), st.lists(st.floats(0.0, 5000.0), min_size=1, max_size=30), st.floats(1.0, 9.0)
)
def test_a_peer_does_not_take_what_comes_after_a_restart_for_old(
    start: float, pauses: list[float], away_s: float
) -> None:
    window, now, subject = SequenceWindow(10.0), 0.0, exchange()
    for pause in pauses:
        now += pause
        window.received(PEER, MN, subject.next_sequence(start + now), now)
    now += away_s
    assert not window.is_stale(PEER, MN, exchange().next_sequence(start + now), now)


def test_a_request_that_comes_twice_is_answered_twice_and_worked_on_once() -> None:
    subject = exchange()
    assert not subject.is_repeated(PEER, MN, 7, 0.0)
    subject.received(PEER, MN, 7, 0.0)
    assert subject.is_repeated(PEER, MN, 7, 0.0)
    assert subject.replay(PEER, MN, 7) == [], "still being worked on"
    subject.answer(PEER, MN, 7, b"hack", 0.0)
    assert subject.replay(PEER, MN, 7) == [SendMobilityHeader(header=b"hack", destination=PEER)]
    assert not subject.is_repeated(OTHER, MN, 7, 0.0)
    assert not subject.is_repeated(PEER, MN, 8, 0.0)


def test_an_answer_is_remembered_for_twice_the_time_after_which_the_peer_gives_up() -> None:
    subject = exchange()
    subject.answer(PEER, MN, 7, b"hack", 0.0)
    assert subject.is_repeated(PEER, MN, 7, 2.99)
    assert not subject.is_repeated(PEER, MN, 7, 3.0)
    subject.tick(3.0)
    assert subject.replay(PEER, MN, 7) == []


def test_memory_is_bounded() -> None:
    subject = exchange()
    for sequence in range(ANSWERS_MAX + 10):
        subject.received(PEER, MN, sequence, 0.0)
    assert not subject.is_repeated(PEER, MN, 9, 0.0)
    assert subject.is_repeated(PEER, MN, 10, 0.0)
    for sequence in range(OUTSTANDING_MAX + 10):
        assert len(subject.send(PEER, MN, sequence, b"hi", "x", 0.0)) == 1
    assert len(subject.outstanding()) == OUTSTANDING_MAX


@given(st.sampled_from(["context", "forward"]), st.from_regex(r"[a-z]{1,8}@[a-z.]{1,8}", fullmatch=True), st.text())
def test_a_token_says_what_it_is_for(what: str, mn_id: str, handover_id: str) -> None:
    assert token_parts(token(what, mn_id, handover_id)) == (what, mn_id, handover_id)

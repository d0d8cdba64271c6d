# SPDX-License-Identifier: Apache-2.0
"""Old sequence numbers of a peer."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.agent.sequence_window import PAIRS_MAX, WINDOW, SequenceWindow

PEER, OTHER = IPv6Address("2001:db8:ff::11"), IPv6Address("2001:db8:ff::12")
LIFETIME_S = 10.0


def after(*sequences: int) -> SequenceWindow:
    window = SequenceWindow(LIFETIME_S)
    for sequence in sequences:
        window.received(PEER, "mn1", sequence, 0.0)
    return window


@pytest.mark.parametrize(
    ("sequence", "stale"),
    [(100, True), (101, False), (99, False), (100 - WINDOW + 1, False), (100 - WINDOW, True), (100 + 0x7FFF, False),
     (100 + 0x8000, False), (100 + 0x8001, True), (30_000, False), (50_000, True)],
)
def test_against_one_that_has_come(sequence: int, stale: bool) -> None:
    assert after(100).is_stale(PEER, "mn1", sequence, 1.0) is stale


def test_numbers_wrap() -> None:
    window = after(0xFFFE, 1)
    assert not window.is_stale(PEER, "mn1", 0xFFFF, 0.0)
    assert window.is_stale(PEER, "mn1", 0xFFFE, 0.0)
    assert not window.is_stale(PEER, "mn1", 2, 0.0)


def test_one_that_was_overtaken_is_taken_once() -> None:
    window = after(10, 12)
    assert not window.is_stale(PEER, "mn1", 11, 0.0)
    window.received(PEER, "mn1", 11, 0.0)
    assert window.is_stale(PEER, "mn1", 11, 0.0)
    assert window.is_stale(PEER, "mn1", 10, 0.0)


def test_each_peer_and_mobile_node_has_its_own() -> None:
    window = after(100)
    assert not window.is_stale(OTHER, "mn1", 100, 0.0)
    assert not window.is_stale(PEER, "mn2", 100, 0.0)


def test_a_peer_that_has_restarted_is_heard_after_the_lifetime() -> None:
    window = after(10_000)
    assert window.is_stale(PEER, "mn1", 1, LIFETIME_S - 0.1)
    assert not window.is_stale(PEER, "mn1", 1, LIFETIME_S)
    window.received(PEER, "mn1", 1, LIFETIME_S)
    assert window.is_stale(PEER, "mn1", 1, LIFETIME_S)


def test_it_is_bounded() -> None:
    window = after(7)
    for number in range(PAIRS_MAX):
        window.received(PEER, f"mn-{number}", 7, 0.0)
    assert not window.is_stale(PEER, "mn1", 7, 0.0)


@given(st.lists(st.integers(-40, 40), max_size=40), st.integers(0, 0xFFFF))
def test_no_number_is_taken_twice(steps: list[int], start: int) -> None:
    window, taken = SequenceWindow(LIFETIME_S), list[int]()
    for step in steps:
        sequence = (start + step) & 0xFFFF
        if not window.is_stale(PEER, "mn1", sequence, 0.0):
            window.received(PEER, "mn1", sequence, 0.0)
            taken.append(sequence)
    assert len(set(taken)) == len(taken)

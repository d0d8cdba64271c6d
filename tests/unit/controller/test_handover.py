# SPDX-License-Identifier: Apache-2.0
"""The controller's coordination of handovers: every state with every input, and the table's limits."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from controller.handover import (
    CANCELLABLE,
    CLONE_SHOWS_WITHIN_S,
    ENDED,
    TRANSITIONS,
    Handover,
    HandoverInput,
    HandoverState,
    HandoverTable,
)


def handover(number: int = 1, state: HandoverState = HandoverState.INITIATED, mn_id: str = "mn1") -> Handover:
    return Handover(
        handover_id=f"ho{number}", mn_id=mn_id, previous_mag="mag1", new_mag="mag2", trigger="rest", state=state,
        guard=float(number),
    )


@pytest.mark.parametrize(("state", "what"), list(itertools.product(HandoverState, HandoverInput)))
def test_every_input_in_every_state_has_an_outcome(state: HandoverState, what: HandoverInput) -> None:
    subject = handover(state=state)
    moved = subject.advance(what)
    assert moved is ((state, what) in TRANSITIONS)
    assert subject.state is TRANSITIONS.get((state, what), state)


@pytest.mark.parametrize("state", sorted(ENDED, key=lambda state: state.value))
def test_an_end_is_an_end(state: HandoverState) -> None:
    assert not any(pair[0] is state for pair in TRANSITIONS)
    assert handover(state=state).ended


@pytest.mark.parametrize("state", sorted(set(HandoverState) - ENDED, key=lambda state: state.value))
def test_everything_else_can_fail_and_can_reach_an_end(state: HandoverState) -> None:
    assert TRANSITIONS[state, HandoverInput.FAIL] is HandoverState.FAILED
    reachable = {state}
    for _ in HandoverState:
        reachable |= {end for (start, _), end in TRANSITIONS.items() if start in reachable}
    assert HandoverState.COMPLETED in reachable


def test_what_the_mobile_node_has_reached_cannot_be_cancelled() -> None:
    assert CANCELLABLE.isdisjoint(ENDED | {HandoverState.BOUND, HandoverState.DELIVERED})


def test_the_way_of_a_handover() -> None:
    subject = handover(state=HandoverState.REQUESTED)
    way = ["initiate", "prepare", "clone", "stream", "bind", "deliver", "complete"]
    states = []
    for what in way:
        assert subject.advance(HandoverInput(what))
        states.append(subject.state.value)
    assert states == ["initiated", "prepared", "cloned", "forwarding", "bound", "delivered", "completed"]


def test_the_table_forgets_the_oldest_that_have_ended() -> None:
    table = HandoverTable(remembered=3)
    for number in range(1, 6):
        table.add(handover(number, HandoverState.COMPLETED if number != 1 else HandoverState.FORWARDING, f"mn{number}"))
    assert [known.handover_id for known in table] == ["ho1", "ho4", "ho5"]
    assert [known.handover_id for known in table.open()] == ["ho1"]


def test_one_that_has_ended_is_not_under_way() -> None:
    table = HandoverTable(remembered=10)
    first = handover(1)
    table.add(first)
    assert table.under_way("mn1") == [first]
    assert table.arriving_at("mag2", "mn1") is first
    assert table.arriving_at("mag1", "mn1") is None
    assert table.next_deadline() == 1.0
    first.advance(HandoverInput.FAIL)
    assert table.under_way("mn1") == []
    assert table.leaving("mag1") == []
    assert table.next_deadline() is None


def test_the_way_by_which_a_mobile_node_has_come() -> None:
    """The last one first; a candidate that it did not take is no part of it, nor is a later one to where it was."""
    table = HandoverTable(remembered=10)
    ways = [("mag1", "mag2"), ("mag1", "mag4"), ("mag2", "mag3"), ("mag3", "mag2"), ("mag2", "mag1")]
    made = [replace(handover(number), previous_mag=one, new_mag=other) for number, (one, other) in enumerate(ways)]
    for one in made:
        table.add(one)
    assert table.leading_to("mag3", "mn1") == [made[2], made[0]]
    assert table.leading_to("mag2", "mn1") == [made[3], made[2], made[0]]
    assert table.leading_to("mag9", "mn1") == []


def test_overdue() -> None:
    table = HandoverTable(remembered=10)
    table.add(handover(5))
    assert table.overdue(4.9) == []
    assert [late.handover_id for late in table.overdue(5.0)] == ["ho5"]


def test_a_clone_counts_as_forwarding_when_the_data_plane_shows_it_or_has_nothing_to_show() -> None:
    subject = handover(1, HandoverState.PREPARED, "mn1")
    assert subject.cloned(10.0)
    assert subject.state is HandoverState.CLONED
    subject.shown()
    assert (subject.state, subject.quiet_at) == (HandoverState.FORWARDING, None)

    early = handover(2, HandoverState.PREPARED, "mn2")
    early.shown()
    assert early.state is HandoverState.PREPARED
    assert early.cloned(10.0)
    assert early.state is HandoverState.FORWARDING

    table = HandoverTable(10)
    silent = handover(30, HandoverState.PREPARED, "mn3")
    table.add(silent)
    assert silent.cloned(10.0)
    assert table.next_deadline() == pytest.approx(10.0 + CLONE_SHOWS_WITHIN_S)
    assert table.quiet(10.0) == []
    assert table.quiet(10.0 + CLONE_SHOWS_WITHIN_S) == [silent]

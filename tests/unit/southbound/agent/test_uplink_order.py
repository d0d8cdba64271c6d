# SPDX-License-Identifier: Apache-2.0
"""The order of what MNs send while they come to a MAG, over two unlike ways: gate, switch and LMA in memory."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv6Network
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.agent.uplink_marker import marker, word_of
from southbound.agent.uplink_order import (
    CHANGES_WITHIN_S,
    HELD_PACKETS_MAX,
    WORTH_S,
    Action,
    Open,
    SendMarker,
    Shut,
    UplinkOrder,
)
from southbound.codec.ipv6 import decode_ipv6

HOLD_S = 0.5
DRAIN_S = 0.001


@dataclass(frozen=True, kw_only=True)
class Move:
    """One MN that comes, in seconds; the way by its p-MAG takes `by_peer` longer or shorter than the straight one."""

    by_peer: float
    straight: float
    back: float
    arrives: float
    bound_after: float
    joined_after: float
    answered_after: float
    changes_after: float
    every: float
    packets: int


class Domain:
    """The n-MAG's switch and gate, and the LMA; `came` is what has reached the LMA, by MN."""

    def __init__(self, moves: dict[str, Move], order: UplinkOrder) -> None:
        self.order, self.moves = order, moves
        self.came: dict[str, list[int]] = defaultdict(list)
        self.held_longest = 0.0
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._way = dict.fromkeys(moves, "peer")
        self._gate_open = True
        self._drains: object = None
        """The last time that the gate was shut."""
        self._waiting: list[tuple[float, str, int]] = []
        self._joined: set[str] = set()
        for mn_id, move in moves.items():
            self._apply(order.expect(mn_id, f"peer of {mn_id}"))
            self._at(move.arrives, lambda mn_id=mn_id: self._apply(order.arrived(mn_id)))
            self._at(move.arrives + move.bound_after, lambda mn_id=mn_id: self._way.update({mn_id: "gate"}))
            self._at(move.arrives + move.bound_after + move.joined_after, lambda mn_id=mn_id: self._join(mn_id))
            for number in range(move.packets):
                sent_at = move.arrives + number * move.every
                self._at(sent_at, lambda mn_id=mn_id, number=number: self._send(mn_id, number))

    def run(self) -> None:
        while self._events or self.order.next_deadline() is not None:
            due = self.order.next_deadline()
            if due is not None and (not self._events or due < self._events[0][0]):
                self.now = due
                self._apply(self.order.tick(due))
                continue
            self.now, _, happens = heapq.heappop(self._events)
            happens()

    def _at(self, when: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._number), happens))

    def _send(self, mn_id: str, number: int) -> None:
        move, way = self.moves[mn_id], self._way[mn_id]
        if way == "peer":
            self._at(self.now + move.by_peer, lambda: self.came[mn_id].append(number))
        elif way == "straight":
            self._to_lma(mn_id, number)
        else:
            self._waiting.append((self.now, mn_id, number))
            self._apply(self.order.waits(mn_id, self.now))
            self._let_through()

    def _to_lma(self, mn_id: str, number: int) -> None:
        self._at(self.now + self.moves[mn_id].straight, lambda: self.came[mn_id].append(number))

    def _let_through(self) -> None:
        if not self._gate_open:
            return
        waiting, self._waiting = self._waiting, []
        for since, mn_id, number in waiting:
            self.held_longest = max(self.held_longest, self.now - since)
            self._to_lma(mn_id, number)

    def _apply(self, actions: tuple[Action, ...] | None) -> None:
        assert actions is not None
        for action in actions:
            match action:
                case Shut():
                    self._gate_open, self._drains = False, count()
                case Open():
                    # What waits takes its time to get through, and what comes meanwhile is behind it.
                    shut = self._drains
                    self._at(self.now + DRAIN_S, lambda shut=shut: self._drained(shut))
                case SendMarker(mn_id=mn_id, by_peer=by_peer, word=word):
                    move = self.moves[mn_id]
                    there = move.by_peer if by_peer else move.straight
                    back = self.now + there + move.back
                    self._at(back, lambda word=word: self._apply(self.order.returned(word, self.now)))

    def _drained(self, shut: object) -> None:
        if shut is not self._drains:
            return  # shut again
        self._gate_open = True
        self._let_through()
        self.order.drained()
        for mn_id in list(self._joined):
            self._join(mn_id)

    def _join(self, mn_id: str) -> None:
        may, actions = self.order.may_leave(mn_id, self.now)
        self._joined.add(mn_id)
        self._apply(actions)
        if may:
            move = self.moves[mn_id]
            self._joined.discard(mn_id)
            self._at(self.now + move.answered_after, lambda: self.order.answered(mn_id, None, self.now))
            self._at(self.now + move.changes_after, lambda: self._way.update({mn_id: "straight"}))


def new_order() -> tuple[UplinkOrder, Counter[str]]:
    counters: Counter[str] = Counter()
    numbers = count()
    return UplinkOrder(hold_s=HOLD_S, new_word=lambda: next(numbers).to_bytes(8, "big"), counters=counters), counters


seconds = st.floats(0.0, 0.2)


@st.composite
def moves(draw: st.DrawFn) -> Move:
    answered = draw(st.floats(0.0, 0.05))
    return Move(
        by_peer=draw(seconds), straight=draw(seconds), back=draw(seconds), arrives=draw(st.floats(0.0, 0.5)),
        bound_after=draw(seconds), joined_after=draw(seconds), answered_after=answered,
        # Before or after the answer, but not longer after it than is said.
        changes_after=draw(st.floats(0.0, answered + CHANGES_WITHIN_S * 0.99)),
        every=draw(st.floats(0.0005, 0.02)), packets=draw(st.integers(0, 150)),
    )


@given(move=moves())
def test_the_lma_has_all_of_one_mn_once_and_in_order(move: Move) -> None:
    order, counters = new_order()
    domain = Domain({"mn1": move}, order)
    domain.run()
    assert domain.came["mn1"] == list(range(move.packets))
    assert counters.keys() <= {"uplink_in_order"}
    assert domain.held_longest <= move.by_peer + move.back + DRAIN_S + 1e-9


@given(several=st.lists(moves(), min_size=2, max_size=4))
def test_mns_that_come_at_once_lose_nothing_and_stay_in_order_unless_it_is_counted(several: list[Move]) -> None:
    order, counters = new_order()
    domain = Domain({f"mn{number}": move for number, move in enumerate(several)}, order)
    domain.run()
    out_of_order = 0
    for mn_id, move in domain.moves.items():
        assert sorted(domain.came[mn_id]) == list(range(move.packets))
        out_of_order += domain.came[mn_id] != list(range(move.packets))
    assert out_of_order <= counters["uplink_not_held"]
    assert domain.held_longest <= len(several) * (HOLD_S + DRAIN_S)


SLOWER = Move(
    by_peer=0.025, straight=0.005, back=0.01, arrives=0.0, bound_after=0.01, joined_after=0.005, answered_after=0.002,
    changes_after=0.003, every=0.001, packets=100,
)


def test_without_the_gate_this_move_is_out_of_order() -> None:
    class Ungated(UplinkOrder):
        def arrived(self, mn_id: str) -> tuple[Action, ...]:
            return ()

    domain = Domain({"mn1": SLOWER}, Ungated(hold_s=HOLD_S, new_word=lambda: bytes(8), counters=Counter()))
    domain.run()
    assert domain.came["mn1"] != sorted(domain.came["mn1"])


@pytest.mark.parametrize(("by_peer", "worth"), [(0.025, True), (0.005 + WORTH_S / 2, False), (0.001, False)])
def test_the_next_mn_is_detained_only_where_the_way_was_slower(by_peer: float, worth: bool) -> None:
    order, _ = new_order()
    assert order.is_worth_it("peer of mn1")
    Domain({"mn1": replace(SLOWER, by_peer=by_peer)}, order).run()
    assert order.is_worth_it("peer of mn1") is worth
    assert order.is_worth_it("another")


def test_a_way_that_has_become_slower_is_noticed_without_detaining_anybody() -> None:
    order, _ = new_order()
    Domain({"mn1": SLOWER}, order).run()
    assert order.is_worth_it("peer of mn1")
    for early, late, worth in ((0.0, 0.0, False), (0.0, 0.02, True)):
        order.end("mn1")
        sent = order.measure("mn1", "peer of mn1", 1.0)
        by_peer, straight = [action for action in sent if isinstance(action, SendMarker)]
        assert (by_peer.by_peer, straight.by_peer) == (True, False)
        assert order.returned(straight.word, 1.1 + early) == ()
        assert order.returned(by_peer.word, 1.1 + late) == ()
        assert order.is_worth_it("peer of mn1") is worth


def test_a_marker_that_is_lost_costs_the_bound_once() -> None:
    order, counters = new_order()
    order.expect("mn1", "mag1")
    assert order.arrived("mn1") == (Shut(),)
    assert [type(action) for action in order.waits("mn1", 1.0)] == [SendMarker, SendMarker]
    assert order.tick(1.0 + HOLD_S - 0.001) == ()
    assert order.tick(1.0 + HOLD_S) == (Open(),)
    assert counters == {"uplink_marker_lost": 1}
    assert not order.is_worth_it("mag1")


def test_there_is_room_for_so_many_in_front_of_the_gate() -> None:
    order, counters = new_order()
    order.expect("mn1", "mag1")
    order.arrived("mn1")
    for _ in range(HELD_PACKETS_MAX):
        assert Open() not in order.waits("mn1", 1.0)
    assert Open() in order.waits("mn1", 1.0)
    assert counters == {"uplink_hold_full": 1}


def test_the_gate_stays_open_while_the_switch_changes_over_for_another_mn() -> None:
    """What that one has sent would wait, and what it sends next would not."""
    order, counters = new_order()
    for mn_id in ("mn1", "mn2", "mn3", "mn4"):
        order.expect(mn_id, "mag1")
    assert order.may_leave("mn1", 1.0) == (True, ())
    assert order.arrived("mn2") == ()
    assert counters == {"uplink_not_held": 1}
    order.answered("mn1", "not yet", 1.0)
    assert order.next_deadline() is None
    order.answered("mn1", None, 1.0)
    assert order.next_deadline() == 1.0 + CHANGES_WITHIN_S
    order.tick(1.0 + CHANGES_WITHIN_S / 2)
    assert order.arrived("mn3") == ()
    order.tick(1.0 + CHANGES_WITHIN_S)
    assert order.arrived("mn4") == (Shut(),)
    assert counters == {"uplink_not_held": 2}


def test_a_switch_that_changes_over_after_the_marker_of_a_silent_mn_needs_another_one() -> None:
    """Something may have gone by the p-MAG in between."""
    order, counters = new_order()
    order.expect("mn1", "mag1")
    order.arrived("mn1")
    may, (first, _) = order.may_leave("mn1", 1.0)
    assert not may
    second = next(action for action in order.waits("mn1", 1.01) if isinstance(action, SendMarker))
    assert isinstance(first, SendMarker)
    assert order.returned(first.word, 1.02) == ()
    assert order.returned(second.word, 1.03) == (Open(),)
    assert order.may_leave("mn1", 1.03) == (False, ())
    order.drained()
    assert order.may_leave("mn1", 1.031) == (True, ())
    assert counters == {"uplink_in_order": 1}


@pytest.mark.parametrize("phase", ["expected", "here", "awaited", "silent"])
def test_the_gate_is_open_when_nobody_is_detained_any_more(phase: str) -> None:
    order, _ = new_order()
    order.expect("mn1", "mag1")
    if phase != "expected":
        order.arrived("mn1")
    if phase == "awaited":
        order.waits("mn1", 1.0)
    if phase == "silent":
        assert order.may_leave("mn1", 1.0)[0] is False
    assert order.end("mn1") == (() if phase == "expected" else (Open(),))
    assert order.end("mn1") == ()


def test_words_that_are_not_ours_or_have_come_before_are_for_somebody_else() -> None:
    order, _ = new_order()
    order.expect("mn1", "mag1")
    order.arrived("mn1")
    first = next(action for action in order.waits("mn1", 1.0) if isinstance(action, SendMarker))
    assert order.returned(bytes.fromhex("ffffffffffffffff"), 1.1) is None
    assert order.returned(first.word, 1.1) == (Open(),)
    assert order.returned(first.word, 1.1) is None


def test_what_is_remembered_of_markers_is_bounded() -> None:
    order, _ = new_order()
    for number in range(5_000):
        order.measure("mn1", "mag1", number * 1e-6)
    assert len(order._markers) <= 1_026


@pytest.mark.parametrize("prefix", ["2001:db8:100:1::/64", "2001:db8::/48", "2001:db8::7/128"])
def test_a_marker_is_a_packet_of_the_home_network_for_the_home_network(prefix: str) -> None:
    network = IPv6Network(prefix)
    packet = marker(network, b"12345678")
    header = decode_ipv6(packet)
    assert header.source in network
    assert header.destination in network
    assert header.next_header == 59
    assert word_of(packet) == b"12345678"
    assert word_of(packet[:-1]) is None
    assert word_of(packet[:8] + bytes(16) + packet[24:]) is None

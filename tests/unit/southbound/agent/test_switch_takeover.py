# SPDX-License-Identifier: Apache-2.0
"""The takeover by the switch: its table of cases, any order of events, and a model of the two queues it brings together."""

from __future__ import annotations

from collections import Counter, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from southbound.agent.new_mag import DIRECT_GRACE_S
from southbound.agent.switch_takeover import (
    ANSWER_S,
    CATCH_UP_S,
    HELD_FRAMES_MAX,
    HOLD_S,
    POLL_S,
    QUIET_S,
    SETTLE_S,
    WATCH_S,
    Action,
    Asked,
    Confirmed,
    Delivered,
    Drained,
    EgressEmpty,
    Ended,
    Event,
    Observed,
    Phase,
    Refused,
    SwitchTakeover,
)

HANDED_OVER = (Action.HAND_OVER, Action.OPEN)
OUTCOMES = {
    "takeover_exact", "takeover_quiet", "takeover_overdue", "takeover_refused", "takeover_ungated",
    "takeover_cut_short", "takeover_not_yet",
}  # fmt: skip


def started(*, gated: bool = True, streams: int = 1, asked: bool = True) -> tuple[SwitchTakeover, Counter[str]]:
    counters: Counter[str] = Counter()
    return SwitchTakeover(gated=gated, streams=streams, now=0.0, counters=counters, asked=asked), counters


def test_the_first_frame_that_waits_is_followed_by_draining_and_the_opening() -> None:
    takeover, counters = started()
    assert takeover.handle(Observed(held=0), 0.001) == ()
    assert takeover.handle(Confirmed(), 0.002) == ()
    assert takeover.handle(Observed(held=0), 0.003) == ()
    assert takeover.handle(Observed(held=2), 0.004) == (Action.DRAIN,)
    # Once more: what the switch wrote before may reach the socket a little later.
    assert takeover.handle(Drained(egress_empty=True), 0.004) == ()
    assert takeover.handle(Observed(held=3), 0.004 + POLL_S) == (Action.DRAIN,)
    assert takeover.handle(Drained(egress_empty=True), 0.004 + POLL_S) == HANDED_OVER
    assert (takeover.phase, takeover.outcome, takeover.held_most) == (Phase.OVER, "takeover_exact", 3)
    assert takeover.first_held_at == 0.004
    assert takeover.next_deadline() is None
    assert counters == {"takeover_exact": 1}


def test_a_frame_that_waits_tells_it_before_the_confirmation_does() -> None:
    takeover, _ = started()
    assert takeover.handle(Observed(held=1), 0.001) == (Action.DRAIN,)
    assert takeover.handle(Confirmed(), 0.002) == ()
    assert takeover.handle(Refused(), 0.002) == ()
    assert takeover.handle(Drained(egress_empty=True), 0.002) == HANDED_OVER


def test_what_waits_to_be_sent_by_the_agent_goes_before_what_waits_in_front_of_the_gate() -> None:
    takeover, _ = started()
    takeover.handle(Confirmed(), 0.0)
    assert takeover.handle(Observed(held=1), 0.001) == (Action.DRAIN,)
    assert takeover.handle(Drained(egress_empty=False), 0.002) == ()
    assert takeover.handle(Observed(held=3), 0.002) == ()
    assert takeover.handle(EgressEmpty(), 0.003) == HANDED_OVER


def test_frames_do_not_wait_for_a_slow_egress_for_ever() -> None:
    takeover, counters = started()
    takeover.handle(Observed(held=1), 0.001)
    takeover.handle(Drained(egress_empty=False), 0.002)
    assert takeover.handle(Observed(held=9), 0.001 + HOLD_S) == HANDED_OVER
    assert counters == {"takeover_exact": 1, "takeover_hold_limit": 1}


def test_several_streams_have_all_changed_over_when_the_buffer_port_has_been_quiet() -> None:
    takeover, counters = started(streams=2)
    takeover.handle(Confirmed(), 0.0)
    assert takeover.handle(Observed(held=1), 0.001) == (Action.DRAIN,)
    assert takeover.handle(Drained(egress_empty=True), 0.001) == ()
    takeover.handle(Delivered(), 0.002)
    assert takeover.handle(Observed(held=2), 0.002 + SETTLE_S - 0.0001) == (Action.DRAIN,)
    assert takeover.handle(Drained(egress_empty=True), 0.002 + SETTLE_S - 0.0001) == ()
    assert takeover.handle(Observed(held=2), 0.002 + SETTLE_S) == (Action.DRAIN,)
    assert takeover.handle(Drained(egress_empty=True), 0.01) == HANDED_OVER
    assert counters == {"takeover_exact": 1}


@pytest.mark.parametrize(("held", "now"), [(HELD_FRAMES_MAX, 0.002), (3, 0.001 + HOLD_S)])
def test_several_streams_that_do_not_settle_are_not_held_too_long(held: int, now: float) -> None:
    takeover, counters = started(streams=2)
    takeover.handle(Observed(held=1), 0.001)
    takeover.handle(Delivered(), now)
    assert takeover.handle(Observed(held=held), now) == (Action.DRAIN,)
    assert takeover.handle(Drained(egress_empty=True), now) == HANDED_OVER
    assert counters == {"takeover_exact": 1, "takeover_hold_limit": 1}


def test_silent_streams_are_handed_over_after_a_while() -> None:
    takeover, counters = started()
    takeover.handle(Confirmed(), 0.0)
    assert takeover.handle(Observed(held=0), QUIET_S - 0.001) == ()
    assert takeover.handle(Observed(held=0), QUIET_S) == (Action.DRAIN,)
    assert takeover.handle(Drained(egress_empty=True), QUIET_S) == HANDED_OVER
    assert counters == {"takeover_quiet": 1}


def test_packets_that_go_on_coming_prolong_the_watch_up_to_its_limit() -> None:
    takeover, counters = started()
    takeover.handle(Confirmed(), 0.0)
    now = 0.0
    while now < WATCH_S - 0.001:
        takeover.handle(Delivered(), now)
        assert takeover.handle(Observed(held=0), now) == ()
        now += POLL_S
    assert takeover.handle(Observed(held=0), WATCH_S) == (Action.DRAIN,)
    takeover.handle(Drained(egress_empty=True), WATCH_S)
    assert counters == {"takeover_overdue": 1}


def test_a_refusal_opens_the_gate_and_leaves_delivery_to_the_buffer() -> None:
    takeover, counters = started()
    assert takeover.handle(Refused(), 0.001) == (Action.OPEN,)
    assert counters == {"takeover_refused": 1}
    assert takeover.handle(Observed(held=1), 0.002) == ()


def test_without_an_answer_the_gate_opens_and_the_confirmation_may_still_come() -> None:
    takeover, counters = started()
    assert takeover.handle(Observed(held=0), ANSWER_S) == (Action.OPEN,)
    assert takeover.handle(Observed(held=0), ANSWER_S + 0.001) == ()
    takeover.handle(Confirmed(), 1.0)
    assert takeover.handle(Observed(held=0), 1.0 + QUIET_S) == (Action.DRAIN,)
    assert takeover.handle(Drained(egress_empty=True), 1.0 + QUIET_S) == HANDED_OVER
    assert counters == {"takeover_unanswered": 1, "takeover_ungated": 1}


def test_without_a_gate_the_switch_is_given_a_while() -> None:
    takeover, counters = started(gated=False)
    assert takeover.handle(Observed(held=None), 10.0) == ()
    takeover.handle(Confirmed(), 10.0)
    takeover.handle(Delivered(), 10.0 + QUIET_S)
    assert takeover.handle(Observed(held=None), 10.001 + QUIET_S) == (Action.DRAIN,)
    assert takeover.handle(Drained(egress_empty=True), 10.1) == HANDED_OVER
    assert counters == {"takeover_ungated": 1}


def test_a_gate_that_somebody_takes_away_is_done_without() -> None:
    takeover, counters = started()
    assert takeover.handle(Observed(held=None), 0.001) == (Action.OPEN,)
    assert takeover.handle(Confirmed(), 0.002) == ()
    assert takeover.handle(Observed(held=None), 0.003 + QUIET_S) == (Action.DRAIN,)
    assert takeover.handle(Drained(egress_empty=True), 0.003 + QUIET_S) == HANDED_OVER
    assert counters == {"takeover_gate_lost": 1, "takeover_ungated": 1}


@pytest.mark.parametrize(
    ("here", "actions"), [(True, (Action.DRAIN, Action.HAND_OVER, Action.OPEN)), (False, (Action.OPEN,))]
)
def test_an_end_in_the_middle_opens_the_gate(here: bool, actions: tuple[Action, ...]) -> None:
    takeover, counters = started()
    assert takeover.handle(Ended(here=here), 0.001) == actions
    assert counters == {"takeover_cut_short": 1}


def test_one_that_waits_for_another_is_taken_over_with_it() -> None:
    takeover, counters = started(asked=False)
    assert takeover.handle(Confirmed(), 0.001) == ()
    assert takeover.handle(Observed(held=1), 0.002) == (Action.DRAIN,)
    assert takeover.handle(Drained(egress_empty=True), 0.003) == HANDED_OVER
    assert counters == {"takeover_exact": 1}


def test_one_that_waits_for_another_goes_on_when_nothing_has_changed() -> None:
    takeover, counters = started(asked=False)
    # Packets go on coming by the buffer port, or the stream is silent: neither tells anything.
    assert takeover.handle(Observed(held=0), QUIET_S + 0.001) == ()
    assert takeover.handle(Observed(held=0), WATCH_S) == (Action.OPEN,)
    assert counters == {"takeover_not_yet": 1}


def test_one_that_waits_may_ask_itself_meanwhile() -> None:
    takeover, counters = started(asked=False)
    assert takeover.handle(Asked(), 0.1) == ()
    takeover.handle(Confirmed(), 0.101)
    assert takeover.handle(Observed(held=0), WATCH_S) == (Action.DRAIN,)
    assert takeover.handle(Drained(egress_empty=True), WATCH_S) == HANDED_OVER
    assert counters == {"takeover_quiet": 1}


def test_the_watch_is_over_before_the_buffer_is_freed() -> None:
    assert WATCH_S + HOLD_S < DIRECT_GRACE_S
    assert CATCH_UP_S < POLL_S < SETTLE_S < HOLD_S


EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.just(Asked()),
    st.just(Confirmed()),
    st.just(Refused()),
    st.just(Delivered()),
    st.just(EgressEmpty()),
    st.builds(Observed, held=st.none() | st.integers(0, 2 * HELD_FRAMES_MAX)),
    st.builds(Drained, egress_empty=st.booleans()),
    st.builds(Ended, here=st.booleans()),
)


@settings(deadline=None)
@given(
    gated=st.booleans(),
    asked=st.booleans(),
    streams=st.integers(0, 3),
    events=st.lists(st.tuples(EVENTS, st.floats(0, 0.05)), max_size=30),
)
def test_whatever_happens_the_gate_is_opened_in_the_end(
    gated: bool, asked: bool, streams: int, events: list[tuple[Event, float]]
) -> None:
    takeover, counters = started(gated=gated, streams=streams, asked=asked)
    now, actions, shut_since = 0.0, list[Action](), 0.0
    # When the events are over: polls as the shell makes them, and the egress that empties.
    tail: list[tuple[Event, float]] = [(Observed(held=0), POLL_S), (Drained(egress_empty=False), 0.0)] * 400
    for event, after in [*events, *tail]:
        now += after
        actions += takeover.handle(event, now)
        if Action.OPEN not in actions:
            shut_since = now
    # Without a gate it is over at the latest when the answer comes or the handover ends.
    assert Action.OPEN in actions or not gated
    assert not gated or shut_since <= sum(after for _, after in events) + ANSWER_S + WATCH_S + HOLD_S
    takeover.handle(Ended(here=True), now)
    assert takeover.phase is Phase.OVER
    assert takeover.next_deadline() is None
    assert takeover.handle(Observed(held=1), now) == ()
    assert actions.count(Action.HAND_OVER) <= 1
    assert sum(counters[outcome] for outcome in OUTCOMES) == 1


class Model:
    """The switch, its two queues, the agent and the MN. Each step of it is something that can happen at any moment."""

    def __init__(self, streams: int) -> None:
        self.counters: Counter[str] = Counter()
        self.takeover = SwitchTakeover(gated=True, streams=streams, now=0.0, counters=self.counters)
        self.now = 0.0
        self.sent = [0] * streams
        self.changed = [False] * streams
        self.buffer_port: deque[tuple[int, int]] = deque()
        self.held: deque[tuple[int, int]] = deque()
        self.egress: deque[tuple[int, int]] = deque()
        self.received: list[tuple[int, int]] = []
        self.gate_open = False
        self.slow_egress = False

    def packet(self, stream: int) -> None:
        """The switch handles one packet of the stream."""
        packet = (stream, self.sent[stream])
        self.sent[stream] += 1
        if not self.changed[stream]:
            self.buffer_port.append(packet)
        elif self.gate_open:
            self.received.append(packet)
        else:
            self.held.append(packet)

    def read_one(self) -> None:
        """The agent reads one packet from the buffer port."""
        if self.buffer_port:
            self.egress.append(self.buffer_port.popleft())
            self.takeover.handle(Delivered(), self.now)
            if not self.slow_egress:
                self.send_all()

    def send_all(self) -> None:
        waited = bool(self.egress)
        self.received += self.egress
        self.egress.clear()
        if waited:
            self.tell(EgressEmpty())

    def poll(self, after: float = POLL_S) -> None:
        self.now += after
        self.tell(Observed(held=len(self.held)))

    def tell(self, event: Event) -> None:
        for action in self.takeover.handle(event, self.now):
            if action is Action.DRAIN:
                while self.buffer_port:
                    self.read_one()
                self.tell(Drained(egress_empty=not self.egress))
            elif action is Action.OPEN:
                self.gate_open = True
                self.received += self.held
                self.held.clear()


@settings(deadline=None)
@given(data=st.data(), slow_egress=st.booleans())
def test_one_stream_comes_once_and_in_order(data: st.DataObject, slow_egress: bool) -> None:
    model = Model(1)
    model.slow_egress = slow_egress
    steps = data.draw(st.lists(st.sampled_from(["packet", "read", "poll", "send", "confirm"]), max_size=60))
    change_at = data.draw(st.integers(0, len(steps)))
    confirmed = False
    for number, step in enumerate(steps):
        if number == change_at:
            model.changed[0] = True
        match step:
            case "packet":
                model.packet(0)
            case "read":
                model.read_one()
            case "poll":
                model.poll(POLL_S / 10)
            case "send":
                model.send_all()
            case "confirm" if not confirmed:
                confirmed = True
                model.tell(Confirmed())
    model.changed[0] = True
    model.packet(0)
    while not model.gate_open:
        model.poll()
        model.send_all()
    assert model.counters["takeover_exact"] == 1
    assert model.received == [(0, number) for number in range(model.sent[0])]


@settings(deadline=None)
@given(data=st.data())
def test_streams_that_change_over_one_by_one_stay_in_order(data: st.DataObject) -> None:
    model = Model(3)
    model.tell(Confirmed())
    order = data.draw(st.permutations(range(3)))
    for stream in order:
        for number in data.draw(st.lists(st.integers(0, 2), max_size=4)):
            model.packet(number)
            if data.draw(st.booleans()):
                model.poll(SETTLE_S / 50)
        model.changed[stream] = True
        model.packet(stream)
    while not model.gate_open:
        model.poll()
    for stream in order:
        model.packet(stream)
    for stream in range(3):
        got = [packet for packet in model.received if packet[0] == stream]
        assert got == [(stream, number) for number in range(model.sent[stream])]

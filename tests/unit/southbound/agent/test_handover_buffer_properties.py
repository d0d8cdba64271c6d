# SPDX-License-Identifier: Apache-2.0
"""The handover buffer against an oracle: one original stream, two delayed copies of it, any timing.

The oracle knows the original; the buffer sees only what arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from hypothesis import given, note, settings
from hypothesis import strategies as st

from southbound.agent.buffer_effects import Joined
from southbound.agent.join_limits import JoinLimits
from southbound.agent.packet_digest import packet_digest
from tests.unit.southbound.agent.buffer_streams import (
    GROUP,
    MN,
    NATIVE,
    OTHER_GROUP,
    OTHER_TUNNEL,
    SOURCE,
    TUNNEL,
    Driver,
    any_source,
    packet,
)
from topology.settings import Limits

BEGIN = 100.0
SPACING_S = 0.01
CLOSE_S = 0.001
"""So many packets are on the way of the slower path that the word names none of those that it has brought."""
SHORT_DIFFERENCE_S = 0.05
"""Of the paths, where the native one is there for longer than that before there is a tunnel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One handover of one stream. Packet i of the original is sent at i * spacing and has payload `payloads[i]`."""

    payloads: tuple[int, ...]
    tunnel: tuple[tuple[int, float], ...]
    """(packet, time of arrival) by tunnel, in order."""
    native: tuple[tuple[int, float], ...]
    last: int
    """The last packet that the MN had at the p-MAG; -1 for none."""
    cut_at: float | None
    arrived_at: float
    confirmed_at: float

    def due(self) -> list[int]:
        """What the MN is owed: everything on either path after what it had."""
        return sorted({number for number, _ in (*self.tunnel, *self.native) if number > self.last})


def copy(
    draw: st.DrawFn, first: int, end: int, *, delay: float, jitter: int, lost: frozenset[int], spacing: float
) -> tuple[tuple[int, float], ...]:
    """What one path brings of packets first..end-1: in order, each with the delay and a little more."""
    arrivals, before = [], 0.0
    for number in range(first, end):
        late = draw(st.integers(0, jitter)) * 0.001 if jitter else 0.0
        before = max(before, number * spacing + delay + late)
        if number not in lost:
            arrivals.append((number, before))
    return tuple(arrivals)


@st.composite
def stories(draw: st.DrawFn, *, lossy: bool = False, equal: bool = False, others_here: bool = False) -> Story:
    """`others_here`: others at the n-MAG listen, so the native path is there from the beginning, long before the tunnel;
    and the MN moves as soon as that is there."""
    total = draw(st.integers(100, 200) if others_here else st.integers(2, 40))
    spacing = CLOSE_S if others_here else SPACING_S
    last = draw(st.integers(-1, total - 1))
    # The tunnel begins before the MN has left, the native path wherever, but without a hole between them.
    tunnel_first = draw(st.integers(max(0, last - 2) if others_here else 0, last + 1))
    native_first = 0 if others_here else draw(st.integers(0, total - 1))
    tunnel_end = draw(st.integers(max(native_first, last + 1, tunnel_first), total))
    delays = st.integers(0, 40 if others_here else 300).map(lambda milliseconds: milliseconds / 1000)
    tunnel_delay, native_delay = draw(delays), draw(delays)
    # With losses the order of arrival must tell something: less jitter than the time between two packets.
    jitter = draw(st.sampled_from([0] if others_here else [0, 5] if lossy else [0, 5, 30]))
    lost_tunnel: frozenset[int] = frozenset()
    lost_native: frozenset[int] = frozenset()
    if lossy:
        lost = draw(st.frozensets(st.integers(0, total - 1), max_size=6))
        lost_tunnel, lost_native = draw(st.sampled_from([(lost, frozenset()), (frozenset(), lost)]))
    end = total * spacing + 0.4
    times = st.integers(0, 50 if others_here else 800).map(lambda milliseconds: milliseconds / 1000)
    # The p-MAG speaks after it has sent the last packet; the word may overtake packets in the tunnel a little.
    cut_at = max(0, last) * spacing + tunnel_delay + draw(st.integers(0, 5 if others_here else 60)) / 1000
    payloads = tuple(range(total))
    if equal:
        # Runs of one to three equal packets.
        runs = draw(st.lists(st.integers(1, 3), min_size=total, max_size=total))
        payloads = tuple(number for number, length in enumerate(runs) for _ in range(length))[:total]
    return Story(
        payloads=payloads,
        tunnel=copy(draw, tunnel_first, tunnel_end, delay=tunnel_delay, jitter=jitter, lost=lost_tunnel, spacing=spacing),
        native=copy(draw, native_first, total, delay=native_delay, jitter=jitter, lost=lost_native, spacing=spacing),
        last=last,
        cut_at=cut_at,
        arrived_at=cut_at - 0.025 + draw(times),
        confirmed_at=end if lossy else native_first * spacing + draw(times),
    )


def play(
    story: Story, join_limits: JoinLimits | None = None, limits: Limits | None = None
) -> tuple[Driver, list[tuple[int, float]]]:
    """Let the story happen; what was delivered, each with its time."""
    driver = Driver(join_limits=join_limits, limits=limits)
    begin = BEGIN
    assert driver.now == begin
    steps: list[tuple[float, int, str, int]] = [
        *[(at, 1, "tunnel", number) for number, at in story.tunnel],
        *[(at, 1, "native", number) for number, at in story.native],
        (story.arrived_at, 0, "arrive", 0),
        (story.confirmed_at, 0, "confirm", 0),
    ]
    if story.cut_at is not None:
        steps.append((story.cut_at, 2, "cut", 0))
    delivered: list[tuple[int, float]] = []
    for at, _, what, number in sorted(steps, key=lambda step: step[:2]):
        driver.wait(max(0.0, begin + at - driver.now))
        match what:
            case "tunnel":
                driver.tunnel(story.payloads[number])
            case "native":
                driver.native(story.payloads[number])
            case "arrive":
                driver.arrive()
            case "confirm":
                driver.confirm()
            case "cut":
                driver.cut(*story.payloads[max(0, story.last - 15) : story.last + 1])
        numbers = driver.numbers()
        delivered += [(number, driver.now - begin) for number in numbers[len(delivered) :]]
    driver.wait(4)
    numbers = driver.numbers()
    delivered += [(number, driver.now - begin) for number in numbers[len(delivered) :]]
    return driver, delivered


@settings(max_examples=400, deadline=None)
@given(stories())
def test_every_packet_once_and_in_order_when_no_path_loses_any(story: Story) -> None:
    driver, delivered = play(story)
    note(str(driver.buffer.counters(MN)))
    note(str(driver.kinds()))
    assert [number for number, _ in delivered] == story.due()
    assert driver.kinds().count("Joined") == 1
    assert driver.balance() == driver.buffer.held_packets == 0


@settings(max_examples=400, deadline=None)
@given(stories(others_here=True))
def test_every_packet_once_and_in_order_where_the_group_is_at_the_new_mag_already(story: Story) -> None:
    driver, delivered = play(story, JoinLimits.for_path_difference(SHORT_DIFFERENCE_S))
    note(str(driver.buffer.counters(MN)))
    assert [number for number, _ in delivered] == story.due()
    assert driver.balance() == driver.buffer.held_packets == 0


@settings(max_examples=800, deadline=None)
@given(stories(), st.integers(1, 30))
def test_what_overflow_drops_is_filled_by_the_path_that_still_brings_it(story: Story, room: int) -> None:
    driver, delivered = play(story, limits=Limits(buffer_packets_per_mobile_node=room))
    note(str(driver.buffer.counters(MN)))
    note(str(delivered))
    numbers = [number for number, _ in delivered]
    assert numbers == sorted(set(numbers)), "out of order, or twice"
    assert set(numbers) <= set(story.due())
    tunnel, native = dict(story.tunnel), dict(story.native)
    for missing in set(story.due()) - set(numbers):
        last_copy = max(tunnel.get(missing, 0.0), native.get(missing, 0.0))
        overtaken = any(number > missing and at <= last_copy + 1e-6 for number, at in delivered)
        had_no_room = last_copy <= driver.started_at - BEGIN + 1e-6 or missing not in tunnel or missing not in native
        by_tunnel_after_join = tunnel.get(missing, inf) + 1e-6 >= driver.joined_at - BEGIN
        assert overtaken or had_no_room or by_tunnel_after_join, missing
    assert len(numbers) + driver.count("overflow_dropped") >= len(story.due()), "lost for another reason"
    assert driver.balance() == driver.buffer.held_packets == 0


@settings(max_examples=400, deadline=None)
@given(stories(lossy=True))
def test_what_one_path_loses_the_other_fills_in_where_order_allows(story: Story) -> None:
    driver, delivered = play(story)
    note(str(driver.buffer.counters(MN)))
    numbers = [number for number, _ in delivered]
    assert numbers == sorted(set(numbers)), "out of order, or twice"
    assert set(numbers) <= set(story.due())
    first_arrival: dict[int, float] = {}
    for number, at in (*story.native, *story.tunnel):
        first_arrival[number] = min(at, first_arrival.get(number, at))
    common = {number for number, _ in story.tunnel} & {number for number, _ in story.native}
    for missing in set(story.due()) - set(numbers):
        overtaken = any(number > missing and at <= first_arrival[missing] + 1e-6 for number, at in delivered)
        assert overtaken or missing < min(common, default=len(story.payloads)), missing
    assert driver.balance() == driver.buffer.held_packets == 0


@settings(max_examples=400, deadline=None)
@given(stories(equal=True))
def test_packets_like_no_other_come_once_and_in_order_between_equal_ones(story: Story) -> None:
    driver, delivered = play(story)
    note(str(driver.buffer.counters(MN)))
    alone = {payload for payload in story.payloads if story.payloads.count(payload) == 1}
    if driver.count("cut_unmatched"):
        # Equal packets have hidden the place of the word: what the MN had may come again.
        alone -= set(story.payloads[: story.last + 1])
    due = [story.payloads[number] for number in story.due()]
    assert [payload for payload, _ in delivered if payload in alone] == [payload for payload in due if payload in alone]
    assert driver.balance() == driver.buffer.held_packets == 0


happenings = st.one_of(
    st.tuples(
        st.just("packet"), st.sampled_from([NATIVE, TUNNEL, OTHER_TUNNEL]), st.integers(0, 12),
        st.sampled_from([GROUP, OTHER_GROUP]),
    ),
    st.tuples(st.just("cut"), st.lists(st.integers(0, 12), max_size=20)),
    st.tuples(st.sampled_from(["arrive", "confirm", "refused", "release", "wait", "wait", "tick"])),
    st.tuples(st.just("expect"), st.sampled_from([TUNNEL, OTHER_TUNNEL]), st.booleans()),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(happenings, max_size=80), st.sampled_from([0.0, 0.005, 0.2, 1.0]))
def test_whatever_happens_every_packet_is_accounted_for_and_none_stays(
    happened: list[tuple[object, ...]], pause: float
) -> None:
    driver = Driver(expect=False)
    buffer = driver.buffer
    for what in happened:
        driver.now += 0.001
        match what:
            case ("packet", int(path), payload, group):
                driver.come(path, payload, group=group)  # type: ignore[arg-type]
            case ("cut", [*named]):
                digests = tuple(packet_digest(packet(payload)) for payload in named)
                driver.note(buffer.cut(MN, {(SOURCE, GROUP): digests}, driver.now))
            case ("arrive",):
                driver.arrive()
            case ("confirm",):
                driver.confirm()
            case ("refused",):
                driver.note(buffer.forwarding_refused(MN, driver.now))
            case ("release",):
                buffer.release(MN, driver.now)
            case ("wait",):
                driver.wait(pause)
            case ("tick",):
                driver.note(buffer.tick(driver.now))
            case ("expect", int(path), both):
                groups = (GROUP, OTHER_GROUP) if both else (GROUP,)
                driver.note(buffer.expect(MN, any_source(*groups), path, driver.now))
        assert driver.balance() == buffer.held_packets
        assert (buffer.held_bytes == 0) == (buffer.held_packets == 0)
    lives = sum(isinstance(effect, Joined) for effect in driver.effects)
    assert lives <= sum(what[0] == "expect" for what in happened)
    buffer.release(MN, driver.now)
    assert buffer.held_packets == buffer.held_bytes == 0
    assert buffer.next_deadline() is None

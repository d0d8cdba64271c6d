# SPDX-License-Identifier: Apache-2.0
"""What waits, for how long, in which order, and what becomes of it when there is no room."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from lab.delay_queue import DelayQueue

MS = 1_000_000


def drain(queue: DelayQueue, now_ns: int) -> list[bytes]:
    taken = []
    while (item := queue.take(now_ns)) is not None:
        taken.append(item[1])
    return taken


def test_a_frame_leaves_when_its_delay_is_over_and_not_before() -> None:
    queue = DelayQueue([20 * MS])
    assert queue.next_due_ns() is None
    assert queue.add(0, b"frame", 5 * MS)
    assert queue.next_due_ns() == 25 * MS
    assert queue.take(25 * MS - 1) is None
    assert queue.take(25 * MS) == (25 * MS, b"frame")
    assert queue.take(99 * MS) is None


def test_a_fast_path_does_not_wait_for_a_slow_one() -> None:
    queue = DelayQueue([20 * MS, 5 * MS])
    queue.add(0, b"slow", 0)
    queue.add(1, b"fast", 1)
    assert drain(queue, 5 * MS + 1) == [b"fast"]
    assert drain(queue, 20 * MS) == [b"slow"]


def test_a_clock_that_goes_back_lets_nothing_overtake() -> None:
    queue = DelayQueue([20 * MS])
    queue.add(0, b"first", 10 * MS)
    queue.add(0, b"second", 3 * MS)
    assert queue.take(29 * MS) is None
    assert drain(queue, 30 * MS) == [b"first", b"second"]


def test_a_full_queue_refuses_and_counts() -> None:
    queue = DelayQueue([MS], frames_max=2)
    assert [queue.add(0, b"x", 0) for _ in range(3)] == [True, True, False]
    assert (len(queue), queue.longest, queue.refused) == (2, 2, 1)
    drain(queue, MS)
    assert queue.add(0, b"x", 0)
    queue = DelayQueue([MS], octets_max=10)
    assert [queue.add(0, frame, 0) for frame in (b"6.....", b"5....", b"4...")] == [True, False, True]
    assert (queue.octets, queue.refused) == (10, 1)
    drain(queue, MS)
    assert queue.octets == 0


@given(
    delays=st.lists(st.integers(1, 50), min_size=1, max_size=4),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20), st.integers(0, 5)), max_size=80),
    frames_max=st.integers(1, 100),
)
def test_every_path_is_first_in_first_out_exact_and_loses_only_what_it_counts(
    delays: list[int], steps: list[tuple[int, int, int]], frames_max: int
) -> None:
    """Each step: time passes, a frame is read on some path some time after it arrived."""
    queue = DelayQueue(delays, frames_max=frames_max)
    accepted: defaultdict[int, list[int]] = defaultdict(list)
    left: defaultdict[int, list[int]] = defaultdict(list)
    arrived: dict[int, int] = {}
    now = 0

    def take_all() -> None:
        while (item := queue.take(now)) is not None:
            due, frame = item
            path, number = frame[0], int.from_bytes(frame[1:], "big")
            assert arrived[number] + delays[path] <= due <= now
            left[path].append(number)
        next_due = queue.next_due_ns()
        assert next_due is None or next_due > now

    for number, (choice, passes, read_after) in enumerate(steps):
        path = choice % len(delays)
        now += passes
        arrived[number] = max(now - read_after, 0)
        room = len(queue) < frames_max
        assert queue.add(path, bytes([path]) + number.to_bytes(4, "big"), arrived[number]) == room
        if room:
            accepted[path].append(number)
        take_all()
    now += 10_000
    take_all()
    assert left == accepted
    assert sum(map(len, left.values())) + queue.refused == len(steps)
    assert (len(queue), queue.octets) == (0, 0)

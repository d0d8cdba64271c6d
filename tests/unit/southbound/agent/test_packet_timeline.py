# SPDX-License-Identifier: Apache-2.0
"""Packets over time: nothing is lost or moved to another time, however long it takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from southbound.agent.packet_timeline import INTERVAL_S, INTERVALS_MAX, PacketTimeline, Timeline


def timeline(times: list[float]) -> PacketTimeline:
    found = PacketTimeline()
    for at in times:
        found.count(at)
    return found


def test_nothing_was_counted() -> None:
    assert PacketTimeline().read() is None


def test_a_steady_stream() -> None:
    found = timeline([10.0, *(10.0 + number / 1000 + 0.0004 for number in range(1, 20))]).read()
    assert found == Timeline(begins_at=10.0, interval_s=INTERVAL_S, packets=(5, 5, 5, 5))


def test_a_silence_between() -> None:
    found = timeline([0.0, 0.001, 0.0201]).read()
    assert found is not None
    assert found.packets == (2, 0, 0, 0, 1)


def test_what_did_not_arrive_is_taken_back_from_the_end() -> None:
    found = timeline([0.0, 0.001, 0.006, 0.0201])
    found.take_back(2)
    assert found.read() == Timeline(begins_at=0.0, interval_s=INTERVAL_S, packets=(2,))
    found.take_back(5)
    assert found.read() is None


@given(st.lists(st.floats(0, 1_000), min_size=1, max_size=60).map(sorted))
def test_every_packet_is_in_the_interval_of_its_time_and_memory_is_bounded(times: list[float]) -> None:
    found = timeline(times).read()
    assert found is not None
    assert sum(found.packets) == len(times)
    assert len(found.packets) <= INTERVALS_MAX
    for index, packets in enumerate(found.packets):
        begin = found.begins_at + index * found.interval_s
        within = [at for at in times if begin - 1e-6 <= at < begin + found.interval_s + 1e-6]
        assert packets <= len(within)

# SPDX-License-Identifier: Apache-2.0
"""Streams whose packets come again: exact while they do so seldom, and bounded by what the operator says otherwise."""

from __future__ import annotations

import itertools

import pytest

from southbound.agent.join_limits import JoinLimits
from tests.unit.southbound.agent.buffer_streams import Driver
from topology.settings import Timers

PPS = 100
CLONED_FROM, LAST, END = 80, 100, 600
"""Packets: the first in the tunnel, the last that the MN hears of the p-MAG, the first that is not sent."""
PATHS_S = list(itertools.product((0.01, 0.05, 0.1), repeat=2))
"""Delay of the tunnel and of the native path: up to 0.09 s apart."""


def handover(period: int, path_difference_s: float, *, tunnel_s: float, native_s: float, confirmed_s: float) -> list[int]:
    """What the MN hears of the n-MAG, of a stream that begins anew after `period` packets."""
    driver = Driver(join_limits=JoinLimits.for_path_difference(path_difference_s))
    begin, left = driver.now, LAST / PPS + 0.0005
    steps = [
        *[(number / PPS + tunnel_s, 1, "tunnel", number) for number in range(CLONED_FROM, END)],
        *[(number / PPS + native_s, 1, "native", number) for number in range(int(confirmed_s * PPS) + 1, END)],
        (left + tunnel_s + 0.002, 2, "cut", 0),
        (left + tunnel_s + 0.05, 0, "arrive", 0),
        (confirmed_s + native_s + 0.01, 0, "confirm", 0),
    ]
    for at, _, what, number in sorted(steps, key=lambda step: step[:2]):
        driver.wait(max(0.0, begin + at - driver.now))
        match what:
            case "tunnel":
                driver.tunnel(number % period)
            case "native":
                driver.native(number % period)
            case "cut":
                driver.cut(*[named % period for named in range(LAST - 15, LAST + 1)])
            case "arrive":
                driver.arrive()
            case "confirm":
                driver.confirm()
    driver.wait(10)
    assert driver.kinds().count("Joined") == 1
    assert driver.balance() == driver.buffer.held_packets == 0
    return driver.numbers()


@pytest.mark.parametrize("confirmed_s", [1.1, 1.3, 1.9])
@pytest.mark.parametrize(("tunnel_s", "native_s"), PATHS_S)
def test_a_stream_that_repeats_itself_later_than_that_is_exact(
    tunnel_s: float, native_s: float, confirmed_s: float
) -> None:
    for period in (40, 60, 100):
        heard = handover(period, 0.1, tunnel_s=tunnel_s, native_s=native_s, confirmed_s=confirmed_s)
        assert heard == [number % period for number in range(LAST + 1, END)]


@pytest.mark.parametrize("path_difference_s", [0.1, 0.5])
@pytest.mark.parametrize(("tunnel_s", "native_s"), PATHS_S)
def test_a_stream_of_equal_packets_loses_none_and_repeats_for_a_bounded_time(
    tunnel_s: float, native_s: float, path_difference_s: float
) -> None:
    heard = handover(1, path_difference_s, tunnel_s=tunnel_s, native_s=native_s, confirmed_s=1.1)
    extra = len(heard) - (END - LAST - 1)
    cloned_before = LAST - CLONED_FROM + 1
    assert 0 <= extra <= cloned_before + 2 * path_difference_s * PPS


@pytest.mark.parametrize("pps", [50, 20, 10, 5, 2.5, 1.25, 1, 0.6])
@pytest.mark.parametrize(("tunnel_s", "native_s"), [(0.002, 0.001), (0.001, 0.002), (0.002, 0.1), (0.1, 0.002)])
@pytest.mark.parametrize("gap_s", [0.01, 0.05, 1.0])
def test_equal_packets_at_any_rate_are_rather_too_many_than_too_few(
    pps: float, tunnel_s: float, native_s: float, gap_s: float
) -> None:
    """The clone begins 0.05 s before the MN leaves; wherever between two packets that is."""
    for phase in range(20):
        first, left = phase / 20 / pps, 0.05
        sent = [first + number / pps for number in range(int(4 * pps) + 4)]
        due = sum(at > left for at in sent)
        arrived = left + gap_s
        driver = Driver()
        begin = driver.now
        steps = [
            *[(at + tunnel_s, 1, "tunnel") for at in sent],
            *[(at + native_s, 1, "native") for at in sent if at > arrived + native_s],
            (left + tunnel_s + 0.001, 2, "cut"),
            (arrived, 0, "arrive"),
            (arrived + 2 * native_s, 0, "confirm"),
        ]
        for at, _, what in sorted(steps):
            driver.wait(begin + at - driver.now)
            match what:
                case "tunnel":
                    driver.tunnel("s")
                case "native":
                    driver.native("s")
                case "cut":
                    driver.cut(*["s" for at in sent if at <= left])
                case "arrive":
                    driver.arrive()
                case "confirm":
                    driver.confirm()
        driver.wait(10)
        extra = len(driver.delivered()) - due
        assert 0 <= extra <= 2 * 0.5 * pps + 0.05 * pps + 1, phase
        assert driver.balance() == driver.buffer.held_packets == 0


@pytest.mark.parametrize("period", [2, 7, 20, 30])
@pytest.mark.parametrize(("tunnel_s", "native_s"), PATHS_S)
def test_a_stream_that_goes_in_a_circle_jumps_no_further_than_that(
    tunnel_s: float, native_s: float, period: int
) -> None:
    heard = handover(period, 0.1, tunnel_s=tunnel_s, native_s=native_s, confirmed_s=1.1)
    off = len(heard) - (END - LAST - 1)
    cloned_before = LAST - CLONED_FROM + 1
    assert -2 * 0.1 * PPS <= off <= cloned_before + 2 * 0.1 * PPS
    assert heard[-1] == (END - 1) % period


def test_everything_that_depends_on_the_difference_grows_with_it() -> None:
    default, wide = JoinLimits.for_path_difference(Timers().path_difference_ms / 1000), JoinLimits.for_path_difference(5)
    assert default == JoinLimits()
    assert (wide.hold_s, wide.idle_s, wide.total_s, wide.word_age_s) == (5, 5, 7.5, 10)
    assert (wide.hold_packets, wide.word_packets, wide.remembered_packets) == (40_960, 81_920, 163_840)
    narrow = JoinLimits.for_path_difference(0.01)
    assert (narrow.hold_s, narrow.idle_s, narrow.total_s, narrow.word_age_s) == (0.01, 0.5, 3, 0.1)
    assert narrow.remembered_packets == default.remembered_packets

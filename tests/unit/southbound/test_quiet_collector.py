# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import sys

from southbound.quiet_collector import QuietCollector


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_collects_when_it_is_time_and_nothing_passes() -> None:
    time, quiet = Time(), [True]
    collector = QuietCollector(lambda: quiet[0], every_s=30.0, clock=time)
    assert not collector.look()
    time.now = 30.0
    quiet[0] = False
    assert not collector.look()
    quiet[0] = True
    assert collector.look()
    assert not collector.look()
    time.now = 60.0
    assert collector.look()


def test_tuples_that_the_interpreter_keeps_are_given_back() -> None:
    time = Time()
    collector = QuietCollector(lambda: True, every_s=30.0, clock=time)
    gc.collect()
    automatic = gc.isenabled()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        for length in [17] * 1000:
            tuple(number for number in range(length))
        kept = sys.getallocatedblocks() - before
        time.now = 30.0
        collector.look()
        left = sys.getallocatedblocks() - before
    finally:
        if automatic:
            gc.enable()
    assert kept >= 1000
    assert left < 100

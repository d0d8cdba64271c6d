# SPDX-License-Identifier: Apache-2.0
"""A flood of drops is one line and a summary each period; nothing that was dropped is missing from the lines."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from southbound.drop_log import OTHERS, PERIOD_S, DropLog, DropSummary
from southbound.facts import fact_line


def test_the_first_is_a_line_and_the_others_are_summed_up() -> None:
    log = DropLog()
    assert [log.drop("checksum", 100.0 + number / 1000) for number in range(124)] == [True] + 123 * [False]
    assert log.next_deadline() == 110.0
    assert log.tick(109.9) == []
    assert log.tick(110.0) == [DropSummary(reason="checksum", dropped=123, since=100.0)]
    assert log.next_deadline() == 120.0


def test_a_reason_that_was_quiet_for_a_period_is_new_again() -> None:
    log = DropLog()
    assert log.drop("checksum", 0.0)
    assert log.tick(PERIOD_S) == []
    assert log.next_deadline() is None
    assert log.drop("checksum", PERIOD_S + 1)


def test_reasons_do_not_hide_each_other() -> None:
    log = DropLog()
    assert [log.drop(reason, 0.0) for reason in ("a", "b", "a", "b", "b")] == [True, True, False, False, False]
    assert {summary.reason: summary.dropped for summary in log.tick(PERIOD_S)} == {"a": 1, "b": 2}


def test_reasons_are_capped() -> None:
    log = DropLog(reasons_max=2)
    assert [log.drop(reason, 0.0) for reason in ("a", "b", "c", "d", "e")] == [True, True, True, False, False]
    assert log.rest() == [DropSummary(reason=OTHERS, dropped=2, since=0.0)]
    assert log.next_deadline() is None


def test_the_line_names_the_time_of_the_wall() -> None:
    summary = DropSummary(reason="checksum", dropped=123, since=40.5)
    # 1234567890 is 2009-02-13 23:31:30 UTC, as `date -u -d @1234567890` says.
    line = fact_line("packet_dropped", summary.fields(1234567890.0 - 40.0))
    assert line == "event=packet_dropped reason=checksum dropped=123 since=2009-02-13T23:31:30.500+00:00"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40)), max_size=60))
def test_lines_are_few_and_account_for_every_drop(drops: list[tuple[str, int]]) -> None:
    log, now = DropLog(), 0.0
    lines: list[tuple[str, float]] = []
    told: Counter[str] = Counter()
    for reason, tenths in drops:
        now += tenths / 10
        for summary in log.tick(now):
            lines.append((summary.reason, now))
            told[summary.reason] += summary.dropped
        if log.drop(reason, now):
            lines.append((reason, now))
            told[reason] += 1
    for summary in log.rest():
        told[summary.reason] += summary.dropped
    assert told == Counter(reason for reason, _ in drops)
    for wanted in "abc":
        times = [at for reason, at in lines if reason == wanted]
        assert all(later - earlier >= PERIOD_S - 1e-9 for earlier, later in itertools.pairwise(times))

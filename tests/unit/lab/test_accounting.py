# SPDX-License-Identifier: Apache-2.0
"""Accounts of streams whose fate is known."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.accounting import Account, account, longest_gap_ms, percentile
from lab.stream_format import Record

MS = 1_000_000


def sent(count: int, interval_ms: int = 1) -> list[Record]:
    return [Record(sequence=number, time_ns=number * interval_ms * MS) for number in range(count)]


def arrived(*sequences: int, at_ms: list[float] | None = None) -> list[Record]:
    times = at_ms if at_ms is not None else [float(place) for place in range(len(sequences))]
    return [Record(sequence=number, time_ns=round(at * MS)) for number, at in zip(sequences, times, strict=True)]


def of(received: list[Record], count: int = 10, requests_ms: tuple[int, ...] = ()) -> Account:
    return account(
        sent(count), received, start_ns=0, end_ns=count * MS, requests_ns=[request * MS for request in requests_ms]
    )


def test_what_arrives_once_and_in_order_is_perfect() -> None:
    found = of(arrived(*range(10)))
    assert found.total.perfect
    assert (found.total.sent, found.total.received, found.foreign) == (10, 10, 0)


def test_what_never_arrives_is_lost() -> None:
    found = of(arrived(0, 1, 5, 6, 7, 8, 9))
    assert (found.total.lost, found.total.received) == (3, 7)
    assert not found.total.perfect


def test_three_copies_are_two_duplicates_and_no_reordering() -> None:
    found = of(arrived(*range(10), 3, 3))
    assert (found.total.duplicated, found.total.reordered, found.total.received) == (2, 0, 10)


@pytest.mark.parametrize(
    ("order", "reordered"),
    [
        # RFC 4737 section 3.3: NextExp is the greatest so far plus one; smaller arrivals are reordered.
        ((1, 2, 3, 4, 7, 8, 9, 5, 6), 2),
        ((1, 2, 4, 3, 5), 1),
        ((5, 1, 2, 3, 4), 4),
        ((1, 3, 5), 0),
    ],
)
def test_reordering_is_counted_as_in_rfc_4737(order: tuple[int, ...], reordered: int) -> None:
    assert of(arrived(*order)).total.reordered == reordered


def test_a_late_packet_and_a_late_burst_are_reordered() -> None:
    assert of(arrived(1, 2, 3, 5, 6, 7, 4, 8, 9)).total.reordered == 1
    assert of(arrived(1, 2, 3, 7, 8, 4, 5, 6, 9)).total.reordered == 3


def test_a_packet_belongs_to_the_window_in_which_it_was_sent() -> None:
    # Packet 4, sent before the second request, arrives long after it.
    late = arrived(0, 1, 2, 3, 5, 6, 7, 8, 9, 4)
    found = of(late, requests_ms=(2, 5))
    assert [(window.sent, window.received) for window in found.windows] == [(3, 3), (5, 5)]
    assert [window.reordered for window in found.windows] == [1, 0]


def test_a_request_and_a_packet_of_the_same_moment_belong_together() -> None:
    found = of(arrived(0, 1, 2, 3, 4, 6, 7, 8, 9), requests_ms=(5,))
    assert (found.windows[0].sent, found.windows[0].lost) == (5, 1)


def test_what_is_sent_before_the_first_handover_counts_in_the_total_only() -> None:
    found = of(arrived(1, 2, 3, 4, 5, 6, 7, 8, 9), requests_ms=(5,))
    assert (found.total.lost, found.windows[0].lost) == (1, 0)


def test_what_is_sent_outside_the_measurement_does_not_count() -> None:
    found = account(sent(10), arrived(5, 6), start_ns=4 * MS, end_ns=7 * MS)
    assert (found.total.sent, found.total.lost) == (3, 1)


def test_what_was_never_sent_is_told_apart() -> None:
    found = of(arrived(0, 1, 99, 2))
    assert found.foreign == 1
    assert found.total.duplicated == found.total.reordered == 0


def test_an_undisturbed_stream_is_interrupted_by_its_own_interval() -> None:
    assert of(arrived(*range(10))).total.interruption_ms == pytest.approx(1.0)


def test_a_gap_counts_in_each_window_that_it_takes_most_of() -> None:
    received = arrived(0, 1, 2, 9, at_ms=[0, 1, 2, 9])
    found = of(received, requests_ms=(1, 5))
    assert [window.interruption_ms for window in found.windows] == [pytest.approx(7.0), pytest.approx(7.0)]


def test_a_gap_that_begins_just_before_its_request_is_not_counted_for_the_handover_before() -> None:
    received = arrived(0, 1, 2, 5, 6, 9, at_ms=[0, 1, 2, 4, 5, 9])
    found = of(received, requests_ms=(2, 6))
    assert [window.interruption_ms for window in found.windows] == [pytest.approx(2.0), pytest.approx(4.0)]


def test_a_gap_before_the_request_does_not_count() -> None:
    received = arrived(0, 5, 6, 7, 8, 9, at_ms=[0, 5, 6, 7, 8, 9])
    assert of(received, requests_ms=(6,)).windows[0].interruption_ms == pytest.approx(1.0)


def test_silence_until_the_end_is_an_interruption() -> None:
    assert of(arrived(0, 1, 2), requests_ms=(2,)).windows[0].interruption_ms == pytest.approx(8.0)


def test_without_any_arrival_there_is_no_interruption_to_tell() -> None:
    found = of([], requests_ms=(2,))
    assert found.windows[0].interruption_ms is None
    assert found.total.lost == 10


def test_requests_out_of_order_or_outside_are_refused() -> None:
    for requests in ((5, 2), (11,)):
        with pytest.raises(ValueError, match="not in the order of time"):
            of([], requests_ms=requests)


@given(
    st.integers(0, 60).flatmap(
        lambda count: st.tuples(
            st.just(count),
            st.lists(st.integers(0, max(count - 1, 0)), max_size=100 if count else 0),
            st.lists(st.integers(0, count), max_size=5).map(sorted),
        )
    )
)
def test_windows_and_totals_add_up(drawn: tuple[int, list[int], list[int]]) -> None:
    count, sequences, requests = drawn
    found = of(arrived(*sequences), count, (0, *requests))
    whole = found.total
    assert whole.sent == whole.received + whole.lost == count
    assert whole.received == len(set(sequences))
    assert whole.received + whole.duplicated == len(sequences)
    assert 0 <= whole.reordered < max(whole.received, 1)
    for name in ("sent", "received", "lost", "duplicated", "reordered"):
        assert sum(getattr(window, name) for window in found.windows) == getattr(whole, name)


@given(st.permutations(range(12)))
def test_only_the_order_of_sending_has_no_reordering(order: list[int]) -> None:
    # Judged by counting directly: how many have a greater one before them.
    expected = sum(any(before > number for before in order[:place]) for place, number in enumerate(order))
    assert of(arrived(*order), 12).total.reordered == expected


@given(st.lists(st.integers(0, 1000), max_size=30).map(sorted), st.integers(0, 1000), st.integers(1, 500))
def test_the_gap_is_that_of_a_search_over_all_pairs(times: list[int], begin: int, length: int) -> None:
    end = begin + length
    # The end closes the last gap only where no arrival does.
    points = times if times and times[-1] >= end else [*times, end]
    gaps = [(earlier, later) for earlier, later in pairwise(points) if earlier < end and later > begin]
    inside = {(earlier, later): min(later, end) - max(earlier, begin) for earlier, later in gaps}
    found = longest_gap_ms(times, begin, end)
    if not any(time < end for time in times):
        assert found is None
    else:
        most = max(inside.values(), default=0)
        whole = [later - earlier for (earlier, later), part in inside.items() if part == most]
        assert found == pytest.approx(max(whole, default=0) / 1e6)


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(1, 21)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 0)) == (10.0, 20.0, 1.0)
    assert percentile([7.0], 0.5) == 7.0
    assert percentile([], 0.5) is None


def test_losses_are_told_in_runs_and_late_packets_by_their_arrival() -> None:
    found = of(arrived(0, 3, 4, 2, 8), requests_ms=(5,))
    assert [(loss.first_sequence, loss.count, loss.first_ns // MS, loss.last_ns // MS) for loss in found.total.losses] \
        == [(1, 1, 1, 1), (5, 3, 5, 7), (9, 1, 9, 9)]
    assert [(loss.first_sequence, loss.count) for loss in found.windows[0].losses] == [(5, 3), (9, 1)]
    assert found.total.late == (Record(sequence=2, time_ns=3 * MS),)

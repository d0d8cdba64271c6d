# SPDX-License-Identifier: Apache-2.0
"""What became of every packet that was sent: pure arithmetic on what the source and a sink recorded.

Definitions:
- lost: sent, and never arrived.
- duplicated: arrivals of a packet that had arrived before; three copies of a packet are two duplicates.
- reordered: RFC 4737 section 3.3 (Type-P-Reordered), over first arrivals only: the packet's number is smaller than the
  greatest that arrived before it.
- foreign: arrivals of numbers that the source says it never sent. Not zero means that the measurement is broken.
- interruption: the longest time between two consecutive arrivals in, or overlapping, a window, in ms. Nothing is
  subtracted: an undisturbed stream of 1,000 packets/s has an interruption of about 1 ms.
- window of a handover: from its request to the next handover's request, the last one to the end of the measurement. A
  packet belongs to the window in which it was sent, whenever it arrives.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lab.stream_format import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of packets; sent == received + lost."""

    sent: int
    received: int
    """Different packets that arrived."""
    lost: int
    duplicated: int
    reordered: int
    interruption_ms: float | None
    """None when nothing arrived, before or in the window."""

    @property
    def perfect(self) -> bool:
        """Everything arrived, once, in order."""
        return self.lost == self.duplicated == self.reordered == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Of one sink."""

    total: Tally
    """The whole measurement, what was sent before the first handover included."""
    windows: tuple[Tally, ...]
    """One for each handover, in the order of the requests."""
    foreign: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    sequence: int
    time_ns: int
    duplicate: bool
    reordered: bool


def account(
    sent: Sequence[Record], received: Sequence[Record], *, start_ns: int, end_ns: int, requests_ns: Sequence[int] = ()
) -> Account:
    """The account of one sink for all that was sent in [start_ns, end_ns).

    `sent` is in the order of sending, `received` in the order of arrival, `requests_ns` are the times of the handovers'
    requests. All times are ns since 1970, on one clock. Raises ValueError when the requests are not in order or not
    within the measurement.
    """
    edges = [start_ns, *requests_ns, end_ns]
    if any(later < earlier for earlier, later in pairwise(edges)):
        raise ValueError("start, requests and end are not in the order of time")
    sent_at = {record.sequence: record.time_ns for record in sent}
    known, foreign = _classify(received, sent_at)
    times = sorted(record.time_ns for record in received if record.sequence in sent_at)
    measured = [arrival for arrival in known if start_ns <= sent_at[arrival.sequence] < end_ns]
    windows: list[list[_Arrival]] = [[] for _ in edges[1:]]
    sent_counts = [0 for _ in edges[1:]]
    for time_ns in sent_at.values():
        if start_ns <= time_ns < end_ns:
            sent_counts[bisect_right(edges, time_ns, hi=len(edges) - 1) - 1] += 1
    for arrival in measured:
        windows[bisect_right(edges, sent_at[arrival.sequence], hi=len(edges) - 1) - 1].append(arrival)
    tallies = [
        _tally(count, arrivals, longest_gap_ms(times, begin, end))
        for count, arrivals, (begin, end) in zip(sent_counts, windows, pairwise(edges), strict=True)
    ]
    return Account(
        total=_tally(sum(sent_counts), measured, longest_gap_ms(times, start_ns, end_ns)),
        windows=tuple(tallies[1:]), foreign=foreign,
    )


def longest_gap_ms(times_ns: Sequence[int], begin_ns: int, end_ns: int) -> float | None:
    """The longest time between neighbours of the ascending `times_ns` whose span meets [begin_ns, end_ns).

    Where no arrival follows, the gap lasts until `end_ns`: silence at the end is an interruption, too. None when there
    is no arrival before `end_ns`.
    """
    before_end = bisect_left(times_ns, end_ns)
    if before_end == 0:
        return None
    first = max(bisect_right(times_ns, begin_ns) - 1, 0)
    until = [*times_ns[first : before_end + 1]]
    if before_end == len(times_ns):
        until.append(end_ns)
    longest = max((later - earlier for earlier, later in pairwise(until)), default=0)
    return longest / 1e6


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed (nearest rank); None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(-(-len(ordered) * share // 1), 1)
    return ordered[min(int(rank), len(ordered)) - 1]


def _classify(received: Sequence[Record], sent_at: dict[int, int]) -> tuple[list[_Arrival], int]:
    seen: set[int] = set()
    greatest = -1
    foreign = 0
    arrivals = []
    for record in received:
        if record.sequence not in sent_at:
            foreign += 1
            continue
        duplicate = record.sequence in seen
        arrivals.append(_Arrival(
            sequence=record.sequence, time_ns=record.time_ns, duplicate=duplicate,
            reordered=not duplicate and record.sequence < greatest,
        ))
        seen.add(record.sequence)
        greatest = max(greatest, record.sequence)
    return arrivals, foreign


def _tally(sent: int, arrivals: Sequence[_Arrival], interruption_ms: float | None) -> Tally:
    received = sum(not arrival.duplicate for arrival in arrivals)
    return Tally(
        sent=sent, received=received, lost=sent - received, duplicated=len(arrivals) - received,
        reordered=sum(arrival.reordered for arrival in arrivals), interruption_ms=interruption_ms,
    )

# SPDX-License-Identifier: Apache-2.0
"""What became of every packet that was sent: pure arithmetic on what the source and a sink recorded.

Definitions:
- lost: sent, and never arrived.
- duplicated: arrivals of a packet that had arrived before; three copies of a packet are two duplicates.
- reordered: RFC 4737 section 3.3 (Type-P-Reordered), over first arrivals only: the packet's number is smaller than the
  greatest that arrived before it.
- foreign: arrivals of numbers that the source says it never sent. Not zero means that the measurement is broken.
- interruption: the time between two consecutive arrivals of which the most lies in a window, whole, in ms. So a move
  whose silence begins with the last packet before its request is not also counted for the handover before. Nothing is
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

EVENTS_KEPT = 50
"""Of one tally: where losses, copies and disorder were, in detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRun:
    """Packets lost in a row, by their send times in ns since 1970."""

    first_sequence: int
    count: int
    first_ns: int
    last_ns: int


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
    losses: tuple[LossRun, ...] = ()
    """Where `lost` was, at most EVENTS_KEPT runs."""
    late: tuple[Record, ...] = ()
    """Arrivals that count as `reordered`, at most EVENTS_KEPT."""

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
    offered = [record for record in sent if start_ns <= record.time_ns < end_ns]

    def window_of(time_ns: int) -> int:
        return bisect_right(edges, time_ns, hi=len(edges) - 1) - 1

    sent_there: list[list[Record]] = [[] for _ in edges[1:]]
    for record in offered:
        sent_there[window_of(record.time_ns)].append(record)
    arrived_there: list[list[_Arrival]] = [[] for _ in edges[1:]]
    for arrival in measured:
        arrived_there[window_of(sent_at[arrival.sequence])].append(arrival)
    tallies = [
        _tally(packets, arrivals, longest_gap_ms(times, begin, end))
        for packets, arrivals, (begin, end) in zip(sent_there, arrived_there, pairwise(edges), strict=True)
    ]
    return Account(
        total=_tally(offered, measured, longest_gap_ms(times, start_ns, end_ns)),
        windows=tuple(tallies[1:]), foreign=foreign,
    )


def longest_gap_ms(times_ns: Sequence[int], begin_ns: int, end_ns: int) -> float | None:
    """The time between neighbours of the ascending `times_ns` that takes the most of [begin_ns, end_ns), whole.

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

    def inside_and_whole(gap: tuple[int, int]) -> tuple[int, int]:
        earlier, later = gap
        return min(later, end_ns) - max(earlier, begin_ns), later - earlier

    earlier, later = max(pairwise(until), key=inside_and_whole, default=(0, 0))
    return (later - earlier) / 1e6


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


def _tally(sent: Sequence[Record], arrivals: Sequence[_Arrival], interruption_ms: float | None) -> Tally:
    received = sum(not arrival.duplicate for arrival in arrivals)
    late = [
        Record(sequence=arrival.sequence, time_ns=arrival.time_ns) for arrival in arrivals if arrival.reordered
    ]
    return Tally(
        sent=len(sent), received=received, lost=len(sent) - received, duplicated=len(arrivals) - received,
        reordered=len(late), interruption_ms=interruption_ms,
        losses=_loss_runs(sent, {arrival.sequence for arrival in arrivals}), late=tuple(late[:EVENTS_KEPT]),
    )


def _loss_runs(sent: Sequence[Record], arrived: set[int]) -> tuple[LossRun, ...]:
    runs: list[LossRun] = []
    run: list[Record] = []
    for record in [*sent, None]:
        if record is not None and record.sequence not in arrived:
            run.append(record)
            continue
        if run and len(runs) < EVENTS_KEPT:
            runs.append(LossRun(
                first_sequence=run[0].sequence, count=len(run), first_ns=run[0].time_ns, last_ns=run[-1].time_ns,
            ))
        run = []
    return tuple(runs)

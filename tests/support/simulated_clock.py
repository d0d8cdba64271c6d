# SPDX-License-Identifier: Apache-2.0
"""Time of a simulation: what happens when, in an order that depends on nothing but the calls made."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

TICKS_WITHOUT_PROGRESS_MAX = 200


@dataclass(order=True)
class _Due:
    at: float
    number: int
    action: Callable[[], None] = field(compare=False)


@dataclass(frozen=True)
class Ticker:
    """Something with deadlines of its own: a core, a reconciler."""

    name: str
    next_deadline: Callable[[], float | None]
    tick: Callable[[float], None]


class Deadline:
    """The next deadline of a core, asked again only after something has happened to it: most events are packets."""

    def __init__(self, ask: Callable[[], float | None]) -> None:
        self._ask = ask
        self._known = False
        self._value: float | None = None

    def __call__(self) -> float | None:
        """What the core says."""
        if not self._known:
            self._value, self._known = self._ask(), True
        return self._value

    def may_have_changed(self) -> None:
        """The core has handled an event, or a tick."""
        self._known = False


class SimulatedClock:
    """Runs actions and ticks in order of time; equal times in the order in which they were asked for."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._due: list[_Due] = []
        self._numbers = itertools.count()
        self._tickers: list[Ticker] = []
        self._stuck = 0

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do this then."""
        heapq.heappush(self._due, _Due(self.now + delay_s, next(self._numbers), action))

    def add(self, ticker: Ticker) -> None:
        """Have this ticked whenever its deadline comes; it replaces one of the same name."""
        self._tickers = [known for known in self._tickers if known.name != ticker.name] + [ticker]

    def run_for(self, seconds: float) -> None:
        """Let this much time pass."""
        self.run_until(lambda: False, seconds)

    def run_until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Let time pass until the condition holds; False when it did not within this time."""
        end = self.now + within_s
        while not condition():
            if not self._step(end):
                self.now = end
                return condition()
        return True

    def _step(self, end: float) -> bool:
        deadlines = [(at, ticker) for ticker in self._tickers if (at := ticker.next_deadline()) is not None]
        first = min(deadlines, key=lambda pair: pair[0], default=None)
        if self._due and (first is None or self._due[0].at <= first[0]):
            if self._due[0].at > end:
                return False
            due = heapq.heappop(self._due)
            self._advance(due.at)
            due.action()
            return True
        if first is None or first[0] > end:
            return False
        at, ticker = first
        self._advance(at)
        self._stuck += 1
        assert self._stuck < TICKS_WITHOUT_PROGRESS_MAX, f"{ticker.name} asks for a tick at {at} again and again"
        ticker.tick(self.now)
        return True

    def _advance(self, at: float) -> None:
        if at > self.now:
            self._stuck = 0
            self.now = at

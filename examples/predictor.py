# SPDX-License-Identifier: Apache-2.0
"""Begins handovers by signal strength, before the mobile node has to leave.

    some-radio | PYTHONPATH=. python3 examples/predictor.py mn1
    PYTHONPATH=. python3 examples/predictor.py mn1 --simulate --move './castover lab move {mn} {mag}'

Measurements are lines of three words: seconds, id of a MAG, dBm. As in a cellular network (event A3 of 3GPP TS 38.331) a
handover begins when another MAG has been better than the present one by the hysteresis for the time to trigger; it is
called off when that MAG falls behind again before the mobile node has gone.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from castover_client import MAY_LEAVE, Castover, CastoverError, Conflict, Handover, Unavailable


@dataclass(frozen=True)
class Measurement:
    """How strong a MAG was heard."""

    at: float
    mag: str
    dbm: float


@dataclass
class Predictor:
    """Decides; knows nothing of Castover."""

    serving: str
    hysteresis_db: float = 3.0
    time_to_trigger_s: float = 0.2
    smoothing: float = 0.3
    """Weight of a new measurement: noise of a single one is no reason to move."""
    heard: dict[str, float] = field(default_factory=dict)
    better_since: dict[str, float] = field(default_factory=dict)

    def measured(self, one: Measurement) -> str | None:
        """The MAG to go to now, or None."""
        before = self.heard.get(one.mag, one.dbm)
        self.heard[one.mag] = before + self.smoothing * (one.dbm - before)
        present = self.heard.get(self.serving)
        if present is None:
            return None
        for mag, dbm in self.heard.items():
            if mag != self.serving and dbm > present + self.hysteresis_db:
                self.better_since.setdefault(mag, one.at)
            else:
                self.better_since.pop(mag, None)
        ripe = [mag for mag, since in self.better_since.items() if one.at - since >= self.time_to_trigger_s]
        return max(ripe, key=lambda mag: self.heard[mag], default=None)

    def has_fallen_behind(self, mag: str) -> bool:
        """Whether a MAG that was better is worse now, by the hysteresis."""
        known = self.heard.keys() >= {mag, self.serving}
        return known and self.heard[mag] < self.heard[self.serving] - self.hysteresis_db

    def moved(self, mag: str) -> None:
        """The mobile node is there now."""
        self.serving = mag
        self.better_since.clear()


def piped(lines: Iterable[str]) -> Iterator[Measurement]:
    """Measurements from text. Raises ValueError with the line that is none."""
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            at, mag, dbm = words
            one = Measurement(float(at), mag, float(dbm))
        except ValueError as error:
            raise ValueError(f"line {number}: found {line.strip()!r}; expected: seconds, MAG, dBm") from error
        # One nan would stay in the smoothed value for ever, and no MAG would be better than it.
        if not (math.isfinite(one.at) and math.isfinite(one.dbm)):
            raise ValueError(f"line {number}: found {line.strip()!r}; expected: finite numbers of seconds and dBm")
        yield one


def amount(text: str) -> float:
    """An argument. Raises ArgumentTypeError."""
    with contextlib.suppress(ValueError):
        if math.isfinite(found := float(text)) and found >= 0:
            return found
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")


def walk(mags: list[str], *, metres: float = 100.0, speed: float = 20.0, seed: int = 1) -> Iterator[Measurement]:
    """A mobile node that goes from the first MAG to the second, with the path loss of a street and some fading."""
    noise = random.Random(seed)  # noqa: S311 - repeatable, nothing to guess
    for tick in range(int(metres / speed * 20)):
        at = tick / 20
        for mag, place in zip(mags, (0.0, metres), strict=True):
            distance = max(abs(at * speed - place), 1.0)
            yield Measurement(at, mag, -30 - 35 * math.log10(distance) + noise.gauss(0, 2))


def in_time(measurements: Iterable[Measurement]) -> Iterator[Measurement]:
    """The same, each when it is due."""
    begun = time.monotonic()
    for one in measurements:
        time.sleep(max(begun + one.at - time.monotonic(), 0.0))
        yield one


class Driver:
    """Carries out what the predictor decides."""

    def __init__(
        self, castover: Castover, predictor: Predictor, mn_id: str, move: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._castover = castover
        self._predictor = predictor
        self._mn_id = mn_id
        self._move = move
        self._handover: Handover | None = None
        self._clock = clock
        self._ask_again_at = 0.0

    def measured(self, one: Measurement) -> None:
        """Take in one measurement, and do what follows from it."""
        target = self._predictor.measured(one)
        if self._clock() < self._ask_again_at:
            return
        try:
            if self._handover is not None:
                self._look_after(self._handover)
            elif target is not None:
                self._begin(target, one.at)
        except Unavailable as error:
            # An agent or a switch is away for a moment. Measurements go on meanwhile, and may say something else then.
            wait_s = 1.0 if error.retry_after_s is None else error.retry_after_s
            self._ask_again_at = self._clock() + wait_s
            print(f"  not now: {error.detail}; asking again in {wait_s:g} s")

    def finish(self, timeout_s: float) -> None:
        """There are no more measurements; a handover that is under way may come to its end."""
        if self._handover is not None:
            self._ended(self._castover.wait_for(self._handover.id, timeout_s=timeout_s))

    def _begin(self, target: str, at: float) -> None:
        told = ", ".join(f"{mag} {dbm:.0f} dBm" for mag, dbm in sorted(self._predictor.heard.items()))
        print(f"{at:.2f} s: {told}")
        try:
            self._handover = self._castover.start_handover(self._mn_id, target)
        except Conflict as error:
            print(f"  not now: {error.detail}")
            return
        print(f"  handover {self._handover.id} to {target}")
        if self._move is not None:
            self._castover.wait_for(self._handover.id, until=MAY_LEAVE, timeout_s=10)
            command = [word.format(mn=self._mn_id, mag=target) for word in shlex.split(self._move)]
            subprocess.run(command, check=True)

    def _look_after(self, handover: Handover) -> None:
        now = self._castover.handover(handover.id)
        if now.ended:
            self._ended(now)
        elif self._predictor.has_fallen_behind(now.new_mag):
            print(f"  {now.new_mag} has fallen behind again: called off")
            try:
                self._castover.cancel_handover(now.id)
            except Conflict:
                print("  too late: the mobile node is there")

    def _ended(self, handover: Handover) -> None:
        print(f"  {handover.state}" + (f": {handover.error}" if handover.error else f", packets: {handover.packets}"))
        self._handover = None
        if handover.state == "completed":
            self._predictor.moved(handover.new_mag)


def main() -> int:
    """Exit code 0: all measurements were worked through; 1: the controller refused or went away; 2: wrong use."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mn", help="MN-ID or short name of the mobile node")
    parser.add_argument("--simulate", action="store_true", help="a walk from where it is to another MAG, in real time")
    parser.add_argument("--hysteresis", type=amount, default=3.0, metavar="DB", help="default: %(default)s")
    parser.add_argument("--time-to-trigger", type=amount, default=0.2, metavar="S", help="default: %(default)s")
    parser.add_argument("--move", metavar="COMMAND", help="what moves the mobile node {mn} to {mag} when it may leave")
    given = parser.parse_args()
    try:
        with Castover.from_environment() as castover:
            serving = castover.binding(given.mn).mag
            predictor = Predictor(serving, given.hysteresis, given.time_to_trigger)
            others = [mag.id for mag in castover.mags() if mag.id != serving]
            source = in_time(walk([serving, others[0]])) if given.simulate else piped(sys.stdin)
            driver = Driver(castover, predictor, given.mn, given.move)
            for one in source:
                driver.measured(one)
            driver.finish(timeout_s=30)
    except (CastoverError, ValueError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""examples/predictor.py: when it hands over, when it does not, and when it takes it back."""

from __future__ import annotations

import io
from types import ModuleType
from typing import Any, ClassVar

import pytest

from castover_client import Conflict, Unavailable
from tests.support.example_module import load_example


@pytest.fixture(scope="module")
def predictor() -> ModuleType:
    return load_example("predictor")


def decisions(
    predictor: ModuleType, measurements: list[tuple[float, str, float]], **options: float
) -> list[tuple[float, str]]:
    """When it would go where, if every handover came to its end at once."""
    decider = predictor.Predictor("mag1", **options)
    found = []
    for at, mag, dbm in measurements:
        target = decider.measured(predictor.Measurement(at, mag, dbm))
        if target is not None:
            found.append((at, target))
            decider.moved(target)
    return found


def both(at: float, mag1: float, mag2: float) -> list[tuple[float, str, float]]:
    return [(at, "mag1", mag1), (at, "mag2", mag2)]


def test_it_goes_when_another_mag_has_been_better_by_the_hysteresis_for_the_time_to_trigger(predictor: ModuleType) -> None:
    sharp = {"smoothing": 1.0, "hysteresis_db": 3.0, "time_to_trigger_s": 0.25}
    rising = [one for tick in range(10) for one in both(tick / 8, -70, -75 + 2 * tick)]
    # Better by more than 3 dB from 5/8 s on (-65 against -70), and so for 2/8 s at 7/8 s.
    assert decisions(predictor, rising, **sharp) == [(0.875, "mag2")]
    just_as_good = [one for tick in range(50) for one in both(tick / 10, -70, -67)]
    assert decisions(predictor, just_as_good, **sharp) == []
    flicker = [one for tick in range(50) for one in both(tick / 10, -70, -60 if tick % 2 else -80)]
    assert decisions(predictor, flicker, **sharp) == []


def test_fading_makes_no_ping_pong(predictor: ModuleType) -> None:
    for seed in range(30):
        walked = [(one.at, one.mag, one.dbm) for one in predictor.walk(["mag1", "mag2"], seed=seed)]
        targets = [target for _, target in decisions(predictor, walked)]
        assert targets == ["mag2"], seed


def test_it_hears_nothing_of_a_mag_that_it_knows_nothing_of(predictor: ModuleType) -> None:
    assert decisions(predictor, [(tick / 10, "mag2", -50.0) for tick in range(20)]) == []


def test_what_is_no_measurement_is_named(predictor: ModuleType) -> None:
    lines = io.StringIO("# seconds MAG dBm\n\n0.1 mag1 -70\n")
    assert list(predictor.piped(lines)) == [predictor.Measurement(0.1, "mag1", -70.0)]
    with pytest.raises(ValueError, match="line 1: found 'mag1 -70'; expected: seconds, MAG, dBm"):
        list(predictor.piped(["mag1 -70\n"]))


@pytest.mark.parametrize("line", ["0.1 mag1 nan", "nan mag1 -70", "0.1 mag1 -inf", "inf mag1 -70", "0.1 mag1 1e999"])
def test_a_measurement_is_finite(predictor: ModuleType, line: str) -> None:
    with pytest.raises(ValueError, match=f"line 2: found '{line}'; expected: finite numbers of seconds and dBm"):
        list(predictor.piped(["0.0 mag1 -70\n", f"{line}\n"]))


class Controller:
    """What the driver asks of castover_client.Castover."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.state = "requested"

    def _handover(self, target: str = "mag2") -> Any:
        ended = self.state in ("completed", "failed", "cancelled")
        members = {"id": "ho-1", "new_mag": target, "state": self.state, "ended": ended, "error": None, "packets": {}}
        return type("Handover", (), members)

    def start_handover(self, mn_id: str, target: str) -> Any:
        self.asked.append(f"start {mn_id} {target}")
        if len(self.asked) == 1:
            raise Conflict(409, "Conflict", {"detail": "another one is under way"}, {})
        return self._handover(target)

    def handover(self, _: str) -> Any:
        return self._handover()

    def cancel_handover(self, handover_id: str) -> Any:
        self.asked.append(f"cancel {handover_id}")
        self.state = "cancelled"
        return self._handover()


def test_a_handover_is_called_off_when_its_mag_falls_behind_again(
    predictor: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    controller = Controller()
    decider = predictor.Predictor("mag1", smoothing=1.0)
    driver = predictor.Driver(controller, decider, "mn1", None)
    for at, mag, dbm in [*both(0.0, -70, -60), *both(0.3, -70, -60), *both(0.5, -70, -80), *both(0.6, -70, -70)]:
        driver.measured(predictor.Measurement(at, mag, dbm))
    # Refused once, then begun, then called off.
    assert controller.asked == ["start mn1 mag2", "start mn1 mag2", "cancel ho-1"]
    said = capsys.readouterr().out.splitlines()
    assert said[-2:] == ["  mag2 has fallen behind again: called off", "  cancelled, packets: {}"]
    assert decider.serving == "mag1"


def test_while_the_controller_cannot_it_listens_on_and_asks_again_when_it_was_told_to(
    predictor: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    class Busy(Controller):
        answers: ClassVar = [{"retry-after": "7"}, {}]

        def start_handover(self, mn_id: str, target: str) -> Any:
            self.asked.append(f"start {mn_id} {target} at {now:g}")
            if self.answers:
                raise Unavailable(503, "Service Unavailable", {"detail": "the agent is away"}, self.answers.pop(0))
            return self._handover(target)

        def cancel_handover(self, handover_id: str) -> Any:
            self.asked.append(f"cancel {handover_id} at {now:g}")
            raise Unavailable(503, "Service Unavailable", {}, {"retry-after": "3"})

    now = 100.0
    controller = Busy()
    driver = predictor.Driver(controller, predictor.Predictor("mag1", smoothing=1.0), "mn1", None, clock=lambda: now)
    for now, mag2 in ((100.0, -60), (101.0, -60), (105.0, -60), (108.0, -60), (108.5, -60), (109.0, -60), (110.0, -80),
                      (112.0, -80), (113.0, -80)):
        for one in both(now, -70, mag2):
            driver.measured(predictor.Measurement(*one))
    assert controller.asked == [
        "start mn1 mag2 at 101", "start mn1 mag2 at 108", "start mn1 mag2 at 109",
        "cancel ho-1 at 110", "cancel ho-1 at 113",
    ]
    assert "  not now: the agent is away; asking again in 7 s" in capsys.readouterr().out.splitlines()

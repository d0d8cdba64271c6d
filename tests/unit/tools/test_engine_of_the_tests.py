# SPDX-License-Identifier: Apache-2.0
"""tools/test.sh: which engine the tests of containers get, and that what was started is stopped, however it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "test.sh"
ENGINE = """#!/bin/sh
echo "engine $1" >>calls
case $1 in
    answers) [ -e there ] ;;
    prepare)
        [ ! -e never ] || { echo "engine: no engine answers, and starting one needs root" >&2; exit 1; }
        echo "export DOCKER_HOST=unix:///here BUILD_NETWORK=host"
        [ ! -e slow ] || { sleep 1000 & echo $! >preparing; wait; } ;;
esac
"""
TESTS = """#!/bin/sh
echo "tests $* ${DOCKER_HOST:-} ${CASTOVER_NO_ENGINE:-}" >>calls
[ ! -e long ] || { touch begun; exec sleep 1000; }
[ ! -e failing ]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository whose engine and tests only note how they are called."""
    (tmp_path / "tools").mkdir()
    shutil.copy(SCRIPT, tmp_path / "tools")
    for name, text in (("tools/engine.sh", ENGINE), ("tests.sh", TESTS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def start(place: Path, *marks: str) -> subprocess.Popen[str]:
    for mark in marks:
        (place / mark).touch()
    environment = {name: value for name, value in os.environ.items() if name not in ("DOCKER_HOST", "CASTOVER_NO_ENGINE")}
    environment["CASTOVER_ENGINE"] = "" if "unasked" in marks else "1"
    environment["CASTOVER_ENGINE_DATA"] = str(place / "engine")
    return subprocess.Popen(
        [place / "tools" / "test.sh"], env={**environment, "PYTEST": "./tests.sh", "TMPDIR": str(place)}, text=True,
        stderr=subprocess.PIPE, start_new_session=True,
    )


def calls(place: Path) -> list[str]:
    return [line.strip() for line in (place / "calls").read_text(encoding="utf-8").splitlines()]


def runs_of(place: Path) -> list[str]:
    return [line for line in calls(place) if line.startswith("tests")]


def runs(pid: int) -> bool:
    """Whether this process is there, and no zombie that nobody has waited for."""
    try:
        return Path("/proc", str(pid), "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def await_file(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not (path.exists() and (path.name == "begun" or path.read_text().strip())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_engine_comes_for_the_labs_and_goes_at_the_end(place: Path) -> None:
    with start(place) as script:
        assert script.wait(20) == 0
    assert runs_of(place) == ["tests -m not lab -n auto", "tests -m lab unix:///here"]
    assert calls(place)[0] == "engine answers"
    assert calls(place)[-1] == "engine down"
    assert [path.name for path in place.glob("tmp.*")] == []


def test_one_that_was_there_before_stays(place: Path) -> None:
    with start(place, "there") as script:
        assert script.wait(20) == 0
    assert "engine down" not in calls(place)


def test_where_none_can_be_had_the_tests_are_told_why(place: Path) -> None:
    reason = "engine: no engine answers, and starting one needs root"
    with start(place, "never") as script:
        assert script.communicate(timeout=20)[1] == f"{reason}\n"
    assert script.returncode == 0
    assert runs_of(place)[-1] == f"tests -m lab  {reason}"


def test_it_goes_also_when_tests_fail(place: Path) -> None:
    with start(place, "failing") as script:
        assert script.wait(20) == 1
    assert len(runs_of(place)) == 1
    assert calls(place)[-1] == "engine down"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_goes_also_when_the_tests_are_interrupted_while_it_comes(place: Path, number: signal.Signals) -> None:
    with start(place, "slow", "long") as script:
        await_file(place / "begun")
        await_file(place / "preparing")
        os.killpg(script.pid, number)
        assert script.wait(20) == 128 + number
    assert calls(place)[-1] == "engine down"
    deadline = time.monotonic() + 20
    while runs(int((place / "preparing").read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_none_is_prepared_unless_asked_for(place: Path) -> None:
    with start(place, "unasked") as script:
        assert script.wait(20) == 0
    why = "no engine answers, and none was prepared here: CASTOVER_ENGINE=1 make test does it (minutes)"
    assert calls(place) == ["engine answers", f"tests -m not lab -n auto  {why}", f"tests -m lab  {why}"]


def test_one_that_was_prepared_before_comes_unasked(place: Path) -> None:
    (place / "engine" / "data" / "image").mkdir(parents=True)
    with start(place, "unasked") as script:
        assert script.wait(20) == 0
    assert "engine prepare" in calls(place)
    assert calls(place)[-1] == "engine down"

# SPDX-License-Identifier: Apache-2.0
"""Facts as lines of a log, and as what is remembered of a handover."""

from __future__ import annotations

import json
import logging
import shlex
import time
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.fact_log import configure_log, log_fact
from southbound.facts import Fact, FactMemory, fact_line

names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=10)


@given(st.dictionaries(names, st.one_of(st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False))))
def test_a_line_is_one_line_and_reads_back(fields: dict[str, Any]) -> None:
    line = fact_line("something", fields)
    assert len(line.splitlines()) == 1
    rest = line.removeprefix("event=something")
    for key, value in fields.items():
        written = rest.removeprefix(f" {key}=")
        assert written != rest
        if written.startswith('"'):
            found, end = json.JSONDecoder().raw_decode(written)
            rest = written[end:]
        else:
            found, space, rest = written.partition(" ")
            rest = space + rest
        assert found == str(value)
    assert rest == ""


def test_what_an_operator_greps_for_is_not_quoted() -> None:
    line = fact_line("handover_step", {"handover_id": "ho-1", "mn_id": "mn1@example.net", "detail": "1 group(s)"})
    assert line == 'event=handover_step handover_id=ho-1 mn_id=mn1@example.net detail="1 group(s)"'
    assert shlex.split(line)[-1] == "detail=1 group(s)"


def test_the_oldest_handover_goes_first_and_a_long_one_is_cut_off() -> None:
    memory = FactMemory(handovers_max=2, facts_max=3)
    for handover_id in ("ho-1", "ho-2", "ho-3"):
        for number in range(4):
            memory.remember(handover_id, Fact(at=float(number), name="fact"))
    assert memory.of("ho-1") == ()
    assert [fact.at for fact in memory.of("ho-3")] == [0.0, 1.0, 2.0]
    assert memory.left_out == 3


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield logging.getLogger("castover.test")
    logging.captureWarnings(False)
    root.setLevel(level)
    root.handlers[:] = handlers


def test_the_log_says_when_it_happened_not_when_it_was_written(log: Any, capfd: pytest.CaptureFixture[str]) -> None:
    configure_log("info", "json")
    log_fact(log, "link_up", {"mn_id": "mn1@example.net", "time": "mine"}, 1_700_000_000.25)
    line = json.loads(capfd.readouterr().err)
    assert line["time"] == "2023-11-14T22:13:20.250000+00:00"
    assert (line["event"], line["mn_id"], line["fact_time"]) == ("link_up", "mn1@example.net", "mine")
    assert (line["level"], line["logger"]) == ("info", "castover.test")


def test_what_is_no_fact_is_a_message(log: Any, capfd: pytest.CaptureFixture[str]) -> None:
    configure_log("warning", "json")
    log.warning("rpc=down peer=%s", "x")
    log.info("not wanted")
    log_fact(log, "not_wanted_either", {}, 0.0)
    (line,) = capfd.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "rpc=down peer=x"


def test_a_fact_of_now_has_a_level_of_its_own(log: Any, capfd: pytest.CaptureFixture[str]) -> None:
    configure_log("warning", "json")
    log_fact(log, "controller_started", {"rest": "http://127.0.0.1:1"})
    log_fact(log, "send_failed", {"reason": "100% lost"}, level=logging.WARNING)
    (line,) = map(json.loads, capfd.readouterr().err.splitlines())
    assert (line["event"], line["level"], line["reason"]) == ("send_failed", "warning", "100% lost")
    assert abs(time.time() - datetime.fromisoformat(line["time"]).timestamp()) < 3600


def test_what_python_warns_of_is_a_line_like_others(log: Any, capfd: pytest.CaptureFixture[str]) -> None:
    configure_log("info", "json")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("of two\nlines", stacklevel=1)
    (line,) = map(json.loads, capfd.readouterr().err.splitlines())
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert "of two\nlines" in line["message"]


def test_text_is_the_same_line_behind_time_level_and_part(log: Any, capfd: pytest.CaptureFixture[str]) -> None:
    configure_log("info", "text")
    log_fact(log, "link_up", {"port": "mn1"}, 1_700_000_000.25)
    written = capfd.readouterr().err.strip()
    assert written.endswith(".250 INFO castover.test event=link_up port=mn1")

# SPDX-License-Identifier: Apache-2.0
"""`castover view` in words: one for each lab, and what it says when the controller goes and comes."""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from lab import view
from lab.errors import LabError
from lab.processes import LabProcess, process_start_time
from lab.view import Scene
from lab.view_claim import only_view
from lab.view_cli import Onlooker

URL = "http://127.0.0.1:8080"


def test_a_second_view_of_a_lab_is_told_which_process_has_it(tmp_path: Path) -> None:
    message = rf"a castover view of this lab is running \(process {os.getpid()}\); open {URL}/, or end that one first"
    with only_view(tmp_path, URL), pytest.raises(LabError, match=message), only_view(tmp_path, URL):
        pytest.fail("two at once")
    # And when that one has ended, it is free.
    with only_view(tmp_path, URL):
        pass


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[LabProcess]:
    """What is recorded of the lab."""
    found: list[LabProcess] = []
    monkeypatch.setattr(view, "recorded_processes", lambda _: found)
    return found


def controller(*, alive: bool) -> LabProcess:
    started = process_start_time(os.getpid()) or 0
    return LabProcess(node="controller", name="controller", pid=os.getpid(), start_time=started if alive else started + 1,
                      command=(), log="/run/controller.log")


def test_a_controller_that_ends_is_said_once_and_when_it_is_back(processes: list[LabProcess]) -> None:
    text = io.StringIO()
    lab = SimpleNamespace(domain=SimpleNamespace(name="castover"), state=SimpleNamespace(rest_url=URL))
    radio = SimpleNamespace(running=True)
    found = Scene(lab, None, radio, ())  # type: ignore[arg-type]
    onlooker = Onlooker(found, Console(file=text, width=200))
    processes.append(controller(alive=True))
    onlooker.look()
    assert text.getvalue() == ""
    processes[:] = [controller(alive=False)]
    onlooker.look()
    onlooker.look()
    said = f"the controller (process {os.getpid()}) has ended: what flows flows on, and nobody can hand over"
    assert text.getvalue().count(said) == 1
    assert "/run/controller.log" in text.getvalue()
    processes[:] = [controller(alive=True)]
    onlooker.look()
    assert text.getvalue().count("the controller is there again") == 1

# SPDX-License-Identifier: Apache-2.0
"""The lab's programs are waited for, whoever has ended them and whenever: else they stay as zombies."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from lab import processes
from lab.plan import Node
from lab.processes import LabProcess, recorded_processes, start_process, stop_processes

HERE = Node(name="here", kind="source", namespace="")


@pytest.fixture(autouse=True)
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.state.RUN_FOLDER", tmp_path)


def started(name: str) -> tuple[LabProcess, subprocess.Popen[bytes]]:
    process = start_process("unit", HERE, name, ["sleep", "60"])
    return process, processes._children[process.pid]


def end(process: LabProcess) -> None:
    """It has ended when this returns, and nobody has waited for it."""
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_one_that_ends_while_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    process, child = started("sleeper")
    look = processes.process_start_time

    def ends_before_it_is_seen(pid: int) -> int | None:
        end(process)
        return look(pid)

    monkeypatch.setattr(processes, "process_start_time", ends_before_it_is_seen)
    assert not process.alive
    assert child.returncode == -signal.SIGKILL


def test_one_whose_record_somebody_else_has_removed() -> None:
    gone, its_child = started("gone")
    end(gone)
    (processes.node_folder("unit", "here") / "pids" / "gone.json").unlink()
    _, child = started("there")
    assert stop_processes("unit", recorded_processes("unit")) == 1
    assert (its_child.returncode, child.returncode) == (-signal.SIGKILL, -signal.SIGTERM)

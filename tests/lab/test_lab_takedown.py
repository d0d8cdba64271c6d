# SPDX-License-Identifier: Apache-2.0
"""However a lab ends, nothing of it is left: an exception, a build that fails, a signal, a killed builder."""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal
import subprocess
import sys
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from pyroute2 import netns

from lab.errors import LabError
from lab.namespaces import namespace_exists, processes_inside
from lab.network import build_lab, running_lab
from lab.plan import plan_nodes
from lab.processes import REPOSITORY, recorded_processes
from lab.requirements import missing_requirement
from lab.state import lab_folder
from lab.teardown import take_down
from tests.lab.network_domain import domain, left_over, until

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]


def test_an_exception_inside_takes_everything_down() -> None:
    of = domain("exception")

    def fail() -> None:
        with running_lab(of) as built:
            built.start_process("mn1", ["sleep", "600"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert left_over(of) == []


def test_a_build_that_fails_leaves_nothing() -> None:
    of = domain("failing")
    # No interface can have a multicast address; this is found when namespaces, links and switches are there.
    of = dataclasses.replace(of, lma=dataclasses.replace(of.lma, address=IPv6Address("ff02::5")))
    with pytest.raises(LabError, match="the kernel refused a link or an address"):
        build_lab(of)
    assert left_over(of) == []


@pytest.mark.parametrize(("number", "moment"), [
    (signal.SIGTERM, "linking"), (signal.SIGINT, "linking"), (signal.SIGTERM, "starting"), (signal.SIGINT, "starting"),
    (signal.SIGINT, "up"), (signal.SIGHUP, "up"),
])
def test_a_signal_takes_everything_down(number: signal.Signals, moment: str) -> None:
    of = domain(f"{moment}-{number.name.lower()}")
    program = (
        "import sys, pickle, time; from lab.network import running_lab\n"
        "say = lambda phase: print(phase, flush=True)\n"
        "with running_lab(pickle.load(sys.stdin.buffer), say=say): say('up'); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=REPOSITORY,
    ) as builder:
        assert builder.stdin is not None
        assert builder.stdout is not None
        builder.stdin.write(pickle.dumps(of))
        builder.stdin.close()
        for line in builder.stdout:
            if line.decode().startswith(moment):
                break
        builder.send_signal(number)
        builder.stdout.read()
        assert builder.stderr is not None
        builder.stderr.read()
        assert builder.wait(timeout=30) != 0
    assert left_over(of) == []


def test_a_killed_builder_and_killed_switches_are_cleaned_up() -> None:
    of = domain("killed")
    built = build_lab(of)
    for process in recorded_processes(of.name)[::2]:
        os.kill(process.pid, signal.SIGKILL)
    built.start_process("mn2", ["sleep", "600"], name="by-hand")
    (lab_folder(of.name) / "mn2/pids/by-hand.json").unlink()
    (lab_folder(of.name) / "state.json").write_text("{ half", encoding="utf-8")
    inside_before = processes_inside(node.namespace for node in plan_nodes(of))
    removed = take_down(of.name, nodes=plan_nodes(of))
    assert removed.namespaces == 8
    assert left_over(of) == []
    until(lambda: not any(Path(f"/proc/{pid}/ns/net").exists() for pid in inside_before), "all have ended")
    assert not take_down(of.name, nodes=plan_nodes(of)).anything


def test_somebody_elses_namespace_is_left_alone() -> None:
    of = domain("foreign")
    theirs = f"{of.name}-mag2"
    netns.create(theirs)
    try:
        with pytest.raises(LabError, match=f"network namespace {theirs} exists and belongs to no lab"):
            build_lab(of)
        assert not take_down(of.name, nodes=plan_nodes(of)).anything
        assert namespace_exists(theirs)
    finally:
        take_down(of.name, nodes=plan_nodes(of), force=True)
    assert not namespace_exists(theirs)

# SPDX-License-Identifier: Apache-2.0
"""What an agent's process makes of a fault of its own: it goes on where it can, says so once, and else ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from southbound.agent.adapters.fault_log import FAULT_STATUS, FaultLog
from southbound.agent.adapters.mag_process import MagProcess
from southbound.agent.commands import Command, ReportFault, UnwatchSent, WatchSent
from southbound.agent.events import ControllerConnected, LinkUp
from southbound.agent.mag import MagCore
from tests.support.simulated_domain import three_mags

DOMAIN = three_mags()
MN1 = DOMAIN.mobile_nodes[0]
WATCH = WatchSent(port=MN1.access_port(), handover_id="ho-1", mn_id=MN1.id)


class Ended(BaseException):
    """The process has ended."""


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The exit statuses that there have been."""
    statuses: list[int] = []

    def end(status: int) -> None:
        statuses.append(status)
        raise Ended

    monkeypatch.setattr("os._exit", end)
    return statuses


def fault() -> Exception:
    try:
        raise ValueError("2 does not fit into 1")
    except ValueError as raised:
        return raised


def test_a_place_is_logged_once_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    log = FaultLog(logging.getLogger("castover.mag"))
    for raised in (fault(), fault(), ZeroDivisionError()):
        log.contained(ReportFault(fault=raised, doing="LinkUp", mn_ids=(MN1.id,)))
    first, other = caplog.records
    assert first.getMessage() == f'event=internal_fault doing=LinkUp mn_ids={MN1.id} reason="2 does not fit into 1"'
    assert first.exc_info is not None
    assert first.levelno == logging.ERROR
    assert other.exc_info is not None
    assert other.exc_info[0] is ZeroDivisionError


def with_process(work: Callable[[MagProcess, list[Command]], None]) -> None:
    """A process whose sockets nobody has opened, and the commands that it has carried out."""

    async def scenario() -> None:
        process, done = MagProcess(DOMAIN, DOMAIN.mags[0], version="1"), list[Command]()
        process._carry_out = done.append  # type: ignore[method-assign]
        work(process, done)
        if process._timer is not None:
            process._timer.cancel()

    asyncio.run(scenario())


def test_a_command_that_fails_ends_what_runs_for_its_mobile_node(ended: list[int]) -> None:
    def work(process: MagProcess, done: list[Command]) -> None:
        def carry_out(command: Command) -> None:
            if command is WATCH:
                raise ValueError("no such port")
            done.append(command)

        process._carry_out = carry_out  # type: ignore[method-assign]
        process._execute([WATCH, UnwatchSent(port="later")])
        assert [type(command) for command in done][:1] == [ReportFault]
        assert done[-1] == UnwatchSent(port="later"), "the others are carried out all the same"
        assert process._core.counters["internal_fault"] == 1

    with_process(work)
    assert ended == []


def test_a_fault_in_the_ending_ends_the_process(ended: list[int], caplog: pytest.LogCaptureFixture) -> None:
    def work(process: MagProcess, _: list[Command]) -> None:
        def carry_out(command: Command) -> None:
            raise ValueError(type(command).__name__)

        process._carry_out = carry_out  # type: ignore[method-assign]
        with pytest.raises(Ended):
            process._execute([WATCH])

    with_process(work)
    assert ended == [FAULT_STATUS]
    assert "core failed; the agent stops" in caplog.text


def test_what_the_core_cannot_contain_ends_the_process(ended: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise ValueError("no")

    def work(process: MagProcess, _: list[Command]) -> None:
        monkeypatch.setattr("southbound.agent.synchronisation.Synchronisation.after_hello", fails)
        with pytest.raises(Ended):
            process._handle(ControllerConnected())
        monkeypatch.setattr(MagCore, "next_deadline", lambda _: 0.0)
        monkeypatch.setattr(MagCore, "tick", fails)
        with pytest.raises(Ended):
            process._tick()

    with_process(work)
    assert ended == [FAULT_STATUS, FAULT_STATUS]


def test_what_it_can_contain_does_not(ended: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise ValueError("no")

    def work(process: MagProcess, done: list[Command]) -> None:
        monkeypatch.setattr("southbound.agent.attachment.Attachments.attached", fails)
        process._handle(LinkUp(port=MN1.access_port()))
        assert [type(command) for command in done][:1] == [ReportFault]

    with_process(work)
    assert ended == []

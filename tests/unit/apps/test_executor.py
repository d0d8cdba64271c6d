# SPDX-License-Identifier: Apache-2.0
"""In which order the executor carries out what the core says, and tells of it."""

from __future__ import annotations

from typing import Any

import eventlet
import pytest

from apps.executor import UNTOLD_MAX, Executor
from controller.commands import RecordEvent, RespondToAgent, SetForwarding
from controller.events import AgentConnected
from southbound.openflow.intents import ForwardingIntent


class Core:
    """Answers each event with facts and one answer to the agent; 'mag9' is a fault of ours."""

    def __init__(self, facts: int) -> None:
        self.facts = facts

    def start(self, now: float) -> list[Any]:
        return []

    def handle(self, event: AgentConnected, now: float) -> list[Any]:
        if event.mag_id == "mag9":
            raise RuntimeError(event.mag_id)
        facts = [RecordEvent(name=f"{event.mag_id}-{number}", fields={}) for number in range(self.facts)]
        return [*facts, RespondToAgent(mag_id=event.mag_id, token=1, result={})]

    def next_deadline(self) -> float | None:
        return None

    def tick(self, now: float) -> list[Any]:
        return []


class Switches:
    """Ryu's way: what is to be sent is sent by a green thread of its own."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    def set_forwarding(self, command: SetForwarding) -> None:
        self._seen.append(f"asked {command.switch}")
        eventlet.spawn(self._seen.append, f"sent to {command.switch}")

    def next_deadline(self) -> float | None:
        return None

    def tick(self, now: float) -> None:
        pass


class Agents:
    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    def respond(self, mag_id: str, token: int, result: object) -> None:
        self._seen.append(f"answer to {mag_id}")


def carried_out(*mags: str, facts: int = 1) -> list[str]:
    """Everything that is done when these events wait at once, in order."""
    seen: list[str] = []
    core: Any = Core(facts)
    agents: Any = Agents(seen)
    executor = Executor(core)
    executor.connect(agents, None)  # type: ignore[arg-type]
    executor.listen(lambda fact, _at: seen.append(fact.name))
    for mag_id in mags:
        executor.post(AgentConnected(mag_id=mag_id))
    runner = eventlet.spawn(executor.run)
    with eventlet.Timeout(5.0):
        while len(seen) < len(mags) * (facts + 1):
            if runner.dead:
                break
            eventlet.sleep(0)
    runner.kill()
    return seen


def test_a_message_goes_before_what_is_told_of_it() -> None:
    assert carried_out("mag1") == ["answer to mag1", "mag1-0"]


def test_events_that_wait_go_before_what_is_told_of_earlier_ones() -> None:
    assert carried_out("mag1", "mag2") == ["answer to mag1", "answer to mag2", "mag1-0", "mag2-0"]


def test_facts_are_told_in_their_order() -> None:
    assert carried_out("mag1", facts=3)[1:] == ["mag1-0", "mag1-1", "mag1-2"]


def test_a_flood_does_not_make_the_untold_grow_without_end() -> None:
    seen = carried_out("mag1", "mag2", facts=UNTOLD_MAX + 5)
    assert seen[:7] == ["answer to mag1", *(f"mag1-{number}" for number in range(5)), "answer to mag2"]


def test_a_fault_takes_no_facts_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []

    def stop(code: int) -> None:
        codes.append(code)

    monkeypatch.setattr("os._exit", stop)
    assert carried_out("mag1", "mag9") == ["answer to mag1", "mag1-0"]
    assert codes == [70]


def test_a_switch_is_sent_its_rules_before_those_of_the_next_are_made() -> None:
    class Two(Core):
        def handle(self, event: AgentConnected, now: float) -> list[Any]:
            return [SetForwarding(switch=name, intent=ForwardingIntent(), generation=1) for name in ("mag1", "lma")]

    seen: list[str] = []
    core: Any = Two(0)
    executor = Executor(core)
    executor.connect(None, Switches(seen))  # type: ignore[arg-type]
    executor.post(AgentConnected(mag_id="mag1"))
    runner = eventlet.spawn(executor.run)
    with eventlet.Timeout(5.0):
        while len(seen) < 4:
            eventlet.sleep(0)
    runner.kill()
    assert seen == ["asked mag1", "sent to mag1", "asked lma", "sent to lma"]


def test_it_tidies_up_only_when_no_event_waits() -> None:
    seen: list[str] = []
    core: Any = Core(1)
    agents: Any = Agents(seen)
    executor = Executor(core, tidy=lambda: seen.append("tidied"))
    executor.connect(agents, None)  # type: ignore[arg-type]
    executor.listen(lambda fact, _at: seen.append(fact.name))
    for mag_id in ("mag1", "mag2"):
        executor.post(AgentConnected(mag_id=mag_id))
    runner = eventlet.spawn(executor.run)
    with eventlet.Timeout(5.0):
        while "tidied" not in seen:
            eventlet.sleep(0)
    runner.kill()
    assert seen == ["answer to mag1", "answer to mag2", "mag1-0", "mag2-0", "tidied"]

# SPDX-License-Identifier: Apache-2.0
"""The radio: which handovers make it move whom, without a lab and without a controller."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest

from castover_client import Event, Handover, NotFound, Unreachable
from lab.errors import LabError
from lab.mobile_node import Instant, LinkChange, Move
from lab.radio import Moved, Radio, RadioThread
from lab.radio_cli import moved_line

NOW = Instant(monotonic=10.0, realtime=1_700_000_000.0)
LATER = Instant(monotonic=10.05, realtime=1_700_000_000.05)


def handover(identifier: str, state: str, mn_id: str = "mn1@example.net") -> Handover:
    return Handover(
        id=identifier, number=1, mn_id=mn_id, previous_mag="mag1", new_mag="mag2", state=state,  # type: ignore[arg-type]
        mode="predictive", trigger="rest", started_at=1.0, groups=(), steps=(), packets={}, packets_over_time=(),
        error=None,
    )


class Events:
    """A stream that is written by hand."""

    def __init__(self) -> None:
        self.written: queue.Queue[Event | Exception | None] = queue.Queue()

    def __iter__(self) -> Iterator[Event]:
        while (event := self.written.get(timeout=5.0)) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self) -> None:
        self.written.put(None)

    def tell(self, name: str, **fields: Any) -> None:
        self.written.put(Event("1", name, 1.0, fields))


class Controller:
    """What the radio needs of castover_client."""

    def __init__(self) -> None:
        self.known: dict[str, Handover] = {}
        self.stream = Events()

    def events(self) -> Events:
        return self.stream

    def handovers(self, *, ended: bool) -> list[Handover]:
        return [found for found in self.known.values() if found.ended == ended]

    def handover(self, handover_id: str) -> Handover:
        if handover_id not in self.known:
            raise NotFound(404, "Not Found", {}, {})
        return self.known[handover_id]

    def close(self) -> None:
        pass


class Host:
    def __init__(self, lab: FakeLab, name: str) -> None:
        self.lab, self.name = lab, name

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def attached_to(self) -> str:
        return self.lab.places[self.name]

    def move(self, mag: str, gap_ms: float) -> Move:
        self.lab.moves.append((self.name, mag, gap_ms))
        self.lab.places[self.name] = mag
        return Move(
            mobile_node=self.name, down=LinkChange(mag="mag1", called=NOW, returned=NOW),
            up=LinkChange(mag=mag, called=LATER, returned=LATER),
        )


class FakeLab:
    def __init__(self) -> None:
        self.places = {"mn1@example.net": "mag1", "mn2@example.net": "mag1"}
        self.moves: list[tuple[str, str, float]] = []

    def mobile_node(self, name: str) -> Host:
        if name not in self.places:
            raise LabError(f"there is no mobile node {name!r}")
        return Host(self, name)


class World:
    def __init__(self) -> None:
        self.lab, self.controller = FakeLab(), Controller()
        self.told: queue.Queue[Moved] = queue.Queue()
        self.radio = Radio(self.lab, self.controller, gap_ms=50.0, told=self.told.put)  # type: ignore[arg-type]

    def finish(self) -> None:
        """Take in everything that has been told, and end."""
        self.controller.stream.close()
        self.radio.run()
        self.radio.stop()


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("name", "fields", "state", "moves"),
    [
        ("handover_forwarding", {}, "forwarding", True), ("handover_step", {"step": 10}, "joined", True),
        ("handover_step", {"step": 10}, "bound", False), ("handover_step", {"step": 5}, "forwarding", False),
        ("handover_requested", {}, "requested", False), ("handover_forwarding", {}, "failed", False),
    ],
)
def test_it_moves_when_the_network_waits_for_the_mobile_node(
    world: World, name: str, fields: dict[str, int], state: str, moves: bool
) -> None:
    handover_id = "ho-1"
    world.controller.stream.tell(name, handover_id=handover_id, **fields)
    world.controller.known = {"ho-0": handover("ho-0", "completed")}

    def appears() -> list[Handover]:
        world.controller.known[handover_id] = handover(handover_id, state)
        return []

    world.controller.handovers = lambda **_: appears()  # type: ignore[method-assign]
    world.finish()
    assert world.lab.moves == ([("mn1@example.net", "mag2", 50.0)] if moves else [])


def test_it_moves_once_and_takes_up_what_waited_before_it_came(world: World) -> None:
    world.controller.known = {
        "ho-1": handover("ho-1", "forwarding"), "ho-2": handover("ho-2", "joined", "mn2@example.net"),
        "ho-3": handover("ho-3", "requested"),
    }
    world.controller.stream.tell("handover_forwarding", handover_id="ho-1")
    world.controller.stream.tell("gap")
    world.finish()
    assert sorted(world.lab.moves) == [("mn1@example.net", "mag2", 50.0), ("mn2@example.net", "mag2", 50.0)]
    assert sorted(moved_line(world.told.get()).partition("  ")[2] for _ in range(2)) == [
        "handover 1  mn1  mag1 -> mag2  50.0 ms without link", "handover 1  mn2  mag1 -> mag2  50.0 ms without link",
    ]


def test_one_that_has_been_moved_already_is_left_alone(world: World) -> None:
    world.lab.places["mn1@example.net"] = "mag2"
    world.controller.known = {"ho-1": handover("ho-1", "forwarding")}
    world.finish()
    assert (world.lab.moves, world.told.empty()) == ([], True)


def test_what_cannot_be_moved_is_told_and_forgotten_handovers_are_passed_over(world: World) -> None:
    world.controller.known = {"ho-1": handover("ho-1", "forwarding", "mn9@example.net")}
    world.controller.stream.tell("handover_forwarding", handover_id="ho-8")
    world.finish()
    assert moved_line(world.told.get()).endswith("mn9  not moved: there is no mobile node 'mn9@example.net'")


def test_it_says_why_it_has_ended_by_itself(world: World) -> None:
    world.controller.stream.written.put(Unreachable("nobody answers"))
    with RadioThread(world.radio) as thread:
        thread._thread.join(5.0)
        assert not thread.running
        assert str(thread.failure) == "nobody answers"

# SPDX-License-Identifier: Apache-2.0
"""A MAG of a simulation: a MagCore, its RPC connection, and a stand-in for the handover buffer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any, Protocol

from southbound.agent.commands import (
    AnswerController,
    CallController,
    Command,
    DeliverBuffer,
    DropRetained,
    ExpectMobileNode,
    NativeConfirmed,
    NotifyController,
    RecordFact,
    RelayPackets,
    ReleaseBuffer,
    ReportFault,
    RetainPackets,
    SendAccessFrame,
    SendContextTransfer,
    SendMobilityHeader,
    SendToLma,
    SetAside,
    UnwatchSent,
    WatchSent,
)
from southbound.agent.events import ControllerAnswered, ControllerCalled, Event, StreamObserved, StreamsJoined
from southbound.agent.handover_exchange import token_parts
from southbound.agent.mag import MagCore
from southbound.mobility_authentication import MobilityAuthentication
from tests.support.simulated_clock import Deadline, SimulatedClock, Ticker
from topology.model import Domain, Mag

WALL_OFFSET = 1_760_000_000.0
"""Seconds between the simulation's clock and 1970."""


class Surroundings(Protocol):
    """What an agent reaches beyond itself."""

    def mobility_header(self, source: str, destination: IPv6Address, header: bytes) -> None: ...

    def context_transfer(self, source: str, destination: IPv6Address, datagram: bytes) -> None: ...

    def packet_to_lma(self, mag_id: str, packet: bytes) -> None: ...

    def access_frame(self, mag_id: str, port: str, frame: bytes) -> None: ...

    def call_controller(self, mag_id: str, token: str, call: Any) -> None: ...

    def notify_controller(self, mag_id: str, call: Any) -> None: ...


class SimulatedBuffer:
    """Records what the core asks of the handover buffer, and answers as one does that finds every stream joined."""

    def __init__(self, clock: SimulatedClock, join_after_s: float, post: Callable[[Event], None]) -> None:
        self.commands: list[Command] = []
        self.kept: dict[str, str] = {}
        """MN-ID -> handover id of what is kept."""
        self.retained: dict[str, set[IPv6Address]] = {}
        """MN-ID (and handover that feeds it) -> where its kept packets are sent; nowhere while they are only kept."""
        self.joins = True
        self._delivering: set[str] = set()
        self._clock, self._join_after_s, self._post = clock, join_after_s, post

    def carry_out(self, command: Command) -> None:
        """One of the core's commands for the buffer."""
        self.commands.append(command)
        match command:
            case ExpectMobileNode(mn_id=mn_id, handover_id=handover_id):
                self.kept[mn_id] = handover_id
                self._delivering.discard(mn_id)
            case SetAside(mn_id=mn_id, handover_id=handover_id):
                assert self.kept.pop(mn_id) == handover_id
                self.kept[f"{mn_id} {handover_id}"] = handover_id
                self._delivering.discard(mn_id)
            case RetainPackets(mn_id=mn_id, fed_by=fed_by):
                self.retained[f"{mn_id} {fed_by}".strip()] = set()
            case RelayPackets(mn_id=mn_id, fed_by=fed_by, destination=destination):
                self.retained[f"{mn_id} {fed_by}".strip()].add(destination)
            case DropRetained(mn_id=mn_id, fed_by=fed_by, destination=None):
                self.retained.pop(f"{mn_id} {fed_by}".strip(), None)
            case DropRetained(mn_id=mn_id, fed_by=fed_by, destination=destination):
                self.retained.get(f"{mn_id} {fed_by}".strip(), set()).discard(destination)
            case DeliverBuffer(mn_id=mn_id):
                assert mn_id in self.kept
                self._delivering.add(mn_id)
                self._later(0.0, StreamObserved(mn_id=mn_id, what="delivery"), self.kept[mn_id])
            case NativeConfirmed(mn_id=mn_id):
                assert mn_id in self._delivering
                if self.joins:
                    handover_id = self.kept[mn_id]
                    self._later(self._join_after_s, StreamObserved(mn_id=mn_id, what="native"), handover_id)
                    self._later(self._join_after_s, StreamsJoined(mn_id=mn_id), handover_id)
            case ReleaseBuffer(mn_id=mn_id, handover_id=handover_id):
                if self.kept.get(mn_id) == handover_id:
                    del self.kept[mn_id]
                    self._delivering.discard(mn_id)
                self.kept.pop(f"{mn_id} {handover_id}", None)

    def restarted(self) -> None:
        """The process has ended, and all that it kept."""
        self.kept.clear()
        self.retained.clear()
        self._delivering.clear()

    def hand_over(self, mn_id: str) -> None:
        """The switch delivers to this MN."""

    def _later(self, delay_s: float, event: StreamObserved | StreamsJoined, handover_id: str) -> None:
        def happen() -> None:
            if self.kept.get(event.mn_id) == handover_id:
                self._post(event)

        self._clock.after(delay_s, happen)


class SimulatedAgent:
    """Carries out what one MagCore says."""

    def __init__(
        self,
        domain: Domain,
        mag: Mag,
        clock: SimulatedClock,
        surroundings: Surroundings,
        *,
        clock_error_s: float = 0.0,
        join_after_s: float = 0.005,
        authentication: MobilityAuthentication | None = None,
    ) -> None:
        numbers = itertools.count(1)
        self.mag = mag
        self.core = MagCore(
            domain,
            mag,
            new_handover_id=lambda: f"{mag.id}-ho{next(numbers)}",
            wall_offset=WALL_OFFSET + clock_error_s,
            held_bytes=lambda: self.held_bytes,
            uplink_waits=lambda _peer: True,
            authentication=authentication,
        )
        self.held_bytes = 0
        """Octets that it says it keeps."""
        self.buffer = SimulatedBuffer(clock, join_after_s, self.handle)
        self.watched: set[str] = set()
        self.facts: list[RecordFact] = []
        self.may_fail, self.faults = False, list[ReportFault]()
        """Faults of its own that it has contained; a test that expects none fails with the first."""
        self.connection = 0
        """Number of the RPC connection; 0 while there is none."""
        self.waiting: dict[int, str] = {}
        """Calls of ours without an answer: number -> token of the core."""
        self._clock, self._surroundings = clock, surroundings
        self._tick_core()

    def restarted(self, core: MagCore) -> None:
        """Another process takes over: it knows nothing, and nothing that was kept is left."""
        self.core = core
        self.buffer.restarted()
        self.watched.clear()
        self.waiting.clear()
        self._tick_core()

    def _tick_core(self) -> None:
        core = self.core
        self._deadline = Deadline(core.next_deadline)
        self._clock.add(Ticker(f"agent {self.mag.id}", self._deadline, lambda now: self._execute(core.tick(now))))

    def handle(self, event: Event) -> None:
        """Hand an event to the core and carry out what it says."""
        if isinstance(event, ControllerAnswered) and event.error is None:
            what, mn_id, _ = token_parts(event.token)
            if what == "direct":
                self.buffer.hand_over(mn_id)
        self._execute(self.core.handle(event, self._clock.now))

    def call(self, call: Any) -> str | None:
        """The controller calls: the error of the answer."""
        commands = self.core.handle(ControllerCalled(call=call), self._clock.now)
        self._execute(commands)
        answers = [command for command in commands if isinstance(command, AnswerController)]
        assert len(answers) == 1, commands
        return answers[0].error

    def _execute(self, commands: list[Command]) -> None:
        self._deadline.may_have_changed()
        around, mag_id = self._surroundings, self.mag.id
        for command in commands:
            match command:
                case SendMobilityHeader(header=header, destination=destination):
                    around.mobility_header(mag_id, destination, header)
                case SendContextTransfer(datagram=datagram, destination=destination):
                    around.context_transfer(mag_id, destination, datagram)
                case SendToLma(packet=packet):
                    around.packet_to_lma(mag_id, packet)
                case SendAccessFrame(port=port, frame=frame):
                    around.access_frame(mag_id, port, frame)
                case CallController(token=token, call=call):
                    around.call_controller(mag_id, token, call)
                case NotifyController(call=call):
                    around.notify_controller(mag_id, call)
                case WatchSent(port=port):
                    self.watched.add(port)
                case UnwatchSent(port=port):
                    self.watched.discard(port)
                case RecordFact():
                    self.facts.append(command)
                case ReportFault(fault=fault):
                    if not self.may_fail:
                        raise fault
                    self.faults.append(command)
                case AnswerController():
                    pass
                case _:
                    self.buffer.carry_out(command)

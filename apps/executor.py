# SPDX-License-Identifier: Apache-2.0
"""Runs the core: one queue of events, one greenlet that handles each to completion and carries out its commands."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import eventlet
from eventlet.event import Event as Reply
from eventlet.queue import Empty, LightQueue

from apps.agent_server import AgentServer
from controller.commands import (
    CallAgent,
    Command,
    HandoverAccepted,
    HandoverRefused,
    RecordEvent,
    RejectAgent,
    RespondToAgent,
    SendBindingError,
    SendListenerPacket,
    SendPacket,
    SendParameterProblem,
    SendProxyBindingAcknowledgement,
    SendToSourceNetwork,
    SetForwarding,
)
from controller.events import Event
from controller.lma import LmaCore
from controller.snapshot import Snapshot
from southbound.drop_log import DropLog
from southbound.fact_log import log_fact

_log = logging.getLogger("castover.lma")
_IDLE_S = 3600.0
_RATIONED = ("mobility_packet_dropped", "listener_packet_dropped")
"""Anybody who reaches the LMA can cause these as often as he likes."""
QUEUE_MAX = 10_000
"""Events that may wait: a peer that floods is cut off, what is known stays (`event_dropped` counts)."""
_HOPS = 3
"""Turns of the hub until what lies in a switch's socket is an event here: Ryu's reader, Ryu's queue, ours."""
UNTOLD_MAX = 1000
"""Facts that may wait to be told while there is something to do."""


class Switches(Protocol):
    """What the executor needs of `apps.datapaths`."""

    def set_forwarding(self, command: SetForwarding) -> None:
        """Bring a switch to an intent."""

    def send_acknowledgement(self, command: SendProxyBindingAcknowledgement) -> None:
        """Packet-out of a PBA."""

    def send_binding_error(self, command: SendBindingError) -> None:
        """Packet-out of a Binding Error."""

    def send_parameter_problem(self, command: SendParameterProblem) -> None:
        """Packet-out of an ICMPv6 Parameter Problem."""

    def send_listener_packet(self, command: SendListenerPacket) -> None:
        """Packet-out of MLD."""

    def send_to_source_network(self, frame: bytes) -> None:
        """Packet-out on the LMA's port to the sources."""

    def send_packet(self, command: SendPacket) -> None:
        """Packet-out of a router."""

    def next_deadline(self) -> float | None:
        """When `tick` has something to do."""

    def tick(self, now: float) -> None:
        """Time has passed."""


class Executor:
    """Owner of the LmaCore. `post` from any greenlet; `ask` where the answer is among the commands.

    `tidy` is called whenever the executor is idle, before it waits for an event.
    """

    def __init__(self, core: LmaCore, tidy: Callable[[], object] = lambda: None) -> None:
        self._core = core
        self._tidy = tidy
        self._events: LightQueue = LightQueue(QUEUE_MAX)
        self._agents: AgentServer | None = None
        self._switches: Switches | None = None
        self._listeners: list[Callable[[RecordEvent, float], None]] = []
        self._untold: deque[tuple[RecordEvent, float]] = deque()
        self.dropped_events = 0
        self._drops = {name: DropLog() for name in _RATIONED}

    def connect(self, agents: AgentServer, switches: Switches) -> None:
        """Say where commands go."""
        self._agents, self._switches = agents, switches

    def listen(self, listener: Callable[[RecordEvent, float], None]) -> None:
        """Have every RecordEvent told, with the time it happened (seconds since 1970); the listener must not block.

        They are told in their order, a moment later: a handover's next message goes first.
        """
        self._listeners.append(listener)

    def post(self, event: Event) -> None:
        """Hand an event to the core; returns at once."""
        if self._events.full():
            self.dropped_events += 1
            return
        self._events.put((event, None))

    def ask(self, event: Event, timeout_s: float = 2.0) -> list[Command]:
        """The commands that the event led to, for REST. Raises eventlet.Timeout when the core is that busy."""
        reply = Reply()
        with eventlet.Timeout(timeout_s):
            self._events.put((event, reply))
            found: list[Command] = reply.wait()
        return found

    @property
    def version(self) -> int:
        """Grows with everything that may have changed the core."""
        return self._core.version

    @property
    def is_idle(self) -> bool:
        """Whether no event waits, and everything that has happened has been told."""
        return self._events.empty() and not self._untold

    def snapshot(self) -> Snapshot:
        """An immutable picture of the core."""
        return self._core.snapshot()

    def run(self) -> None:
        """Handle events until the process ends. A fault in here is ours: the process stops, the switches forward on."""
        try:
            self._execute(self._core.start(time.monotonic()))
            while True:
                self._step()
        except Exception:
            _log.critical("core failed; the controller stops", exc_info=True)
            # What led to it is in there.
            with contextlib.suppress(Exception):
                while self._untold:
                    self._tell(*self._untold.popleft())
            os._exit(70)

    def _step(self) -> None:
        self._tell_meanwhile()
        if self.is_idle:
            self._tidy()
        deadlines = [self._core.next_deadline(), *(drops.next_deadline() for drops in self._drops.values())]
        if self._switches is not None:
            deadlines.append(self._switches.next_deadline())
        wait = min([at - time.monotonic() for at in deadlines if at is not None], default=_IDLE_S)
        try:
            event, reply = self._events.get(timeout=max(wait, 0.0)) if wait > 0 else self._events.get_nowait()
        except Empty:
            event, reply = None, None
        now = time.monotonic()
        commands = self._core.handle(event, now) if event is not None else []
        if reply is not None:
            reply.send(commands)
        self._execute(commands)
        due = self._core.next_deadline()
        if due is not None and due <= now:
            self._execute(self._core.tick(now))
        if self._switches is not None:
            self._switches.tick(now)
        for name, drops in self._drops.items():
            for summary in drops.tick(now):
                log_fact(_log, name, summary.fields(time.time() - now))

    def _tell_meanwhile(self) -> None:
        """Log and tell what has happened, as long as there is nothing to do."""
        while self._untold:
            if len(self._untold) <= UNTOLD_MAX and self._has_more_to_do():
                return
            self._tell(*self._untold.popleft())

    def _has_more_to_do(self) -> bool:
        for _ in range(_HOPS):
            if not self._events.empty():
                return True
            eventlet.sleep(0)
        return not self._events.empty()

    def _tell(self, fact: RecordEvent, at: float) -> None:
        drops = self._drops.get(fact.name)
        if drops is None or drops.drop(str(fact.fields["reason"]), time.monotonic()):
            log_fact(_log, fact.name, fact.fields, at)
        for listener in self._listeners:
            listener(fact, at)

    def _execute(self, commands: list[Command]) -> None:
        for command in commands:
            self._carry_out(command)
            if isinstance(command, SetForwarding):
                # Ryu's sender takes it to the switch now, and not after what else there is to do.
                eventlet.sleep(0)

    def _carry_out(self, command: Command) -> None:
        agents, switches = self._agents, self._switches
        match command:
            case RecordEvent():
                self._untold.append((command, time.time()))
            case SetForwarding() if switches is not None:
                switches.set_forwarding(command)
            case SendProxyBindingAcknowledgement() if switches is not None:
                switches.send_acknowledgement(command)
            case SendBindingError() if switches is not None:
                switches.send_binding_error(command)
            case SendParameterProblem() if switches is not None:
                switches.send_parameter_problem(command)
            case SendListenerPacket() if switches is not None:
                switches.send_listener_packet(command)
            case SendToSourceNetwork(frame=frame) if switches is not None:
                switches.send_to_source_network(frame)
            case SendPacket() if switches is not None:
                switches.send_packet(command)
            case RespondToAgent() if agents is not None:
                agents.respond(command.mag_id, command.token, command.result)
            case RejectAgent() if agents is not None:
                agents.reject(command.mag_id, command.token, command.code, command.message)
            case CallAgent() if agents is not None:
                agents.call(command.mag_id, command.call, command.token, command.timeout_s)
            case HandoverAccepted() | HandoverRefused():
                pass  # the answer of an `ask`

# SPDX-License-Identifier: Apache-2.0
"""The connections between the agents of a simulation and its controller: reliable and in order, until they break."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from controller import events as lma_events
from controller.commands import CallAgent
from southbound.agent.events import ControllerAnswered, ControllerConnected, ControllerDisconnected
from southbound.rpc.methods import AGENT_METHODS, CONTROLLER_METHODS, decode_params, encode_params
from tests.support.simulated_agent import SimulatedAgent
from tests.support.simulated_clock import SimulatedClock

_CALL_TIMEOUT_S = 3.0


class SimulatedRpc:
    """`agents` by MAG id; `to_lma` takes what comes of agents; everything takes `delay_s`."""

    def __init__(
        self,
        agents: Mapping[str, SimulatedAgent],
        clock: SimulatedClock,
        delay_s: float,
        to_lma: Callable[[lma_events.Event], None],
    ) -> None:
        self._agents, self._clock, self._delay_s, self._to_lma = agents, clock, delay_s, to_lma
        self._connections = itertools.count(1)
        self._requests: dict[int, tuple[str, int, int]] = {}
        """Token of an AgentRequested -> (MAG, its connection, number of the call there)."""
        self._numbers = itertools.count(1)
        self._lma_waiting: dict[str, str] = {}
        """Token of a CallAgent without an answer -> MAG."""
        self._last: dict[tuple[str, str], float] = {}

    def connect(self, mag_id: str) -> None:
        """The agent dials; two ways later both know."""
        self.disconnect(mag_id)
        number = next(self._connections)
        self._agents[mag_id].connection = number

        def hello() -> None:
            if self._agents[mag_id].connection == number:
                self._to_lma(lma_events.AgentConnected(mag_id=mag_id))
                self._carry("lma", mag_id, number, lambda: self._agents[mag_id].handle(ControllerConnected()))

        self._carry(mag_id, "lma", number, hello)

    def disconnect(self, mag_id: str) -> None:
        """The connection breaks: what is under way on it is lost, who waits is told."""
        agent = self._agents[mag_id]
        if agent.connection == 0:
            return
        agent.connection = 0
        waiting, agent.waiting = agent.waiting, {}
        for token in waiting.values():
            agent.handle(ControllerAnswered(token=token, error="connection lost", lost=True))
        agent.handle(ControllerDisconnected())
        for token in [token for token, called in self._lma_waiting.items() if called == mag_id]:
            del self._lma_waiting[token]
            self._to_lma(lma_events.AgentAnswered(mag_id=mag_id, token=token, error="connection lost"))
        self._to_lma(lma_events.AgentDisconnected(mag_id=mag_id))

    def call_controller(self, mag_id: str, token: str, call: Any) -> None:
        """An agent calls the LMA."""
        agent, number = self._agents[mag_id], next(self._numbers)
        if agent.connection == 0:
            self._clock.after(0.0, lambda: agent.handle(ControllerAnswered(token=token, error="no connection", lost=True)))
            return
        connection = agent.connection
        agent.waiting[number] = token

        def arrive() -> None:
            self._requests[number] = (mag_id, connection, number)
            received = _over_the_wire(call, CONTROLLER_METHODS)
            self._to_lma(lma_events.AgentRequested(mag_id=mag_id, token=number, call=received))

        self._carry(mag_id, "lma", connection, arrive)
        self._clock.after(_CALL_TIMEOUT_S, lambda: self._answer(mag_id, number, "no answer in time"))

    def notify_controller(self, mag_id: str, call: Any) -> None:
        """An agent tells the LMA."""
        connection = self._agents[mag_id].connection
        received = _over_the_wire(call, CONTROLLER_METHODS)
        if connection:
            event = lma_events.AgentNotified(mag_id=mag_id, call=received)
            self._carry(mag_id, "lma", connection, lambda: self._to_lma(event))

    def _answer(self, mag_id: str, number: int, error: str | None, result: Any = None) -> None:
        token = self._agents[mag_id].waiting.pop(number, None)
        if token is not None:
            self._agents[mag_id].handle(ControllerAnswered(token=token, error=error, result=result))

    def respond(self, token: int, error: str | None, result: Any = None) -> None:
        """The LMA's answer to an agent's call."""
        mag_id, connection, number = self._requests.pop(token)
        if self._agents[mag_id].connection == connection:
            self._carry("lma", mag_id, connection, lambda: self._answer(mag_id, number, error, result))

    def call_agent(self, command: CallAgent) -> None:
        """The LMA calls an agent."""
        mag_id, token = command.mag_id, command.token
        agent = self._agents[mag_id]
        connection = agent.connection

        def answer(error: str | None) -> None:
            if self._lma_waiting.pop(token, None) is not None:
                self._to_lma(lma_events.AgentAnswered(mag_id=mag_id, token=token, error=error))

        self._lma_waiting[token] = mag_id
        if connection == 0:
            self._clock.after(0.0, lambda: answer("the agent is not connected"))
            return

        def arrive() -> None:
            error = agent.call(_over_the_wire(command.call, AGENT_METHODS))
            self._carry(mag_id, "lma", connection, lambda: answer(error))

        self._carry("lma", mag_id, connection, arrive)
        self._clock.after(command.timeout_s, lambda: answer("no answer in time"))

    def _carry(self, source: str, target: str, connection: int, action: Callable[[], None]) -> None:
        """Reliable and in order, unless the connection breaks."""
        mag_id = target if source == "lma" else source
        due = max(self._clock.now + self._delay_s, self._last.get((source, target), 0.0))
        self._last[source, target] = due

        def happen() -> None:
            if self._agents[mag_id].connection == connection:
                action()

        self._clock.after(due - self._clock.now, happen)

    def forget_calls(self) -> None:
        """The controller has ended: nobody waits for answers of agents."""
        self._lma_waiting.clear()


def _over_the_wire(call: Any, methods: dict[str, type[Any]]) -> Any:
    received = decode_params(methods[call.method], encode_params(call))
    assert received == call
    return received

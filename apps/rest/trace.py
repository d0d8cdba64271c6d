# SPDX-License-Identifier: Apache-2.0
"""The story of one handover, told by everybody who had a part in it: the controller and both MAGs' agents."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from webob import Response

from apps.agent_events import AgentResponse
from apps.rest.answers.trace import MissingPart, Trace, TraceFact
from apps.rest.conditional import Pictures
from apps.rest.lookup import find, not_found
from apps.rest.problems import NOT_FOUND, quoted
from apps.rest.routing import Call, Good, Route, model_response
from controller.commands import RecordEvent
from southbound.facts import Fact, FactMemory
from southbound.rpc.methods import RpcParameterError, TraceHandover, facts_from_wire

CONTROLLER = "controller"
ASK_TIMEOUT_S = 2.0
_STEP = "handover_step"

AskAgents = Callable[[Iterable[str], Any, float], dict[str, AgentResponse]]
"""`apps.agent_inquiries.AgentInquiries.ask`."""


class TraceResources:
    """/v1/handovers/{handover_id}/trace."""

    def __init__(self, *, pictures: Pictures, memory: FactMemory, ask_agents: AskAgents) -> None:
        self._pictures = pictures
        self._memory = memory
        self._ask_agents = ask_agents

    def routes(self) -> tuple[Route, ...]:
        """Its route."""
        return (
            Route(method="GET", path="/v1/handovers/{handover_id}/trace",
                  summary="what controller and agents heard, said and saw of one handover", answer=self.get_trace,
                  tag="handovers", problems=(NOT_FOUND,),
                  answers=(Good(description="Facts by time, of all nodes.", model=Trace),)),
        )

    def get_trace(self, call: Call) -> Response:
        """Everybody is asked now; whoever does not answer is named."""
        handover_id = call.names["handover_id"]
        view = find(self._pictures.current().handovers, "id", handover_id)
        if view is None:
            raise not_found("handover_id", f"no handover {quoted(handover_id)}; ended ones are forgotten in the end")
        mags = list(dict.fromkeys((view["previous_mag"], view["new_mag"])))
        told: dict[str, Iterable[Fact]] = {}
        missing = []
        for mag_id, answer in self._ask_agents(mags, TraceHandover(handover_id=handover_id), ASK_TIMEOUT_S).items():
            if answer.error is not None:
                missing.append(MissingPart(node=mag_id, reason=answer.error.message))
                continue
            try:
                told[mag_id] = facts_from_wire(answer.result)
            except RpcParameterError as error:
                missing.append(MissingPart(node=mag_id, reason=str(error)))
        # A step is told by the agent that reached it. That the controller heard of it matters where the agent is silent.
        ours = [
            fact for fact in self._memory.of(handover_id)
            if fact.name != _STEP or fact.fields.get("node") not in told
        ]
        told[CONTROLLER] = ours
        facts = sorted(
            (_fact(node, fact) for node, facts in told.items() for fact in facts), key=lambda fact: fact.at
        )
        return model_response(Trace(handover_id=handover_id, facts=facts, missing=missing))


def remember(memory: FactMemory) -> Callable[[RecordEvent, float], None]:
    """A listener of the executor that keeps what is said of handovers."""

    def listener(fact: RecordEvent, at: float) -> None:
        handover_id = fact.fields.get("handover_id")
        if handover_id:
            memory.remember(str(handover_id), Fact(at=at, name=fact.name, fields=fact.fields))

    return listener


def _fact(node: str, fact: Fact) -> TraceFact:
    # Steps of an agent that is away are told under its name, at its time.
    if node == CONTROLLER and fact.name == _STEP:
        node, at = str(fact.fields.get("node", node)), float(fact.fields.get("at", fact.at))
    else:
        at = fact.at
    fields = {
        key: value if isinstance(value, str | int | float | bool) else str(value)
        for key, value in fact.fields.items() if key != "handover_id"
    }
    return TraceFact(at=at, node=node, name=fact.name, fields=fields)

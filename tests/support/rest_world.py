# SPDX-License-Identifier: Apache-2.0
"""The REST application over a real LmaCore, with agents and switches that answer at once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webob import Request, Response

from apps.agent_events import AgentResponse
from apps.metrics import Metrics
from apps.rest.access import Access, Hosts
from apps.rest.api import Api
from apps.rest.event_stream import EventStream
from apps.rest.trace import remember
from controller.commands import CallAgent, Command, RecordEvent, SetForwarding
from controller.events import Event, ForwardingConfirmed
from controller.lma import ANCHOR_S, LmaCore
from controller.snapshot import Snapshot
from southbound.facts import FactMemory
from southbound.openflow.compiler import compile_intent
from southbound.openflow.counters import Count, SwitchCounters
from southbound.openflow.intents import SwitchRole
from southbound.openflow.rules import SwitchRules
from southbound.rpc.errors import ErrorCode, Failure
from tests.support.domain_script import MN1, WALL, DomainScript, switch_kinds
from topology.load import load_topology
from topology.model import MAG_ACCESS_MAC, Domain

TOPOLOGY = Path(__file__).resolve().parents[2] / "topology.yaml"


class SynchronousExecutor:
    """The core without queue and greenlet: an event is handled when it is posted."""

    def __init__(self, domain: Domain) -> None:
        self.core = LmaCore(domain)
        self.domain = domain
        self.facts: list[RecordEvent] = []
        self.calls: list[CallAgent] = []
        self.listeners: list[Any] = []
        self.installed = {name: SwitchRules() for name in switch_kinds(self.domain)}
        self.counters: dict[str, list[SwitchCounters]] = {}
        self.dropped_events = 0
        self.now = 100.0
        self.failure: BaseException | None = None
        self._carry_out(self.core.start(self.now))

    def listen(self, listener: Any) -> None:
        self.listeners.append(listener)

    def post(self, event: Event) -> list[Command]:
        commands = self.core.handle(event, self.now)
        self._carry_out(commands)
        return commands

    def settle(self) -> None:
        """Let the time pass that a new controller gives the LMA's switch before those of the MAGs."""
        self.now += ANCHOR_S
        self._carry_out(self.core.tick(self.now))

    def ask(self, event: Event) -> list[Command]:
        if self.failure is not None:
            raise self.failure
        return self.post(event)

    @property
    def version(self) -> int:
        return self.core.version

    def snapshot(self) -> Snapshot:
        return self.core.snapshot()

    def rules(self, name: str) -> SwitchRules:
        return self.installed[name]

    def readings(self) -> dict[str, list[SwitchCounters]]:
        return self.counters

    def _carry_out(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case RecordEvent():
                    self.facts.append(command)
                    for listener in self.listeners:
                        listener(command, WALL)
                case CallAgent():
                    self.calls.append(command)
                case SetForwarding(switch=switch, intent=intent, generation=generation):
                    self.installed[switch] = compile_intent(intent, self._role(switch))
                    self.post(ForwardingConfirmed(switch=switch, generation=generation))

    def _role(self, name: str) -> SwitchRole:
        return SwitchRole(
            name=name, kind=switch_kinds(self.domain)[name], lma_gre_key=self.domain.lma_gre_key,
            mag_gre_key=self.domain.mag_gre_key, access_mac=MAG_ACCESS_MAC,
        )


def reading(rules: SwitchRules, at: float, packets: int) -> SwitchCounters:
    """Everything has counted so many packets of 100 octets."""
    count = Count(packets, 100 * packets)
    return SwitchCounters(
        at=at, received={"lma0": count}, sent={"lma0": Count(0, 0), "mn1": count},
        groups={group.group_id: count for group in rules.groups},
        buckets={(group.group_id, bucket.bucket_id): count for group in rules.groups for bucket in group.buckets},
    )


@dataclass
class Answer:
    status: int
    response: Response

    @property
    def json(self) -> Any:
        return json.loads(self.response.body)


class RestWorld(DomainScript):
    """A client of the application, and the world behind it."""

    def __init__(
        self, *, connected: bool = True, ids: Iterable[str] | None = None, access: Access | None = None,
        hosts: Hosts | None = None, domain: Domain | None = None,
    ) -> None:
        domain = domain or load_topology(TOPOLOGY)
        self.executor = SynchronousExecutor(domain)
        super().__init__(domain, self.executor.post)
        self.events = EventStream("0a1b2c3d")
        self.metrics = Metrics(
            self.executor.snapshot, lambda: {("event_queue", "full"): self.executor.dropped_events}, self.executor
        )
        self.executor.listen(self.events.publish)
        self.executor.listen(self.metrics.observe)
        self.memory = FactMemory()
        self.executor.listen(remember(self.memory))
        self.told: dict[str, AgentResponse] = {}
        names = iter(ids or (f"ho-{number:012x}" for number in itertools.count(1)))
        self.api = Api(
            domain=self.domain, core=self.executor, switches=self.executor, metrics=self.metrics, events=self.events,
            webhook_secrets={hook.name: b"" for hook in self.domain.rest.webhooks}, access=access, hosts=hosts,
            memory=self.memory, ask_agents=self.ask_agents,
            new_id=lambda: next(names), clock=lambda: WALL,
        )
        self.executor.listen(self.api.webhooks.observe)
        self.application = self.api.application
        if connected:
            self.connect_all()
            self.attach("mag1", MN1)
            self.synchronise({"mag1": (MN1,)})
            self.executor.settle()

    def ask_agents(self, mag_ids: Iterable[str], call: Any, timeout_s: float) -> dict[str, AgentResponse]:
        silent = Failure(code=ErrorCode.UNAVAILABLE, message="the agent is not connected")
        return {
            mag_id: self.told.get(mag_id, AgentResponse(mag_id=mag_id, token=None, error=silent)) for mag_id in mag_ids
        }

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request.blank(path, method=method, headers=named)
        if body is not None:
            request.body = body
        response = request.get_response(self.application)
        return Answer(response.status_int, response)

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, **headers)

    def post(self, value: Any, path: str = "/v1/handovers") -> Answer:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.request("POST", path, body, Content_Type="application/json")

    def hand_over(self) -> str:
        answer = self.post({"mn_id": MN1, "new_mag": "mag2"})
        if answer.status != 202:
            raise RuntimeError(answer.response.text)
        return str(answer.json["id"])

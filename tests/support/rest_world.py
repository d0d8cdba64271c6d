# SPDX-License-Identifier: Apache-2.0
"""The REST application over a real LmaCore, with agents and switches that answer at once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from webob import Request, Response

from apps.metrics import Metrics
from apps.rest.access import Access, Hosts
from apps.rest.api import Api
from apps.rest.event_stream import EventStream
from controller.commands import CallAgent, Command, RecordEvent, SetForwarding
from controller.events import (
    AgentConnected,
    AgentNotified,
    AgentRequested,
    Event,
    ForwardingConfirmed,
    ProxyBindingUpdateReceived,
    SwitchConnected,
)
from controller.lma import ANCHOR_S, LmaCore
from controller.snapshot import Snapshot
from southbound.codec.binding import ProxyBindingUpdate
from southbound.codec.iana import AccessTechnologyType, HandoffIndicator
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    Timestamp,
)
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.openflow.compiler import compile_intent
from southbound.openflow.intents import SwitchRole
from southbound.openflow.rules import SwitchRules
from southbound.rpc import methods
from topology.load import load_topology
from topology.model import MAG_ACCESS_MAC, Domain

TOPOLOGY = Path(__file__).resolve().parents[2] / "topology.yaml"
MN1, MN2 = "mn1@example.net", "mn2@example.net"
GROUP = IPv6Address("ff1e::101")
WALL = 1_700_000_000.0


class SynchronousExecutor:
    """The core without queue and greenlet: an event is handled when it is posted."""

    def __init__(self, domain: Domain) -> None:
        self.core = LmaCore(domain)
        self.domain = domain
        self.facts: list[RecordEvent] = []
        self.calls: list[CallAgent] = []
        self.listeners: list[Any] = []
        self.installed = {name: SwitchRules() for name in self.switch_kinds()}
        self.dropped_events = 0
        self.now = 100.0
        self.failure: BaseException | None = None
        self._carry_out(self.core.start(self.now))

    def switch_kinds(self) -> dict[str, str]:
        lma = self.domain.lma.id
        return {lma: "lma", f"{lma}-transport": "lma-transport", **{mag.id: "mag" for mag in self.domain.mags}}

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
            name=name, kind=self.switch_kinds()[name], lma_gre_key=self.domain.lma_gre_key,
            mag_gre_key=self.domain.mag_gre_key, access_mac=MAG_ACCESS_MAC,
        )


@dataclass
class Answer:
    status: int
    response: Response

    @property
    def json(self) -> Any:
        return json.loads(self.response.body)


class RestWorld:
    """A client of the application, and the world behind it."""

    def __init__(
        self, *, connected: bool = True, ids: Iterable[str] | None = None, access: Access | None = None,
        hosts: Hosts | None = None, domain: Domain | None = None,
    ) -> None:
        self.domain = domain or load_topology(TOPOLOGY)
        self.executor = SynchronousExecutor(self.domain)
        self.events = EventStream("0a1b2c3d")
        self.metrics = Metrics(self.executor.snapshot, lambda: {("event_queue", "full"): self.executor.dropped_events})
        self.executor.listen(self.events.publish)
        self.executor.listen(self.metrics.observe)
        names = iter(ids or (f"ho-{number:012x}" for number in itertools.count(1)))
        self.api = Api(
            domain=self.domain, core=self.executor, switches=self.executor, metrics=self.metrics, events=self.events,
            access=access, hosts=hosts, new_id=lambda: next(names), clock=lambda: WALL,
        )
        self.application = self.api.application
        if connected:
            self.connect_all()

    def connect_all(self) -> None:
        for name in self.executor.switch_kinds():
            self.executor.post(SwitchConnected(switch=name))
        for mag in self.domain.mags:
            self.executor.post(AgentConnected(mag_id=mag.id))
        self.attach("mag1", MN1)
        for mag in self.domain.mags:
            attached = (MN1,) if mag.id == "mag1" else ()
            self.notify(mag.id, methods.Synchronised(attached=attached))
        self.executor.settle()

    def attach(self, mag_id: str, mn_id: str) -> None:
        profile = next(node for node in self.domain.mobile_nodes if node.id == mn_id)
        self.notify(mag_id, methods.MobileNodeAttached(mn_id=mn_id, access_port=profile.access_port()))
        everything = GroupMembership(group=GROUP, filter_mode=FilterMode.EXCLUDE)
        self.notify(mag_id, methods.MembershipReported(mn_id=mn_id, memberships=(everything,)))
        self.bind(mag_id, mn_id)

    def bind(self, mag_id: str, mn_id: str, sequence: int = 1) -> None:
        profile = next(node for node in self.domain.mobile_nodes if node.id == mn_id)
        mag = self.domain.mag(mag_id)
        if mag is None:
            raise KeyError(mag_id)
        update = ProxyBindingUpdate(
            sequence=sequence,
            lifetime_s=300,
            options=(
                MobileNodeIdentifier(identifier=mn_id),
                HomeNetworkPrefix(prefix=profile.home_network_prefix),
                HandoffIndicatorOption(indicator=HandoffIndicator.NEW_INTERFACE),
                AccessTechnologyTypeOption(technology=AccessTechnologyType.IEEE_802_11),
                Timestamp.from_seconds(WALL + sequence / 100),
            ),
        )
        self.executor.post(
            ProxyBindingUpdateReceived(update=update, source=mag.address, received_at=WALL, reply_to=None)
        )

    def notify(self, mag_id: str, call: Any) -> None:
        self.executor.post(AgentNotified(mag_id=mag_id, call=call))

    def step(self, handover_id: str, number: int, name: str, node: str, at: float, detail: str = "") -> None:
        self.notify(
            node,
            methods.StepReached(
                handover_id=handover_id, mn_id=MN1, step=number, name=name, at=at, previous_mag="mag1", new_mag="mag2",
                detail=detail,
            ),
        )

    def call(self, mag_id: str, call: Any) -> None:
        self.executor.post(AgentRequested(mag_id=mag_id, token=1, call=call))

    def complete(self, handover_id: str) -> None:
        """Everything that the agents of mag1 and mag2 say of a handover of mn1 that goes well."""
        groups = (GroupMembership(group=GROUP, filter_mode=FilterMode.EXCLUDE),)
        known = {"handover_id": handover_id, "mn_id": MN1}
        self.step(handover_id, 1, "HO-Initiate", "mag1", WALL + 0.001, "REST")
        self.step(handover_id, 2, "HI", "mag1", WALL + 0.001, "1 group(s)")
        self.step(handover_id, 3, "HAck", "mag2", WALL + 0.002)
        self.call("mag2", methods.PrepareForwarding(**known, previous_mag="mag1", memberships=groups))
        self.step(handover_id, 4, "HI(F)", "mag2", WALL + 0.004)
        self.call("mag1", methods.CloneGroups(**known, new_mag="mag2", memberships=groups))
        self.step(handover_id, 4, "HAck to HI(F)", "mag1", WALL + 0.006, "clone confirmed")
        self.step(handover_id, 5, "tunnel data", "mag2", WALL + 0.007)
        self.step(handover_id, 6, "MN left", "mag1", WALL + 0.05, "last packet of 1 stream(s) named")
        self.notify("mag1", methods.MobileNodeDetached(mn_id=MN1))
        self.notify("mag2", methods.MobileNodeAttached(mn_id=MN1, access_port="mn1"))
        self.notify("mag2", methods.MembershipReported(mn_id=MN1, memberships=groups))
        self.step(handover_id, 8, "PBU-M", "mag2", WALL + 0.1, "1 group(s)")
        self.step(handover_id, 7, "delivery", "mag2", WALL + 0.101, "48 buffered")
        self.bind("mag2", MN1, sequence=2)
        self.step(handover_id, 9, "PBA", "mag2", WALL + 0.103, "status 0")
        self.step(handover_id, 10, "native data", "mag2", WALL + 0.104)
        self.call("mag2", methods.DeliverDirectly(**known))
        self.step(handover_id, 11, "HI completed", "mag1", WALL + 0.108, "completed")
        self.step(handover_id, 11, "HAck completed", "mag2", WALL + 0.109)
        for mag_id in ("mag1", "mag2"):
            self.call(mag_id, methods.ReleaseForwarding(**known, outcome="completed"))
        counters = {"received_tunnel": 98, "received_native": 7, "delivered": 100, "duplicates_dropped": 5}
        self.notify("mag2", methods.BufferReport(**known, counters=counters))

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

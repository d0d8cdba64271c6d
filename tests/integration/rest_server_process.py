# SPDX-License-Identifier: Apache-2.0
"""A controller's core and REST without switches and agents: `python rest_server_process.py [--fd N] [--topology FILE]`.

Prints its URL; commands are JSON lines on standard input, each answered by a line.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import eventlet
from eventlet.hubs import trampoline

from apps.agent_events import AgentResponse
from apps.executor import Executor
from apps.rest.credentials import read_credentials
from apps.rest.server import RestServer
from controller.events import AgentConnected, MobilityPacketDropped, SwitchConnected
from controller.handover import ENDED
from controller.lma import LmaCore
from southbound.openflow.counters import SwitchCounters
from southbound.openflow.rules import SwitchRules
from southbound.rpc import methods
from southbound.rpc.errors import ErrorCode, Failure
from tests.support.domain_script import MN1, MN2, DomainScript
from topology.load import load_topology

ROOT = Path(__file__).resolve().parents[2]
HEARTBEAT_S = 0.3
SETTLE_S, SETTLED_TURNS = 1.0, 5
ENDED_STATES = {state.value for state in ENDED}


class NoRules:
    """Switches that have nothing."""

    def rules(self, name: str) -> SwitchRules:
        return SwitchRules()

    def readings(self) -> dict[str, list[SwitchCounters]]:
        return {}


def nobody_answers(mag_ids: Iterable[str], call: Any, timeout_s: float) -> dict[str, AgentResponse]:
    failure = Failure(code=ErrorCode.UNAVAILABLE, message="the agent is not connected")
    return {mag_id: AgentResponse(mag_id=mag_id, token=None, error=failure) for mag_id in mag_ids}


class Process:
    def __init__(self, topology: Path, descriptor: int | None) -> None:
        domain = load_topology(topology)
        domain = dataclasses.replace(domain, controller=dataclasses.replace(domain.controller, rest_port=0))
        self.domain = domain
        self.executor = Executor(LmaCore(domain))
        self.rest = RestServer(
            domain=domain, executor=self.executor, switches=NoRules(), ask_agents=nobody_answers,
            credentials=read_credentials(domain.rest, topology), inherited_fd=descriptor,
        )
        self.rest.events.heartbeat_s = HEARTBEAT_S
        self.script = DomainScript(domain, self.executor.post, wall=time.time())
        self.runner = eventlet.spawn(self.executor.run)
        self.rest.start()

    def connect(self) -> None:
        for mag in self.domain.mags:
            self.executor.post(SwitchConnected(switch=mag.id))
            self.executor.post(AgentConnected(mag_id=mag.id))

    def populate(self) -> None:
        """All are connected, both mobile nodes are at mag1."""
        self.script.connect_all()
        for mn_id in (MN1, MN2):
            self.script.attach("mag1", mn_id)
        self.script.synchronise({"mag1": (MN1, MN2)})

    def play(self) -> None:
        """Agents that let every handover fail after a while, so that others can begin."""
        eventlet.spawn(self._play)

    def _play(self) -> None:
        while True:
            eventlet.sleep(0.05)
            for view in self.executor.snapshot().handovers:
                if view["state"] not in ENDED_STATES:
                    self.fail(view["id"])

    def fail(self, handover_id: str) -> None:
        """The previous MAG gives it up."""
        (view,) = [view for view in self.executor.snapshot().handovers if view["id"] == handover_id]
        self.script.call(view["previous_mag"], methods.ReleaseForwarding(
            handover_id=handover_id, mn_id=view["mn_id"], outcome="failed", reason="nobody came"
        ))

    def complete(self, handover_id: str) -> None:
        """Everything that goes well in a handover of mn1 from mag1 to mag2."""
        self.script.complete(handover_id)

    def events(self, count: int, octets: int) -> None:
        for _ in range(count):
            self.executor.post(MobilityPacketDropped(reason="x" * octets))

    def settle(self) -> None:
        """Let the core handle what it was given, and tell it: who asks next finds it there. Not for ever, in a flood."""
        idle = 0
        with eventlet.Timeout(SETTLE_S, False):
            while idle < SETTLED_TURNS and not self.runner.dead:
                eventlet.sleep(0)
                idle = idle + 1 if self.executor.is_idle else 0

    def stall(self) -> None:
        self.runner.kill()

    def heartbeat(self, seconds: float) -> None:
        """How long a quiet stream says nothing."""
        self.rest.events.heartbeat_s = seconds

    def dropped(self) -> dict[str, int]:
        return dict(self.rest.events.dropped)

    def stop(self) -> float:
        begin = time.monotonic()
        self.rest.stop()
        return time.monotonic() - begin


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int)
    parser.add_argument("--topology", type=Path, default=ROOT / "topology.yaml")
    known = parser.parse_args()
    process = Process(known.topology, known.fd)
    say(process.rest.url)
    waiting = b""
    while True:
        trampoline(0, read=True)
        data = os.read(0, 65536)
        if not data:
            os._exit(0)
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            result = getattr(process, command.pop("do"))(**command)
            process.settle()
            say(result)


def say(value: Any) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()

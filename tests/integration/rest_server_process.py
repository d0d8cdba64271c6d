# SPDX-License-Identifier: Apache-2.0
"""A controller's core and REST without switches and agents: `python rest_server_process.py [DESCRIPTOR]`.

Run by test_rest_live.py. Prints its URL; commands are JSON lines on standard input, each answered by a line.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import eventlet
from eventlet.hubs import trampoline

from apps.executor import Executor
from apps.rest.server import RestServer
from controller.events import AgentConnected, MobilityPacketDropped, SwitchConnected
from controller.lma import LmaCore
from southbound.openflow.rules import SwitchRules
from topology.load import load_topology

ROOT = Path(__file__).resolve().parents[2]
HEARTBEAT_S = 0.3


class NoRules:
    """Switches that have nothing."""

    def rules(self, name: str) -> SwitchRules:
        return SwitchRules()


class Process:
    def __init__(self, descriptor: int | None) -> None:
        domain = load_topology(ROOT / "topology.yaml")
        domain = dataclasses.replace(domain, controller=dataclasses.replace(domain.controller, rest_port=0))
        self.domain = domain
        self.executor = Executor(LmaCore(domain))
        self.rest = RestServer(domain=domain, executor=self.executor, switches=NoRules(), inherited_fd=descriptor)
        self.rest.events.heartbeat_s = HEARTBEAT_S
        self.runner = eventlet.spawn(self.executor.run)
        self.rest.start()

    def connect(self) -> None:
        for mag in self.domain.mags:
            self.executor.post(SwitchConnected(switch=mag.id))
            self.executor.post(AgentConnected(mag_id=mag.id))

    def events(self, count: int, octets: int) -> None:
        for _ in range(count):
            self.executor.post(MobilityPacketDropped(reason="x" * octets))

    def stall(self) -> None:
        self.runner.kill()

    def dropped(self) -> dict[str, int]:
        return dict(self.rest.events.dropped)

    def stop(self) -> float:
        begin = time.monotonic()
        self.rest.stop()
        return time.monotonic() - begin


def main() -> None:
    process = Process(int(sys.argv[1]) if len(sys.argv) > 1 else None)
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
            eventlet.sleep(0)
            say(result)


def say(value: Any) -> None:
    print(json.dumps(value), flush=True)


main()

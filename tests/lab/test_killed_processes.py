# SPDX-License-Identifier: Apache-2.0
"""An operator kills any process of the control plane: the stream goes on, and afterwards handovers work again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.demo_run import await_ready
from lab.demo_settings import choose_cast, write_demo_topology
from lab.network import Lab, running_lab
from lab.processes import REPOSITORY, LabProcess
from lab.programs import await_controller, start_agent, start_controller, start_programs
from lab.requirements import missing_requirement
from lab.rest_client import ENDED, MAY_LEAVE, RestClient, follow_handover, start_handover
from lab.stream import MeasuredStream, StreamSettings
from topology.load import load_topology

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(180),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

NODES = ("mn1", "mn2")
AT_MAG1 = {"mn1@example.net": "mag1", "mn2@example.net": "mag1"}


class Domain:
    """A lab with everything running, and a stream that both mobile nodes receive."""

    def __init__(self, lab: Lab, topology: Path, programs: list[LabProcess]) -> None:
        self.lab, self.topology = lab, topology
        self.controller, self.agents = programs[0], {process.node: process for process in programs[1:]}
        cast = choose_cast(lab.domain)
        self.stream = MeasuredStream(
            lab, StreamSettings(source=cast.source, group=cast.group, port=5001, rate_pps=500.0, size=100), NODES
        )

    def kill(self, process: LabProcess) -> None:
        os.kill(process.pid, signal.SIGKILL)
        self.until(lambda: not process.alive)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def hear(self, packets: int = 200) -> None:
        for name in NODES:
            self.stream.await_reception(name, packets, 20.0)

    def hand_over(self, target: str) -> str:
        """One predictive handover of mn1; the state in which it ended."""
        with RestClient(self.lab.state.rest_url) as client:
            handover_id = start_handover(client, "mn1", target)
            for _ in follow_handover(client, handover_id, until=MAY_LEAVE, timeout_s=10.0):
                pass
            with self.lab.mobile_node("mn1") as host:
                host.move(target, 50.0)
            *_, last = follow_handover(client, handover_id, until=ENDED, timeout_s=15.0)
            return str(last["state"])

    def ready(self, wanted: dict[str, str]) -> None:
        with RestClient(self.lab.state.rest_url) as client:
            await_ready(client, wanted, 30.0)

    def losses(self) -> dict[str, tuple[int, int]]:
        """(lost, duplicated) by mobile node."""
        records = self.stream.stop()
        sent = {record.sequence for record in records.sent}
        result = {}
        for name in NODES:
            heard = [record.sequence for record in records.received[name]]
            # What was sent before the sinks had joined is nobody's loss.
            wanted = {sequence for sequence in sent if sequence >= min(heard)}
            result[name] = (len(wanted - set(heard)), len(heard) - len(set(heard)))
        return result


@pytest.fixture
def domain(tmp_path: Path) -> Iterator[Domain]:
    topology = write_demo_topology(REPOSITORY / "topology.yaml", tmp_path, "draft")
    with running_lab(load_topology(topology), topology=topology, attach=False) as lab:
        programs = start_programs(lab, topology)
        lab.attach_mobile_nodes()
        running = Domain(lab, topology, programs)
        running.ready(AT_MAG1)
        running.stream.start()
        running.hear()
        yield running


def test_the_controller_is_killed_and_comes_back(domain: Domain) -> None:
    domain.kill(domain.controller)
    domain.hear()
    controller = start_controller(domain.lab, domain.topology)
    await_controller(domain.lab, controller)
    for name in domain.lab.switch_names():
        domain.lab.switch(name).reconnect_controllers()
    domain.ready(AT_MAG1)
    domain.hear()
    assert domain.hand_over("mag2") == "completed"
    domain.hear()
    assert domain.losses() == {"mn1": (0, 0), "mn2": (0, 0)}


def test_the_agent_of_the_serving_mag_is_killed_and_comes_back(domain: Domain) -> None:
    domain.kill(domain.agents["mag1"])
    domain.hear()
    start_agent(domain.lab, "mag1", domain.topology)
    domain.ready(AT_MAG1)
    domain.hear()
    assert domain.hand_over("mag2") == "completed"
    domain.hear()
    assert domain.losses() == {"mn1": (0, 0), "mn2": (0, 0)}


def test_the_controller_is_killed_in_the_middle_of_a_handover(domain: Domain) -> None:
    """What the switches have been told stays: the node arrives, and hears from the buffer of a MAG without controller."""
    with RestClient(domain.lab.state.rest_url) as client:
        handover_id = start_handover(client, "mn1", "mag2")
        for _ in follow_handover(client, handover_id, until=MAY_LEAVE, timeout_s=10.0):
            pass
    domain.kill(domain.controller)
    with domain.lab.mobile_node("mn1") as host:
        host.move("mag2", 50.0)
    domain.hear()
    controller = start_controller(domain.lab, domain.topology)
    await_controller(domain.lab, controller)
    for name in domain.lab.switch_names():
        domain.lab.switch(name).reconnect_controllers()
    domain.ready({"mn1@example.net": "mag2", "mn2@example.net": "mag1"})
    domain.hear(500)
    lost = domain.losses()
    assert lost["mn2"] == (0, 0)
    assert lost["mn1"][0] == 0

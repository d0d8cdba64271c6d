# SPDX-License-Identifier: Apache-2.0
"""What can fail and what can race, on real switches with three MAGs (examples/three-mags.yaml): one lab for all of it.

The same is shown in simulation, moment by moment, in tests/scenario; here real packets are counted, and afterwards every
switch holds what bindings and listeners ask for, and nothing of any handover. The domain differs from that of other labs in
all that a MAG may do in two ways: order of PBUs, GRE Key option, prefix from the pool, dialect and unit of one of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

import pytest

from castover_client import ENDED, MAY_LEAVE, Castover, Handover, Refused
from lab.accounting import Tally, account
from lab.demo_run import await_ready
from lab.demo_settings import choose_cast, write_demo_topology
from lab.leftovers import look_for_leftovers
from lab.network import Lab, running_lab
from lab.processes import REPOSITORY, LabProcess
from lab.programs import (
    await_controller,
    await_switches,
    start_agent,
    start_controller,
)
from lab.requirements import missing_requirement
from lab.rest_client import RestClient
from lab.stream import MeasuredStream, StreamSettings
from topology.load import load_topology

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(120),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

MN1, MN2 = "mn1@example.net", "mn2@example.net"
NODES = ("mn1", "mn2")
POOL = IPv6Network("2001:db8:200::/56")
OTHER_GROUP = "ff1e::202"
"""mag3's agent takes no context of mn2 with it."""
WAIT_S = 20.0
TIMERS = {"context_lifetime_s": 2, "forwarding_lifetime_s": 4, "min_delay_before_bce_delete_ms": 2000}


@dataclass
class Heard:
    """What became of the packets of one `stream`, by mobile node, when it is over."""

    tallies: dict[str, Tally] = field(default_factory=dict)

    def faults(self, *names: str) -> dict[str, tuple[int, int, int]]:
        """(lost, duplicated, reordered) of those for whom it is not (0, 0, 0)."""
        found = {name: self.tallies[name] for name in names or NODES}
        return {
            name: (tally.lost, tally.duplicated, tally.reordered) for name, tally in found.items() if not tally.perfect
        }


class World:
    """A lab with everything running."""

    def __init__(self, lab: Lab, topology: Path, controller: LabProcess) -> None:
        self.lab, self.topology, self.controller = lab, topology, controller
        self.castover = Castover(lab.state.rest_url)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def ask(self, new_mag: str, mn: str = "mn1") -> Handover:
        """A handover that has been accepted; the LMA may not have heard yet where the node is."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                return self.castover.start_handover(mn, new_mag)
            except Refused:
                assert time.monotonic() < deadline
                time.sleep(0.002)

    def prepared(self, new_mag: str, mn: str = "mn1") -> Handover:
        """The same, and the node may leave."""
        found = self.castover.wait_for(self.ask(new_mag, mn).id, until=MAY_LEAVE, timeout_s=WAIT_S)
        assert not found.ended, found.error
        return found

    def move(self, mag: str, mn: str = "mn1", gap_ms: float = 50.0) -> None:
        with self.lab.mobile_node(mn) as host:
            host.move(mag, gap_ms)

    def ended(self, handover: Handover) -> tuple[str, str | None]:
        last = self.castover.wait_for(handover.id, until=ENDED, timeout_s=WAIT_S)
        return last.state, last.error

    def hand_over(self, new_mag: str, mn: str = "mn1") -> None:
        handover = self.prepared(new_mag, mn)
        self.move(new_mag, mn)
        assert self.ended(handover) == ("completed", None)

    def at(self, mag: str, mn: str = "mn1") -> None:
        """Let the node be there."""
        if self.castover.binding(mn).mag != mag:
            self.hand_over(mag, mn)

    def leftovers(self) -> list[str]:
        """What is left over when everything that was under way has had its time."""
        deadline = time.monotonic() + WAIT_S
        with RestClient(self.lab.state.rest_url) as client:
            while True:
                found = look_for_leftovers(self.lab, client)
                if not found or time.monotonic() > deadline:
                    return found
                time.sleep(0.1)

    def kill_controller(self) -> None:
        os.kill(self.controller.pid, signal.SIGKILL)
        self.until(lambda: not self.controller.alive)

    def start_controller(self, wanted: dict[str, str]) -> None:
        self.controller = start_controller(self.lab, self.topology)
        await_controller(self.lab, self.controller)
        for name in self.lab.switch_names():
            self.lab.switch(name).reconnect_controllers()
        self.castover.close()
        self.castover = Castover(self.lab.state.rest_url)
        with RestClient(self.lab.state.rest_url) as client:
            await_ready(client, wanted, WAIT_S)

    @contextlib.contextmanager
    def stream(self) -> Iterator[Heard]:
        """500 packets a second to both nodes while the block lasts, and until both hear it afterwards."""
        cast = choose_cast(self.lab.domain)
        settings = StreamSettings(source=cast.source, group=cast.group, port=5001, rate_pps=500.0, size=100)
        running, heard = MeasuredStream(self.lab, settings, NODES), Heard()
        running.start()
        try:
            for name in NODES:
                running.await_reception(name, 100, WAIT_S)
            start_ns = time.time_ns()
            yield heard
            for name in NODES:
                running.await_reception(name, 100, WAIT_S)
            # The way to mag2 is long: what has just been sent does not arrive before the sinks end.
            end_ns = time.time_ns() - 400_000_000
            records = running.stop()
        finally:
            running.end()
        heard.tallies = {
            name: account(records.sent, records.received[name], start_ns=start_ns, end_ns=end_ns).total for name in NODES
        }


def write_topology(folder: Path, name: str, **mn2: Any) -> Path:
    """examples/three-mags.yaml with all that other labs have as their default set otherwise; `mn2`: in its profile."""
    path = write_demo_topology(REPOSITORY / "examples" / "three-mags.yaml", folder, "draft")
    document = json.loads(path.read_text())
    document |= {
        "timers": TIMERS,
        "limits": {"contexts_per_peer": 1},
        # The LMA's answer to mag2 takes so long that a handover to there is still under way when the node goes on.
        "links": [{"between": ["lma", "mag2"], "delay_ms": 150}],
    }
    document["domain"] |= {"binding_order": "sequence-numbers", "gre_key_option": "required"}
    document["lma"]["home_network_prefix_pool"] = [str(POOL)]
    document["mags"][1] |= {"dialect": "rfc", "option_length_unit": "octets"}
    mover, other = document["mobile_nodes"]
    del mover["home_network_prefix"]
    other |= mn2
    written = folder / f"{name}.yaml"
    written.write_text(json.dumps(document))
    return written


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("three-mags")
    topology = write_topology(folder, "topology")
    stricter = write_topology(folder, "stricter", allowed_groups=["ff1e::101/128"])
    with running_lab(load_topology(topology), topology=topology, attach=False) as lab:
        controller = start_controller(lab, topology)
        programs = [controller, *(
            start_agent(lab, mag.id, stricter if mag.id == "mag3" else topology) for mag in lab.domain.mags
        )]
        await_controller(lab, controller)
        for name in lab.switch_names():
            lab.switch(name).reconnect_controllers()
        await_switches(lab, programs)
        lab.attach_mobile_nodes()
        with RestClient(lab.state.rest_url) as client:
            await_ready(client, {MN1: "mag1", MN2: "mag1"}, 30.0)
        running = World(lab, topology, controller)
        try:
            yield running
        finally:
            running.castover.close()


def test_chain_on_to_the_third_mag_while_the_first_handover_runs(world: World) -> None:
    world.at("mag1")
    with world.stream() as heard:
        first = world.prepared("mag2")
        world.move("mag2")
        second = world.prepared("mag3")
        assert not world.castover.handover(first.id).ended, "or this is no chain"
        world.move("mag3")
        assert world.ended(second) == ("completed", None)
        assert world.ended(first) == ("completed", None)
    assert heard.faults() == {}
    binding = world.castover.binding("mn1")
    assert binding.mag == "mag3"
    (prefix,) = binding.home_network_prefixes
    assert IPv6Network(prefix).subnet_of(POOL)
    assert world.leftovers() == []


def test_ping_pong_back_while_the_first_handover_runs(world: World) -> None:
    world.at("mag1")
    with world.stream() as heard:
        first = world.prepared("mag2")
        world.move("mag2")
        back = world.prepared("mag1")
        assert not world.castover.handover(first.id).ended, "or it is no ping-pong"
        world.move("mag1")
        assert world.ended(back) == ("completed", None)
        assert world.castover.handover(first.id).ended
    assert heard.faults() == {}
    assert world.castover.binding("mn1").mag == "mag1"
    assert world.leftovers() == []


def test_ping_pong_back_before_it_was_elsewhere(world: World) -> None:
    world.at("mag1")
    with world.stream() as heard:
        handover = world.prepared("mag2")
        world.move("mag1")
        assert world.ended(handover)[0] == "cancelled"
    # The radio was off for 50 ms, and nobody has kept anything for this node at mag1.
    assert (heard.tallies["mn1"].duplicated, heard.tallies["mn1"].reordered) == (0, 0)
    assert heard.faults("mn2") == {}
    assert world.leftovers() == []


def test_cancel_by_rest(world: World) -> None:
    world.at("mag1")
    with world.stream() as heard:
        handover = world.prepared("mag2")
        world.castover.cancel_handover(handover.id)
        assert world.ended(handover)[0] == "cancelled"
        arrived = world.prepared("mag2")
        world.move("mag2")
        world.until(lambda: any(step.step == 7 for step in world.castover.handover(arrived.id).steps))
        with pytest.raises(Refused) as refused:
            world.castover.cancel_handover(arrived.id)
        assert refused.value.status == 409
        assert world.ended(arrived) == ("completed", None)
    assert heard.faults() == {}
    assert world.leftovers() == []


def test_new_mag_without_resources(world: World) -> None:
    """`contexts_per_peer` is 1: HAck 130, also to the second HI, and the second node is served where it is."""
    world.at("mag1")
    with world.stream() as heard:
        first = world.prepared("mag2")
        assert world.ended(world.ask("mag2", "mn2")) == ("failed", "mag2 refused: HAck code 130")
        world.castover.cancel_handover(first.id)
        assert world.ended(first)[0] == "cancelled"
    assert heard.faults() == {}
    assert world.leftovers() == []


def test_partial_refusal_by_group(world: World) -> None:
    """mag3 refuses one of the node's groups in option 61: the handover goes on with the other one."""
    folder = world.lab.folder / "mn2" / "other-group"
    folder.mkdir(parents=True)
    joined = world.lab.start_process("mn2", [
        sys.executable, "-m", "lab.traffic_sink", OTHER_GROUP, "5002",
        *(word for kind in ("control", "records", "report") for word in (f"--{kind}", str(folder / kind))),
    ], name="other-group")

    def groups(mag: str) -> set[str]:
        return {group.group for listener in world.castover.listeners(mag=mag, mn_id=MN2) for group in listener.groups}

    try:
        world.until(lambda: groups("mag1") == {"ff1e::101", OTHER_GROUP})
        with world.stream() as heard:
            handover = world.prepared("mag3", "mn2")
            cloned = {group.group for group in world.castover.handover(handover.id).groups}
            assert cloned == {"ff1e::101"}
            world.move("mag3", "mn2")
            assert world.ended(handover) == ("completed", None)
        assert heard.faults() == {}
        # There the node's own word counts, and the controller's rule: it may have both.
        world.until(lambda: groups("mag3") == {"ff1e::101", OTHER_GROUP})
    finally:
        world.lab.stop([joined])
    world.hand_over("mag1", "mn2")
    assert world.leftovers() == []


def test_controller_is_killed_in_the_middle_of_a_handover(world: World) -> None:
    """The stream goes on without it, and the handover completes under the next one."""
    world.at("mag1")
    with world.stream() as heard:
        handover = world.prepared("mag3")
        world.kill_controller()
        world.start_controller({MN1: "mag1", MN2: "mag1"})
        world.move("mag3")
        assert world.ended(handover) == ("completed", None)
        world.kill_controller()
        world.start_controller({MN1: "mag3", MN2: "mag1"})
    assert heard.faults() == {}
    assert world.leftovers() == []


def test_mobile_node_powers_off(world: World) -> None:
    """Announced, and it never arrives: both MAGs free everything, the LMA forgets it, the others notice nothing."""
    world.at("mag1")
    with world.stream() as heard:
        handover = world.prepared("mag2")
        with world.lab.mobile_node("mn1") as host:
            host.detach()
            assert world.ended(handover) == ("failed", "the mobile node has not arrived")
            world.until(lambda: MN1 not in {binding.mn_id for binding in world.castover.bindings()})
            assert world.leftovers() == []
            # Switched on somewhere else: as if it had never been here.
            host.move("mag2")
            world.until(lambda: MN1 in {binding.mn_id for binding in world.castover.bindings()})
    assert heard.faults("mn2") == {}
    assert world.castover.binding("mn1").mag == "mag2"
    assert world.leftovers() == []


UNKNOWN_TYPE = """
import socket, sys
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, 135) as raw:
    raw.bind((sys.argv[1], 0))
    raw.settimeout(5)
    raw.sendto(bytes((59, 1, 99, 0)) + bytes(12), (sys.argv[2], 0))
    while True:
        octets, (source, *_) = raw.recvfrom(2048)
        if octets[2] == 7:
            print(source, octets[6])
            break
"""
"""Sends a Mobility Header of type 99 and says who answers with which Binding Error; the kernel fills the checksum."""


def test_mobility_header_of_unknown_type_gets_a_binding_error(world: World) -> None:
    """Of the LMA's controller by way of its switch, and of an agent."""
    domain = world.lab.domain
    own = domain.mags[0].address
    for other in (domain.lma.address, domain.mags[2].address):
        said = world.lab.run_on("mag1", [sys.executable, "-c", UNKNOWN_TYPE, str(own), str(other)])
        assert said.split() == [str(other), "2"]

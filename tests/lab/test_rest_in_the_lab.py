# SPDX-License-Identifier: Apache-2.0
"""REST as its users meet it, with a token, in a real lab: the examples, and what the switches carry."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from castover_client import MAY_LEAVE, Castover, TokenNeeded
from lab.demo_run import await_ready
from lab.demo_settings import choose_cast, write_demo_topology
from lab.network import Lab, running_lab
from lab.processes import REPOSITORY
from lab.programs import start_programs
from lab.requirements import missing_requirement
from lab.rest_client import RestClient
from lab.stream import MeasuredStream, StreamSettings
from topology.load import load_topology

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(120),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]

TOKEN = "a-token-of-the-lab-0123456789"  # noqa: S105 - of a controller that lives as long as this test
RATE_PPS = 1000
WAIT_S = 20.0


@dataclass(frozen=True)
class Running:
    lab: Lab
    castover: Castover
    environment: dict[str, str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A lab whose controller asks for a token, with a stream that both mobile nodes receive."""
    folder = tmp_path_factory.mktemp("rest")
    topology = write_demo_topology(REPOSITORY / "topology.yaml", folder, "draft")
    document = json.loads(topology.read_text())
    document["rest"] = {
        "tokens": [{"name": "lab", "role": "trigger", "sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}],
    }
    topology.write_text(json.dumps(document))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASTOVER_TOKEN", TOKEN)
        with running_lab(load_topology(topology), topology=topology, attach=False) as lab:
            start_programs(lab, topology)
            lab.attach_mobile_nodes()
            url = lab.state.rest_url
            cast = choose_cast(lab.domain)
            settings = StreamSettings(source=cast.source, group=cast.group, port=5001, rate_pps=RATE_PPS, size=200)
            stream = MeasuredStream(lab, settings, ["mn1", "mn2"])
            with RestClient(url) as client, Castover(url, token=TOKEN) as castover:
                await_ready(client, {"mn1@example.net": "mag1", "mn2@example.net": "mag1"}, 30.0)
                stream.start()
                try:
                    environment = {**os.environ, "CASTOVER_URL": url, "PYTHONPATH": str(REPOSITORY)}
                    yield Running(lab, castover, environment)
                finally:
                    stream.stop()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def other_mag(running: Running) -> str:
    return "mag2" if running.castover.binding("mn1").mag == "mag1" else "mag1"


def move_when_it_may(running: Running, target: str) -> None:
    """What the radio does: the mobile node goes when the handover that has begun is so far."""
    eventually(lambda: any(True for _ in running.castover.handovers(mn_id="mn1", new_mag=target, ended=False)))
    (begun,) = running.castover.handovers(mn_id="mn1", ended=False)
    running.castover.wait_for(begun.id, until=MAY_LEAVE, timeout_s=WAIT_S)
    with running.lab.mobile_node("mn1") as host:
        host.move(target, 50.0)


@pytest.mark.parametrize("command", [["examples/handover.sh"], [sys.executable, "examples/handover.py"]])
def test_the_examples_hand_over(running: Running, command: list[str]) -> None:
    target = other_mag(running)
    with subprocess.Popen(
        [*command, "mn1", target], cwd=REPOSITORY, env=running.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:
        move_when_it_may(running, target)
        output, errors = process.communicate(timeout=WAIT_S)
    assert (process.returncode, errors) == (0, ""), output
    assert output.splitlines()[0].startswith("handover ho-")
    assert output.splitlines()[-1] == "completed"
    assert running.castover.binding("mn1").mag == target


@pytest.mark.parametrize("command", [["examples/handover.sh"], [sys.executable, "examples/handover.py"]])
def test_the_examples_say_why_not(running: Running, command: list[str]) -> None:
    def refused(*words: str, **environment: str) -> tuple[int, str]:
        done = subprocess.run(
            [*command, *words], cwd=REPOSITORY, env={**running.environment, **environment}, capture_output=True, text=True,
            check=False, timeout=WAIT_S,
        )
        return done.returncode, done.stderr

    assert refused("mn1")[0] == 2
    code, said = refused("mn1", "mag9")
    assert (code, "no MAG 'mag9'; there are: mag1, mag2" in said) == (1, True)
    code, said = refused("mn1", "mag2", CASTOVER_TOKEN="x" * 30)
    assert (code, "401" in said) == (1, True)


def test_the_predictor_moves_the_mobile_node_ahead_of_the_radio(running: Running) -> None:
    target = other_mag(running)
    topology = running.lab.state.topology
    move = f"{REPOSITORY}/castover lab move --topology {topology} {{mn}} {{mag}} --gap-ms 50"
    done = subprocess.run(
        [sys.executable, "examples/predictor.py", "mn1", "--simulate", "--move", move], cwd=REPOSITORY,
        env=running.environment, capture_output=True, text=True, check=False, timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    # One handover in spite of the fading, and the mobile node is there.
    assert done.stdout.count("handover ho-") == 1
    assert "completed, packets: " in done.stdout
    assert running.castover.binding("mn1").mag == target


def test_what_the_switches_carry_is_told_by_node(running: Running) -> None:
    def sees_the_stream() -> bool:
        carried = {
            (rates.name, stream.sender, copy.receiver): copy.rate.packets_per_s
            for rates in running.castover.rates() for stream in rates.streams for copy in stream.copies
        }
        # The source may be slower than it should on a busy machine; that the counters grow is what is asked.
        return carried.get(("mag1", "lma", "mn2@example.net"), 0.0) > RATE_PPS / 2 and carried.get(
            ("lma", "sources", "mag1"), 0.0
        ) > RATE_PPS / 2

    eventually(sees_the_stream)


def test_without_the_token_nobody_gets_in(running: Running) -> None:
    with Castover(running.lab.state.rest_url) as stranger:
        assert stranger.is_ready()
        with pytest.raises(TokenNeeded):
            stranger.topology()

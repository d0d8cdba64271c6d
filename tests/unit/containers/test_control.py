# SPDX-License-Identifier: Apache-2.0
"""Requests between containers: any octets get an answer in words, files are handed over, programs end."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containers.ground import ContainerGround
from containers.node import container_node
from containers.programs import Programs
from containers.server import ControlServer
from containers.wire import MESSAGE_OCTETS_MAX, Answer, ask, ask_and_stay, control_path, encode, network_namespace
from lab import state
from lab.errors import LabError
from lab.plan import Node
from topology.load import load_topology

REPOSITORY = Path(__file__).resolve().parents[3]
NAME = "cst-test-control"


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A node that takes requests, with nothing but programs; its name."""
    monkeypatch.setattr(state, "RUN_FOLDER", tmp_path)
    path = control_path(NAME, "mag1")
    path.parent.mkdir(parents=True)
    programs = Programs(NAME, Node(name="mag1", kind="mag", namespace=""))
    server = ControlServer(path, programs.handlers())
    server.start()
    yield "mag1"
    server.close()
    programs.end_all()


def test_a_program_is_started_seen_and_ended(node: str) -> None:
    log = str(ask(NAME, node, "start", name="sleeper", argv=["sleep", "60"]).value["log"])
    assert Path(log).exists()
    assert ask(NAME, node, "alive", name="sleeper").value == {"alive": True}
    with pytest.raises(LabError, match="sleeper runs already on mag1"):
        ask(NAME, node, "start", name="sleeper", argv=["sleep", "60"])
    assert ask(NAME, node, "stop", names=["sleeper"]).value == {"stopped": 1}
    assert ask(NAME, node, "alive", name="sleeper").value == {"alive": False}


def test_a_program_ends_with_the_one_that_has_started_it(node: str) -> None:
    one, connection = ask_and_stay(NAME, node, "start", name="sleeper", argv=["sleep", "60"], while_connected=True)
    assert Path(str(one.value["log"])).exists()
    assert ask(NAME, node, "alive", name="sleeper").value == {"alive": True}
    connection.close()
    until = time.monotonic() + 10
    while ask(NAME, node, "alive", name="sleeper").value["alive"]:
        assert time.monotonic() < until
    # Nor does it end what another has started under that name meanwhile.
    _, mine = ask_and_stay(NAME, node, "start", name="sleeper", argv=["sleep", "60"], while_connected=True)
    with mine:
        assert ask(NAME, node, "stop", names=["sleeper"]).value == {"stopped": 1}
        ask(NAME, node, "start", name="sleeper", argv=["sleep", "60"])
    _, later = ask_and_stay(NAME, node, "start", name="later", argv=["sleep", "60"], while_connected=True)
    later.close()
    while ask(NAME, node, "alive", name="later").value["alive"]:
        assert time.monotonic() < until
    assert ask(NAME, node, "alive", name="sleeper").value == {"alive": True}


def test_programs_that_run_take_no_place_of_requests_and_are_not_endless(node: str) -> None:
    with contextlib.ExitStack() as held:
        for number in range(32):
            words = {"name": f"sleeper{number}", "argv": ["sleep", "60"], "while_connected": True}
            held.enter_context(ask_and_stay(NAME, node, "start", **words)[1])
        with pytest.raises(LabError, match="32 programs run already; allowed: 32"):
            ask(NAME, node, "start", name="one more", argv=["sleep", "60"])


def test_a_measurement_that_is_killed_leaves_no_program(node: str, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from containers.ground import ContainerGround; from lab import state;"
        "from dataclasses import replace; from topology.load import load_topology; state.RUN_FOLDER = Path(sys.argv[1]);"
        f"domain = replace(load_topology(Path('topology.yaml')), name='{NAME}');"
        "ground = ContainerGround(domain); ground.start_process('mag1', ['sleep', '60'], name='sleeper');"
        "print('started', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as measurement:
        assert measurement.stdout is not None
        assert measurement.stdout.readline() == b"started\n"
        assert ask(NAME, node, "alive", name="sleeper").value == {"alive": True}
        measurement.kill()
    until = time.monotonic() + 10
    while ask(NAME, node, "alive", name="sleeper").value["alive"]:
        assert time.monotonic() < until


def test_a_short_program_runs_to_its_end(node: str) -> None:
    assert ask(NAME, node, "run", argv=[sys.executable, "-c", "print(6 * 7)"]).value == {"printed": "42\n"}
    with pytest.raises(LabError, match="what is wrong"):
        ask(NAME, node, "run", argv=[sys.executable, "-c", "import sys; sys.exit('what is wrong')"])


def test_a_network_namespace_is_handed_over(node: str) -> None:
    with network_namespace(NAME, node) as path:
        assert path.stat().st_ino == os.stat("/proc/self/ns/net").st_ino
    assert not path.exists()


def test_an_answer_that_is_too_long_is_an_error_in_words(node: str) -> None:
    with pytest.raises(LabError, match=f"too long; allowed: {MESSAGE_OCTETS_MAX}"):
        ask(NAME, node, "run", argv=[sys.executable, "-c", "print('x' * 70000)"])


@pytest.mark.parametrize(("what", "arguments", "words"), [
    ("dance", {}, "nobody here can do 'dance'; allowed: alive, namespace, run, start, stop"),
    ("start", {"name": "x"}, "does not fit: KeyError: 'argv'"),
    ("start", {"name": "../x", "argv": ["true"]}, "cannot name a program"),
    ("start", {"name": "x", "argv": "true"}, "a request without words"),
    ("start", {"name": "x", "argv": ["/no/such/program"]}, "could not be started on mag1"),
    ("stop", {"names": [1]}, "a request without words"),
])
def test_wrong_requests_are_refused_in_words(node: str, what: str, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(LabError) as refused:
        ask(NAME, node, what, **arguments)
    assert words in str(refused.value)


def test_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "RUN_FOLDER", tmp_path)
    with pytest.raises(LabError, match="mag1 cannot be reached: No such file or directory; is its container running"):
        ask(NAME, "mag1", "alive", name="x")


def test_who_leaves_without_a_word_costs_nothing(node: str) -> None:
    for _ in range(40):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(str(control_path(NAME, node)))
    assert ask(NAME, node, "alive", name="x").value == {"alive": False}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
nearly_right = st.fixed_dictionaries({
    "do": st.sampled_from(["start", "alive", "stop", "run", "move", "x"]), "name": st.none() | st.text(),
    "argv": st.none() | st.lists(st.integers()), "mag": st.none() | st.text(), "gap_ms": st.text() | st.floats(),
})


@given(st.binary(max_size=200) | (anything | nearly_right).map(lambda value: json.dumps(value).encode()))
def test_any_octets_get_an_answer_in_words(message: bytes) -> None:
    def move(request: object) -> Answer:
        assert isinstance(request, dict)
        return Answer(value={"mag": str(request["mag"]), "gap_ms": float(request["gap_ms"])})

    programs = Programs(NAME, Node(name="mag1", kind="mag", namespace=""))
    answer = ControlServer(Path("unused"), {**programs.handlers(), "move": move}).answer(message)
    assert answer.descriptor is None
    encode(answer.value)


def test_nodes_that_can_be_containers() -> None:
    domain = load_topology(REPOSITORY / "deploy" / "containers" / "topology.yaml")
    for name in ContainerGround(domain).nodes():
        assert container_node(domain, name).namespace == ""
    with pytest.raises(LabError, match="there is no node 'controller'; allowed: lma, mag1, mag2, source, mn1, mn2"):
        container_node(domain, "controller")

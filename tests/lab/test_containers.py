# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml for real: images are built, a domain of containers comes up, hands over without loss, goes away.

Needs a container engine: the one that answers, or in `make test` one that tools/test.sh starts. Otherwise skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from castover_client import Castover
from tests.support.documents import commands
from tests.support.terminal import Terminal

GUIDE = Path("docs/how-to/containers.md")
REPOSITORY = Path(__file__).resolve().parents[2]
ENGINE = REPOSITORY / "tools" / "engine.sh"
OWN_ENGINE = "unix:///run/castover-engine/docker.sock"
PROJECT = f"castover-test-{os.getpid()}"

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


class Compose:
    """docker-compose (or `docker compose`) for one project of its own."""

    def __init__(self) -> None:
        # BUILD_NETWORK comes from the caller's environment, where it is needed.
        self.environment = {
            **os.environ, "COMPOSE_PROJECT_NAME": PROJECT, "CASTOVER_REST_PORT": _free_port(),
        }
        self.command = subprocess.run(
            [ENGINE, "compose"], capture_output=True, text=True, check=True, env=self.environment,
        ).stdout.split()

    def __call__(self, *arguments: str, timeout_s: float = 120) -> str:
        """What it prints; fails the test with what it says when it fails."""
        done = subprocess.run(
            [*self.command, *arguments], cwd=REPOSITORY, env=self.environment, capture_output=True, text=True,
            timeout=timeout_s, check=False,
        )
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def docker(self, *arguments: str) -> str:
        """The same for docker itself."""
        return subprocess.run(
            ["docker", *arguments], env=self.environment, capture_output=True, text=True, timeout=60, check=True,
        ).stdout

    @property
    def rest_port(self) -> str:
        """Where the REST API is published on this machine."""
        return self.environment["CASTOVER_REST_PORT"]


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _remove_abandoned(run: Compose) -> None:
    """Domains of tests that were killed: an engine that is started again starts their containers again."""
    listed = run.docker("ps", "-a", "--format", '{{.Label "com.docker.compose.project"}}')
    for project in set(re.findall(r"^castover-test-\d+$", listed, re.MULTILINE)):
        if not Path("/proc", project.rpartition("-")[2]).exists():
            run("--project-name", project, "down", "--volumes", "--remove-orphans")


@pytest.fixture(scope="module")
def compose() -> Iterator[Compose]:
    """The domain, up; afterwards nothing of it may be left."""
    if not _engine_answers():
        # tools/test.sh says why it could start none.
        hint = 'no container engine answers; eval "$(tools/engine.sh up)" brings one'
        pytest.skip(os.environ.get("CASTOVER_NO_ENGINE", hint))
    run = Compose()
    _remove_abandoned(run)
    run("build", "controller", timeout_s=600)
    try:
        run("up", "-d", "--no-build")
        yield run
    finally:
        run("down", "--volumes", "--remove-orphans")
    label = f"label=com.docker.compose.project={PROJECT}"
    left = [run.docker("ps", "-aq", "--filter", label), run.docker("network", "ls", "-q", "--filter", label),
            run.docker("volume", "ls", "-q", "--filter", label)]
    assert left == ["", "", ""]


def hand_over(compose: Compose, folder: Path, handovers: int, mode: str) -> dict[str, Any]:
    """The one command of docs/how-to/containers.md; the report's totals."""
    folder.chmod(0o777)  # in the container root has no more rights than the folder gives to everybody
    printed = compose(
        "run", "--rm", "-v", f"{folder}:/report", "demo", "containers", "demo", "--topology",
        "/etc/castover/topology.yaml", "--mode", mode, "--handovers", str(handovers), "--unicast", "--json",
        "/report/report.json",
    )
    assert "handovers completed" in printed
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["complete"]
    totals: dict[str, Any] = report["runs"][0]["totals"]
    return totals


def test_handovers_lose_nothing_also_at_a_mag_whose_container_was_started_anew(compose: Compose, tmp_path: Path) -> None:
    unprepared = hand_over(compose, tmp_path, 1, "plain")
    assert unprepared["completed"] == 1
    # It comes back without links, and is plugged in again. (Before it has sent a HandoverInitiate: its peers hold those
    # of its new life against the numbers of its former one, for forwarding_lifetime_s.)
    compose("restart", "mag2")
    totals = hand_over(compose, tmp_path, 4, "predictive")
    assert (totals["handovers"], totals["completed"]) == (4, 4)
    assert (totals["lost"], totals["duplicated"], totals["leftovers"]) == (0, 0, 0)
    assert totals["sent"] == totals["received"]
    # What is for the node alone came from the source before, between and after the moves, every packet of it.
    own = totals["unicast"]
    assert own["sent"] == own["received"] > 0
    assert (own["lost"], own["duplicated"], own["reordered"]) == (0, 0, 0)


def test_a_handover_that_is_asked_for_over_rest_completes_by_itself(compose: Compose) -> None:
    """As it is when somebody drags a mobile node in the live view: the radio moves it."""
    with Castover(f"http://127.0.0.1:{compose.rest_port}") as castover:
        (node,) = [one for one in castover.topology().mobile_nodes if one.name == "mn1"]
        target = "mag2" if node.attached_to == "mag1" else "mag1"
        handover = castover.start_handover(node.id, target)
        *_, ended = castover.follow(handover.id, timeout_s=30.0)
    assert (ended.state, ended.error) == ("completed", None)
    assert f"{node.attached_to} -> {target}" in compose("logs", "radio")


def test_no_container_is_privileged_and_only_switches_may_use_raw_sockets(compose: Compose) -> None:
    capabilities = {}
    for container in compose("ps", "-q").split():
        found = json.loads(compose.docker("inspect", container))[0]
        assert not found["HostConfig"]["Privileged"]
        assert found["HostConfig"]["CapDrop"] == ["ALL"]
        name = found["Config"]["Labels"]["com.docker.compose.service"]
        capabilities[name] = sorted(name.removeprefix("CAP_") for name in found["HostConfig"]["CapAdd"] or [])
    switch, host = ["NET_ADMIN", "NET_RAW", "SYS_NICE"], ["NET_ADMIN"]
    assert capabilities == {
        "controller": [], "radio": [], "lma": switch, "mag1": switch, "mag2": switch, "mn1": host, "mn2": host,
        "source": host,
    }


def test_the_rest_api_is_published_on_the_loopback_interface(compose: Compose) -> None:
    deadline = time.monotonic() + 30
    url = f"http://127.0.0.1:{compose.rest_port}/readyz"
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert json.load(answer) == {"status": "ready"}
                return
        except urllib.error.HTTPError:  # 503: a switch is not there again yet
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_commands_of_the_guide(compose: Compose, tmp_path: Path) -> None:
    """The last one takes the domain down."""
    terminal = Terminal(tmp_path, environment={**compose.environment, "HANDOVERS": "1"})
    try:
        terminal.run(f"cd '{REPOSITORY}'")
        if compose.environment.get("DOCKER_HOST") == OWN_ENGINE:
            # A reader has not been told about the engine that `make compose-demo` starts.
            terminal.run("unset DOCKER_HOST BUILD_NETWORK")
        for block in commands(GUIDE):
            if block.way == "by test_containers":
                terminal.run(block.script, timeout_s=170)
    finally:
        terminal.close()
    assert compose("ps", "-q") == ""

# SPDX-License-Identifier: Apache-2.0
"""tools/engine.sh and `make compose-down` with programs that only note how they are called: what is started, and what is
left when it is stopped. tests/lab/test_containers.py sees that the domain of docker-compose.yml lives on such an engine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
ENGINE = REPOSITORY / "tools" / "engine.sh"
PROGRAMS = {
    "docker": """case $1 in
    info)
        [ ! -e "$PLACE/system" ] || exit 0
        [ "${DOCKER_HOST:-}" = "unix://$CASTOVER_ENGINE_RUN/docker.sock" ] && [ -e "$PLACE/ours" ] ;;
    network) echo 0123456789ab ;;
    compose) [ "$2" = version ] || echo "compose ${DOCKER_HOST:-system} ${BUILD_NETWORK:-}: $*" ;;
esac""",
    "dockerd": """while [ $# -gt 0 ]; do [ "$1" != --pidfile ] || echo $$ >"$2"; shift; done
trap 'rm "$PLACE/ours"; exit' TERM
touch "$PLACE/ours"
while :; do sleep 0.02; done""",
    "ip": '[ "$*" != "link show docker0" ] || [ -e "$PLACE/docker0" ]', "umount": "", "debootstrap": "", "iptables": "",
    "docker-compose": "", "id": "echo 0", "apt-get": "exit 1",
}


class Machine:
    """A folder with the programs in it; `run` calls one of ours there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ, "PLACE": str(folder), "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "CASTOVER_ENGINE_RUN": f"{folder}/run", "CASTOVER_ENGINE_DATA": f"{folder}/data",
        }
        for name in ("DOCKER_HOST", "BUILD_NETWORK"):
            self.environment.pop(name, None)
        (folder / "bin").mkdir()
        for name, script in PROGRAMS.items():
            program = folder / "bin" / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >>"$PLACE/calls"\n{script}\n', encoding="utf-8")
            program.chmod(0o755)

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, timeout=30, check=False,
        )

    def calls(self, program: str) -> list[str]:
        noted = self.folder / "calls"
        lines = noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []
        return [line for line in lines if line.startswith(f"{program} ")]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path)
    yield found
    found.run(ENGINE, "down")


def test_the_engine_leaves_packet_filter_forwarding_and_interfaces_alone(machine: Machine) -> None:
    up = machine.run(ENGINE, "up")
    assert (up.returncode, up.stdout) == (
        0, f"export DOCKER_HOST=unix://{machine.folder}/run/docker.sock BUILD_NETWORK=host\n",
    )
    (started,) = machine.calls("dockerd")
    assert started.split()[1:4] == ["--iptables=false", "--ip-forward=false", "--bridge=none"]
    assert machine.run(ENGINE, "down").returncode == 0
    # Bridges of networks that nobody has removed, and nothing else.
    assert machine.calls("ip")[-1] == "ip link delete br-0123456789ab"
    assert [line for line in machine.calls("ip") if "delete" in line] == machine.calls("ip")[-1:]
    assert machine.calls("iptables") == []


def test_a_bridge_that_is_somebody_elses_is_not_removed(machine: Machine) -> None:
    (machine.folder / "docker0").touch()
    assert machine.run(ENGINE, "up").returncode == 0
    assert "--bridge=none" not in machine.calls("dockerd")[0]


def test_compose_finds_the_engine_that_answers(machine: Machine) -> None:
    nobody = machine.run(ENGINE, "compose", "ps")
    assert (nobody.returncode, nobody.stderr) == (1, "engine: no engine answers; tools/engine.sh up brings one\n")
    machine.run(ENGINE, "up")
    ours = f"compose unix://{machine.folder}/run/docker.sock host: compose logs mag1\n"
    assert machine.run(ENGINE, "compose", "logs", "mag1").stdout == ours
    (machine.folder / "system").touch()
    assert machine.run(ENGINE, "compose", "logs", "mag1").stdout == "compose system : compose logs mag1\n"


def test_to_take_down_what_is_not_up_starts_nothing(machine: Machine) -> None:
    done = machine.run("make", "-s", "compose-down")
    assert (done.returncode, done.stdout) == (0, "no container engine answers: nothing is up\n")
    assert machine.calls("dockerd") == machine.calls("apt-get") == []


def test_one_command_takes_containers_and_engine_down(machine: Machine) -> None:
    machine.run(ENGINE, "up")
    done = machine.run("make", "-s", "compose-down")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"compose unix://{machine.folder}/run/docker.sock host: compose down --volumes\n"
    assert not (machine.folder / "ours").exists()


@pytest.fixture
def killed(machine: Machine) -> Iterator[Machine]:
    """Its engine has ended without a word, and nobody has asked how: a zombie."""
    (machine.folder / "run").mkdir()
    pid_file = machine.folder / "run" / "dockerd.pid"
    with subprocess.Popen([machine.folder / "bin" / "dockerd", "--pidfile", pid_file], env=machine.environment) as engine:
        while not (machine.folder / "ours").exists():
            assert engine.poll() is None
        engine.kill()
        os.waitid(os.P_PID, engine.pid, os.WEXITED | os.WNOWAIT)
        (machine.folder / "ours").unlink()
        yield machine


def test_an_engine_that_was_killed_is_put_away(killed: Machine) -> None:
    notes = killed.folder / "data" / "data" / "network" / "files"
    notes.mkdir(parents=True)
    (notes / "local-kv.db").write_bytes(b'\0"BridgeName":"br-ba9876543210"\0')
    address = f"{killed.folder}/run/exec/containerd/containerd.sock"
    # A shim with a container's first process, and one of another engine.
    script = "import subprocess; subprocess.run(['sleep', '60'])"
    with (
        subprocess.Popen([sys.executable, "-c", script, "-address", address]) as shim,
        subprocess.Popen([sys.executable, "-c", script, "-address", f"{address}.other"]) as other,
    ):
        try:
            children = Path(f"/proc/{shim.pid}/task/{shim.pid}/children")
            while not (inside := children.read_text().split()):
                assert shim.poll() is None
            assert killed.run(ENGINE, "killed").returncode == 0
            done = killed.run(ENGINE, "down")
            assert (done.returncode, done.stderr) == (0, "engine: it had been killed; what it had left is put away\n")
            assert shim.wait(5) == -signal.SIGKILL
            assert not Path(f"/proc/{inside[0]}/exe").exists()
            assert other.poll() is None
        finally:
            for process in (shim, other):
                subprocess.run(["pkill", "-KILL", "-P", str(process.pid)], check=False)
                process.kill()
    assert killed.calls("ip")[-1] == "ip link delete br-ba9876543210"
    assert not (killed.folder / "run" / "dockerd.pid").exists()
    assert killed.run(ENGINE, "killed").returncode == 1
    again = killed.run(ENGINE, "down")
    assert (again.returncode, again.stderr) == (0, "engine: none was started here: nothing to do\n")


def test_after_one_that_was_killed_the_next_starts(killed: Machine) -> None:
    up = killed.run(ENGINE, "up")
    assert up.returncode == 0, up.stderr
    assert killed.run(ENGINE, "killed").returncode == 1
    assert killed.run(ENGINE, "down").stderr == "engine: stopped\n"


def test_containers_of_an_engine_that_was_killed_are_taken_down(killed: Machine) -> None:
    done = killed.run("make", "-s", "compose-down")
    assert done.returncode == 0, done.stderr
    assert "compose down --volumes" in done.stdout
    assert not (killed.folder / "ours").exists()

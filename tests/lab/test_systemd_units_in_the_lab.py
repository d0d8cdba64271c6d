# SPDX-License-Identifier: Apache-2.0
"""deploy/systemd under a real systemd, the first process of a host of its own: the units start what they say, with the
rights they say, bring it back when it dies, and end it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.requirements import missing_requirement

REPOSITORY = Path(__file__).resolve().parents[2]
TOPOLOGY = REPOSITORY / "examples" / "mininet.yaml"
SYSTEMD = Path("/lib/systemd/systemd")
CONTROLLER, AGENT, SWITCH, NEIGHBOURS = (
    "castover-controller", "castover-agent@mag1", "castover-switch@mag1", "castover-neighbours@mag1"
)
NET_ADMIN, NET_RAW, SYS_NICE = 12, 13, 23
"""Numbers of linux/capability.h."""
WAIT_S = 40.0

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(150),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
    pytest.mark.skipif(not SYSTEMD.exists(), reason=f"not installed: {SYSTEMD}"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="not installed: curl"),
]


class Host:
    """Commands on it."""

    def __init__(self, pid: int) -> None:
        self._enter = ["nsenter", f"--target={pid}", "--mount", "--pid", "--net", "--cgroup"]

    def run(self, *words: str) -> str:
        """What the command prints; AssertionError when it fails."""
        done = subprocess.run([*self._enter, *words], capture_output=True, text=True, timeout=WAIT_S, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def shown(self, unit: str, *names: str) -> list[str]:
        """Properties of a unit."""
        lines = self.run("systemctl", "show", unit, *(f"--property={name}" for name in names)).splitlines()
        found = dict(line.split("=", 1) for line in lines)
        return [found[name] for name in names]

    def status(self, unit: str) -> dict[str, str]:
        """/proc/PID/status of its main process."""
        (pid,) = self.shown(unit, "MainPID")
        lines = self.run("cat", f"/proc/{pid}/status").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def eventually(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            if condition():
                return
        except (AssertionError, LookupError, OSError):
            pass
        if time.monotonic() > deadline:
            pytest.fail(what())
        time.sleep(0.05)


def unified_cgroups() -> Path | None:
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines())
    return next((Path(words[1]) for words in mounts if words[2] == "cgroup2"), None)


@pytest.fixture(scope="module")
def group() -> Iterator[Path]:
    """A control group whose processes see it as the root of all."""
    mounted = unified_cgroups()
    if mounted is None or not os.access(mounted, os.W_OK):
        pytest.skip("no control groups (version 2) that can be written to")
    found = mounted / f"castover-units-{os.getpid()}"
    found.mkdir()
    yield found
    eventually(lambda: remove(found), lambda: f"{found} is in use")


@pytest.fixture(scope="module")
def host(group: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    # All of it ends with us, whatever happens to us.
    namespaces = "--cgroup --mount --pid --net --uts --ipc --fork --kill-child"
    script = f'echo 0 >"$1/cgroup.procs"; shift; exec setpriv --pdeathsig KILL unshare {namespaces} "$@"'
    begin = [REPOSITORY / "tests" / "support" / "systemd_host.sh", tmp_path_factory.mktemp("host"), REPOSITORY, TOPOLOGY]
    with subprocess.Popen(
        ["sh", "-ec", script, "sh", group, *begin], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as outside:
        children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")

        def is_up() -> bool:
            assert outside.poll() is None
            first = children.read_text().split()[0]
            return Path(f"/proc/{first}/comm").read_text() == "systemd\n" and bool(
                Host(int(first)).run("systemctl", "list-units", "basic.target", "--state=active", "--no-legend")
            )

        def said() -> str:
            outside.kill()
            return f"systemd is not up: {outside.communicate()[0]}"

        try:
            eventually(is_up, said)
            yield Host(int(children.read_text().split()[0]))
        finally:
            outside.kill()


def remove(group: Path) -> bool:
    """Whether a control group and those below could be removed."""
    for below in (*sorted(group.rglob("*/"), reverse=True), group):
        if below.is_dir():
            below.rmdir()
    return True


def connected(host: Host) -> bool:
    mags = json.loads(host.run("curl", "-s", "-f", "http://127.0.0.1:8080/v1/mags"))["mags"]
    (mag1,) = [mag for mag in mags if mag["id"] == "mag1"]
    return bool(mag1["agent_connected"] and mag1["switch_connected"])


def journal(host: Host) -> str:
    return host.run("journalctl", "--no-pager", "--lines=60")


def test_the_units_start_what_they_say_bring_it_back_and_end_it(host: Host) -> None:
    try:
        host.run("systemctl", "start", CONTROLLER, AGENT)
    except AssertionError:
        pytest.fail(journal(host))
    eventually(lambda: connected(host), lambda: journal(host))
    # The agent's unit has brought those of its switch and its neighbours.
    for unit, state in ((CONTROLLER, "running"), (AGENT, "running"), (SWITCH, "exited"), (NEIGHBOURS, "running")):
        assert host.shown(unit, "ActiveState", "SubState") == ["active", state], journal(host)
    assert "port lma0" in " ".join(host.run("ovs-vsctl", "show").replace('"', "").lower().split())
    # A user and rights of its own, each no more than its unit says.
    controller, agent = host.status(CONTROLLER), host.status(AGENT)
    assert controller["Uid"].split()[0] != "0"
    assert int(controller["CapBnd"], 16) == 0
    assert int(agent["CapEff"], 16) == sum(1 << number for number in (NET_ADMIN, NET_RAW, SYS_NICE))
    assert [status["NoNewPrivs"] for status in (controller, agent)] == ["1", "1"]
    for unit in (AGENT, CONTROLLER):
        host.run("systemctl", "kill", "--signal=KILL", unit)
        eventually(lambda unit=unit: host.shown(unit, "NRestarts", "SubState") == ["1", "running"], lambda: journal(host))
    eventually(lambda: connected(host), lambda: journal(host))
    host.run("systemctl", "stop", AGENT, NEIGHBOURS, CONTROLLER)
    for unit in (AGENT, NEIGHBOURS, CONTROLLER):
        assert host.shown(unit, "ActiveState", "Result") == ["inactive", "success"], journal(host)

# SPDX-License-Identifier: Apache-2.0
"""Mininet as the guide has it: switches that were there already become nodes, and a handover loses nothing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lab.requirements import missing_requirement
from tests.support.documents import REPOSITORY, commands, expected, plain
from tests.support.terminal import Terminal, copy_repository

GUIDE = Path("docs/how-to/existing-switches.md")
DEBIAN_PYTHON = "/usr/bin/python3"


def _missing() -> str | None:
    problem = missing_requirement()
    if problem is not None:
        return str(problem)
    if not Path(DEBIAN_PYTHON).exists():
        return f"no {DEBIAN_PYTHON}"
    found = subprocess.run([DEBIAN_PYTHON, "-c", "import mininet.net"], capture_output=True, check=False)
    return None if found.returncode == 0 else "not installed: mininet; apt-get install mininet"


pytestmark = [pytest.mark.lab, pytest.mark.skipif(_missing() is not None, reason=str(_missing()))]


def test_existing_switches_in_mininet_hand_over_without_loss(tmp_path: Path) -> None:
    (block,) = [block for block in commands(GUIDE) if block.way == "by test_mininet"]
    terminal = Terminal(copy_repository(tmp_path / "castover"))
    try:
        printed = terminal.run(block.script, timeout_s=110).output.replace("\r\n", "\n")  # of Mininet's hosts
    finally:
        terminal.close()
    assert block.output is not None
    assert expected(block.output).fullmatch(plain(printed)), printed
    logs = {log.name: log.read_text(errors="replace") for log in (tmp_path / "castover" / "mininet-logs").glob("*.log")}
    assert re.search(r"handovers 5/5, sent (\d+), received \1, lost 0, twice 0, out of order 0", printed)
    # It would lose packets now and then, in more moves than these.
    assert "follows the kernel's routes" not in printed
    # No node left before it may.
    assert re.findall("HAck to HI|may leave|MN left", printed) == ["HAck to HI", "may leave", "MN left"] * 5
    # The bridge of the host was used as it was, and after `setup` nothing was left to `check`.
    assert "mag1: mended: bridge br0 is not under the controller tcp:[fd00:ca57::1]:6653" in printed
    assert "bridge br0 is missing" not in printed
    for node in ("lma", "mag1", "mag2"):
        assert printed.count(f"{node}: the switch is ready\n") == 2
    # Ctrl-C ends the processes as it should.
    assert "event=controller_stopped" in logs["c0-controller.log"]
    assert all("event=agent_stopped" in logs[f"{mag}-agent.log"] for mag in ("mag1", "mag2"))
    assert not any("Traceback" in log for log in logs.values())


@pytest.mark.parametrize(("how", "when", "running"), [
    (signal.SIGINT, "mended", 5),  # a host's shell is in the middle of a command
    (signal.SIGTERM, "handover ho-", 20),  # the stream runs, and with it all that there is
])
def test_a_signal_takes_everything_down(how: signal.Signals, when: str, running: int, tmp_path: Path) -> None:
    log, mark = tmp_path / "printed", f"CASTOVER_TEST={tmp_path}"
    name, _, value = mark.partition("=")
    with log.open("w") as output, subprocess.Popen(
        [DEBIAN_PYTHON, REPOSITORY / "examples" / "mininet.py"], stdout=output, stderr=output, start_new_session=True,
        env={**os.environ, name: value, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
    ) as example:
        try:
            until = time.monotonic() + 60
            while when not in log.read_text(errors="replace"):
                assert example.poll() is None, log.read_text(errors="replace")
                assert time.monotonic() < until, log.read_text(errors="replace")
                time.sleep(0.05)
            assert len(_marked(mark)) > running
            example.send_signal(how)
            code = example.wait(20)
        finally:
            left = _marked(mark)
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
    assert (code, left) == (128 + how, {}), log.read_text(errors="replace")
    assert list(tmp_path.glob("castover-mininet-*")) == []
    assert "Traceback" not in log.read_text(errors="replace")


def _marked(mark: str) -> dict[int, str]:
    """Processes with this in their environment, and what they are."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                found[int(process.name)] = (process / "cmdline").read_text(errors="replace").replace("\0", " ")
    return found

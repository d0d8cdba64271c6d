# SPDX-License-Identifier: Apache-2.0
"""examples/mininet.py as a reader runs it: switches that were there already become nodes, and a handover loses nothing."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lab.requirements import missing_requirement

REPOSITORY = Path(__file__).resolve().parents[2]
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
    done = subprocess.run(
        [DEBIAN_PYTHON, REPOSITORY / "examples" / "mininet.py", "--handovers", "2", "--logs", tmp_path / "logs"],
        capture_output=True, text=True, timeout=110, check=False,
    )
    logs = {log.name: log.read_text(errors="replace")[-2000:] for log in (tmp_path / "logs").glob("*.log")}
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}\n{logs}"
    assert re.search(r"handovers 2/2, sent (\d+), received \1, lost 0, twice 0, out of order 0", done.stdout)
    # The bridge of the host was used as it was, and after `setup` nothing was left to `check`.
    assert "mag1: mended: bridge br0 is not under the controller tcp:[fd00:ca57::1]:6653" in done.stdout
    assert "bridge br0 is missing" not in done.stdout
    for node in ("lma", "mag1", "mag2"):
        assert done.stdout.count(f"{node}: the switch is ready\n") == 2
    # Ctrl-C ends the processes as it should.
    assert "event=controller_stopped" in logs["c0-controller.log"]
    assert all("event=agent_stopped" in logs[f"{mag}-agent.log"] for mag in ("mag1", "mag2"))
    assert not any("Traceback" in log for log in logs.values())

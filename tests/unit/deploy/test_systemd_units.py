# SPDX-License-Identifier: Apache-2.0
"""deploy/systemd as systemd itself judges it: units that load, and how much is left open to their processes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
UNITS = sorted((REPOSITORY / "deploy" / "systemd").glob("*.service"))
EXPOSURE_MAX = {"castover-controller": 2.0, "castover-agent@": 3.5, "castover-neighbours@": 3.0, "castover-switch@": 3.5}
"""Of 10, as `systemd-analyze security` counts; an agent needs raw sockets and the network's configuration."""

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="not installed: systemd-analyze")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with this repository in the place of /opt/castover, and beside them those that they name."""
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace("/opt/castover", str(REPOSITORY))
        (tmp_path / unit.name.replace("@.", "@mag1.")).write_text(text, encoding="utf-8")
    service = "[Service]\nExecStart=/bin/true\nType=oneshot\n"
    (tmp_path / "openvswitch-switch.service").write_text(service, encoding="utf-8")
    return tmp_path


def test_there_is_a_unit_for_each_process() -> None:
    assert [unit.stem for unit in UNITS] == sorted(EXPOSURE_MAX)


@pytest.mark.parametrize("name", [unit.name for unit in UNITS])
def test_systemd_takes_the_unit_without_a_word(units: Path, name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=one", units / name.replace("@.", "@mag1.")],
        capture_output=True, text=True, timeout=60, check=False, env={"SYSTEMD_UNIT_PATH": f"{units}:"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", [unit.name for unit in UNITS])
def test_little_is_left_open(units: Path, name: str) -> None:
    limit = EXPOSURE_MAX[name.removesuffix(".service")]
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={round(limit * 10)}",
         units / name.replace("@.", "@mag1.")],
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 0, done.stdout.splitlines()[-1] if done.stdout else done.stderr

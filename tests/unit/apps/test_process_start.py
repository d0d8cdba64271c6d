# SPDX-License-Identifier: Apache-2.0
"""What controller and agent say on standard error when they do not start: the reason, and nothing of the libraries'."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}


def start(module: str, topology: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, "--topology", str(topology), *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_key_that_is_missing_is_all_that_is_said(tmp_path: Path) -> None:
    topology = tmp_path / "topology.yaml"
    rest = "\nrest:\n  tls: {certificate: c.pem, key: none.key}\n"
    topology.write_text((REPOSITORY / "topology.yaml").read_text(encoding="utf-8") + rest, encoding="utf-8")
    (tmp_path / "c.pem").touch()
    reason = f"rest.tls.key: found {tmp_path / 'none.key'}, no such file or directory; allowed: a file that can be read"
    done = start("apps", topology)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", reason + "\n")
    done = start("apps", topology, "--log-format", "json")
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (done.returncode, line["event"], line["level"], line["reason"]) == (
        2, "controller_not_started", "error", reason,
    )


def test_an_agent_says_in_the_form_of_its_log_why_it_does_not_start() -> None:
    topology, reason = REPOSITORY / "topology.yaml", "--mag: found 'lma', allowed: mag1, mag2"
    done = start("southbound.agent", topology, "--mag", "lma")
    assert (done.returncode, done.stderr) == (2, reason + "\n")
    done = start("southbound.agent", topology, "--mag", "lma", "--log-format", "json")
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (done.returncode, line["event"], line["reason"]) == (2, "agent_not_started", reason)

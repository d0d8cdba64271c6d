# SPDX-License-Identifier: Apache-2.0
"""Where a measurement was made: machine, kernel, Open vSwitch, commit. What cannot be found out is null."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.processes import REPOSITORY
from lab.requirements import tool_search_path

_TIMEOUT_S = 5


def describe_machine() -> dict[str, Any]:
    """JSON-ready: cores, processor, kernel, python, open_vswitch, commit, uncommitted_changes."""
    version = _output(["ovs-vswitchd", "--version"])
    status = _output(["git", "status", "--porcelain", "--untracked-files=no"])
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "open_vswitch": version.split("\n")[0].rpartition(" ")[2] if version else None,
        "commit": _output(["git", "rev-parse", "HEAD"]),
        "uncommitted_changes": bool(status) if status is not None else None,
    }


def _processor() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def _output(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True, cwd=REPOSITORY,
            env={**os.environ, "PATH": tool_search_path()},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

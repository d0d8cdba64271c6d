# SPDX-License-Identifier: Apache-2.0
"""The directions of imports, and that what is called pure touches no socket, clock, chance or Ryu.

The layers are import-linter's contracts in .importlinter. Which standard modules a file names is read from its source:
import-linter follows chains, and `dataclasses` or `hashlib` reach half of the standard library behind the scenes.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

OUTSIDE_WORLD = frozenset(
    {
        "asyncio", "eventlet", "os", "random", "ryu", "secrets", "select", "selectors", "signal", "socket",
        "socketserver", "ssl", "subprocess", "threading", "time", "webob",
    }
)  # fmt: skip
SHELL = (
    "southbound/agent/adapters/",
    "southbound/agent/__main__.py",
    "southbound/quiet_collector.py",  # a clock of its own, for both processes
    "southbound/tcp_liveness.py",  # socket options for both ends of the RPC
)
"""Files of the pure packages that are the thin shell."""
RYU_ALLOWED = ("apps/", "southbound/openflow/ofp15_stats.py")


def _files(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imported(path: Path) -> Iterator[str]:
    """Every module that the file names in an import, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def _roots(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in _imported(path)}


def test_contracts_are_kept() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("path", _files("controller", "southbound"), ids=_name)
def test_pure_modules_touch_nothing_outside(path: Path) -> None:
    if _name(path).startswith(SHELL):
        return
    touched = _roots(path) & OUTSIDE_WORLD
    if _name(path).startswith(RYU_ALLOWED):
        touched -= {"ryu"}
    assert touched == set()


def test_ryu_is_only_where_it_is_spoken_to() -> None:
    packages = ("apps", "bench", "cli", "containers", "controller", "lab", "node", "southbound", "topology")
    users = {_name(path) for path in _files(*packages) if _roots(path) & {"ryu", "eventlet", "webob"}}
    assert {user for user in users if not user.startswith(RYU_ALLOWED)} == set()


def test_there_is_something_to_look_at() -> None:
    assert len(_files("controller")) >= 10
    assert len(_files("southbound")) >= 40
    assert "socket" in _roots(ROOT / "southbound/agent/adapters/mobility_socket.py")

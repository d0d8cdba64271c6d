# SPDX-License-Identifier: Apache-2.0
"""Long-running programs of the lab: started inside a node's namespace, recorded on disk, stopped by recorded identity.

A process is its id together with its start time (/proc/PID/stat, field 22): an id alone may belong to somebody else
by the time it is used.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from lab.errors import LabError
from lab.namespaces import run_inside
from lab.plan import Node
from lab.requirements import tool_search_path
from lab.state import lab_folder, node_folder, write_json

REPOSITORY = Path(__file__).resolve().parent.parent
_STOP_GRACE_S = 3.0
_POLL_S = 0.01
_children: dict[int, subprocess.Popen[bytes]] = {}
"""Our own children: they must be waited for, or they stay as zombies that look alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabProcess:
    """One program of the lab."""

    node: str
    name: str
    pid: int
    start_time: int
    """Clock ticks after boot (proc(5))."""
    command: tuple[str, ...]
    log: str
    """Path of the file that takes its standard output and error."""

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _runs(self.pid, self.start_time)


class _Logged(Protocol):
    @property
    def log(self) -> str: ...


NETWORK_ELEMENTS = frozenset({"ovs-vswitchd", "ovsdb-server", "controller", "agent"})
"""What would have a machine of its own outside a lab: scheduled in real time, before traffic generators, captures and
test programs. On two cores the time from HO-Initiate to the confirmed clone is 5 ms so, and 13 ms without."""


def start_process(
    lab_name: str,
    node: Node,
    name: str,
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    cwd: Path = REPOSITORY,
) -> LabProcess:
    """Start a program inside the node's namespace, with `env` added to the environment; does not wait for it.

    Output goes to `<node>/log/<name>.log`. Raises LabError when one of that name runs already or cannot be started.
    """
    folder = node_folder(lab_name, node.name)
    record = folder / "pids" / f"{name}.json"
    running = _load_process(record)
    if running is not None and running.alive:
        raise LabError(f"{name} runs already on {node.name} (process {running.pid})", "stop it first")
    for part in ("pids", "log"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    log = folder / "log" / f"{name}.log"
    environment = {**os.environ, "PATH": tool_search_path(), "PYTHONUNBUFFERED": "1", **(env or {})}

    def start() -> subprocess.Popen[bytes]:
        # A child is born into the namespace of the thread that starts it: no wrapper, and its id is known at once.
        with log.open("ab") as output:
            return subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd, env=environment,
                pass_fds=tuple(pass_fds), start_new_session=True,
            )

    try:
        child = run_inside(node.namespace, start) if node.namespace else start()
    except OSError as error:
        raise LabError(f"{argv[0]} could not be started on {node.name}: {error.strerror}") from error
    _children[child.pid] = child
    if name in NETWORK_ELEMENTS:
        # One that has ended already is told of elsewhere; where it is not allowed, the lab is only slower.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(child.pid, os.SCHED_RR, os.sched_param(1))
    process = LabProcess(
        node=node.name, name=name, pid=child.pid, start_time=process_start_time(child.pid) or 0, command=tuple(argv),
        log=str(log),
    )
    write_json(record, asdict(process))
    return process


def recorded_processes(lab_name: str) -> list[LabProcess]:
    """Every process that was started in this lab and not stopped through `stop_processes`, dead ones too."""
    found = (_load_process(path) for path in sorted(lab_folder(lab_name).glob("*/pids/*.json")))
    return [process for process in found if process is not None]


def stop_processes(lab_name: str, processes: Iterable[LabProcess]) -> int:
    """Terminate these, kill what does not listen, forget their records. How many had to be stopped."""
    processes = list(processes)
    alive = [process for process in processes if process.alive]
    end_processes([process.pid for process in alive])
    for process in processes:
        (node_folder(lab_name, process.node) / "pids" / f"{process.name}.json").unlink(missing_ok=True)
    return len(alive)


def end_processes(pids: Iterable[int]) -> None:
    """SIGTERM, a grace of a few seconds, SIGKILL. Returns when all are gone (or beyond reach)."""
    waiting = {pid: process_start_time(pid) for pid in pids}
    for number in (signal.SIGTERM, signal.SIGKILL):
        waiting = {pid: started for pid, started in waiting.items() if _runs(pid, started)}
        for pid in waiting:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + _STOP_GRACE_S
        while any(_runs(pid, started) for pid, started in waiting.items()) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    # Somebody else may have ended others: `castover lab down` in another terminal.
    _wait_for(*tuple(_children))


def last_log_lines(process: _Logged, count: int = 5) -> str:
    """The end of a process's log, for an error message."""
    try:
        lines = Path(process.log).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-count:])


def _load_process(path: Path) -> LabProcess | None:
    try:
        wire = json.loads(path.read_text(encoding="utf-8"))
        return LabProcess(**{**wire, "command": tuple(wire["command"])})
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None


def _runs(pid: int, started: int | None) -> bool:
    running = started is not None and process_start_time(pid) == started
    if not running:
        # Only now: a child that ends between being waited for and being looked at would never be waited for.
        _wait_for(pid)
    return running


def _wait_for(*pids: int) -> None:
    """Those of our own children that have ended are zombies until then."""
    for pid in pids:
        child = _children.get(pid)
        if child is not None and child.poll() is not None:
            del _children[pid]


def process_start_time(pid: int) -> int | None:
    """Start time of a running process; None when there is none of this id, or only its zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold blanks and parentheses: count fields from the last one.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])

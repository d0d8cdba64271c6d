# SPDX-License-Identifier: Apache-2.0
"""Every lab on this machine, from what labs leave on disk; no topology file is needed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.namespaces import namespace_exists
from lab.processes import process_start_time, recorded_processes
from lab.state import RUN_FOLDER, load_state

_DEMO = re.compile(r".+-demo-[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLab:
    """One lab on record."""

    name: str
    topology: str
    """Absolute path; empty when the lab was built from a model in memory, or its record cannot be read."""
    rest_url: str
    readable: bool
    """Whether its state.json is whole. It is not when the build was killed in its first moment."""
    namespaces: int
    namespaces_wanted: int
    running: int
    """Processes of its own that run."""
    ended: tuple[str, ...]
    """Those that do not, although nobody stopped them: 'controller on controller'."""
    owner_pid: int
    """The process that takes the lab down when it ends; 0: none, the lab stays up by itself."""
    owner_runs: bool

    @property
    def abandoned(self) -> bool:
        """Whether the process that should have taken it down is dead."""
        return self.owner_pid != 0 and not self.owner_runs

    @property
    def is_demo(self) -> bool:
        """Whether the name is one that `castover demo` gives."""
        return _DEMO.fullmatch(self.name) is not None

    @property
    def condition(self) -> str:
        """Its state in words."""
        if not self.readable:
            return "left over: its build was killed"
        if self.abandoned:
            return f"left over: process {self.owner_pid}, which built it, is dead"
        if self.namespaces < self.namespaces_wanted:
            return f"incomplete: {self.namespaces} of {self.namespaces_wanted} namespaces"
        if self.ended:
            return f"broken: ended: {', '.join(self.ended)}"
        if self.owner_runs:
            return f"up, in use by process {self.owner_pid}"
        return "up" if self.rest_url else "up, network only"


def labs_on_record() -> list[FoundLab]:
    """Every lab with a run directory, by name."""
    try:
        names = sorted(entry.name for entry in RUN_FOLDER.iterdir() if entry.is_dir())
    except FileNotFoundError:
        return []
    return [_found(name) for name in names]


def _found(name: str) -> FoundLab:
    state = load_state(name)
    processes = recorded_processes(name)
    alive = [process.alive for process in processes]
    namespaces = [node.namespace for node in state.nodes] if state is not None else []
    owner_pid = state.owner_pid if state is not None else 0
    return FoundLab(
        name=name, topology=state.topology if state is not None else "",
        rest_url=state.rest_url if state is not None else "", readable=state is not None,
        namespaces=sum(map(namespace_exists, namespaces)), namespaces_wanted=len(namespaces), running=sum(alive),
        ended=tuple(
            f"{process.name} on {process.node}" for process, runs in zip(processes, alive, strict=True) if not runs
        ),
        owner_pid=owner_pid,
        owner_runs=bool(owner_pid) and state is not None and process_start_time(owner_pid) == state.owner_start_time,
    )

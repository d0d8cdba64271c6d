# SPDX-License-Identifier: Apache-2.0
"""Resident memory of the controller and the agents of a running lab, and whether it grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.network import Lab
from lab.processes import recorded_processes

SETTLED_PART = 0.5
"""Caches, pools and the record of ended handovers are filled in the first part of a run."""
GROWTH_KIB_MAX = 256
"""What may be more at the end than after the first part: half a KiB a handover in a run of 1,000. An allocator that
scatters what it is given takes a page now and then; a record that is forgotten costs several KiB each time."""
_PROGRAMS = ("controller", "agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySample:
    """Resident set of each process after so many handovers."""

    handovers: int
    kib: Mapping[str, int]
    """'controller' or 'agent NODE' -> VmRSS (proc(5))."""


def read_memory(lab: Lab, handovers: int) -> MemorySample:
    """The present memory. Raises LabError when one of the processes has ended."""
    return MemorySample(handovers=handovers, kib={
        f"{process.name} {process.node}" if process.name == "agent" else process.name: _resident_kib(process.pid)
        for process in recorded_processes(lab.domain.name) if process.name in _PROGRAMS
    })


def growth(samples: Sequence[MemorySample]) -> dict[str, dict[str, Any]]:
    """For each process: KiB after the first part, at the end, the most, and whether it grows. Pure."""
    if len(samples) < 2:
        return {}
    last = samples[-1]
    first = next(sample for sample in samples if sample.handovers >= last.handovers * SETTLED_PART)
    return {
        name: {
            "settled_kib": first.kib[name], "end_kib": last.kib[name],
            "most_kib": max(sample.kib[name] for sample in samples), "handovers": last.handovers - first.handovers,
            "grows": last.kib[name] - first.kib[name] > GROWTH_KIB_MAX,
        }
        for name in last.kib
    }


def _resident_kib(process_id: int) -> int:
    try:
        for line in Path(f"/proc/{process_id}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    except FileNotFoundError:
        pass
    raise LabError(f"process {process_id} has ended")

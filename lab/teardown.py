# SPDX-License-Identifier: Apache-2.0
"""Take a lab down, from whatever it left on disk. Safe to repeat, and after a crash at any moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.namespaces import namespace_exists, processes_inside, remove_namespace
from lab.plan import Node
from lab.processes import end_processes, recorded_processes, stop_processes
from lab.state import lab_folder, load_state, remove_lab_folder
from lab.typed import typed


@dataclass(frozen=True, slots=True, kw_only=True)
class Teardown:
    """What was removed."""

    processes: int
    namespaces: int
    folder: bool

    @property
    def anything(self) -> bool:
        """Whether there was anything to remove."""
        return bool(self.processes or self.namespaces or self.folder)


def refuse_anothers_lab(name: str, topology: Path) -> None:
    """LabError when the lab on record was built from another file than this one, and that file is still there.

    Domains in two checkouts have one name as long as nobody gives them another. A file that is gone keeps nothing: its
    lab is what somebody has left. A lab of a model in memory, and one whose record cannot be read, have no file.
    """
    state = load_state(name)
    if state is None or not state.topology:
        return
    built_from = Path(state.topology)
    if built_from.exists() and not built_from.samefile(topology):
        that = typed("lab", "down", "--topology", state.topology, with_topology=False)
        raise LabError(
            f"lab {name!r} was built from another file, {state.topology}, not from {topology.resolve()}",
            f"if it is to go: {that}, or --force; see all labs: {typed('lab', 'list', with_topology=False)}",
        )


def take_down(name: str, *, nodes: Iterable[Node] = (), force: bool = False) -> Teardown:
    """Stop every process of the lab, remove its namespaces (their links go with them) and its run directory.

    `nodes` is the plan of the domain, for a lab whose state.json is lost. Without a run directory the namespaces are
    somebody else's until `force` says otherwise.
    """
    state = load_state(name)
    if state is not None:
        known = list(state.nodes)
    elif lab_folder(name).exists() or force:
        known = list(nodes)
    else:
        known = []
    namespaces = [node.namespace for node in known if namespace_exists(node.namespace)]
    stopped = stop_processes(name, recorded_processes(name))
    # What was started by hand inside (a capture, a player), or in the moment before it would have been recorded.
    others = processes_inside(namespaces)
    end_processes(others)
    removed = sum(remove_namespace(namespace) for namespace in namespaces)
    return Teardown(processes=stopped + len(others), namespaces=removed, folder=remove_lab_folder(name))

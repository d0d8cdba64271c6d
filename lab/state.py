# SPDX-License-Identifier: Apache-2.0
"""What a lab leaves on disk so that another process can find it, use it and take it down.

    /run/castover/<domain>/state.json            the nodes and the REST URL
    /run/castover/<domain>/<node>/pids/*.json    one file a process
    /run/castover/<domain>/<node>/log/           one log a process
    /run/castover/<domain>/<node>/ovs/           a switch node's sockets and database
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.errors import LabError
from lab.plan import Node
from lab.typed import typed

RUN_FOLDER = Path("/run/castover")
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LabState:
    """The contents of state.json."""

    name: str
    topology: str
    """Absolute path of the topology.yaml it was built from; empty when it was built from a model in memory."""
    nodes: tuple[Node, ...]
    rest_url: str = ""
    """Where the controller's REST API is reachable from the machine itself; empty before the controller is started."""
    owner_pid: int = 0
    """The process that takes the lab down when it ends (a demo, a measurement); 0 when it stays up by itself."""
    owner_start_time: int = 0
    """Of that process, clock ticks after boot (proc(5)): an id alone may belong to somebody else by now."""


def lab_folder(name: str) -> Path:
    """The run directory of the lab of this name."""
    return RUN_FOLDER / name


def node_folder(lab_name: str, node: str) -> Path:
    """The folder of one node."""
    return lab_folder(lab_name) / node


def claim_lab_folder(name: str) -> Path:
    """Create the run directory: whoever succeeds owns the name. LabError when the lab is up (or was left over)."""
    RUN_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = lab_folder(name)
    try:
        folder.mkdir(mode=0o755)
    except FileExistsError:
        state = load_state(name)
        source = f", built from {state.topology}" if state is not None and state.topology else ""
        raise LabError(f"lab {name!r} is up already{source}", f"take it down first: {typed('lab', 'down')}") from None
    return folder


def remove_lab_folder(name: str) -> bool:
    """Remove the run directory, and the common one when it was the last. False when there was none."""
    folder = lab_folder(name)
    if not folder.exists():
        return False
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder)  # something wrote into it meanwhile; now an error is one
    with contextlib.suppress(OSError):  # another lab is in it
        RUN_FOLDER.rmdir()
    return True


def write_json(path: Path, value: object) -> None:
    """Write a file that a reader sees either as it was or whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def save_state(state: LabState) -> None:
    """Write state.json."""
    write_json(lab_folder(state.name) / "state.json", {"version": _VERSION, **asdict(state)})


def load_state(name: str) -> LabState | None:
    """state.json of the lab, or None when there is no such lab or the file is not whole (a build that was killed)."""
    try:
        wire = json.loads((lab_folder(name) / "state.json").read_text(encoding="utf-8"))
        if wire["version"] != _VERSION:
            return None
        nodes = tuple(Node(name=node["name"], kind=node["kind"], namespace=node["namespace"]) for node in wire["nodes"])
        return LabState(
            name=wire["name"], topology=wire["topology"], nodes=nodes, rest_url=wire["rest_url"],
            owner_pid=wire.get("owner_pid", 0), owner_start_time=wire.get("owner_start_time", 0),
        )
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None

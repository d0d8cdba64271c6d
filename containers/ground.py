# SPDX-License-Identifier: Apache-2.0
"""A domain whose nodes are containers, as measurements use it (`lab.ground.Ground`)."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from containers.wire import ask, ask_and_stay
from lab.errors import LabError
from lab.mobile_node import Instant, LinkChange, Move
from lab.state import lab_folder
from lab.switch_tools import SwitchTools, tools_environment
from topology.model import Domain

_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerProgram:
    """A program that was started on a node."""

    domain_name: str
    node: str
    name: str
    log: str

    @property
    def alive(self) -> bool:
        """Whether it still runs. Raises LabError when its container has gone."""
        return bool(ask(self.domain_name, self.node, "alive", name=self.name).value["alive"])


class ContainerMobileNode:
    """A mobile node in its container; holds nothing open."""

    def __init__(self, domain_name: str, name: str) -> None:
        self._domain_name, self._name = domain_name, name

    def __enter__(self) -> ContainerMobileNode:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to give up."""

    def attached_to(self) -> str | None:
        """The MAG whose link is up, or None. Raises LabError."""
        mag = ask(self._domain_name, self._name, "attached").value["mag"]
        return None if mag is None else str(mag)

    def move(self, mag: str, gap_ms: float = 0.0) -> Move:
        """Leave the present MAG, and arrive at `mag` `gap_ms` after that; timed where the node is. Raises LabError."""
        answer = ask(
            self._domain_name, self._name, "move", timeout_s=10 + gap_ms / 1000, mag=mag, gap_ms=gap_ms
        ).value
        return Move(mobile_node=self._name, down=_change(answer["down"]), up=_change(answer["up"]))


class ContainerGround:
    """Hands on all nodes, for the length of a `with`: what was started is ended with it, also when this process is
    killed: the nodes see that its connections are closed."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self._started: dict[ContainerProgram, socket.socket] = {}

    def __enter__(self) -> ContainerGround:
        return self

    def __exit__(self, *_: object) -> None:
        for program, connection in list(self._started.items()):
            try:
                self.stop([program])
            except LabError:
                connection.close()  # it has gone with its container

    @property
    def folder(self) -> Path:
        """What all containers share."""
        return lab_folder(self.domain.name)

    def nodes(self) -> list[str]:
        """Everybody but the controller."""
        hosts = [*(node.name for node in self.domain.mobile_nodes), *(source.name for source in self.domain.sources)]
        return [*self.switch_names(), *hosts]

    def await_nodes(self, timeout_s: float, say: Callable[[str], None]) -> None:
        """Wait until every node's container answers, and every mobile node is somewhere. Raises LabError."""
        deadline = time.monotonic() + timeout_s
        movers = {node.name for node in self.domain.mobile_nodes}
        for name in self.nodes():
            say(f"waiting for {name}")
            while True:
                try:
                    if name not in movers:
                        ask(self.domain.name, name, "alive", name="")
                        break
                    if self.mobile_node(name).attached_to() is not None:
                        break
                    problem = f"{name} has no link to its MAGs"
                except LabError as error:
                    problem = str(error)
                if time.monotonic() > deadline:
                    raise LabError(f"after {timeout_s:g} s: {problem}")
                time.sleep(_POLL_S)

    def mobile_node(self, name: str) -> ContainerMobileNode:
        """By short name or MN-ID. Raises LabError."""
        profile = next((node for node in self.domain.mobile_nodes if name in (node.name, node.id)), None)
        if profile is None:
            names = ", ".join(node.name for node in self.domain.mobile_nodes)
            raise LabError(f"there is no mobile node {name!r}", f"allowed: {names}")
        return ContainerMobileNode(self.domain.name, profile.name)

    def switch_names(self) -> list[str]:
        """The LMA's and every MAG's node name."""
        return [self.domain.lma.id, *(mag.id for mag in self.domain.mags)]

    def switch(self, name: str) -> SwitchTools:
        """The switch of the LMA or of a MAG, reached through its sockets in the shared folder. Raises LabError."""
        if name not in self.switch_names():
            raise LabError(f"{name} has no switch", f"allowed: {', '.join(self.switch_names())}")
        return SwitchTools(name, tools_environment(self.folder / name / "ovs", self.folder / name / "log"))

    def start_process(self, node: str, argv: Sequence[str], *, name: str | None = None) -> ContainerProgram:
        """Start a program in a node's container, from the root of the repository, its output in a log."""
        name = name or Path(argv[0]).name
        answer, connection = ask_and_stay(
            self.domain.name, node, "start", name=name, argv=list(argv), while_connected=True
        )
        program = ContainerProgram(domain_name=self.domain.name, node=node, name=name, log=str(answer.value["log"]))
        self._started[program] = connection
        return program

    def stop(self, programs: Iterable[Any]) -> None:
        """End programs that `start_process` gave; returns when they have ended."""
        names: dict[str, list[str]] = {}
        for program in programs:
            names.setdefault(program.node, []).append(program.name)
        for node, theirs in names.items():
            ask(self.domain.name, node, "stop", names=theirs)
        for program in [one for one in self._started if one.name in names.get(one.node, [])]:
            self._started.pop(program).close()

    def run_on(self, node: str, argv: Sequence[str]) -> str:
        """Run a short program in a node's container to its end; what it prints. LabError with what it says."""
        return str(ask(self.domain.name, node, "run", timeout_s=15, argv=list(argv)).value["printed"])


def _change(wire: Any) -> LinkChange | None:
    if wire is None:
        return None
    return LinkChange(mag=wire["mag"], called=Instant(**wire["called"]), returned=Instant(**wire["returned"]))

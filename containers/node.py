# SPDX-License-Identifier: Apache-2.0
"""The main program of a node's container: make it the node, take requests, look after it, clean up at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from containers.host_nodes import MobileNodeContainer, SourceContainer
from containers.programs import Programs
from containers.server import ControlServer, Handler
from containers.switch_node import SwitchNode
from containers.wire import control_path
from lab.errors import LabError
from lab.interruption import LabInterrupted, deferred_signals
from lab.plan import Node, plan_nodes
from lab.state import node_folder
from topology.model import Domain

_LOOK_S = 1.0
_POLL_S = 0.1
_PRIORITY = -10
"""Nice value of switches and agents: packets that wait for the processor here can be overtaken by others."""


class Part(Protocol):
    """What a kind of node does."""

    def handlers(self) -> Mapping[str, Handler]:
        """The requests that it answers."""

    def start(self) -> None:
        """Raises LabError, OSError."""

    def still_well(self) -> None:
        """Called about once a second. Raises LabError when the container has to be started anew."""

    def stop(self) -> None:
        """End what it has started."""


def run_node(domain: Domain, topology: Path, name: str, say: Callable[[str], None]) -> None:
    """Be the node until SIGTERM, SIGINT or SIGHUP. Raises LabError when that cannot be, or no longer."""
    node = container_node(domain, name)
    folder = node_folder(domain.name, name)
    # A former life of this container may have left its files.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    programs, part = Programs(domain.name, node), _part(domain, topology, node)
    server = ControlServer(control_path(domain.name, name), {**programs.handlers(), **part.handlers()})
    with deferred_signals() as interruption, contextlib.suppress(KeyboardInterrupt, LabInterrupted):
        try:
            part.start()
            server.start()
            say(f"{node.kind} {name} is up")
            while True:
                until = time.monotonic() + _LOOK_S
                while time.monotonic() < until:
                    interruption.check()
                    time.sleep(_POLL_S)
                part.still_well()
        finally:
            server.close()
            programs.end_all()
            part.stop()
            say(f"{node.kind} {name} is down")


def container_node(domain: Domain, name: str) -> Node:
    """The node of this name. Raises LabError naming those that can be containers."""
    allowed = {node.name: node for node in plan_nodes(domain) if node.kind in ("lma", "mag", "mobile-node", "source")}
    if name not in allowed:
        raise LabError(f"there is no node {name!r}", f"allowed: {', '.join(allowed)}")
    return Node(name=name, kind=allowed[name].kind, namespace="")


def _part(domain: Domain, topology: Path, node: Node) -> Part:
    for profile in domain.mobile_nodes:
        if profile.name == node.name:
            return MobileNodeContainer(domain, profile, node)
    for source in domain.sources:
        if source.name == node.name:
            return SourceContainer(domain, source)
    # Without SYS_NICE it is only slower.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    return SwitchNode(domain, topology, node)

# SPDX-License-Identifier: Apache-2.0
"""What a measured run needs of where it happens: network namespaces on this machine (`lab.network`), or containers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from lab.mobile_node import Move
from lab.switch_tools import SwitchTools
from topology.model import Domain


class Program(Protocol):
    """A program that was started on a node."""

    @property
    def node(self) -> str:
        """Short name of its node."""

    @property
    def name(self) -> str:
        """Of the program; one of each name runs on a node."""

    @property
    def log(self) -> str:
        """Path of the file that takes its output."""

    @property
    def alive(self) -> bool:
        """Whether it still runs."""


class MovableNode(Protocol):
    """A mobile node that can be told where to be; a context manager."""

    def __enter__(self) -> MovableNode: ...

    def __exit__(self, *_: object) -> None: ...

    def attached_to(self) -> str | None:
        """The MAG whose link is up, or None."""

    def move(self, mag: str, gap_ms: float = 0.0) -> Move:
        """Leave the present MAG, and arrive at `mag` `gap_ms` after that. Raises LabError."""


class Reach(Protocol):
    """Hands on mobile nodes, and on nothing else."""

    def mobile_node(self, name: str) -> AbstractContextManager[MovableNode]:
        """By short name or MN-ID. LabError, also on the way into the `with`."""


class Ground(Protocol):
    """A domain that is up, with hands on its nodes. Every method raises LabError."""

    @property
    def domain(self) -> Domain:
        """What was built."""

    @property
    def folder(self) -> Path:
        """A folder with one folder for each node, in which node and caller see the same files at the same path."""

    def mobile_node(self, name: str) -> MovableNode:
        """By short name or MN-ID."""

    def switch_names(self) -> list[str]:
        """The LMA's and every MAG's node name."""

    def switch(self, name: str) -> SwitchTools:
        """The switch of the LMA or of a MAG."""

    def start_process(self, node: str, argv: Sequence[str], *, name: str | None = None) -> Program:
        """Start a program on a node, from the root of the repository, its output in a log."""

    def stop(self, programs: Iterable[Any]) -> None:
        """End programs that `start_process` gave; returns when they have ended."""

    def run_on(self, node: str, argv: Sequence[str]) -> str:
        """Run a short program on a node to its end; what it prints. LabError with what it says when it fails."""

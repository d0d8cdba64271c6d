# SPDX-License-Identifier: Apache-2.0
"""What commands have in common: the topology they are about, a line of progress, and one plain line for an error."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from lab.errors import LabError
from lab.interruption import LabInterrupted
from topology.load import load_topology
from topology.model import Domain
from topology.problem import TopologyError

_notices = Console(stderr=True)

topology_option = click.option(
    "--topology", "topology", metavar="FILE", default="topology.yaml", show_default=True,
    type=click.Path(dir_okay=False, path_type=Path), help="The domain to use.",
)


def load_domain(path: Path) -> Domain:
    """The domain of a topology file; every error of the file as one ClickException."""
    if not path.exists():
        raise click.ClickException(f"{path} does not exist; name the file with --topology FILE")
    try:
        return load_topology(path)
    except TopologyError as error:
        raise click.ClickException(str(error)) from error


def said_plainly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a LabError into click's one line and exit code 1, a termination into exit code 143."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except LabError as error:
            raise click.ClickException(str(error)) from error
        except LabInterrupted:
            sys.exit(143)

    return wrapped


@contextlib.contextmanager
def progress(first: str) -> Iterator[Callable[[str], None]]:
    """A spinner with the present phase on a terminal, one line a phase elsewhere; yields the function that sets it."""
    if not _notices.is_terminal:
        yield lambda phase: _notices.print(phase, highlight=False)
        return
    with _notices.status(first) as status:
        yield lambda phase: status.update(phase)

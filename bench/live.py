# SPDX-License-Identifier: Apache-2.0
"""What is seen of a measurement while it runs: phase, bar, clock on a terminal; elsewhere only the results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class LiveProgress:
    """Of one run; cells are its unit."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def say(self, phase: str) -> None:
        """What is being done now."""
        self._progress.update(self._task, description=phase)

    def advance(self, cells: int = 1) -> None:
        """So many more cells are over."""
        self._progress.advance(self._task, cells)

    def print(self, line: str) -> None:
        """A result, above the bar."""
        self._progress.console.print(line, highlight=False, soft_wrap=True, markup=False)


@contextmanager
def live_progress(console: Console, title: str, cells: int) -> Iterator[LiveProgress]:
    """The bar, while the block runs."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield LiveProgress(progress, progress.add_task(title, total=cells))

# SPDX-License-Identifier: Apache-2.0
"""The file that a command was told to write its result to: its folders are made, and what is in the way is one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError
from lab.state import write_json


def prepare_report(file: Path) -> None:
    """Find out before the work whether the file can be written. Raises LabError."""
    with _said_of(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def write_report_file(file: Path, document: object) -> None:
    """As JSON; a reader sees it as it was or whole. Raises LabError."""
    with _said_of(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, document)


@contextlib.contextmanager
def _said_of(file: Path) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise LabError(f"{file} cannot be written: {file.parent} is no folder") from error
    except OSError as error:
        raise LabError(f"{file} cannot be written: {error.strerror}") from error

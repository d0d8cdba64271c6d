# SPDX-License-Identifier: Apache-2.0
"""One `castover view` for each lab: its stream and its radio are there once. The lock ends with its process (flock(2))."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError


@contextlib.contextmanager
def only_view(folder: Path, url: str) -> Iterator[None]:
    """For the length of a `with`; `folder` is the lab's. Raises LabError saying which process has it already."""
    descriptor = os.open(folder / "view.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace")
            raise LabError(
                f"a castover view of this lab is running (process {holder or 'that has just begun'})",
                f"open {url}/, or end that one first: Ctrl-C in its terminal",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)

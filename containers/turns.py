# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is to move mobile nodes: a measurement's for as long as it runs, and the radio's otherwise.

A lock on a file in the folder that the containers share (flock(2)): it ends with its holder, in whatever way that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from lab.errors import LabError
from lab.state import lab_folder

_MOVE_UNDER_WAY_S = 10.0
_POLL_S = 0.05


@contextlib.contextmanager
def all_moves(domain_name: str) -> Iterator[None]:
    """Nobody else moves a mobile node for the length of a `with`. Raises LabError when another measurement has that."""
    deadline = time.monotonic() + _MOVE_UNDER_WAY_S
    with _lock(domain_name) as descriptor:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > deadline:
                raise LabError("another demo moves the mobile nodes of these containers", "wait for its end")
            time.sleep(_POLL_S)
        yield


@contextlib.contextmanager
def one_move(domain_name: str) -> Iterator[None]:
    """For the radio. Raises LabError while a measurement has all moves."""
    with _lock(domain_name) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError("a demo is running, and moves it itself") from None
        yield


@contextlib.contextmanager
def _lock(domain_name: str) -> Iterator[int]:
    try:
        descriptor = os.open(lab_folder(domain_name) / "moves.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LabError(f"the folder of the containers cannot be used: {error.strerror}", "are they up?") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)

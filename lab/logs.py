# SPDX-License-Identifier: Apache-2.0
"""The logs of a lab's programs: they lie in the lab's own folder and go with it, unless they are copied out first."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError
from lab.network import Lab


def copy_logs(lab: Lab, folder: Path) -> None:
    """Every node's logs as `folder`/NODE/PROGRAM.log; what was there before is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    for log in lab.folder.glob("*/log/*.log"):
        target = folder / log.parent.parent.name / log.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, target)


@contextmanager
def logs_kept(lab: Lab, folder: Path) -> Iterator[None]:
    """Copy the logs when the block ends with a LabError, before the lab is taken down."""
    try:
        yield
    except LabError:
        copy_logs(lab, folder)
        raise

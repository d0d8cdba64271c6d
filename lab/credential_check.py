# SPDX-License-Identifier: Apache-2.0
"""The files that `rest` of a topology names, judged as the controller judges them when it starts."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from apps.rest.credentials import judge_credentials
from topology.load import load_topology
from topology.problem import TopologyError


def check_credentials(topology: Path, err: TextIO) -> int:
    """Of a file that may be for one host: what the controller would refuse goes to `err`, and the exit code is 1. 0 also
    where a file is not there, or where the topology is wrong itself, which others say."""
    try:
        domain = load_topology(topology)
    except TopologyError:
        return 0
    faults = judge_credentials(domain.rest, topology)
    for fault in faults:
        print(f"{topology}: {fault}", file=err)
    return 1 if faults else 0

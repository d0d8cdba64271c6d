# SPDX-License-Identifier: Apache-2.0
"""The file of keys that a topology names, judged before anything is built or started with it."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from lab.errors import LabError
from southbound.mobility_keys import MobilityKeysError, judge_mobility_keys
from topology.load import load_topology
from topology.model import Domain
from topology.problem import TopologyError


def check_keys(topology: Path, err: TextIO) -> int:
    """Of a file that may be for one host: what is to be said goes to `err`. Exit code 1 where it is of no use to anybody;
    0 also while it is not there, or where the topology is wrong itself, which others say."""
    try:
        domain = load_topology(topology)
    except TopologyError:
        return 0
    if domain.mobility_key_file is None or not (topology.parent / domain.mobility_key_file).exists():
        return 0
    try:
        for line in judge_mobility_keys(domain, topology, of_all=False):
            print(f"{topology}: warning: {line}", file=err)
    except MobilityKeysError as error:
        print(f"{topology}: {error}", file=err)
        return 1
    return 0


def require_keys(domain: Domain, topology: Path) -> None:
    """Of a host where all nodes run. Raises LabError: else each process would say so, after all that is before it."""
    try:
        judge_mobility_keys(domain, topology, of_all=True)
    except MobilityKeysError as error:
        raise LabError(str(error)) from error

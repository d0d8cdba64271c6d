# SPDX-License-Identifier: Apache-2.0
"""`python -m topology.check FILE`: exit code 0 and a summary, or 1 and every problem, one line each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from topology.load import load_topology
from topology.model import Domain
from topology.problem import TopologyError, show_file


def check_file(path: Path, out: TextIO, err: TextIO) -> int:
    """Check one file: the summary goes to `out`, problems go to `err`. Returns the exit code, 0 or 1."""
    try:
        domain = load_topology(path)
    except TopologyError as error:
        print(error, file=err)
        return 1
    print(f"{show_file(str(path))}: {summary(domain)}", file=out)
    return 0


def summary(domain: Domain) -> str:
    """One line on what the domain consists of."""
    counts = (
        (1, "LMA"),
        (len(domain.mags), "MAG"),
        (len(domain.mobile_nodes), "mobile node"),
        (len(domain.sources), "source"),
    )
    parts = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
    return f"good: domain {domain.name}, {parts}, dialect {domain.dialect}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code; wrong usage exits with 2."""
    parser = argparse.ArgumentParser(prog="python -m topology.check", description="Check a topology file.")
    parser.add_argument("file", type=Path, metavar="FILE")
    return check_file(parser.parse_args(arguments).file, sys.stdout, sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

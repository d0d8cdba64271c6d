# SPDX-License-Identifier: Apache-2.0
"""`python -m topology.check FILE`: exit code 0 and a summary, or 1 and every problem, one line each."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from topology.crosscheck_rest import is_loopback
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
    absent = missing_files(domain, path.parent)
    there = f", but {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not there yet" if absent else ""
    print(f"{show_file(str(path))}: {summary(domain)}{there}", file=out)
    if tokens_in_clear(domain):
        print(
            f"{show_file(str(path))}: warning: rest.tokens travel in the clear to {domain.controller.rest_host}, which "
            "others reach; rest.tls hides them, or a proxy in front that speaks TLS",
            file=err,
        )
    return 0


def tokens_in_clear(domain: Domain) -> bool:
    """Whether whoever listens on the way to the API can read tokens; the controller says so in its log, too."""
    rest = domain.rest
    return bool(rest.tokens) and rest.tls is None and not is_loopback(domain.controller.rest_host)


def missing_files(domain: Domain, folder: Path) -> list[str]:
    """Files that the topology names and a process would not find: perhaps they are on another host, or come later."""
    rest = domain.rest
    named = [domain.mobility_key_file]
    named += [token.file for token in rest.tokens] + [hook.secret_file for hook in rest.webhooks]
    if rest.tls is not None:
        named += [rest.tls.certificate, rest.tls.key]
    return [show_file(name) for name in dict.fromkeys(named) if name is not None and not os.path.exists(folder / name)]


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

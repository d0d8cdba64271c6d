# SPDX-License-Identifier: Apache-2.0
"""`castover config check FILE`: whether a topology file describes a domain."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lab.credential_check import check_credentials
from lab.key_check import check_keys
from topology.check import check_file


@click.group()
def config() -> None:
    """Check topology files."""


@config.command()
@click.argument("file", metavar="FILE", default="topology.yaml", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Say what FILE describes, or every problem it has, one line each with its line number; also of the files that
    it names, where they are there: keys, tokens, TLS, secrets of webhooks.

    \b
    Exit code 0: it is good; 1: it is not, or cannot be read.
    """
    of_no_use = check_keys(file, sys.stderr) + check_credentials(file, sys.stderr)
    sys.exit(1 if of_no_use else check_file(file, sys.stdout, sys.stderr))

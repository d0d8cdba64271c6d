# SPDX-License-Identifier: Apache-2.0
"""What the controller process was told at its start: topology file, log level, an inherited REST socket."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from southbound.fact_log import LOG_FORMATS, LOG_LEVELS

REST_FD_VARIABLE = "CASTOVER_REST_FD"
"""Number of an inherited listening socket for REST, so that it can be reached from another network namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Of one controller process."""

    topology: Path
    log_level: str
    log_format: str
    rest_fd: int | None


class SettingsError(ValueError):
    """The environment does not fit; the message says which variable, what was found, what is allowed."""


def argument_parser() -> argparse.ArgumentParser:
    """Of the command line; docs/reference/cli.md is made of it."""
    parser = argparse.ArgumentParser(
        prog="python -m apps", description="Castover's controller: the logical LMA of one PMIPv6 domain, on Ryu."
    )
    parser.add_argument("--topology", type=Path, default=Path("topology.yaml"), help="the domain (default: %(default)s)")
    parser.add_argument(
        "--log-level", default="info", choices=LOG_LEVELS, help="default: %(default)s"
    )
    parser.add_argument(
        "--log-format", default="text", choices=LOG_FORMATS, help="json: one object a line (default: %(default)s)"
    )
    return parser


def read_settings(arguments: Sequence[str] | None = None) -> Settings:
    """From the command line and the environment. Raises SettingsError; argparse itself exits for unknown options."""
    known = argument_parser().parse_args(arguments)
    found = os.environ.get(REST_FD_VARIABLE)
    if found is not None and not found.isdigit():
        raise SettingsError(f"{REST_FD_VARIABLE}: found {found!r}, allowed: the number of an inherited socket")
    return Settings(
        topology=known.topology, log_level=known.log_level, log_format=known.log_format,
        rest_fd=int(found) if found is not None else None
    )

# SPDX-License-Identifier: Apache-2.0
"""What the agent's process can be told at its start."""

from __future__ import annotations

import argparse
from pathlib import Path

from southbound.fact_log import LOG_FORMATS, LOG_LEVELS


def argument_parser() -> argparse.ArgumentParser:
    """Of the command line; docs/reference/cli.md is made of it."""
    parser = argparse.ArgumentParser(
        prog="python -m southbound.agent", description="Castover's agent of one MAG (RFC 5213 section 6)."
    )
    parser.add_argument("--topology", type=Path, default=Path("topology.yaml"), help="the domain (default: %(default)s)")
    parser.add_argument("--mag", required=True, help="id of this MAG in the topology")
    parser.add_argument(
        "--log-level", default="info", choices=LOG_LEVELS, help="default: %(default)s"
    )
    parser.add_argument(
        "--log-format", default="text", choices=LOG_FORMATS, help="json: one object a line (default: %(default)s)"
    )
    return parser

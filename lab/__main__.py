# SPDX-License-Identifier: Apache-2.0
"""The `castover` command. Each part adds its own commands to the one group."""

from __future__ import annotations

import click

from bench.cli import bench
from lab.cli import lab
from lab.demo_cli import demo
from lab.handover_cli import handover


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def castover() -> None:
    """Castover: lossless predictive handover of multicast listeners for Proxy Mobile IPv6."""


castover.add_command(bench)
castover.add_command(demo)
castover.add_command(lab)
castover.add_command(handover)

if __name__ == "__main__":
    castover(prog_name="castover")

# SPDX-License-Identifier: Apache-2.0
"""The `castover` command. Each part adds its own commands to the one group."""

from __future__ import annotations

import click

from lab.cli import lab


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def castover() -> None:
    """Castover: lossless predictive handover of multicast listeners for Proxy Mobile IPv6."""


castover.add_command(lab)

if __name__ == "__main__":
    castover(prog_name="castover")

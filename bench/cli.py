# SPDX-License-Identifier: Apache-2.0
"""`castover bench`: the group that the measurements hang in."""

from __future__ import annotations

import click

from bench.control_plane_cli import control_plane
from bench.exactly_once_cli import exactly_once
from bench.handover_cli import handover


@click.group()
def bench() -> None:
    """Measure: handovers beside their alternatives, that they lose nothing, and where their time goes."""


bench.add_command(handover)
bench.add_command(control_plane)
bench.add_command(exactly_once)

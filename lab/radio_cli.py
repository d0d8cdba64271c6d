# SPDX-License-Identifier: Apache-2.0
"""`castover lab radio`: move mobile nodes when their handovers say that they may leave."""

from __future__ import annotations

import time
from pathlib import Path

import click

from castover_client import Castover
from lab.command_line import load_domain, said_plainly, topology_option
from lab.errors import LabError
from lab.network import Lab
from lab.number_range import NumberRange
from lab.radio import Moved, Radio
from lab.requirements import check_requirements
from lab.rest_client import lab_errors
from lab.typed import typed

gap_option = click.option(
    "--gap-ms", type=NumberRange(0, 3000), default=50.0, show_default=True, metavar="G",
    help="How long a mobile node is without a link when it moves.",
)


@click.command()
@topology_option
@gap_option
@said_plainly
def radio(topology: Path, gap_ms: float) -> None:
    """Be the radio: move each mobile node when its handover says that it may leave. Until Ctrl-C.

    With it a handover that is asked for over REST, or by dragging in the live view, completes by itself.
    """
    check_requirements()
    found = Lab.find(load_domain(topology))
    url = found.state.rest_url
    if not url:
        raise LabError(f"lab {found.domain.name!r} has no controller running", f"bring it up: {typed('lab', 'up')}")

    def told(moved: Moved) -> None:
        click.echo(moved_line(moved))

    with lab_errors():
        listening = Radio(found, Castover.from_environment(url), gap_ms=gap_ms, told=told)
        click.echo(f"listening to {url}; Ctrl-C ends this")
        try:
            listening.run()
        except KeyboardInterrupt:
            listening.stop()


def moved_line(moved: Moved) -> str:
    """What the radio did, as a line."""
    handover = moved.handover
    name = f"{time.strftime('%H:%M:%S')}  handover {handover.number}  {handover.mn_id.partition('@')[0]}"
    if moved.move is None:
        return f"{name}  not moved: {moved.problem}"
    gap = moved.move.gap_ms
    without = f"  {gap:.1f} ms without link" if gap is not None else ""
    return f"{name}  {handover.previous_mag} -> {handover.new_mag}{without}"

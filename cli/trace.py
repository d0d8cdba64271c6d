# SPDX-License-Identifier: Apache-2.0
"""`castover trace HANDOVER_ID`: the story of one handover, from the controller and both MAGs' agents."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from castover_client import Castover, Trace
from cli.running_api import domain_of, running_api
from lab.command_line import said_plainly, topology_option
from lab.errors import LabError
from lab.report_file import write_report_file
from lab.rest_client import lab_errors
from lab.typed import typed

EXIT_INCOMPLETE = 3
"""A node could not be asked."""
LAST = "last"
_PLAIN_WIDTH = 400
_COLOURS = ("cyan", "magenta", "green", "yellow")


@click.command("trace")
@topology_option
@click.argument("handover_id", metavar="HANDOVER_ID|last")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write what was told as JSON; - for standard output.")
@click.option("--rest", "rest", metavar="URL", help="The controller's REST API (default: the running lab's).")
@said_plainly
def trace(topology: Path, handover_id: str, file: Path | None, rest: str | None) -> None:
    """Tell the story of one handover: what controller and agents heard, said and saw, by time.

    \b
    `last` is the newest handover. Times are milliseconds after the first fact, each on its node's own clock.
    Exit code 0: everybody has told; 1: no such handover, or no controller; 3: a node could not be asked.
    """
    with lab_errors(), Castover.from_environment(rest or running_api(domain_of(topology))) as castover:
        if handover_id == LAST:
            newest = next(castover.handovers(page=1), None)
            if newest is None:
                raise LabError("there has been no handover yet", f"begin one: {typed('handover', 'MN', 'MAG')}")
            handover_id = newest.id
        story = castover.trace(handover_id)
    if file is not None and str(file) == "-":
        click.echo(json.dumps(dataclasses.asdict(story), indent=2))
    else:
        if file is not None:
            write_report_file(file, dataclasses.asdict(story))
        print_story(story)
    for part in story.missing:
        click.echo(f"{part.node} could not be asked: {part.reason}", err=True)
    if story.missing:
        sys.exit(EXIT_INCOMPLETE)


def print_story(story: Trace) -> None:
    """On standard output: a table that fits a terminal; in a file or a pipe a fact is a line, for grep."""
    if sys.stdout.isatty():
        Console(highlight=False, markup=False).print(story_table(story))
        return
    console = Console(highlight=False, markup=False, width=_PLAIN_WIDTH)
    with console.capture() as printed:
        console.print(story_table(story))
    # rich fills every line up to the width of the table.
    click.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))


def story_table(story: Trace) -> Table:
    """One row a fact: ms, node, name, the rest as key=value."""
    table = Table(title=f"handover {story.handover_id}", title_justify="left", box=None, pad_edge=False)
    table.add_column("ms", justify="right")
    table.add_column("node", no_wrap=True)
    table.add_column("fact", no_wrap=True)
    table.add_column("with", overflow="fold")
    nodes = list(dict.fromkeys(fact.node for fact in story.facts))
    colours = {node: _COLOURS[index % len(_COLOURS)] for index, node in enumerate(nodes)}
    first = story.facts[0].at if story.facts else 0.0
    for fact in story.facts:
        told = " ".join(f"{key}={value}" for key, value in fact.fields.items() if key not in ("mn_id", "node", "at"))
        table.add_row(f"{(fact.at - first) * 1000:.2f}", Text(fact.node, style=colours[fact.node]), fact.name, told)
    return table

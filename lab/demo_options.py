# SPDX-License-Identifier: Apache-2.0
"""The options that the demo has wherever it runs: `castover demo` in a lab, `castover containers demo` in containers."""

from __future__ import annotations

from pathlib import Path

import click

from lab.number_range import NumberRange

handovers_option = click.option(
    "--handovers", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="In each run.",
)
rate_option = click.option(
    "--rate-pps", type=NumberRange(10, 20_000), default=1000.0, show_default=True, metavar="R",
    help="Packets/s of the stream.",
)
gap_option = click.option(
    "--gap-ms", type=NumberRange(0, 3000), default=50.0, show_default=True, metavar="G",
    help="How long the mobile node is without a link at each move.",
)
unicast_option = click.option(
    "--unicast", is_flag=True, help="A stream to the moving node alone besides, at the same rate.",
)
json_option = click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write the report here as JSON.",
)

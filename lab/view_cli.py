# SPDX-License-Identifier: Apache-2.0
"""`castover view`: a lab with a live stream and a radio, to be looked at and played with in a browser."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.console import Console

from lab.command_line import load_domain, progress, said_plainly, topology_option
from lab.demo_settings import choose_cast
from lab.number_range import NumberRange
from lab.radio import Moved
from lab.radio_cli import gap_option, moved_line
from lab.requirements import check_requirements
from lab.stream_format import PAYLOAD_HEADER, PAYLOAD_OCTETS_MAX
from lab.traffic_sink import SinkStatus
from lab.typed import typed
from lab.view import Scene, ViewSettings, scene

_LOOK_S = 0.5
_LINES_S = 60.0
"""How often the counts are printed where there is no terminal to keep them up to date on."""


@click.command("view")
@topology_option
@click.option(
    "--rate-pps", type=NumberRange(10, 20_000), default=1000.0, show_default=True, metavar="R",
    help="Packets/s of the stream.",
)
@click.option(
    "--size", type=click.IntRange(PAYLOAD_HEADER.size, PAYLOAD_OCTETS_MAX), default=200, show_default=True,
    metavar="OCTETS", help="UDP payload of each packet.",
)
@gap_option
@said_plainly
def view(topology: Path, rate_pps: float, size: int, gap_ms: float) -> None:
    """Keep a lab with a live stream for the live view in a browser, until Ctrl-C.

    Drag a mobile node to another MAG: the handover is prepared, the radio of the lab moves the node, and here you see
    what the node really received. A lab that is up is used and stays up; else one is built, and taken down at the end.
    """
    domain = load_domain(topology)
    choose_cast(domain)
    check_requirements()
    settings = ViewSettings(topology=topology, rate_pps=rate_pps, size=size, gap_ms=gap_ms)
    console = Console(soft_wrap=True, highlight=False)

    def told(moved: Moved) -> None:
        console.print(moved_line(moved), markup=False)

    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        with progress("castover view") as say:
            found = stack.enter_context(scene(domain, settings, say, told))
        _invite(found, console)
        _look_on(found, console)


def _invite(found: Scene, console: Console) -> None:
    console.print(f"\n  open [bold]{found.url}/[/] and drag {found.names[0]} to another MAG\n")
    # Who works on a server has the browser elsewhere.
    address = urlsplit(found.url)
    console.print(
        f"  from another machine: ssh -L {address.port}:{address.netloc} {socket.gethostname()}, "
        "then open the same address there", markup=False,
    )
    console.print(f"  look inside: {typed('lab', 'status')}    end: Ctrl-C\n", markup=False)


class Onlooker:
    """Looks again and again, and says when something goes wrong, and when it is well again."""

    def __init__(self, found: Scene, console: Console) -> None:
        self._found, self._console = found, console
        self._trouble = ""

    def look(self) -> str:
        """What has arrived at whom. Raises LabError when the scene is at its end."""
        trouble = self._found.trouble()
        if trouble != self._trouble:
            said = trouble or "the controller is there again"
            self._console.print(f"{time.strftime('%H:%M:%S')}  {said}", style="red" if trouble else "", markup=False)
        self._trouble = trouble
        return counts(self._found.received())


def _look_on(found: Scene, console: Console) -> None:
    onlooker = Onlooker(found, console)
    if not console.is_terminal:
        while True:
            console.print(onlooker.look(), markup=False)
            _wait(onlooker, _LINES_S)
    with console.status(onlooker.look()) as status:
        while True:
            time.sleep(_LOOK_S)
            status.update(onlooker.look())


def _wait(onlooker: Onlooker, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(_LOOK_S)
        onlooker.look()


def counts(received: dict[str, SinkStatus]) -> str:
    """What has arrived at whom."""
    return "   ".join(
        f"{name}: {status.received:,} received, {status.missing} lost, {status.duplicated} twice, "
        f"{status.reordered} out of order"
        for name, status in received.items()
    )

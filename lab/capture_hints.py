# SPDX-License-Identifier: Apache-2.0
"""How to open the captures that a demo has kept: Wireshark with the dissector, and tshark for who has no screen."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.capture import TRANSPORT_CAPTURE

DISSECTOR = Path(__file__).resolve().parents[1] / "docs" / "wireshark" / "castover.lua"
SIGNALLING = "pfmip6 || mipv6"
"""Display filter: HI, HAck, PBU, PBA (docs/how-to/read-a-capture.md has more of them)."""


def capture_folder(captures: Path, dialect: str, mode: str) -> Path:
    """Where one run's captures are."""
    return captures / f"{dialect}-{mode}"


def capture_hints(captures: Path, runs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lines about the captures of these runs, (dialect, mode) each; the first run is the one that is shown."""
    folders = [capture_folder(captures, dialect, mode) for dialect, mode in runs]
    if not folders:
        return
    shown = folders[0] / TRANSPORT_CAPTURE
    yield "every packet of it: " + ", ".join(f"{folder}/*.pcap" for folder in folders)
    read = ["-X", f"lua_script:{_short(DISSECTOR)}", "-r", str(shown)]
    yield f"  {shlex.join(['wireshark', *read])}"
    yield f"  {shlex.join(['tshark', *read, '-Y', SIGNALLING])}"


def _short(path: Path) -> str:
    """As seen from here where that is below, as a reader would type it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative

# SPDX-License-Identifier: Apache-2.0
"""Packet captures of a running lab: the transport network (signalling and both kinds of tunnels), the access links, and
the links of sources.

Captures are processes of the lab (they end with it) and write every packet through at once.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.network import Lab
from lab.plan import RADIO_BRIDGE, SOURCE_PORT, TRANSPORT_NODE
from lab.processes import LabProcess, stop_processes
from lab.requirements import tool_search_path
from lab.transport import TRANSPORT_NETWORK

TRANSPORT_CAPTURE = "transport.pcap"
"""Everything between LMA and MAGs: signalling, and both kinds of tunnels."""
_START_TIMEOUT_S = 10.0
_POLL_S = 0.01
_KERNEL_BUFFER_KIB = 16 * 1024
_SNAPSHOT_OCTETS = 2048
"""More than any frame of the lab."""
_DROPPED = re.compile(r"(\d+) packets? dropped by kernel")
_CAPTURED = re.compile(r"(\d+) packets? captured")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One tcpdump that runs."""

    file: Path
    process: LabProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureResult:
    """What one tcpdump said when it ended; None where it did not say it (it was killed)."""

    file: Path
    packets: int | None
    dropped: int | None
    """Packets that the kernel had no room for: not zero means that counts from this file are too small."""


def check_capture_tools() -> None:
    """Raise LabError when tcpdump is not installed."""
    if shutil.which("tcpdump", path=tool_search_path()) is None:
        raise LabError("not installed: tcpdump", "apt-get install tcpdump")


def start_captures(
    lab: Lab, folder: Path, mobile_nodes: Iterable[str] = (), check: Callable[[], None] = lambda: None,
    *, sources: Iterable[str] = (),
) -> list[Capture]:
    """Capture the transport network into transport.pcap, each named mobile node's wlan0 and source's link into NAME.pcap.

    Returns when every one of them takes packets. Raises LabError. `check` is called while waiting and may raise.
    """
    check_capture_tools()
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(TRANSPORT_NODE, TRANSPORT_NETWORK, TRANSPORT_CAPTURE)]
    # wlan0 and not the veth to a MAG: it stays up while the node moves.
    wanted += [(name, RADIO_BRIDGE, f"{name}.pcap") for name in mobile_nodes]
    wanted += [(name, SOURCE_PORT, f"{name}.pcap") for name in sources]
    captures = [_start(lab, node, interface, (folder / file).resolve()) for node, interface, file in wanted]
    deadline = time.monotonic() + _START_TIMEOUT_S
    for capture in captures:
        while "listening on" not in (said := _said(capture)):
            check()
            if not capture.process.alive or time.monotonic() > deadline:
                raise LabError(f"tcpdump on {capture.process.node} does not capture: {said.strip() or 'no word'}")
            time.sleep(_POLL_S)
    return captures


def stop_captures(lab: Lab, captures: Iterable[Capture]) -> list[CaptureResult]:
    """End them and wait until the files are whole."""
    results = []
    for capture in captures:
        stop_processes(lab.domain.name, [capture.process])
        said = _said(capture)
        packets, dropped = _CAPTURED.findall(said), _DROPPED.findall(said)
        results.append(CaptureResult(
            file=capture.file, packets=int(packets[-1]) if packets else None,
            dropped=int(dropped[-1]) if dropped else None,
        ))
    return results


def _start(lab: Lab, node: str, interface: str, file: Path) -> Capture:
    file.unlink(missing_ok=True)
    name = f"tcpdump-{interface}"
    log = lab.folder / node / "log" / f"{name}.log"
    log.unlink(missing_ok=True)  # the words of an earlier capture would pass for this one's
    # Immediate mode and -U: a packet is in the file when it has passed; else the last fraction of a second is lost when
    # tcpdump ends. -s: in this mode each packet takes its greatest size in the buffer. -Z root: the folder is ours.
    process = lab.start_process(node, [
        "tcpdump", "-n", "-U", "--immediate-mode", "-s", str(_SNAPSHOT_OCTETS), "-B", str(_KERNEL_BUFFER_KIB),
        "-Z", "root", "-i", interface, "-w", str(file),
    ], name=name)
    return Capture(file=file, process=process)


def _said(capture: Capture) -> str:
    try:
        return Path(capture.process.log).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""

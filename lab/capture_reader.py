# SPDX-License-Identifier: Apache-2.0
"""Captures read through tshark: which tunnel carried how much, and which Mobility Header messages were spoken."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

from lab.errors import LabError
from lab.requirements import tool_search_path

_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelFlow:
    """One direction of one GRE tunnel, and one inner destination (a group, mostly)."""

    source: IPv6Address
    destination: IPv6Address
    key: int | None
    inner_destination: IPv6Address | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MobilityHeaderSeen:
    """One Mobility Header message on the transport network."""

    time_s: float
    """Since 1970."""
    source: IPv6Address
    destination: IPv6Address
    message_type: int
    """MH type; southbound.codec.iana.MobilityHeaderType names it."""


DISSECTOR = Path(__file__).parents[1] / "docs" / "wireshark" / "castover.lua"
"""Shows what tshark's own Mobile IPv6 dissector does not know."""


def read_fields(
    file: Path, display_filter: str, fields: Sequence[str], *, dissector: Path | None = None
) -> list[list[str]]:
    """`tshark -T fields`: a row for each matching packet, several values of one field separated by commas.

    `dissector` is a Lua script to load first. Raises LabError when tshark is missing, refuses the filter or cannot read
    the file.
    """
    if shutil.which("tshark", path=tool_search_path()) is None:
        raise LabError("not installed: tshark", "apt-get install tshark")
    command = ["tshark", "-n", "-r", str(file), "-Y", display_filter, "-T", "fields", "-E", "separator=/t"]
    if dissector is not None:
        command += ["-X", f"lua_script:{dissector}"]
    for field in fields:
        command += ["-e", field]
    try:
        # File capabilities or a home directory do not matter for reading; its own warnings about root do not either.
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"tshark takes longer than {_TIMEOUT_S:.0f} s for {file}") from error
    if done.returncode != 0:
        reason = [line for line in done.stderr.splitlines() if "Running as user" not in line]
        raise LabError(f"tshark cannot read {file}: {' '.join(reason) or done.returncode}")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [row + [""] * (len(fields) - len(row)) for row in rows]


def tunnel_packets(file: Path) -> Counter[TunnelFlow]:
    """How many packets each GRE tunnel carried to each inner destination."""
    counted: Counter[TunnelFlow] = Counter()
    for sources, destinations, key in read_fields(file, "gre", ["ipv6.src", "ipv6.dst", "gre.key"]):
        outer, _, inner = destinations.partition(",")
        counted[TunnelFlow(
            source=IPv6Address(sources.partition(",")[0]), destination=IPv6Address(outer),
            key=int(key, 16) if key else None,
            inner_destination=IPv6Address(inner.partition(",")[0]) if inner else None,
        )] += 1
    return counted


def mobility_headers(file: Path) -> list[MobilityHeaderSeen]:
    """Every Mobility Header message, in the order of the file."""
    rows = read_fields(file, "mipv6", ["frame.time_epoch", "ipv6.src", "ipv6.dst", "mip6.mhtype"])
    return [
        MobilityHeaderSeen(
            time_s=float(time), source=IPv6Address(source), destination=IPv6Address(destination),
            message_type=int(message_type, 0),
        )
        for time, source, destination, message_type in rows
    ]

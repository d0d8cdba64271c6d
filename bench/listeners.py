# SPDX-License-Identifier: Apache-2.0
"""Who listens: to a group or to one source of it, and what its host says after a move.

How a host is kept silent: an nftables rule in its own namespace drops Multicast Listener Reports on their way out.
The host's state, its sockets and its link are untouched, and no switch or bridge sees a difference but the silence.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address

from lab.errors import LabError
from lab.namespaces import run_inside
from lab.requirements import tool_search_path

FLAP, SILENT, MUTE = "flap", "silent", "mute"
REPORTS = {
    FLAP: "its link flaps, the kernel reports what it reports of its own accord",
    SILENT: "it reports nothing of its own accord, and answers queries",
    MUTE: "it sends no report at all, not even to a query",
}
"""What the mobile node's host says after a move."""

_TABLE = "castover_bench"
# Record types 3 to 6 of RFC 3810 section 5.2.12 are changes that a host reports unasked, 1 and 2 answer a query. The
# first record's type stands 8 octets into the ICMPv6 message; Linux does not mix both kinds in one message.
_DROPPED = {
    SILENT: ("icmpv6 type 143 @th,64,8 { 3, 4, 5, 6 } counter drop",),
    MUTE: ("icmpv6 type { 131, 132, 143 } counter drop",),
}
_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What the mobile node listens to."""

    name: str
    """'asm' (any source) or 'ssm' (one source)."""
    group: IPv6Address
    source_specific: bool


LISTENERS = {
    "asm": Listener(name="asm", group=IPv6Address("ff1e::101"), source_specific=False),
    "ssm": Listener(name="ssm", group=IPv6Address("ff3e::8000:1"), source_specific=True),
}


def check_silencing_tools() -> None:
    """Raise LabError when nft is not installed."""
    if shutil.which("nft", path=tool_search_path()) is None:
        raise LabError("not installed: nft", "apt-get install nftables")


@contextmanager
def reporting(namespace: str, reports: str) -> Iterator[None]:
    """Inside, the host in this namespace reports as wanted. Raises LabError."""
    rules = _DROPPED.get(reports, ())
    if not rules:
        yield
        return
    chain = "type filter hook output priority 0; policy accept;"
    _nft(namespace, f"table ip6 {_TABLE} {{\n chain output {{\n  {chain}\n  {chr(10).join(rules)}\n }}\n}}\n")
    try:
        yield
    finally:
        _nft(namespace, f"delete table ip6 {_TABLE}\n")


def _nft(namespace: str, script: str) -> None:
    path = shutil.which("nft", path=tool_search_path()) or "nft"
    done = run_inside(namespace, lambda: subprocess.run(
        [path, "-f", "-"], input=script, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
    ))
    if done.returncode != 0:
        raise LabError(f"nft in {namespace}: {' '.join(done.stderr.split())}", "is nftables in this kernel?")

# SPDX-License-Identifier: Apache-2.0
"""How often each packet of the stream went through each tunnel, from a capture of the transport network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lab.capture_reader import read_fields
from lab.stream_format import PAYLOAD_HEADER

_FIELDS = ("ipv6.src", "ipv6.dst", "udp.payload")


def count_copies(transport: Path, group: str) -> dict[str, Any]:
    """Through tshark. Raises LabError."""
    return copies_of(read_fields(transport, f"gre && ipv6.dst == {group}", _FIELDS))


def copies_of(rows: Iterable[Sequence[str]]) -> dict[str, Any]:
    """From rows (sources, destinations, payload in hex): `packets`, how many different ones went through a tunnel, each
    counted once a tunnel; `most`, how often one of them did at most; `repeated`, how many did more than once. Pure.
    """
    counted: Counter[tuple[str, str, int]] = Counter()
    for sources, destinations, payload in rows:
        octets = bytes.fromhex(payload.replace(":", ""))
        if len(octets) >= PAYLOAD_HEADER.size:
            sequence = PAYLOAD_HEADER.unpack_from(octets)[0]
            counted[sources.partition(",")[0], destinations.partition(",")[0], sequence] += 1
    return {
        "packets": len(counted), "most": max(counted.values(), default=0),
        "repeated": sum(count > 1 for count in counted.values()),
    }

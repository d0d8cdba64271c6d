# SPDX-License-Identifier: Apache-2.0
"""How a frame on the handover-buffer port tells the agent which path it came by.

A MAG switch hands buffered packets to its agent as Ethernet frames. The source MAC carries the path: index 0 is the
native path (LMA tunnel), index n is the inter-MAG tunnel from the MAG with that `topology.model.Mag.index`,
`relay_path` what the agent of that MAG relays for one MN, and UPLINK_PATH what an MN here sends, which only waits at the
port. Locally administered, never seen outside the MAG node.
"""

from __future__ import annotations

NATIVE_PATH = 0
UPLINK_PATH = 0x0FFF
"""Above every Mag.index, below every relay path."""
_MAGS_MAX = 64
_FIRST_RELAY_PATH = 0x1000
_PREFIX = bytes.fromhex("02ca5700")


def relay_path(mag_index: int, place: int) -> int:
    """The index of what this MAG's agent relays for the MN with this place in topology.yaml; above every Mag.index."""
    return _FIRST_RELAY_PATH + place * _MAGS_MAX + mag_index - 1


def path_mac(index: int) -> bytes:
    """The six octets that mark the path with this index (0..65535)."""
    if not 0 <= index <= 0xFFFF:
        raise ValueError(f"path index {index} is not in 0..65535")
    return _PREFIX + index.to_bytes(2, "big")


def path_index(mac: bytes) -> int | None:
    """The path index of a source MAC, or None when it is not a path mark."""
    return int.from_bytes(mac[4:6], "big") if len(mac) == 6 and mac[:4] == _PREFIX else None

# SPDX-License-Identifier: Apache-2.0
"""How a frame on the handover-buffer port tells the agent which path it came by.

A MAG switch hands buffered packets to its agent as Ethernet frames. The source MAC carries the path: index 0 is the
native path (LMA tunnel), index n is the inter-MAG tunnel from the MAG with that `topology.model.Mag.index`,
`relay_path` what the agent of that MAG relays for one MN, and UPLINK_PATH what an MN here sends, which only waits at the
port. `native_path` is the copy of the native path that is for one MN: as long as the switch makes it, it does not deliver
to that MN itself, so for whom a packet is stands in the packet. Locally administered, never seen outside the MAG node.
"""

from __future__ import annotations

NATIVE_PATH = 0
UPLINK_PATH = 0x0FFF
"""Above every Mag.index, below every relay path."""
_MAGS_MAX = 64
_FIRST_RELAY_PATH = 0x1000
_FIRST_NATIVE_PATH = 0x1_0000
_INDEX_MAX = 0x1_FFFF
_PREFIX = bytes.fromhex("02ca57")


def relay_path(mag_index: int, place: int) -> int:
    """The index of what this MAG's agent relays for the MN with this place in topology.yaml; above every Mag.index."""
    return _FIRST_RELAY_PATH + place * _MAGS_MAX + mag_index - 1


def native_path(place: int) -> int:
    """The index of the native copy for the MN with this place in topology.yaml; above every `relay_path`."""
    return _FIRST_NATIVE_PATH + place


def is_native(index: int) -> bool:
    """Whether what has this index came by the LMA's tunnel."""
    return index == NATIVE_PATH or index >= _FIRST_NATIVE_PATH


def native_place(index: int) -> int | None:
    """The place of the MN that this native copy is for; None: for nobody in particular, or it is no native one."""
    return index - _FIRST_NATIVE_PATH if index >= _FIRST_NATIVE_PATH else None


def path_mac(index: int) -> bytes:
    """The six octets that mark the path with this index (0..131071)."""
    if not 0 <= index <= _INDEX_MAX:
        raise ValueError(f"path index {index} is not in 0..{_INDEX_MAX}")
    return _PREFIX + index.to_bytes(3, "big")


def path_index(mac: bytes) -> int | None:
    """The path index of a source MAC, or None when it is not a path mark."""
    index = int.from_bytes(mac[3:6], "big")
    return index if len(mac) == 6 and mac[:3] == _PREFIX and index <= _INDEX_MAX else None

# SPDX-License-Identifier: Apache-2.0
"""Paths through a switch that have no path mark, because nothing of them goes to a handover buffer."""

from __future__ import annotations

MAG_TUNNELS_PATH = 1
"""Index of `intents.MagTunnels` among the paths of the LMA, which has no tunnel from a peer."""
CORRESPONDENTS_PATH = 2
"""Index of `intents.Correspondents`, likewise."""
TO_LMA_PATH = 0xFFFF_FFFF
"""At a MAG, what MNs on its access links send to the LMA; above every path of `southbound.path_mark`."""


def metadata_of(path: int) -> int:
    """One more than the index, because 0 is what metadata holds when nobody has written it."""
    return path + 1

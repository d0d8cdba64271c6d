# SPDX-License-Identifier: Apache-2.0
"""Paths through a switch: by which a packet has come in, as the tables behind the first know it.

Those of `southbound.path_mark`, and some that have no mark, because nothing of them goes to a handover buffer.
"""

from __future__ import annotations

from southbound.openflow.intents import Correspondents, Ingress, MagTunnels, PeerTunnel
from southbound.path_mark import NATIVE_PATH

MAG_TUNNELS_PATH = 1
"""Index of `intents.MagTunnels` among the paths of the LMA, which has no tunnel from a peer."""
CORRESPONDENTS_PATH = 2
"""Index of `intents.Correspondents`, likewise."""
TO_LMA_PATH = 0xFFFF_FFFF
"""At a MAG, what MNs on its access links send to the LMA; above every path of `southbound.path_mark`."""


def metadata_of(path: int) -> int:
    """One more than the index, because 0 is what metadata holds when nobody has written it."""
    return path + 1


def path_of(ingress: Ingress) -> int:
    """Index of the path."""
    match ingress:
        case PeerTunnel(path_index=index):
            return index
        case MagTunnels():
            return MAG_TUNNELS_PATH
        case Correspondents():
            return CORRESPONDENTS_PATH
    return NATIVE_PATH

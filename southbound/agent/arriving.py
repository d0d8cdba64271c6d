# SPDX-License-Identifier: Apache-2.0
"""What the n-MAG keeps of one MN that is on its way here, or has come and is not served by the switch alone yet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from southbound.agent import handover_messages
from southbound.codec.handover import HandoverInitiate
from southbound.mld.membership import GroupMembership
from topology.model import Mag, MobileNode


class NewState(Enum):
    """Where the n-MAG stands with one MN that is coming."""

    PREPARING = "preparing"
    """Context taken, the switch has not confirmed the way to the buffer yet."""
    FORWARDING_REQUESTED = "forwarding_requested"
    FORWARDING = "forwarding"
    """The p-MAG clones: what comes is kept."""
    JOINED = "joined"
    """Join: the LMA sends the groups here already."""
    ALONE = "alone"
    """No forwarding is to be had; the context still serves at attachment."""


@dataclass(slots=True, kw_only=True)
class Arriving:
    """One MN that is expected, or has arrived and is not yet served by the switch alone."""

    handover_id: str
    profile: MobileNode
    peer: Mag
    memberships: tuple[GroupMembership, ...]
    state: NewState
    deadline: float
    """Context lifetime before the MN is here, forwarding lifetime after."""
    arrived: bool = False
    bound: bool = False
    direct_requested: bool = False
    ask_again_at: float | None = None
    """When the switch is asked once more to deliver alone; None: it need not be."""
    completed: bool = False
    """The completion HI has come."""
    join: bool = False
    """Nothing is forwarded and nothing kept: the groups are joined ahead of the MN."""


def is_of(arriving: Arriving, peer: Mag, message: HandoverInitiate) -> bool:
    """Whether a HI of this peer speaks of this handover; a peer of another make gives it no id."""
    return arriving.peer == peer and handover_messages.handover_id_of(message) in (None, "", arriving.handover_id)

# SPDX-License-Identifier: Apache-2.0
"""What the n-MAG keeps of one MN that is on its way here, or has come and is not served by the switch alone yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from southbound.agent.events import LastDeliveredDigests
from southbound.codec.accessors import handover_id as handover_id_of
from southbound.codec.handover import HandoverInitiate
from southbound.mld.membership import GroupMembership
from topology.model import Mag, MobileNode


class NewState(Enum):
    """Where the n-MAG stands with one MN that is coming."""

    UNBUFFERED = "unbuffered"
    """Context taken without a buffer: the packets are asked for when the MN is here."""
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
    mode: str = "predictive"
    """As the controller is told: 'predictive', 'join' or 'reactive'."""
    relayed: bool = False
    """The p-MAG's agent sends the packets, under the MN's own key."""
    word: LastDeliveredDigests = field(default_factory=dict)
    """The p-MAG's word on the last packets, as far as it has come."""
    word_whole: bool = False
    """Whether its last part has come."""
    uplink_waits: bool = False
    """What the MN sends waits, once it is bound, behind what has gone by the p-MAG."""
    prepared: bool = False
    """The switch takes the tunnel to the buffer."""
    asked_in_vain: bool = False
    """The controller went away with our question; it is asked again when it is back."""
    arrived: bool = False
    gone: bool = False
    """The MN has left again, and what the buffer delivers is relayed to where it went."""
    held_back: bool = False
    """The MN is on its way on, out of our buffer: the switch must not take over."""
    bound: bool = False
    joined: bool = False
    """The native stream alone suffices."""
    direct_requested: bool = False
    direct: bool = False
    """The switch delivers alone."""
    ask_again_at: float | None = None
    """When the switch is asked once more to deliver alone; None: it need not be."""
    completed: bool = False
    """The p-MAG is through with it: the completion HI has come, or we have sent it."""

    @property
    def joins(self) -> bool:
        """Nothing is forwarded and nothing kept: the groups are joined ahead of the MN."""
        return self.mode == "join"

    @property
    def holds(self) -> str:
        """What our switch has been made to do for it, in the words of `handover.running`."""
        if not self.prepared:
            return ""
        return "joined" if self.joins else "delivered" if self.direct else "prepared"

    @property
    def awaited(self) -> bool:
        """Whether the MN is yet to come."""
        return not self.arrived


def is_of(arriving: Arriving, peer: Mag, message: HandoverInitiate) -> bool:
    """Whether a HI of this peer speaks of this handover; a peer of another make gives it no id."""
    return arriving.peer == peer and handover_id_of(message) in (None, "", arriving.handover_id)

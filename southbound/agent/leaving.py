# SPDX-License-Identifier: Apache-2.0
"""What the p-MAG keeps of one MN that is on its way to another MAG."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from southbound.codec.accessors import handover_id as handover_id_of
from southbound.codec.addresses import IpAddress
from southbound.codec.handover import HandoverInitiate
from southbound.codec.records import Version
from southbound.mld.membership import GroupMembership
from topology.model import Mag, MobileNode


class PreviousState(Enum):
    """Where the p-MAG stands with one MN that is leaving."""

    INITIATED = "initiated"
    """HI sent, no HAck yet."""
    CONTEXT_TRANSFERRED = "context_transferred"
    CLONING = "cloning"
    """HI(F) received, the switch has not confirmed yet."""
    FORWARDING = "forwarding"
    COMPLETING = "completing"
    """Completion HI sent, no HAck yet."""


class Source(Enum):
    """Where the packets for the n-MAG come from."""

    SWITCH = "switch"
    """It clones them."""
    STORE = "store"
    """What has come natively since the MN left, and comes still: kept here, and relayed when it is asked for."""
    DELIVERIES = "deliveries"
    """Our own handover buffer: the MN goes on before the stream was the switch's alone here. Relayed as it would be
    delivered: in order and each packet once, whatever paths it takes here."""


class Ending(Enum):
    """How the exchange of step 11 shall be told to the controller."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(slots=True, kw_only=True)
class Leaving:
    """One MN that is on its way to another MAG."""

    handover_id: str
    profile: MobileNode
    port: str
    peer: Mag
    memberships: tuple[GroupMembership, ...]
    older: frozenset[Version] = frozenset()
    """Families of them whose listener speaks an older version."""
    state: PreviousState
    deadline: float
    """Forwarding lifetime: whatever happens, it ends then."""
    source: Source = Source.SWITCH
    fed_by: str = ""
    """DELIVERIES: id of the handover that brought the MN here."""
    refused: frozenset[IpAddress] = frozenset()
    """Groups that the n-MAG will not take; they are not forwarded (RFC 7411 section 4.2.2)."""
    detached: bool = False
    watching: bool = False
    """What the MN is sent is watched, for the word on the last packets."""
    part: int = 0
    """INITIATED: of the context, the part that was sent last."""
    request: HandoverInitiate | None = None
    """The HI(F) that waits for the clone."""
    asked_in_vain: bool = False
    """The controller went away with our question; it is asked again when it is back."""
    ending: Ending = Ending.COMPLETED
    join: bool = False
    """The n-MAG joins at the LMA instead of having the packets forwarded."""
    buffered_there: bool = True
    """The n-MAG keeps what comes for the MN (U); else it is kept here once the MN has left."""

    @property
    def relays(self) -> bool:
        """Whether the agent sends the packets itself."""
        return self.source is not Source.SWITCH

    @property
    def clones(self) -> bool:
        """Whether the controller holds rules for what is forwarded."""
        return self.state is PreviousState.FORWARDING and self.source is not Source.STORE

    @property
    def accepted(self) -> tuple[GroupMembership, ...]:
        """What the n-MAG takes."""
        return tuple(membership for membership in self.memberships if membership.group not in self.refused)


def is_of(leaving: Leaving, peer: Mag, message: HandoverInitiate) -> bool:
    """Whether a HI of this peer speaks of this handover; a peer of another make gives it no id."""
    return leaving.peer == peer and handover_id_of(message) in (None, "", leaving.handover_id)

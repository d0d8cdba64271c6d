# SPDX-License-Identifier: Apache-2.0
"""What the p-MAG keeps of one MN that is on its way to another MAG."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address

from southbound.agent import handover_messages
from southbound.codec.handover import HandoverInitiate
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
    state: PreviousState
    deadline: float
    """Forwarding lifetime: whatever happens, it ends then."""
    refused: frozenset[IPv6Address] = frozenset()
    """Groups that the n-MAG will not take; they are not forwarded (RFC 7411 section 4.2.2)."""
    detached: bool = False
    request: HandoverInitiate | None = None
    """The HI(F) that waits for the clone."""
    ending: Ending = Ending.COMPLETED
    join: bool = False
    """The n-MAG joins at the LMA instead of having the packets forwarded."""
    retained: bool = False
    """Reactive: the MN was gone before it was asked for, and its packets are kept here."""


def is_of(leaving: Leaving, peer: Mag, message: HandoverInitiate) -> bool:
    """Whether a HI of this peer speaks of this handover; a peer of another make gives it no id."""
    return leaving.peer == peer and handover_messages.handover_id_of(message) in (None, "", leaving.handover_id)

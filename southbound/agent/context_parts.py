# SPDX-License-Identifier: Apache-2.0
"""Contexts that do not fit one HandoverInitiate: sent and gathered part by part (RFC 7411 section 5.5). Pure.

Each part is a HandoverInitiate with one option 60 (of a dual-stack MN with one of each family, where both fit), and
acknowledged. That more follows is Code 0 where the last one has Code 3 (RFC 5949 section 6.1.1); the draft dialect has
no such Code, so a Castover agent says it in its mode option, too. The last part is the context; what came before it is
added to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from southbound.agent.context import MagContext
from southbound.codec.accessors import find_option, find_options
from southbound.codec.castover_options import HandoverMode
from southbound.codec.handover import Dialect, HandoverInitiate
from southbound.codec.iana import HandoverInitiateCode, HandoverModeCode
from southbound.codec.multicast_options import RECORDS_MAX, SOURCES_MAX
from southbound.codec.options import MulticastMobility
from southbound.mld.context_options import SOURCES_MAX_IN_OCTETS, StateRoom, context_messages
from southbound.mld.membership import GroupMembership
from topology.model import Mag, MobileNode

PARTS_MAX = RECORDS_MAX * -(-SOURCES_MAX // SOURCES_MAX_IN_OCTETS)
"""Of one context: as many groups as an MN may have, with as many sources, in options whose Length counts octets."""
GATHERED_FOR_S = 0.3
"""Without the last part what there is counts: some peers may not know that Code 3 is to end it."""


def count_parts(memberships: tuple[GroupMembership, ...], room: StateRoom) -> int:
    """How many messages the context takes, with so much room in each."""
    return max(len(context_messages(memberships, room)), 1)


def more_follows(message: HandoverInitiate) -> bool:
    """Whether this context is a part, and not the last one: Code 0 where Code 3 ends it, or our own word for it."""
    option = find_option(message, HandoverMode)
    if option is not None and option.mode == HandoverModeCode.MORE_FOLLOWS:
        return True
    coded = message.dialect is Dialect.RFC and message.code == HandoverInitiateCode.DEFAULT
    return coded and find_option(message, MulticastMobility) is not None and not message.forward


@dataclass(slots=True, kw_only=True)
class Gathered:
    """The parts of one MN's context so far."""

    profile: MobileNode
    peer: Mag
    handover_id: str
    last: HandoverInitiate
    states: tuple[MulticastMobility, ...]
    deadline: float

    def whole(self, last: HandoverInitiate) -> HandoverInitiate:
        """The context: the last part, with what came before it."""
        own = {id(option) for option in find_options(last, MulticastMobility)}
        earlier = tuple(option for option in self.states if id(option) not in own)
        return replace(last, options=(*last.options, *earlier))


class ContextParts:
    """By MN-ID; of each MN those of one peer."""

    def __init__(self, context: MagContext) -> None:
        self._context = context
        self._gathered: dict[str, Gathered] = {}

    def gather(
        self, profile: MobileNode, peer: Mag, message: HandoverInitiate, handover_id: str, now: float
    ) -> bool:
        """Keep it when more follows; whether it does."""
        if not more_follows(message):
            return False
        present = self._gathered.get(profile.id)
        earlier = present.states if present is not None and present.peer == peer else ()
        if len(earlier) >= PARTS_MAX:
            self._context.counters["context_beyond_parts"] += 1
            return False
        self._gathered[profile.id] = Gathered(
            profile=profile, peer=peer, handover_id=handover_id, last=message,
            states=(*earlier, *find_options(message, MulticastMobility)), deadline=now + GATHERED_FOR_S,
        )
        return True

    def complete(self, profile: MobileNode, peer: Mag, message: HandoverInitiate) -> HandoverInitiate:
        """The context that this last part ends; most have no other."""
        present = self._gathered.pop(profile.id, None)
        return present.whole(message) if present is not None and present.peer == peer else message

    def forget(self, mn_id: str, peer: Mag | None = None) -> None:
        """The peer has called it off, or we have."""
        present = self._gathered.get(mn_id)
        if present is not None and peer in (None, present.peer):
            del self._gathered[mn_id]

    def next_deadline(self) -> float | None:
        """When `due` has something."""
        return min((gathered.deadline for gathered in self._gathered.values()), default=None)

    def due(self, now: float) -> list[Gathered]:
        """Contexts whose last part has not come in time."""
        late = [gathered for gathered in self._gathered.values() if gathered.deadline <= now]
        for gathered in late:
            del self._gathered[gathered.profile.id]
            self._context.counters["context_last_part_missing"] += 1
        return late

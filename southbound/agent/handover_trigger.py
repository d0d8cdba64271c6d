# SPDX-License-Identifier: Apache-2.0
"""Step 1, HO-Initiate: the controller or the mobile node itself wants a handover, and gets it or the reason why not."""

from __future__ import annotations

from southbound.agent.access import AccessLinks
from southbound.agent.commands import PACKET_DROPPED, Command, RecordFact
from southbound.agent.context import MagContext
from southbound.agent.handovers import Handovers
from southbound.codec.accessors import mn_id as mn_id_of
from southbound.codec.accessors import new_mag_id
from southbound.codec.handover import HandoverIndication
from topology.model import MobileNode

_NOT_OF_THIS_MOBILE_NODE = "handover_indication_not_of_this_mobile_node"


class HandoverTrigger:
    """Both triggers, of one MAG."""

    def __init__(self, context: MagContext, links: AccessLinks, handovers: Handovers) -> None:
        self._context, self._links, self._handovers = context, links, handovers

    def start(
        self, profile: MobileNode, new_mag: str, handover_id: str, now: float, trigger: str, *, join: bool = False
    ) -> tuple[str | None, list[Command]]:
        """The reason why not, or the commands. `trigger` says in the story who wanted it."""
        context = self._context
        peer = context.domain.mag(new_mag)
        if peer is None:
            return f"new_mag: no MAG {new_mag!r} in this domain", []
        if peer == context.mag:
            return f"new_mag: {profile.id} is at {new_mag} already", []
        if not context.policy.may_register(profile.id, new_mag):
            return f"new_mag: {new_mag} may not register {profile.id}", []
        if not self._links.is_attached(profile.id):
            return f"mn_id: {profile.id} is not attached to {context.mag.id}", []
        if self._handovers.previous.awaits_departure(profile.id, peer):
            return f"mn_id: a handover of {profile.id} to {new_mag} is under way", []
        memberships = self._links.memberships(profile.id) if context.speaks_multicast(peer) else ()
        older = self._links.older(profile.id)
        commands = self._handovers.previous.start(
            profile, peer, memberships, handover_id, now, trigger, join=join, older=older
        )
        return None, commands

    def indicated(self, profile: MobileNode, indication: HandoverIndication, now: float) -> list[Command]:
        """Step 1 from the MN itself: MN-ID and n-MAG id (the draft's section 4)."""
        target = new_mag_id(indication)
        if mn_id_of(indication) != profile.id or target is None:
            self._context.counters[_NOT_OF_THIS_MOBILE_NODE] += 1
            return [RecordFact(name=PACKET_DROPPED, fields={"reason": _NOT_OF_THIS_MOBILE_NODE})]
        error, commands = self.start(profile, target, self._context.new_handover_id(), now, "mobile node")
        if error is not None:
            self._context.counters["handover_indication_refused"] += 1
            fact = RecordFact(name="handover_refused", fields={"mn_id": profile.id, "new_mag": target, "reason": error})
            return [fact]
        return commands

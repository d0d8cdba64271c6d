# SPDX-License-Identifier: Apache-2.0
"""The beginning of a reactive handover (RFC 5949 section 4.1, Figure 3): the n-MAG asks, the p-MAG tells. Pure.

HI with F and a Context Request goes from the n-MAG to the p-MAG, which answers with the context and keeps the MN's
packets until the n-MAG's switch is ready for them, as a second HI(F) says. From there on the machines of the
predictive handover do the rest: `ContextIntake.follow` and `PreviousMag.adopt`.
"""

from __future__ import annotations

from dataclasses import dataclass

from southbound.agent import handover_acknowledge, handover_initiate
from southbound.agent.access import AccessLinks
from southbound.agent.commands import Command
from southbound.agent.context import MagContext
from southbound.agent.departed import DepartedContexts
from southbound.agent.handover_exchange import token
from southbound.agent.handovers import Handovers
from southbound.agent.multicast_state import memberships_of, older_of
from southbound.codec.accessors import home_network_prefixes
from southbound.codec.handover import HandoverAcknowledge, HandoverInitiate
from southbound.codec.iana import HandoverAcknowledgeCode
from southbound.mld.membership import GroupMembership
from topology.model import Mag, MobileNode


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactiveAnswer:
    """What the p-MAG has said of an MN that is here."""

    profile: MobileNode
    peer: Mag
    handover_id: str
    memberships: tuple[GroupMembership, ...]
    found: bool
    """It knows the MN."""
    forwards: bool
    """It has kept packets, and sends them when it is asked to (HI with F)."""
    asked_at: float


class Reactive:
    """Requests of this MAG for MNs that have come unannounced, and its answers about those that have gone so."""

    def __init__(
        self, context: MagContext, links: AccessLinks, handovers: Handovers, departed: DepartedContexts
    ) -> None:
        self._context, self._links, self._handovers, self._departed = context, links, handovers, departed
        self._asked: dict[str, tuple[str, Mag, float]] = {}
        """MN-ID -> (handover id, p-MAG, when)."""

    # --- the new MAG ----------------------------------------------------------------------------------------------

    def request(self, profile: MobileNode, peer: Mag, now: float) -> list[Command]:
        """Ask the p-MAG for context and packets."""
        handover_id = self._context.new_handover_id()
        self._asked[profile.id] = handover_id, peer, now
        return self._context.initiate(
            peer,
            profile.id,
            lambda dialect, sequence: handover_initiate.context_request(
                dialect, sequence, mn_id=profile.id, handover_id=handover_id,
                multicast=self._context.speaks_multicast(peer),
            ),
            token("reactive", profile.id, handover_id),
            now,
        )

    def acknowledged(self, mn_id: str, handover_id: str, message: HandoverAcknowledge) -> ReactiveAnswer | None:
        """The p-MAG's answer; None when it is for an attachment that is over."""
        asked, profile = self._asked.get(mn_id), self._context.policy.by_id(mn_id)
        if asked is None or asked[0] != handover_id or profile is None:
            return None
        del self._asked[mn_id]
        found = message.accepted or message.code == HandoverAcknowledgeCode.FORWARDING_NOT_AVAILABLE
        prefixes = home_network_prefixes(message)
        if found and prefixes and self._context.home_networks.may_have(profile, prefixes):
            self._context.home_networks.assign(mn_id, prefixes)
        memberships, passed_over = memberships_of(message)
        if passed_over:
            self._context.counters["context_records_ignored"] += passed_over
        self._links.expect(mn_id, older_of(message))
        return ReactiveAnswer(
            profile=profile, peer=asked[1], handover_id=handover_id, memberships=memberships if found else (),
            found=found, forwards=message.accepted and bool(memberships or self._context.home_networks.of(profile)),
            asked_at=asked[2],
        )

    def forget(self, mn_id: str) -> None:
        """Nothing runs for this MN any more."""
        self._asked.pop(mn_id, None)

    def gave_up(self, mn_id: str, handover_id: str) -> bool:
        """The p-MAG does not answer; whether that was for the present attachment."""
        asked = self._asked.get(mn_id)
        if asked is None or asked[0] != handover_id:
            return False
        del self._asked[mn_id]
        self._context.counters["reactive_unanswered"] += 1
        return True

    def told_off(self, answer: ReactiveAnswer, now: float) -> list[Command]:
        """The answer has come too late to be of use: the p-MAG need keep nothing."""
        self._context.counters["reactive_too_late"] += 1
        mn_id, handover_id = answer.profile.id, answer.handover_id
        return self._context.initiate(
            answer.peer,
            mn_id,
            lambda dialect, sequence: handover_initiate.completion(
                dialect, sequence, mn_id=mn_id, handover_id=handover_id
            ),
            token("ended", mn_id, handover_id),
            now,
        )

    # --- the previous MAG -----------------------------------------------------------------------------------------

    def requested(
        self, profile: MobileNode, peer: Mag, request: HandoverInitiate, handover_id: str, now: float
    ) -> list[Command]:
        """HI of the n-MAG: all context that there is (Code 6), or 131; 132 where only forwarding cannot be."""
        departed = self._departed.find(profile.id)
        leaving = next(iter(self._handovers.leaving.of(profile.id)), None)
        multicast = self._context.speaks_multicast(peer)
        if departed is not None and departed.retained and multicast:
            self._departed.take(profile.id)
            code = HandoverAcknowledgeCode.ALL_CONTEXT_TRANSFERRED
            answered = self._answer(profile, peer, request, code, departed.memberships, now)
            return [*answered, *self._handovers.previous.adopt(departed, peer, handover_id, now)]
        if departed is None and leaving is None and not self._links.is_attached(profile.id):
            code = HandoverAcknowledgeCode.REQUESTED_CONTEXT_NOT_AVAILABLE
            answer = handover_acknowledge.acknowledgement(request, code)
            return self._context.acknowledge(peer.address, profile.id, answer, now)
        known = departed if departed is not None else leaving
        memberships = known.memberships if known is not None else self._links.memberships(profile.id)
        # A peer without RFC 7411 gets neither groups nor their packets.
        memberships = memberships if multicast else ()
        code = HandoverAcknowledgeCode.FORWARDING_NOT_AVAILABLE
        return self._answer(profile, peer, request, code, memberships, now)

    def _answer(
        self,
        profile: MobileNode,
        peer: Mag,
        request: HandoverInitiate,
        code: HandoverAcknowledgeCode,
        memberships: tuple[GroupMembership, ...],
        now: float,
    ) -> list[Command]:
        prefixes, unit = self._context.home_networks.of(profile), self._context.option_length_unit(peer)
        self._context.count_left_out(memberships, handover_acknowledge.answer_room(request, prefixes, unit))
        answer = handover_acknowledge.context_acknowledgement(
            request, code, prefixes=prefixes,
            lma_address=self._context.domain.lma.address, link_layer_id=profile.link_layer_id, memberships=memberships,
            multicast=self._context.speaks_multicast(peer), older=self._links.older(profile.id),
            option_length_unit=unit,
        )
        return self._context.acknowledge(peer.address, profile.id, answer, now)

# SPDX-License-Identifier: Apache-2.0
"""Whether a HandoverInitiate may say what it says, and whether there is room for one more MN. Pure: nothing is changed.

RFC 5949 section 7 and RFC 7411 section 6: a peer that is authorised may still be wrong, or ask for too much.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from southbound.agent.arriving import Arriving
from southbound.agent.context import MagContext
from southbound.agent.multicast_state import memberships_of
from southbound.codec.accessors import home_network_prefixes, link_layer_id, lma_address
from southbound.codec.handover import HandoverInitiate
from southbound.codec.iana import HandoverAcknowledgeCode
from southbound.mld.membership import GroupMembership
from topology.model import Mag, MobileNode

BUFFER_ADMITS_BELOW = 0.9
"""Part of the handover buffer's total that may be taken when one more MN is let in: the rest is for those who are."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a HandoverInitiate is refused: `reason` is a name of ours, counted and logged."""

    code: HandoverAcknowledgeCode
    reason: str


def contradiction(context: MagContext, profile: MobileNode, message: HandoverInitiate) -> Refusal | None:
    """What the message says of the MN against the policy store; None when it fits. What it leaves out fits."""
    prohibited = HandoverAcknowledgeCode.ADMINISTRATIVELY_PROHIBITED
    if not context.home_networks.may_have(profile, home_network_prefixes(message)):
        return Refusal(prohibited, "handover_initiate_prefix_prohibited")
    named = link_layer_id(message)
    if named is not None and any(named) and named != profile.link_layer_id:
        # All zeros: the p-MAG does not know it (RFC 5949 section 4.1 (c)).
        return Refusal(prohibited, "handover_initiate_link_layer_id_prohibited")
    anchor = lma_address(message)
    if anchor is not None and anchor != context.domain.lma.address:
        # An LMA with which we have no tunnel: no question of permission.
        return Refusal(HandoverAcknowledgeCode.NOT_ACCEPTED, "handover_initiate_unknown_lma")
    return None


def shortage(
    context: MagContext, peer: Mag, arriving: Collection[Arriving], *, buffer: bool
) -> Refusal | None:
    """Which limit one more context of this peer would pass; `buffer`: its packets are to be kept here."""
    limits, lacking = context.domain.limits, HandoverAcknowledgeCode.INSUFFICIENT_RESOURCES
    if len(arriving) >= limits.handovers_at_once:
        return Refusal(lacking, "context_beyond_handovers_at_once")
    if sum(one.peer == peer for one in arriving) >= limits.contexts_per_peer:
        return Refusal(lacking, "context_beyond_contexts_per_peer")
    if buffer and context.held_bytes() >= BUFFER_ADMITS_BELOW * limits.buffer_bytes_total:
        return Refusal(lacking, "context_without_room_in_buffer")
    return None


def groups_of(
    context: MagContext, profile: MobileNode, request: HandoverInitiate
) -> tuple[tuple[GroupMembership, ...], tuple[GroupMembership, ...]]:
    """(accepted, refused) groups of a context: what the MN may not have here, or what are too many."""
    wanted, passed_over = memberships_of(request)
    if passed_over:
        context.counters["context_records_ignored"] += passed_over
    groups_max = context.domain.limits.groups_per_mobile_node
    allowed = tuple(m for m in wanted if context.policy.may_join(profile.id, m.group))[:groups_max]
    return allowed, tuple(membership for membership in wanted if membership not in allowed)

# SPDX-License-Identifier: Apache-2.0
"""Who may hand over whom: REST requests, and handovers that an agent speaks of first. Nothing is changed by a refusal."""

from __future__ import annotations

from controller import agent_calls
from controller.commands import (
    HandoverAccepted,
    HandoverRefused,
    RecordEvent,
)
from controller.events import HandoverRequested
from controller.handover import CANCELLABLE, Handover, HandoverState
from controller.multicast import Memberships
from controller.reaction import Reaction, facts_of
from controller.state import LmaState

HANDOVERS_PER_MOBILE_NODE = 8
"""Under way at once: those by which it has come, which may still feed the last, and those to where it may go next."""


def handover_requested(state: LmaState, event: HandoverRequested, now: float) -> Reaction:
    """Step 1 over REST: check, remember, tell the p-MAG."""
    refusal = _refusal(state, event.mn_id, event.new_mag)
    profile = state.policy.find(event.mn_id)
    if refusal is not None or profile is None:
        return Reaction([refusal or HandoverRefused(status=404, field="mn_id", reason="unknown mobile node")])
    previous = _present_mag(state, profile.id) or ""
    handover = new_handover(
        state, event.handover_id, profile.id, previous, event.new_mag, "rest", HandoverState.REQUESTED, now
    )
    handover.mode, handover.requested_at = event.mode, event.requested_at
    return Reaction(
        [
            HandoverAccepted(handover_id=event.handover_id),
            RecordEvent(name="handover_requested", fields=facts_of(handover)),
            agent_calls.start(handover),
        ]
    )


def cancel_requested(state: LmaState, handover_id: str) -> Reaction:
    """REST: cancel before the MN has been bound at the n-MAG."""
    handover = state.handovers.get(handover_id)
    if handover is None:
        return Reaction([HandoverRefused(status=404, field="handover_id", reason=f"no handover {handover_id}")])
    if handover.state not in CANCELLABLE or state.listeners.is_attached(handover.new_mag, handover.mn_id):
        reason = f"the handover is {handover.state.value}; only one whose mobile node has not arrived can be cancelled"
        return Reaction([HandoverRefused(status=409, field="handover_id", reason=reason)])
    return Reaction([HandoverAccepted(handover_id=handover_id), agent_calls.cancel(handover)])


def _present_mag(state: LmaState, mn_id: str) -> str | None:
    """Where the MN is: on a link, whose PBU may still be under way; else where it is bound."""
    return state.listeners.attached_at(mn_id) or state.cache.serving_mag(mn_id)


def _refusal(state: LmaState, mn_id: str, new_mag: str) -> HandoverRefused | None:
    profile = state.policy.find(mn_id)
    if profile is None:
        return HandoverRefused(status=404, field="mn_id", reason=f"no mobile node {mn_id!r} in the policy store")
    if state.domain.mag(new_mag) is None:
        allowed = ", ".join(mag.id for mag in state.domain.mags)
        return HandoverRefused(status=404, field="new_mag", reason=f"no MAG {new_mag!r}; there are: {allowed}")
    if not profile.mobility_service:
        # The LMA refuses its every PBU with 152 (RFC 5213 section 5.3.1): it is served nowhere.
        reason = f"{profile.id} has no mobility service (mobility_service in the policy store)"
        return HandoverRefused(status=409, field="mn_id", reason=reason)
    if not state.policy.may_register(profile.id, new_mag):
        return HandoverRefused(status=422, field="new_mag", reason=f"{new_mag} may not register {profile.id}")
    previous = _present_mag(state, profile.id)
    if previous is None:
        return HandoverRefused(status=409, field="mn_id", reason=f"{profile.id} is not registered at any MAG")
    if previous == new_mag:
        return HandoverRefused(status=422, field="new_mag", reason=f"{profile.id} is at {new_mag} already")
    conflict = _conflict(state, profile.id, previous, new_mag)
    if conflict is not None:
        return conflict
    for mag_id in (previous, new_mag):
        if mag_id not in state.agents:
            return HandoverRefused(status=503, field="new_mag" if mag_id == new_mag else "mn_id",
                                   reason=f"the agent of {mag_id} is not connected")
        if not state.switches.is_connected(mag_id):
            return HandoverRefused(status=503, field="new_mag" if mag_id == new_mag else "mn_id",
                                   reason=f"the switch of {mag_id} is not connected")
    return None


def _conflict(state: LmaState, mn_id: str, previous: str, new_mag: str) -> HandoverRefused | None:
    """What is under way already: to that MAG, in too many directions, or too many in all."""
    under_way = state.handovers.under_way(mn_id)
    for running in under_way:
        if (running.previous_mag, running.new_mag) == (previous, new_mag) and running.state in CANCELLABLE:
            reason = f"handover {running.handover_id} of {mn_id} to {new_mag} is under way ({running.state.value})"
            return HandoverRefused(status=409, field="mn_id", reason=reason)
    if len(under_way) >= HANDOVERS_PER_MOBILE_NODE:
        reason = f"{len(under_way)} handovers of {mn_id} are under way; allowed: {HANDOVERS_PER_MOBILE_NODE}"
        return HandoverRefused(status=409, field="mn_id", reason=reason)
    limit = state.domain.limits.handovers_at_once
    if len(state.handovers.open()) >= limit:
        reason = f"{limit} handovers are under way; allowed (limits.handovers_at_once): {limit}"
        return HandoverRefused(status=503, field="", reason=reason)
    return None


def handover_of_call(
    state: LmaState, handover_id: str, mn_id: str, previous_mag: str, new_mag: str, now: float
) -> Handover | str:
    """The handover an agent speaks of, made known if the other MAG's word has not come yet; or why it is refused."""
    handover = state.handovers.get(handover_id)
    if handover is not None:
        same = (handover.mn_id, handover.previous_mag, handover.new_mag) == (mn_id, previous_mag, new_mag)
        if not same:
            return f"handover {handover_id} is another one"
        return f"handover {handover_id} has ended ({handover.state.value})" if handover.ended else handover
    profile = state.policy.by_id(mn_id)
    if profile is None:
        return f"mn_id: {mn_id} is not in the policy store"
    if not profile.mobility_service:
        return f"mn_id: {mn_id} has no mobility service"
    for mag_id in (previous_mag, new_mag):
        if state.domain.mag(mag_id) is None:
            return f"no MAG {mag_id!r} in this domain"
        if not state.policy.may_register(mn_id, mag_id):
            return f"{mag_id} may not register {mn_id}"
    if previous_mag == new_mag:
        return "previous and new MAG are the same"
    if len(state.handovers.under_way(mn_id)) >= HANDOVERS_PER_MOBILE_NODE:
        return f"too many handovers of {mn_id} are under way"
    if len(state.handovers.open()) >= state.domain.limits.handovers_at_once:
        return "too many handovers are under way (limits.handovers_at_once)"
    bound = state.cache.is_bound(mn_id, new_mag)
    first = HandoverState.BOUND if bound else HandoverState.INITIATED
    return new_handover(state, handover_id, mn_id, previous_mag, new_mag, "mobile_node", first, now)


def new_handover(
    state: LmaState,
    handover_id: str,
    mn_id: str,
    previous: str,
    new: str,
    trigger: str,
    first: HandoverState,
    now: float,
) -> Handover:
    timers = state.domain.timers
    handover = Handover(
        handover_id=handover_id,
        mn_id=mn_id,
        previous_mag=previous,
        new_mag=new,
        trigger=trigger,
        state=first,
        # The MAGs end it by their own lifetimes; the guard only catches a MAG that has died.
        guard=now + timers.context_lifetime_s + timers.forwarding_lifetime_s + 2 * agent_calls.AGENT_CALL_TIMEOUT_S,
    )
    state.handovers.add(handover)
    return handover


def allowed_memberships(state: LmaState, mn_id: str, memberships: Memberships) -> Memberships:
    return tuple(membership for membership in memberships if state.policy.may_join(mn_id, membership.group))

# SPDX-License-Identifier: Apache-2.0
"""What the MAGs of a handover ask of the switches: prepare, join, clone, deliver directly, release.

Each is answered when the switch has confirmed, or refused; only `controller.forwarding` says what a switch then holds.
"""

from __future__ import annotations

from controller import agent_calls, forwarding
from controller.admission import allowed_memberships, handover_of_call
from controller.commands import (
    Command,
    RecordEvent,
    RejectAgent,
    RespondToAgent,
)
from controller.confirmation import Wait
from controller.handover import HandoverInput
from controller.reaction import Reaction, answer_when_confirmed, facts_of, followed_by, wait_for
from controller.state import LmaState
from southbound.rpc import methods


def prepare(state: LmaState, mag_id: str, token: int, call: methods.PrepareForwarding, now: float) -> Reaction:
    handover = handover_of_call(state, call.handover_id, call.mn_id, call.previous_mag, mag_id, now)
    if isinstance(handover, str):
        return Reaction([RejectAgent(mag_id=mag_id, token=token, code="refused", message=handover)])
    handover.receiving = handover.groups = allowed_memberships(state, call.mn_id, call.memberships)
    if call.mode == "reactive":
        handover.mode = call.mode
    handover.relayed = handover.relayed or call.relayed
    handover.direct, handover.uplink_waits = False, call.uplink_waits
    forwarding.note_fed(state.switches.intent(state.domain.lma.id), state.domain, state.cache, [handover])
    return answer_when_confirmed(mag_id, token, handover, {mag_id}, HandoverInput.PREPARE, now)


def join(state: LmaState, mag_id: str, token: int, call: methods.JoinGroups, now: float) -> Reaction:
    handover = handover_of_call(state, call.handover_id, call.mn_id, call.previous_mag, mag_id, now)
    if isinstance(handover, str):
        return Reaction([RejectAgent(mag_id=mag_id, token=token, code="refused", message=handover)])
    handover.joining = handover.groups = allowed_memberships(state, call.mn_id, call.memberships)
    handover.mode = "join"
    # The n-MAG's switch has nothing to do until the MN is there; it is told then.
    lma = {state.domain.lma.id}
    return answer_when_confirmed(mag_id, token, handover, lma, HandoverInput.JOIN, now, also={mag_id})


def clone(state: LmaState, mag_id: str, token: int, call: methods.CloneGroups, now: float) -> Reaction:
    handover = handover_of_call(state, call.handover_id, call.mn_id, mag_id, call.new_mag, now)
    if isinstance(handover, str):
        return Reaction([RejectAgent(mag_id=mag_id, token=token, code="refused", message=handover)])
    handover.relayed = handover.relayed or call.relayed
    if call.relayed:
        # Its agent delivers to it and has been told of no change of the switch, whatever became of an earlier request.
        for one in state.handovers.arriving(mag_id):
            one.direct = one.direct and one.mn_id != call.mn_id
    handover.cloning = handover.groups = allowed_memberships(state, call.mn_id, call.memberships)
    # The LMA feeds the p-MAG already as long as the MN listens there; its switch is refreshed but not waited for.
    return answer_when_confirmed(
        mag_id, token, handover, {mag_id}, HandoverInput.CLONE, now, also={state.domain.lma.id}
    )


def deliver_directly(state: LmaState, mag_id: str, token: int, call: methods.DeliverDirectly, now: float) -> Reaction:
    handover = state.handovers.get(call.handover_id)
    if handover is None or handover.ended or handover.new_mag != mag_id or handover.mn_id != call.mn_id:
        reason = f"no handover {call.handover_id} of {call.mn_id} to {mag_id} is under way"
        return Reaction([RejectAgent(mag_id=mag_id, token=token, code="refused", message=reason)])
    if not state.cache.is_bound(call.mn_id, mag_id):
        reason = f"{call.mn_id} is not bound at {mag_id}"
        return Reaction([RejectAgent(mag_id=mag_id, token=token, code="refused", message=reason)])
    handover.direct = True
    reaction = answer_when_confirmed(mag_id, token, handover, {mag_id}, HandoverInput.DELIVER, now)
    return Reaction(reaction.commands, reaction.dirty, followed_by(reaction.waits, agent_calls.finish(handover)))


def release(state: LmaState, mag_id: str, token: int, call: methods.ReleaseForwarding, now: float) -> Reaction:
    handover = state.handovers.get(call.handover_id)
    done = RespondToAgent(mag_id=mag_id, token=token, result={})

    def wait(state: LmaState) -> list[Wait]:
        return [wait_for(state, {mag_id}, now, done, mag_id, token)]

    if handover is None or handover.ended or mag_id not in (handover.previous_mag, handover.new_mag):
        # Nothing is wanted for it any more; but the switch may not have confirmed that yet.
        return Reaction([], set(), wait)
    handover.released_by.add(mag_id)
    if call.outcome == "completed":
        if mag_id == handover.new_mag:
            handover.receiving, handover.joining, handover.fed, handover.prefixes_fed = None, None, (), ()
        else:
            handover.cloning = None
        if handover.released_by >= {handover.previous_mag, handover.new_mag}:
            handover.release()
            handover.advance(HandoverInput.COMPLETE)
    else:
        # What one side gives up is of no use to the other: the rules of both go (docs/explanation/protocol.md, failures).
        handover.error = call.reason
        handover.release()
        handover.advance(HandoverInput.CANCEL if call.outcome == "cancelled" else HandoverInput.FAIL)
    dirty = {handover.previous_mag, handover.new_mag, state.domain.lma.id}
    facts = RecordEvent(name="handover_released", fields={**facts_of(handover), "by": mag_id, "reason": call.reason})
    ended: list[Command] = [RecordEvent(name="handover_ended", fields=facts_of(handover))] if handover.ended else []
    return Reaction([facts, *ended], dirty, wait)

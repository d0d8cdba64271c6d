# SPDX-License-Identifier: Apache-2.0
"""What the LMA does with what agents say: who is where, what has happened, what is to be forwarded.

Functions of (state, input); each returns a Reaction.
"""

from __future__ import annotations

from typing import Any

from controller import agent_calls
from controller.admission import allowed_memberships, handover_of_call
from controller.binding_cache import BindingCacheEntry
from controller.commands import (
    Command,
    RecordEvent,
    RejectAgent,
    RespondToAgent,
)
from controller.forwarding_requests import clone, deliver_directly, join, prepare, release
from controller.handover import CANCELLABLE, STEPS_MAX, Handover, HandoverInput, HandoverState, Step
from controller.reaction import Reaction, facts_of, ignored, wait_for
from controller.state import LmaState
from southbound.rpc import methods

TUNNEL_DATA_STEP = 5
"""Step of Figure 2: the first cloned packet has reached the n-MAG."""


def agent_connected(state: LmaState, mag_id: str) -> Reaction:
    """The agent tells after its hello what is on its links; what is known of it stays until then."""
    state.agents.add(mag_id)
    return Reaction([RecordEvent(name="agent_connected", fields={"mag_id": mag_id})])


def agent_disconnected(state: LmaState, mag_id: str) -> Reaction:
    """Rules stay as they are: MNs of this MAG go on receiving while its agent restarts."""
    state.agents.discard(mag_id)
    return Reaction([RecordEvent(name="agent_disconnected", fields={"mag_id": mag_id})])


def notified(state: LmaState, mag_id: str, call: Any, now: float) -> Reaction:
    """A notification of an agent."""
    match call:
        case methods.StepReached():
            return _step(state, mag_id, call, now)
        case methods.BufferReport(handover_id=handover_id, counters=counters):
            handover = state.handovers.get(handover_id)
            if handover is None or handover.new_mag != mag_id:
                return ignored(state, mag_id, "buffer_report_of_unknown_handover")
            handover.counters = dict(counters)
            fields = {**counters, **facts_of(handover), "mag_id": mag_id}
            return Reaction([RecordEvent(name="buffer_report", fields=fields)])
        case methods.PacketCounts():
            return _packet_counts(state, mag_id, call)
        case (
            methods.MobileNodeAttached() | methods.MobileNodeDetached() | methods.MobileNodeRetained()
            | methods.MembershipReported()
        ):
            return _listener(state, mag_id, call)
        case methods.AgentCounters():
            return _counters(state, mag_id, call)
        case _:
            return ignored(state, mag_id, "notification_of_a_request")


def _packet_counts(state: LmaState, mag_id: str, call: methods.PacketCounts) -> Reaction:
    handover = state.handovers.get(call.handover_id)
    concerned = handover is not None and mag_id == (
        handover.previous_mag if call.path == "previous_mag" else handover.new_mag
    )
    if handover is None or not concerned or call.interval_s <= 0:
        return ignored(state, mag_id, "packet_counts_not_taken")
    handover.packet_counts[call.path] = call
    handover.view = None
    fields = {"handover_id": call.handover_id, "path": call.path, "packets": sum(call.packets)}
    return Reaction([RecordEvent(name="packet_counts", fields=fields)])


def _counters(state: LmaState, mag_id: str, report: methods.AgentCounters) -> Reaction:
    """Kept for REST and metrics only: no event, or a flood at a MAG would be one here."""
    told = (*report.counters.items(), *report.messages.items())
    if any(methods.COUNTER_NAME.fullmatch(name) is None or count < 0 for name, count in told):
        return ignored(state, mag_id, "counters_malformed")
    state.agent_counters[mag_id] = dict(report.counters)
    state.agent_messages[mag_id] = dict(report.messages)
    return Reaction()


def requested(state: LmaState, mag_id: str, token: int, call: Any, now: float) -> Reaction:
    """A request of an agent; it is answered when the switch has confirmed, or refused."""
    match call:
        case methods.PrepareForwarding():
            return prepare(state, mag_id, token, call, now)
        case methods.JoinGroups():
            return join(state, mag_id, token, call, now)
        case methods.CloneGroups():
            return clone(state, mag_id, token, call, now)
        case methods.DeliverDirectly():
            return deliver_directly(state, mag_id, token, call, now)
        case methods.ReleaseForwarding():
            return release(state, mag_id, token, call, now)
        case methods.MobileNodeAttached():
            result = {"previous_mag": _previous_mag(state, mag_id, call.mn_id)}
            reaction = _listener(state, mag_id, call)
            reaction.commands.append(RespondToAgent(mag_id=mag_id, token=token, result=result))
            return reaction
        case methods.MobileNodeRetained():
            reaction = _listener(state, mag_id, call)
            done = RespondToAgent(mag_id=mag_id, token=token, result={})
            reaction.waits = lambda state: [wait_for(state, {mag_id}, now, done, mag_id, token)]
            return reaction
        case methods.MobileNodeDetached() | methods.MembershipReported():
            reaction = _listener(state, mag_id, call)
            reaction.commands.append(RespondToAgent(mag_id=mag_id, token=token, result={}))
            return reaction
        case _:
            reason = f"{call.method} is a notification"
            return Reaction([RejectAgent(mag_id=mag_id, token=token, code="bad_params", message=reason)])


def answered(state: LmaState, token: str, error: str | None) -> Reaction:
    """An agent has answered a call of ours; the token is '<method> <handover id>'."""
    method, _, handover_id = token.partition(" ")
    handover = state.handovers.get(handover_id)
    if error is None or handover is None or handover.ended:
        return Reaction()
    if method == methods.StartHandover.method and _taken_elsewhere(state, handover):
        left = f"{handover.mn_id} had left {handover.previous_mag} before this handover began"
        return give_up(state, handover, left, HandoverInput.CANCEL)
    if method in (methods.StartHandover.method, methods.CancelHandover.method):
        return give_up(state, handover, f"{handover.previous_mag}: {error}")
    # finish: the p-MAG knows it no more, or its own forwarding lifetime ends it; either way it needs its clone no longer.
    handover.released_by.add(handover.previous_mag)
    handover.cloning = None
    if handover.released_by >= {handover.previous_mag, handover.new_mag}:
        handover.advance(HandoverInput.COMPLETE)
    fact = RecordEvent(name="agent_call_failed", fields={"handover_id": handover_id, "reason": error})
    return Reaction([fact], {handover.previous_mag, state.domain.lma.id})


def strayed(state: LmaState, entry: BindingCacheEntry) -> list[Command]:
    """The MN has been bound where these handovers do not lead: a prediction was wrong, or another candidate has won."""
    if not entry.active or not entry.own_interface:
        return []
    way = state.handovers.leading_to(entry.mag_id, entry.mn_id)
    return [
        agent_calls.cancel(handover)
        for handover in state.handovers.under_way(entry.mn_id)
        if handover.state in CANCELLABLE and handover not in way and handover.previous_mag != entry.mag_id
    ]


def forget_unattached(state: LmaState, mn_id: str) -> None:
    """Drop what PBU-Ms have said of this MN at MAGs that neither serve it nor have it on a link."""
    for listener in [listener for listener in state.listeners if listener.mn_id == mn_id]:
        bound = state.cache.is_bound(mn_id, listener.mag_id)
        if listener.access_port is None and not listener.retained and not bound:
            state.listeners.detach(listener.mag_id, mn_id)


def advance(state: LmaState, handover_id: str, what: HandoverInput, now: float) -> list[Command]:
    """Move a handover on; a move that the table does not have is counted and changes nothing."""
    handover = state.handovers.get(handover_id)
    if handover is None:
        return []
    moved = handover.cloned(now) if what is HandoverInput.CLONE else handover.advance(what)
    if not moved:
        state.count(f"handover_input_ignored.{what.value}")
    return [forwarding_fact(handover)] if handover.state is HandoverState.FORWARDING else []


def forwarding_fact(handover: Handover) -> RecordEvent:
    """From now on the MN may leave without loss."""
    return RecordEvent(name="handover_forwarding", fields=facts_of(handover))


def _taken_elsewhere(state: LmaState, handover: Handover) -> bool:
    """Another candidate has won before this one began: the MN has left the p-MAG, by another handover or elsewhere."""
    if handover.state is not HandoverState.REQUESTED or state.listeners.is_attached(handover.previous_mag, handover.mn_id):
        return False
    others = state.handovers.under_way(handover.mn_id)
    by_another = any(one is not handover and one.previous_mag == handover.previous_mag for one in others)
    return by_another or state.listeners.attached_at(handover.mn_id) not in (None, handover.new_mag)


def give_up(
    state: LmaState, handover: Handover, reason: str, how: HandoverInput = HandoverInput.FAIL
) -> Reaction:
    """End a handover, as failed or as `how` says, and take its rules away at both MAGs."""
    handover.error = handover.error or reason
    handover.release()
    handover.advance(how)
    fact = RecordEvent(name="handover_ended", fields={**facts_of(handover), "reason": reason})
    return Reaction([fact], {handover.previous_mag, handover.new_mag, state.domain.lma.id})


def _listener(state: LmaState, mag_id: str, call: Any) -> Reaction:
    if state.policy.by_id(call.mn_id) is None or not state.policy.may_register(call.mn_id, mag_id):
        return ignored(state, mag_id, "listener_not_authorised")
    match call:
        case methods.MobileNodeAttached(mn_id=mn_id, access_port=port):
            state.listeners.attach(mag_id, mn_id, port)
        case methods.MobileNodeDetached(mn_id=mn_id):
            state.listeners.detach(mag_id, mn_id)
        case methods.MobileNodeRetained(mn_id=mn_id, memberships=memberships):
            state.listeners.retain(mag_id, mn_id, allowed_memberships(state, mn_id, memberships))
        case methods.MembershipReported(mn_id=mn_id, memberships=memberships):
            state.listeners.report(mag_id, mn_id, allowed_memberships(state, mn_id, memberships))
    fact = RecordEvent(name=call.method.replace(".", "_"), fields={"mag_id": mag_id, "mn_id": call.mn_id})
    return Reaction([fact], {mag_id, state.domain.lma.id})


def _previous_mag(state: LmaState, mag_id: str, mn_id: str) -> str:
    """Where the MN was registered last, '' when nowhere else. An entry that waits for its deletion counts, too: the MAG
    has then seen the MN go (RFC 5213 section 5.3.5)."""
    entry = state.cache.of_own_interface(mn_id)
    return entry.mag_id if entry is not None and entry.mag_id != mag_id else ""


def _step(state: LmaState, mag_id: str, call: methods.StepReached, now: float) -> Reaction:
    handover = state.handovers.get(call.handover_id)
    if handover is None:
        found = handover_of_call(state, call.handover_id, call.mn_id, call.previous_mag, call.new_mag, now)
        if isinstance(found, str):
            return ignored(state, mag_id, "step_of_unknown_handover")
        handover = found
    if mag_id not in (handover.previous_mag, handover.new_mag) or len(handover.steps) >= STEPS_MAX:
        return ignored(state, mag_id, "step_not_taken")
    if call.step == 1 and handover.state is HandoverState.REQUESTED:
        handover.advance(HandoverInput.INITIATE)
    forwarding: list[Command] = []
    if call.step == TUNNEL_DATA_STEP and mag_id == handover.new_mag:
        waiting = handover.state is HandoverState.CLONED
        handover.shown()
        forwarding = [forwarding_fact(handover)] if waiting else []
    handover.steps.append(Step(step=call.step, name=call.name, node=mag_id, at=call.at, detail=call.detail))
    fields = {"handover_id": call.handover_id, "mn_id": call.mn_id, "step": call.step, "step_name": call.name,
              "node": mag_id, "at": call.at, "detail": call.detail}
    return Reaction([RecordEvent(name="handover_step", fields=fields), *forwarding])

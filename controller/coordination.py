# SPDX-License-Identifier: Apache-2.0
"""What the LMA does with what agents and REST say: the part of each handover that the controller carries.

Functions of (state, input); each returns a Reaction: commands, the switches whose forwarding may have changed, and what
is to wait for their confirmation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from controller import forwarding
from controller.binding_cache import BindingCacheEntry, BindingState
from controller.commands import (
    CallAgent,
    Command,
    HandoverAccepted,
    HandoverRefused,
    RecordEvent,
    RejectAgent,
    RespondToAgent,
)
from controller.confirmation import Wait
from controller.events import HandoverRequested
from controller.handover import CANCELLABLE, STEPS_MAX, Handover, HandoverInput, HandoverState, Step
from controller.multicast import Memberships
from controller.state import LmaState
from southbound.rpc import methods

AGENT_CALL_TIMEOUT_S = 2.0
TUNNEL_DATA_STEP = 5
"""Step of Figure 2: the first cloned packet has reached the n-MAG."""


@dataclass(slots=True)
class Reaction:
    """What one event leads to."""

    commands: list[Command] = field(default_factory=list)
    dirty: set[str] = field(default_factory=set)
    waits: Callable[[LmaState], list[Wait]] | None = None


# --- agents ---------------------------------------------------------------------------------------------------------


def agent_connected(state: LmaState, mag_id: str) -> Reaction:
    """The agent tells after its hello what is on its links; what is known of it stays until then."""
    state.agents.add(mag_id)
    state.unsynced.add(mag_id)
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
                return _ignored(state, mag_id, "buffer_report_of_unknown_handover")
            handover.counters = dict(counters)
            return Reaction([RecordEvent(name="buffer_report", fields={**counters, "handover_id": handover_id})])
        case (
            methods.MobileNodeAttached() | methods.MobileNodeDetached() | methods.MobileNodeRetained()
            | methods.MembershipReported()
        ):
            return _listener(state, mag_id, call)
        case methods.Synchronised(attached=attached):
            return _synchronised(state, mag_id, attached)
        case _:
            return _ignored(state, mag_id, "notification_of_a_request")


def _synchronised(state: LmaState, mag_id: str, attached: tuple[str, ...]) -> Reaction:
    """The agent has told everything after its hello: what it did not name has left while nobody listened."""
    state.unsynced.discard(mag_id)
    state.known_agents.add(mag_id)
    dirty: set[str] = set()
    for listener in [listener for listener in state.listeners.at(mag_id) if listener.mn_id not in attached]:
        if listener.access_port is not None or listener.retained:
            state.listeners.detach(mag_id, listener.mn_id)
            dirty = {mag_id, state.domain.lma.id}
    return Reaction([RecordEvent(name="agent_synchronised", fields={"mag_id": mag_id})], dirty)


def requested(state: LmaState, mag_id: str, token: int, call: Any, now: float) -> Reaction:
    """A request of an agent; it is answered when the switch has confirmed, or refused."""
    match call:
        case methods.PrepareForwarding():
            return _prepare(state, mag_id, token, call, now)
        case methods.JoinGroups():
            return _join(state, mag_id, token, call, now)
        case methods.CloneGroups():
            return _clone(state, mag_id, token, call, now)
        case methods.DeliverDirectly():
            return _deliver_directly(state, mag_id, token, call, now)
        case methods.ReleaseForwarding():
            return _release(state, mag_id, token, call, now)
        case methods.MobileNodeAttached():
            result = {"previous_mag": _previous_mag(state, mag_id, call.mn_id)}
            reaction = _listener(state, mag_id, call)
            reaction.commands.append(RespondToAgent(mag_id=mag_id, token=token, result=result))
            return reaction
        case methods.MobileNodeRetained():
            reaction = _listener(state, mag_id, call)
            done = RespondToAgent(mag_id=mag_id, token=token, result={})
            reaction.waits = lambda state: [_wait(state, {mag_id}, now, done, mag_id, token)]
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
    if method in (methods.StartHandover.method, methods.CancelHandover.method):
        return give_up(state, handover, f"{handover.previous_mag}: {error}")
    # finish: the p-MAG's own forwarding lifetime ends it without us.
    return Reaction([RecordEvent(name="agent_call_failed", fields={"handover_id": handover_id, "reason": error})])


# --- REST -----------------------------------------------------------------------------------------------------------


def handover_requested(state: LmaState, event: HandoverRequested, now: float) -> Reaction:
    """Step 1 over REST: check, remember, tell the p-MAG."""
    refusal = _refusal(state, event.mn_id, event.new_mag)
    profile = state.policy.find(event.mn_id)
    if refusal is not None or profile is None:
        return Reaction([refusal or HandoverRefused(status=404, field="mn_id", reason="unknown mobile node")])
    previous = state.cache.serving_mag(profile.id) or ""
    handover = _new(state, event.handover_id, profile.id, previous, event.new_mag, "rest", HandoverState.REQUESTED, now)
    handover.mode = event.mode
    return Reaction(
        [
            HandoverAccepted(handover_id=event.handover_id),
            RecordEvent(name="handover_requested", fields=_facts(handover)),
            CallAgent(
                mag_id=previous,
                token=f"{methods.StartHandover.method} {event.handover_id}",
                call=methods.StartHandover(
                    handover_id=event.handover_id, mn_id=profile.id, new_mag=event.new_mag, mode=event.mode
                ),
                timeout_s=AGENT_CALL_TIMEOUT_S,
            ),
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
    call = methods.CancelHandover(handover_id=handover_id, mn_id=handover.mn_id)
    return Reaction(
        [
            HandoverAccepted(handover_id=handover_id),
            CallAgent(
                mag_id=handover.previous_mag,
                token=f"{call.method} {handover_id}",
                call=call,
                timeout_s=AGENT_CALL_TIMEOUT_S,
            ),
        ]
    )


def _refusal(state: LmaState, mn_id: str, new_mag: str) -> HandoverRefused | None:
    profile = state.policy.find(mn_id)
    if profile is None:
        return HandoverRefused(status=404, field="mn_id", reason=f"no mobile node {mn_id!r} in the policy store")
    if state.domain.mag(new_mag) is None:
        allowed = ", ".join(mag.id for mag in state.domain.mags)
        return HandoverRefused(status=404, field="new_mag", reason=f"no MAG {new_mag!r}; there are: {allowed}")
    if not state.policy.may_register(profile.id, new_mag):
        return HandoverRefused(status=422, field="new_mag", reason=f"{new_mag} may not register {profile.id}")
    running = state.handovers.under_way(profile.id)
    if running is not None:
        reason = f"handover {running.handover_id} of {profile.id} is under way ({running.state.value})"
        return HandoverRefused(status=409, field="mn_id", reason=reason)
    previous = state.cache.serving_mag(profile.id)
    if previous is None:
        return HandoverRefused(status=409, field="mn_id", reason=f"{profile.id} is not registered at any MAG")
    if previous == new_mag:
        return HandoverRefused(status=422, field="new_mag", reason=f"{profile.id} is at {new_mag} already")
    for mag_id in (previous, new_mag):
        if mag_id not in state.agents:
            return HandoverRefused(status=503, field="new_mag" if mag_id == new_mag else "mn_id",
                                   reason=f"the agent of {mag_id} is not connected")
        if not state.switches.is_connected(mag_id):
            return HandoverRefused(status=503, field="new_mag" if mag_id == new_mag else "mn_id",
                                   reason=f"the switch of {mag_id} is not connected")
    return None


# --- registration ---------------------------------------------------------------------------------------------------


def register(state: LmaState, entry: BindingCacheEntry, memberships: Memberships | None) -> set[str]:
    """Store an accepted binding and the multicast state of a PBU-M; returns the switches that are concerned."""
    former = state.cache.lookup(entry.mn_id)
    state.cache.put(entry)
    active = entry.state is BindingState.ACTIVE
    told = entry.mag_id in state.agents and state.listeners.is_attached(entry.mag_id, entry.mn_id)
    if memberships is not None and active and not told:
        # An agent that has the MN on its link tells its state itself, whole and in order; a PBU-M may be late, or
        # without what found no room in it.
        state.listeners.report(entry.mag_id, entry.mn_id, memberships)
    forget_unattached(state, entry.mn_id, entry.mag_id if active else None)
    return {state.domain.lma.id, entry.mag_id} | ({former.mag_id} if former is not None else set())


def forget_unattached(state: LmaState, mn_id: str, serving_mag: str | None) -> None:
    """Drop what PBU-Ms have said of this MN at MAGs that neither serve it nor have it on a link."""
    for listener in [listener for listener in state.listeners if listener.mn_id == mn_id]:
        if listener.access_port is None and not listener.retained and listener.mag_id != serving_mag:
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
    return RecordEvent(name="handover_forwarding", fields=_facts(handover))


def give_up(state: LmaState, handover: Handover, reason: str) -> Reaction:
    """End a handover as failed and take its rules away at both MAGs."""
    handover.error = handover.error or reason
    handover.release()
    handover.advance(HandoverInput.FAIL)
    fact = RecordEvent(name="handover_ended", fields={**_facts(handover), "reason": reason})
    return Reaction([fact], {handover.previous_mag, handover.new_mag, state.domain.lma.id})


# --- the requests of a handover -------------------------------------------------------------------------------------


def _prepare(state: LmaState, mag_id: str, token: int, call: methods.PrepareForwarding, now: float) -> Reaction:
    handover = _of_call(state, call.handover_id, call.mn_id, call.previous_mag, mag_id, now)
    if isinstance(handover, str):
        return Reaction([RejectAgent(mag_id=mag_id, token=token, code="refused", message=handover)])
    handover.receiving = handover.groups = _allowed(state, call.mn_id, call.memberships)
    if call.mode == "reactive":
        handover.mode = call.mode
    handover.direct = False
    return _answer_when_confirmed(mag_id, token, handover, {mag_id}, HandoverInput.PREPARE, now)


def _join(state: LmaState, mag_id: str, token: int, call: methods.JoinGroups, now: float) -> Reaction:
    handover = _of_call(state, call.handover_id, call.mn_id, call.previous_mag, mag_id, now)
    if isinstance(handover, str):
        return Reaction([RejectAgent(mag_id=mag_id, token=token, code="refused", message=handover)])
    handover.joining = handover.groups = _allowed(state, call.mn_id, call.memberships)
    handover.mode = "join"
    # The n-MAG's switch has nothing to do until the MN is there; it is told then.
    lma = {state.domain.lma.id}
    return _answer_when_confirmed(mag_id, token, handover, lma, HandoverInput.JOIN, now, also={mag_id})


def _clone(state: LmaState, mag_id: str, token: int, call: methods.CloneGroups, now: float) -> Reaction:
    handover = _of_call(state, call.handover_id, call.mn_id, mag_id, call.new_mag, now)
    if isinstance(handover, str):
        return Reaction([RejectAgent(mag_id=mag_id, token=token, code="refused", message=handover)])
    handover.cloning = handover.groups = _allowed(state, call.mn_id, call.memberships)
    # The LMA feeds the p-MAG already as long as the MN listens there; its switch is refreshed but not waited for.
    return _answer_when_confirmed(
        mag_id, token, handover, {mag_id}, HandoverInput.CLONE, now, also={state.domain.lma.id}
    )


def _deliver_directly(state: LmaState, mag_id: str, token: int, call: methods.DeliverDirectly, now: float) -> Reaction:
    handover = state.handovers.get(call.handover_id)
    if handover is None or handover.ended or handover.new_mag != mag_id or handover.mn_id != call.mn_id:
        reason = f"no handover {call.handover_id} of {call.mn_id} to {mag_id} is under way"
        return Reaction([RejectAgent(mag_id=mag_id, token=token, code="refused", message=reason)])
    if state.cache.serving_mag(call.mn_id) != mag_id:
        reason = f"{call.mn_id} is not bound at {mag_id}"
        return Reaction([RejectAgent(mag_id=mag_id, token=token, code="refused", message=reason)])
    handover.direct = True
    other = forwarding.shares_the_buffer_with(handover, state.listeners, state.handovers)
    if other is not None:
        reason = f"{other} shares a group with it and has not joined its native stream yet"
        return Reaction([RejectAgent(mag_id=mag_id, token=token, code="unavailable", message=reason)], {mag_id})
    reaction = _answer_when_confirmed(mag_id, token, handover, {mag_id}, HandoverInput.DELIVER, now)
    finish = methods.FinishForwarding(handover_id=handover.handover_id, mn_id=handover.mn_id)
    call_agent = CallAgent(
        mag_id=handover.previous_mag,
        token=f"{finish.method} {handover.handover_id}",
        call=finish,
        timeout_s=AGENT_CALL_TIMEOUT_S,
    )
    return Reaction(reaction.commands, reaction.dirty, _with(reaction.waits, call_agent))


def _release(state: LmaState, mag_id: str, token: int, call: methods.ReleaseForwarding, now: float) -> Reaction:
    handover = state.handovers.get(call.handover_id)
    done = RespondToAgent(mag_id=mag_id, token=token, result={})

    def wait(state: LmaState) -> list[Wait]:
        return [_wait(state, {mag_id}, now, done, mag_id, token)]

    if handover is None or handover.ended or mag_id not in (handover.previous_mag, handover.new_mag):
        # Nothing is wanted for it any more; but the switch may not have confirmed that yet.
        return Reaction([], set(), wait)
    if call.outcome == "completed" and mag_id == handover.new_mag and handover.receiving is not None:
        other = forwarding.shares_the_buffer_with(handover, state.listeners, state.handovers)
        if other is not None and state.cache.serving_mag(handover.mn_id) == mag_id:
            # It is ready and waits for the other; the agent asks again, and its buffer goes on delivering meanwhile.
            handover.direct = True
            reason = f"{other} shares a group with it and has not joined its native stream yet"
            return Reaction([RejectAgent(mag_id=mag_id, token=token, code="unavailable", message=reason)], {mag_id})
    handover.released_by.add(mag_id)
    if call.outcome == "completed":
        if mag_id == handover.new_mag:
            handover.receiving = handover.joining = None
        else:
            handover.cloning = None
        if handover.released_by >= {handover.previous_mag, handover.new_mag}:
            handover.advance(HandoverInput.COMPLETE)
    else:
        # What one side gives up is of no use to the other: the rules of both go (docs/protocol.md, failures).
        handover.error = call.reason
        handover.release()
        handover.advance(HandoverInput.CANCEL if call.outcome == "cancelled" else HandoverInput.FAIL)
    dirty = {handover.previous_mag, handover.new_mag, state.domain.lma.id}
    facts = RecordEvent(name="handover_released", fields={**_facts(handover), "by": mag_id, "reason": call.reason})
    ended: list[Command] = [RecordEvent(name="handover_ended", fields=_facts(handover))] if handover.ended else []
    return Reaction([facts, *ended], dirty, wait)


def _of_call(
    state: LmaState, handover_id: str, mn_id: str, previous_mag: str, new_mag: str, now: float
) -> Handover | str:
    """The handover an agent speaks of, made known if the other MAG's word has not come yet; or why it is refused."""
    handover = state.handovers.get(handover_id)
    if handover is not None:
        same = (handover.mn_id, handover.previous_mag, handover.new_mag) == (mn_id, previous_mag, new_mag)
        if not same:
            return f"handover {handover_id} is another one"
        return f"handover {handover_id} has ended ({handover.state.value})" if handover.ended else handover
    if state.policy.by_id(mn_id) is None:
        return f"mn_id: {mn_id} is not in the policy store"
    for mag_id in (previous_mag, new_mag):
        if state.domain.mag(mag_id) is None:
            return f"no MAG {mag_id!r} in this domain"
        if not state.policy.may_register(mn_id, mag_id):
            return f"{mag_id} may not register {mn_id}"
    if previous_mag == new_mag:
        return "previous and new MAG are the same"
    running = state.handovers.under_way(mn_id)
    if running is not None:
        return f"handover {running.handover_id} of {mn_id} is under way"
    bound = state.cache.serving_mag(mn_id) == new_mag
    first = HandoverState.BOUND if bound else HandoverState.INITIATED
    return _new(state, handover_id, mn_id, previous_mag, new_mag, "mobile_node", first, now)


def _new(
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
        guard=now + timers.context_lifetime_s + timers.forwarding_lifetime_s + 2 * AGENT_CALL_TIMEOUT_S,
    )
    state.handovers.add(handover)
    return handover


def _allowed(state: LmaState, mn_id: str, memberships: Memberships) -> Memberships:
    return tuple(membership for membership in memberships if state.policy.may_join(mn_id, membership.group))


def _answer_when_confirmed(
    mag_id: str,
    token: int,
    handover: Handover,
    switches: set[str],
    what: HandoverInput,
    now: float,
    also: set[str] | None = None,
) -> Reaction:
    done = RespondToAgent(mag_id=mag_id, token=token, result={})

    def wait(state: LmaState) -> list[Wait]:
        return [_wait(state, switches, now, done, mag_id, token, handover.handover_id, what)]

    return Reaction([], switches | (also or set()), wait)


def _wait(
    state: LmaState,
    switches: set[str],
    now: float,
    done: RespondToAgent,
    mag_id: str,
    token: int,
    handover_id: str = "",
    what: HandoverInput | None = None,
) -> Wait:
    return Wait(
        needs={name: state.switches.generation(name) for name in switches},
        deadline=now + state.domain.timers.switch_confirmation_timeout_ms / 1000,
        then=(done,),
        otherwise=(RejectAgent(mag_id=mag_id, token=token, code="unavailable", message=""),),
        handover_id=handover_id,
        advance=what,
    )


def _with(waits: Callable[[LmaState], list[Wait]] | None, command: Command) -> Callable[[LmaState], list[Wait]]:
    """The same waits, each followed by one more command."""

    def extended(state: LmaState) -> list[Wait]:
        return [
            Wait(
                needs=wait.needs,
                deadline=wait.deadline,
                then=(*wait.then, command),
                otherwise=wait.otherwise,
                handover_id=wait.handover_id,
                advance=wait.advance,
            )
            for wait in (waits(state) if waits else [])
        ]

    return extended


# --- listeners and steps --------------------------------------------------------------------------------------------


def _listener(state: LmaState, mag_id: str, call: Any) -> Reaction:
    if state.policy.by_id(call.mn_id) is None or not state.policy.may_register(call.mn_id, mag_id):
        return _ignored(state, mag_id, "listener_not_authorised")
    match call:
        case methods.MobileNodeAttached(mn_id=mn_id, access_port=port):
            state.listeners.attach(mag_id, mn_id, port)
        case methods.MobileNodeDetached(mn_id=mn_id):
            state.listeners.detach(mag_id, mn_id)
        case methods.MobileNodeRetained(mn_id=mn_id, memberships=memberships):
            state.listeners.retain(mag_id, mn_id, _allowed(state, mn_id, memberships))
        case methods.MembershipReported(mn_id=mn_id, memberships=memberships):
            state.listeners.report(mag_id, mn_id, _allowed(state, mn_id, memberships))
    fact = RecordEvent(name=call.method.replace(".", "_"), fields={"mag_id": mag_id, "mn_id": call.mn_id})
    return Reaction([fact], {mag_id, state.domain.lma.id})


def _previous_mag(state: LmaState, mag_id: str, mn_id: str) -> str:
    """Where the MN was registered last, '' when nowhere else. An entry that waits for its deletion counts, too: the MAG
    has then seen the MN go (RFC 5213 section 5.3.5)."""
    entry = state.cache.lookup(mn_id)
    return entry.mag_id if entry is not None and entry.mag_id != mag_id else ""


def _step(state: LmaState, mag_id: str, call: methods.StepReached, now: float) -> Reaction:
    handover = state.handovers.get(call.handover_id)
    if handover is None:
        found = _of_call(state, call.handover_id, call.mn_id, call.previous_mag, call.new_mag, now)
        if isinstance(found, str):
            return _ignored(state, mag_id, "step_of_unknown_handover")
        handover = found
    if mag_id not in (handover.previous_mag, handover.new_mag) or len(handover.steps) >= STEPS_MAX:
        return _ignored(state, mag_id, "step_not_taken")
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


def _ignored(state: LmaState, mag_id: str, reason: str) -> Reaction:
    state.count(f"agent_message_ignored.{reason}")
    return Reaction([RecordEvent(name="agent_message_ignored", fields={"mag_id": mag_id, "reason": reason})])


def _facts(handover: Handover) -> dict[str, Any]:
    return {
        "handover_id": handover.handover_id,
        "mn_id": handover.mn_id,
        "previous_mag": handover.previous_mag,
        "new_mag": handover.new_mag,
        "trigger": handover.trigger,
        "state": handover.state.value,
    }

# SPDX-License-Identifier: Apache-2.0
"""PBUs at the LMA: judged, stored, acknowledged when the LMA's switch has confirmed; held where RFC 5213 has them wait.

Functions of (state, input); each returns a Reaction.
"""

from __future__ import annotations

from controller import coordination
from controller.commands import (
    RecordEvent,
    SendBindingError,
    SendParameterProblem,
    SendProxyBindingAcknowledgement,
)
from controller.confirmation import Wait
from controller.events import MobilityHeaderFaulty, MobilityTypeUnknown, ProxyBindingUpdateReceived
from controller.handover import HandoverInput
from controller.reaction import Reaction
from controller.registration import Registrar, Turn, Verdict
from controller.state import HeldUpdate, LmaState
from southbound.codec.binding_error import BindingError
from southbound.codec.iana import BindingErrorStatus
from southbound.codec.icmpv6_error import ParameterProblem, decode_invoking, encode_icmpv6_error

UNSETTLED_WAIT_S = 1.0
"""How long a PBU that only waits for a new LMA to settle is held before it is looked at again."""


def received(state: LmaState, event: ProxyBindingUpdateReceived, now: float) -> Reaction:
    """A PBU has come."""
    if state.domain.mag_by_address(event.source) is None:
        # Authentication comes before everything (RFC 5213 section 5.3.1), and here the address stands for it: strangers
        # get no answer. A MAG that may not register this MN does (154).
        return dropped(state, "source_is_no_mag")
    return _judged(state, event, now, Turn.FIRST)


def unknown_type(state: LmaState, event: MobilityTypeUnknown, now: float) -> Reaction:
    """A Mobility Header that nobody here can read (RFC 6275 section 9.2). Strangers get no answer to that either."""
    if state.domain.mag_by_address(event.source) is None:
        return dropped(state, "source_is_no_mag")
    reaction = dropped(state, "unknown_type")
    if state.errors.may_tell(event.source, now):
        error = BindingError(status=BindingErrorStatus.UNRECOGNIZED_MH_TYPE)
        reaction.commands.append(SendBindingError(error=error, destination=event.source, reply_to=event.reply_to))
    return reaction


def faulty(state: LmaState, event: MobilityHeaderFaulty, now: float) -> Reaction:
    """A Mobility Header with a Payload Proto or Header Len that it cannot have (RFC 6275 section 9.2)."""
    if state.domain.mag_by_address(event.source) is None:
        return dropped(state, "source_is_no_mag")
    reaction = dropped(state, event.reason)
    if state.errors.may_tell(event.source, now):
        problem = ParameterProblem(event.pointer)
        packet = encode_icmpv6_error(problem, decode_invoking(event.packet), state.domain.lma.address)
        reaction.commands.append(SendParameterProblem(packet=packet, reply_to=event.reply_to))
    return reaction


def dropped(state: LmaState, reason: str) -> Reaction:
    """A Mobility Header packet that is nobody's."""
    state.count(f"mobility_dropped.{reason}")
    return Reaction([RecordEvent(name="mobility_packet_dropped", fields={"reason": reason})])


def due(state: LmaState, now: float) -> Reaction:
    """Bindings that have run out, and PBUs that have been held for as long as they may be."""
    reaction = Reaction()
    for entry in state.cache.expire(now):
        reaction.commands.append(
            RecordEvent(name="binding_deleted", fields={"mn_id": entry.mn_id, "mag_id": entry.mag_id})
        )
        coordination.forget_unattached(state, entry.mn_id)
        reaction.dirty |= {state.domain.lma.id, entry.mag_id}
    for held in state.take_held(lambda held: held.deadline <= now):
        reaction.add(_judged(state, held.event, now, Turn.LAST))
    return reaction


def next_deadline(state: LmaState) -> float | None:
    """When `due` has something to do next."""
    times = [held.deadline for held in state.held.values()]
    expiry = state.cache.next_deadline()
    return min([*times, *([expiry] if expiry is not None else [])], default=None)


def settled(state: LmaState, now: float) -> Reaction:
    """The MAGs have told what they have: prefixes of the pool may be given out from now on."""
    state.may_assign = True
    reaction = Reaction()
    for held in state.take_held(lambda _: True):
        reaction.add(_judged(state, held.event, now, Turn.AGAIN, held.deadline))
    return reaction


def _judged(
    state: LmaState, event: ProxyBindingUpdateReceived, now: float, turn: Turn, deadline: float | None = None
) -> Reaction:
    registrar = Registrar(cache=state.cache, domain=state.domain, policy=state.policy, may_assign=state.may_assign)
    verdict = registrar.judge(event.update, event.source, received_at=event.received_at, now=now, turn=turn)
    fact = RecordEvent(
        name="proxy_binding_update",
        fields={
            "mn_id": verdict.mn_id,
            "from": str(event.source),
            "status": int(verdict.status),
            "lifetime_s": event.update.lifetime_s,
            "detail": verdict.detail,
        },
    )
    if verdict.held:
        state.count("proxy_binding_update_held")
        wait_s = state.domain.timers.max_delay_before_new_bce_assign_ms / 1000 or UNSETTLED_WAIT_S
        state.hold(HeldUpdate(mn_id=verdict.mn_id, event=event, deadline=deadline or now + wait_s))
        return Reaction([fact])
    state.count(f"proxy_binding_update.{int(verdict.status)}")
    if verdict.acknowledgement is None:
        return Reaction([fact])
    answer = SendProxyBindingAcknowledgement(
        acknowledgement=verdict.acknowledgement, destination=event.source, reply_to=event.reply_to
    )
    if verdict.entry is None and not verdict.replayed:
        return Reaction([fact, answer])
    reaction = Reaction([fact])
    _stored(state, verdict, answer, reaction, now)
    if verdict.entry is not None:
        # What the former MAG's de-registration was waited for, or what has come in the meantime.
        for held in state.take_held(lambda held: held.mn_id == verdict.mn_id):
            reaction.add(_judged(state, held.event, now, Turn.AGAIN, held.deadline))
    return reaction


def _stored(
    state: LmaState, verdict: Verdict, answer: SendProxyBindingAcknowledgement, reaction: Reaction, now: float
) -> None:
    """The PBA says that the LMA forwards to the new MAG (the draft's steps 9 and 10), so the LMA's switch comes first.

    A PBU that has come twice is no reason to say it earlier.
    """
    handover = None
    if verdict.entry is not None:
        reaction.dirty |= register(state, verdict)
        reaction.commands += coordination.strayed(state, verdict.entry)
        if verdict.entry.active:
            handover = state.handovers.arriving_at(verdict.entry.mag_id, verdict.entry.mn_id)

    def wait(state: LmaState) -> list[Wait]:
        return [
            Wait(
                needs={state.domain.lma.id: state.switches.generation(state.domain.lma.id)},
                deadline=now + state.domain.timers.switch_confirmation_timeout_ms / 1000,
                then=(answer,),
                otherwise=(),
                handover_id=handover.handover_id if handover else "",
                advance=HandoverInput.BIND if handover else None,
            )
        ]

    reaction.wait_for(wait)


def register(state: LmaState, verdict: Verdict) -> set[str]:
    """Store an accepted binding and the multicast state of a PBU-M; returns the switches that are concerned."""
    entry = verdict.entry
    if entry is None:
        return set()
    former = state.cache.put(entry)
    told = entry.mag_id in state.agents and state.listeners.is_attached(entry.mag_id, entry.mn_id)
    if verdict.memberships is not None and entry.active and not told:
        # An agent that has the MN on its link tells its state itself, whole and in order; a PBU-M may be late, or
        # without what found no room in it.
        state.listeners.report(entry.mag_id, entry.mn_id, verdict.memberships)
    coordination.forget_unattached(state, entry.mn_id)
    return {state.domain.lma.id, entry.mag_id} | ({former.mag_id} if former is not None else set())

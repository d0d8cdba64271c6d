# SPDX-License-Identifier: Apache-2.0
"""What an agent tells after its hello, handovers above all: a controller that has restarted keeps their rules, and learns
what an agent that has restarted knows no more. Functions of (state, input); each returns a Reaction.
"""

from __future__ import annotations

from controller import agent_calls
from controller.admission import allowed_memberships, handover_of_call
from controller.commands import Command, RecordEvent
from controller.coordination import give_up
from controller.handover import Handover, HandoverInput
from controller.reaction import Reaction, facts_of, ignored
from controller.state import LmaState
from southbound.rpc import methods


def running(state: LmaState, mag_id: str, call: methods.HandoverRunning, now: float) -> Reaction:
    """A handover is under way at this MAG, and its switch holds this for it."""
    handover = handover_of_call(state, call.handover_id, call.mn_id, call.previous_mag, call.new_mag, now)
    if isinstance(handover, str) or mag_id not in (call.previous_mag, call.new_mag):
        return ignored(state, mag_id, "running_handover_refused")
    memberships = allowed_memberships(state, call.mn_id, call.memberships)
    handover.groups = handover.groups or memberships
    handover.relayed = handover.relayed or call.relayed
    if mag_id == handover.new_mag:
        handover.mode, handover.uplink_waits = call.mode, call.uplink_waits
        _arriving(handover, call.holds, memberships)
    elif call.holds == "cloned":
        handover.cloning = memberships
        if handover.advance(HandoverInput.CLONE):
            handover.advance(HandoverInput.STREAM)
    commands: list[Command] = [RecordEvent(name="handover_running", fields={**facts_of(handover), "by": mag_id})]
    if handover.direct:
        # The controller that went away may have died before it said so.
        commands.append(agent_calls.finish(handover))
    return Reaction(commands, {mag_id, state.domain.lma.id})


def _arriving(handover: Handover, holds: str, memberships: methods.Memberships) -> None:
    match holds:
        case "joined":
            handover.joining = memberships
            handover.advance(HandoverInput.JOIN)
        case "prepared" | "delivered":
            handover.receiving = memberships
            handover.advance(HandoverInput.PREPARE)
    if holds == "delivered":
        handover.direct = True
        handover.advance(HandoverInput.BIND)
        handover.advance(HandoverInput.DELIVER)


def synchronised(state: LmaState, mag_id: str, call: methods.Synchronised) -> Reaction:
    """The agent has told everything: what it did not name has left, or is lost with the agent that knew it."""
    state.known_agents.add(mag_id)
    reaction = Reaction([RecordEvent(name="agent_synchronised", fields={"mag_id": mag_id})])
    for listener in [listener for listener in state.listeners.at(mag_id) if listener.mn_id not in call.attached]:
        if listener.access_port is not None or listener.retained:
            state.listeners.detach(mag_id, listener.mn_id)
            reaction.dirty |= {mag_id, state.domain.lma.id}
    for handover in [handover for handover in state.handovers.open() if handover.handover_id not in call.handovers]:
        if handover.new_mag == mag_id and (handover.receiving is not None or handover.joining is not None):
            _lost_by_new_mag(state, handover, reaction)
        elif handover.previous_mag == mag_id and handover.cloning is not None:
            # The clone is the switch's, and serves the MN on its way; it goes when the n-MAG is through.
            handover.released_by.add(mag_id)
            reaction.commands.append(RecordEvent(name="handover_lost_by_agent", fields=facts_of(handover)))
    return reaction


def _lost_by_new_mag(state: LmaState, handover: Handover, reaction: Reaction) -> None:
    """Nobody reads the buffer port for it any more: rules that send there would leave the MN deaf."""
    lost = give_up(state, handover, f"the agent of {handover.new_mag} has restarted")
    reaction.commands += [*lost.commands, agent_calls.cancel(handover)]
    reaction.dirty |= lost.dirty

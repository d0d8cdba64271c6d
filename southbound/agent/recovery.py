# SPDX-License-Identifier: Apache-2.0
"""After a fault of ours in the middle of an event: whom it concerns, and that mobile node as if it had just come. Pure.

What such an event has changed and what it has not nobody can say. So all that runs for its mobile node ends in the usual
way, as failed: peers and controller are told, rules, buffers and watches go. Then it is served as after a plain attachment,
or is gone. Everybody else's state is as it was. Each of these steps can be done twice, and for what was never begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from southbound.agent.access import AccessLinks
from southbound.agent.attachment import Attachments
from southbound.agent.binding_entry import BindingState
from southbound.agent.binding_update_list import BindingUpdateList
from southbound.agent.commands import AnswerController, Command, DropRetained, NotifyController, ReportFault, UnwatchSent
from southbound.agent.context import MagContext
from southbound.agent.context_transfer import ContextTransfer
from southbound.agent.departed import DepartedContexts
from southbound.agent.events import (
    AccessFrameReceived,
    ContextTransferReceived,
    ControllerAnswered,
    ControllerCalled,
    Event,
    LinkDown,
    LinkUp,
    MobilityHeaderReceived,
    StreamObserved,
    StreamsJoined,
)
from southbound.agent.handover_exchange import token_parts
from southbound.agent.handovers import Handovers
from southbound.agent.peer_messages import PeerMessages
from southbound.agent.reactive import Reactive
from southbound.mld.membership import GroupMembership
from southbound.rpc.methods import MobileNodeDetached
from topology.model import MobileNode

INTERNAL_FAULT = "internal_fault"
"""Name of the counter, and of the line in the log."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """The machines of one MAG, as far as an MN can be taken out of them."""

    context: MagContext
    links: AccessLinks
    bindings: BindingUpdateList
    handovers: Handovers
    departed: DepartedContexts
    attachments: Attachments
    transfer: ContextTransfer
    reactive: Reactive
    peers: PeerMessages

    def after(self, fault: Exception, event: Event, now: float) -> list[Command]:
        """The event has not been handled to its end."""
        mn_id = self._concerned(event)
        report = self._reported(fault, type(event).__name__, (mn_id,) if mn_id else ())
        answer: list[Command] = []
        reason = self._reason(fault)
        if isinstance(event, MobilityHeaderReceived):
            answer = self.peers.given_up(event.header, event.source, now)
        elif isinstance(event, ControllerCalled):
            answer = [AnswerController(error=reason)]
        return [report, *answer, *(self._renewed(mn_id, reason, now) if mn_id else [])]

    def after_tick(self, fault: Exception, now: float) -> list[Command]:
        """Something that was due has not been done, of one of those for whom something runs."""
        running = {leaving.profile.id for leaving in self.handovers.leaving}
        running |= {arriving.profile.id for arriving in self.handovers.new.all()}
        running |= set(self.attachments.waiting())
        concerned = tuple(sorted(running))
        commands: list[Command] = [self._reported(fault, "tick", concerned)]
        for mn_id in concerned:
            commands += self._renewed(mn_id, self._reason(fault), now)
        return commands

    def after_part(self, fault: Exception, doing: str, mn_id: str, now: float) -> list[Command]:
        """What was to follow from an event, for this MN, has not."""
        return [self._reported(fault, doing, (mn_id,)), *self._renewed(mn_id, self._reason(fault), now)]

    def after_command(self, fault: Exception, command: object, now: float) -> list[Command]:
        """What the core has said could not be done."""
        mn_id = getattr(command, "mn_id", None)
        known = mn_id if isinstance(mn_id, str) and self.context.policy.by_id(mn_id) is not None else None
        report = self._reported(fault, type(command).__name__, (known,) if known else ())
        return [report, *(self._renewed(known, self._reason(fault), now) if known else [])]

    def _reported(self, fault: Exception, doing: str, mn_ids: tuple[str, ...]) -> ReportFault:
        self.context.counters[INTERNAL_FAULT] += 1
        return ReportFault(fault=fault, doing=doing, mn_ids=mn_ids)

    def _reason(self, fault: Exception) -> str:
        """For those who read `error` of a handover: no name of ours, but what it says itself, and where there is more."""
        said = f" ({fault})" if str(fault) else ""
        return f"a fault inside the agent of {self.context.mag.id}{said}; its log says where"

    def _renewed(self, mn_id: str, reason: str, now: float) -> list[Command]:
        profile = self.context.policy.by_id(mn_id)
        if profile is None:
            return []
        handovers, known, here = self.handovers, self.links.memberships(mn_id), self.links.is_attached(mn_id)
        leaving, departed = handovers.leaving.of(mn_id), self.departed.take(mn_id)
        arriving = [one for one in handovers.new.all() if one.profile.id == mn_id]
        contexts = [*(one.memberships for one in leaving), *(one.memberships for one in arriving)]
        contexts += [departed.memberships] if departed is not None else []
        known = next((context for context in (known, *contexts) if context), ())
        # Whatever the machines believe to have said, it may not have got as far as out of here.
        commands: list[Command] = [*self.context.releases.again(mn_id)]
        for handover in leaving:
            handover.detached = not here
            commands += handovers.departures.failed(handover, reason, now)
        for coming in arriving:
            # The end of what it feeds may have been its own.
            if handovers.new.of(mn_id, coming.handover_id) is coming:
                commands += handovers.new.failed(coming, reason, now)
        fed_by = {"", *(one.fed_by for one in leaving), *(one.handover_id for one in arriving)}
        fed_by |= {departed.fed_by} if departed is not None else set()
        commands += [DropRetained(mn_id=mn_id, fed_by=handover_id) for handover_id in sorted(fed_by)]
        commands.append(UnwatchSent(port=profile.access_port()))
        for forget in (self.transfer.forget, self.reactive.forget, self.peers.forget):
            forget(mn_id)
        if here:
            return [*commands, *self._served(profile, known, now)]
        commands.append(NotifyController(call=MobileNodeDetached(mn_id=mn_id)))
        if leaving:
            return commands  # the de-registration follows the end of the handovers
        return [*commands, *self.bindings.deregister(profile, now)]

    def _served(self, profile: MobileNode, memberships: tuple[GroupMembership, ...], now: float) -> list[Command]:
        """Nobody knows what the controller and the LMA have been told of it, and it is here."""
        mn_id, state = profile.id, self.bindings.state(profile.id)
        lives = state in (BindingState.REGISTERING, BindingState.BOUND, BindingState.REFUSED)
        if lives and self.links.is_tracked(mn_id) and not self.attachments.is_waiting(mn_id):
            return self.attachments.told(profile)
        return self.attachments.anew(profile, memberships, now)

    def _concerned(self, event: Event) -> str | None:
        """The MN that an event is about; None when it is about nobody in particular."""
        mn_id: object = None
        match event:
            case LinkUp(port=port) | LinkDown(port=port) | AccessFrameReceived(port=port):
                mn_id = self.links.mobile_node(port)
            case MobilityHeaderReceived(header=header, source=source):
                mn_id = self.peers.mobile_node(header, source)
            case ContextTransferReceived(datagram=datagram):
                mn_id = self.transfer.mobile_node(datagram)
            case ControllerAnswered(token=token):
                mn_id = token_parts(token)[1]
            case ControllerCalled(call=call):
                mn_id = getattr(call, "mn_id", None)
            case StreamObserved(mn_id=named) | StreamsJoined(mn_id=named):
                mn_id = named
        return mn_id if isinstance(mn_id, str) and self.context.policy.by_id(mn_id) is not None else None


def each(
    parts: Iterable[Callable[[float], Sequence[Command]]], after: Callable[[Exception, float], list[Command]], now: float
) -> list[Command]:
    """What all of them say; the fault of one takes nothing from the others."""
    commands: list[Command] = []
    for part in parts:
        try:
            commands += part(now)
        except Exception as fault:  # the guard
            commands += after(fault, now)
    return commands

# SPDX-License-Identifier: Apache-2.0
"""LmaCore: events in, commands out. It routes; the rules are in registration, handover, forwarding and coordination."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from controller import (
    admission,
    binding_updates,
    coordination,
    forwarding,
    listening,
    resynchronisation,
    unicast_forwarding,
)
from controller.commands import Command, RecordEvent, RejectAgent, SendToSourceNetwork
from controller.confirmation import Wait
from controller.events import (
    AgentAnswered,
    AgentConnected,
    AgentDisconnected,
    AgentNotified,
    AgentRequested,
    Event,
    ForwardingConfirmed,
    ForwardingFailed,
    HandoverCancelRequested,
    HandoverRequested,
    ListenerMessageReceived,
    ListenerPacketDropped,
    MobilityHeaderFaulty,
    MobilityPacketDropped,
    MobilityTypeUnknown,
    NeighborHeard,
    NeighborPacketDropped,
    PacketNotForwarded,
    ProxyBindingUpdateReceived,
    SwitchConnected,
    SwitchDisconnected,
)
from controller.handover import HandoverInput
from controller.multicast import Memberships
from controller.reaction import Reaction
from controller.snapshot import Snapshot, take_snapshot
from controller.source_router import SourceRouter
from controller.state import LmaState
from southbound.openflow.intents import Intent, SignallingIntent
from southbound.rpc import methods
from topology.model import Domain

SETTLE_S = 3.0
"""How long a new controller waits for the agents before it tells the switches what it knows."""
ANCHOR_S = 0.2
"""How long the LMA's switch goes before those of the MAGs then."""


class LmaCore:
    """The logical LMA of one domain.

    `handle` and `tick` return commands for the edge to carry out, in order. `now` is a monotonic clock in seconds.
    """

    def __init__(self, domain: Domain, random_delay: Callable[[float], float] = lambda limit: limit / 2) -> None:
        """`random_delay(limit)` gives a delay of 0 to `limit` seconds."""
        self._state = LmaState.of(domain, random_delay)
        self.version = 0
        """Grows with everything that may change the state: two snapshots of one version are equal."""
        self._settle_at: float | None = None
        self._anchored = False
        self._deferred: list[Callable[[LmaState], list[Wait]]] = []

    def start(self, now: float) -> list[Command]:
        """Begin. Signalling is wanted at once; forwarding only when the domain has told what is there.

        Switches may hold rules of a controller that died: asked for too early, an empty state would take them away
        and streams with them. So nothing is wanted of them until all MAGs have reported, or SETTLE_S has passed.
        """
        self._settle_at, self._state.may_assign = now + SETTLE_S, False
        return [*self._refresh({self._state.transport_switch}, now)]

    def handle(self, event: Event, now: float) -> list[Command]:
        """React to one event, to completion."""
        self.version += 1
        reaction = self._react(event, now)
        self._follow(reaction, now)
        if self._settle_at is not None and not self._anchored and self._state.is_settled():
            reaction.dirty |= self._anchor(now)
        return self._carried_out(reaction, now)

    def _follow(self, reaction: Reaction, now: float) -> None:
        """With bindings the MAGs change that are to be asked in their tunnels."""
        if self._state.domain.lma.id in reaction.dirty:
            reaction.commands += listening.followed(self._state, now)

    def _carried_out(self, reaction: Reaction, now: float) -> list[Command]:
        refreshed = list(self._refresh(reaction.dirty, now, reaction.first))
        # Waits are made after the refresh: only then is the generation known that they wait for.
        waits = reaction.waits(self._state) if reaction.waits else []
        if self._settle_at is not None:
            # Generation 0 is not a promise: the wait is made anew when there is something to wait for.
            self._deferred += [reaction.waits] if reaction.waits else []
            waits = []
        held = [*self._hold_deferred(now), *self._hold(waits, now)]
        return [*reaction.commands, *refreshed, *held]

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next, or None."""
        deadlines = (
            self._settle_at,
            binding_updates.next_deadline(self._state),
            self._state.handovers.next_deadline(),
            self._state.switches.next_deadline(),
            listening.next_deadline(self._state),
            self._state.source_router.next_deadline(),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def tick(self, now: float) -> list[Command]:
        """Do what time has made due: bindings, handovers and waits that have run out."""
        self.version += 1
        state = self._state
        reaction = Reaction()
        if self._settle_at is not None and self._settle_at <= now:
            if self._anchored:
                reaction.add(self._settle(now))
            else:
                known = ",".join(sorted(state.known_agents))
                reaction.commands.append(RecordEvent(name="settled_late", fields={"known": known}))
                reaction.dirty |= self._anchor(now)
        reaction.add(binding_updates.due(state, now))
        reaction.add(listening.due(state, now))
        for handover in state.handovers.overdue(now):
            reaction.add(coordination.give_up(state, handover, "the handover took too long; its rules were taken away"))
        for handover in state.handovers.quiet(now):
            handover.quiet_at = None
            handover.advance(HandoverInput.STREAM)
            reaction.commands.append(coordination.forwarding_fact(handover))
        reaction.add(self._to_source_router(lambda router: router.tick(now)))
        for wait in state.switches.expire(now):
            reaction.commands += self._lost(wait, "no confirmation from " + ", ".join(sorted(wait.needs)))
        self._follow(reaction, now)
        return self._carried_out(reaction, now)

    @property
    def is_quiet(self) -> bool:
        """Whether no handover is under way and no PBU waits: nobody would notice if the next event took longer."""
        return not self._state.handovers.open() and not self._state.held

    def snapshot(self) -> Snapshot:
        """An immutable picture of everything, for REST and tests."""
        return take_snapshot(self._state)

    def _react(self, event: Event, now: float) -> Reaction:
        state = self._state
        match event:
            case ProxyBindingUpdateReceived():
                return binding_updates.received(state, event, now)
            case AgentRequested(mag_id=mag_id, token=token, call=call):
                return coordination.requested(state, mag_id, token, call, now)
            case AgentNotified(mag_id=mag_id, call=methods.HandoverRunning() as call):
                return resynchronisation.running(state, mag_id, call, now)
            case AgentNotified(mag_id=mag_id, call=methods.Synchronised() as call):
                return resynchronisation.synchronised(state, mag_id, call)
            case AgentNotified(mag_id=mag_id, call=call):
                return coordination.notified(state, mag_id, call, now)
            case AgentAnswered(token=token, error=error):
                return coordination.answered(state, token, error)
            case AgentConnected(mag_id=mag_id):
                return coordination.agent_connected(state, mag_id)
            case AgentDisconnected(mag_id=mag_id):
                return coordination.agent_disconnected(state, mag_id)
            case HandoverRequested():
                return admission.handover_requested(state, event, now)
            case HandoverCancelRequested(handover_id=handover_id):
                return admission.cancel_requested(state, handover_id)
            case ForwardingConfirmed(switch=switch, generation=generation):
                met = state.switches.confirmed(switch, generation)
                return Reaction([command for wait in met for command in self._met(wait, now)])
            case ForwardingFailed(switch=switch, generation=generation, reason=reason):
                lost = state.switches.failed(switch, generation, reason)
                fact = RecordEvent(name="switch_refused", fields={"switch": switch, "reason": reason})
                return Reaction([fact, *(command for wait in lost for command in self._lost(wait, reason))])
            case SwitchConnected(switch=switch):
                state.switches.set_connected(switch, True)
                if self._settle_at is not None and not self._anchored and switch == state.transport_switch:
                    # Only from now on can PBUs be heard.
                    self._settle_at = now + SETTLE_S
                again = state.switches.repeat(switch)
                reaction = Reaction([again] if again else [])
                if switch == state.domain.lma.id:
                    reaction.add(self._to_source_router(lambda router: router.connected(now)))
                return reaction
            case SwitchDisconnected(switch=switch):
                state.switches.set_connected(switch, False)
                if switch == state.domain.lma.id:
                    state.source_router.disconnected()
                return Reaction([RecordEvent(name="switch_disconnected", fields={"switch": switch})])
            case MobilityTypeUnknown():
                return binding_updates.unknown_type(state, event, now)
            case MobilityHeaderFaulty():
                return binding_updates.faulty(state, event, now)
            case MobilityPacketDropped(reason=reason):
                return binding_updates.dropped(state, reason)
            case ListenerMessageReceived(message=message, tunnel=tunnel):
                return listening.heard(state, message, tunnel, now)
            case ListenerPacketDropped(reason=reason):
                return listening.dropped(state, reason)
            case NeighborHeard(link_layer_id=link_layer_id, packet=packet):
                return self._to_source_router(lambda router: router.heard(link_layer_id, packet, now))
            case NeighborPacketDropped(reason=reason):
                state.count(f"neighbour_dropped.{reason}")
                return Reaction()
            case PacketNotForwarded():
                answer = state.router_errors.answered(event, now)
                return Reaction([] if answer is None else [answer])

    def _to_source_router(self, what: Callable[[SourceRouter], list[bytes]]) -> Reaction:
        """Let it act; when another neighbour is known then, the LMA's switch is told."""
        neighbours = self._state.neighbours
        before = neighbours.link_layer_ids()
        frames = what(self._state.source_router)
        changed = neighbours.link_layer_ids() != before
        return Reaction(
            [SendToSourceNetwork(frame=frame) for frame in frames], {self._state.domain.lma.id} if changed else set()
        )

    def _anchor(self, now: float) -> set[str]:
        """Make before break: the LMA feeds every MAG that needs it before any MAG stops what a dead controller began."""
        self._anchored, self._settle_at = True, now + ANCHOR_S
        return {self._state.domain.lma.id}

    def _settle(self, now: float) -> Reaction:
        self._settle_at = None
        reaction = binding_updates.settled(self._state, now)
        reaction.dirty |= set(self._state.switches.names())
        return reaction

    def _hold_deferred(self, now: float) -> list[Command]:
        if self._settle_at is not None:
            return []
        deferred, self._deferred = self._deferred, []
        return [command for waits in deferred for command in self._hold(waits(self._state), now)]

    def _refresh(self, dirty: set[str], now: float, first: frozenset[str] = frozenset()) -> Iterable[Command]:
        for name in sorted(dirty, key=lambda name: (name not in first, name)):
            if not self._may_tell(name):
                continue
            wants = self._wants() if name == self._state.domain.lma.id else {}
            command = self._state.switches.want(name, self._intent(name, wants))
            if command is not None:
                yield command
            if wants:
                yield from self._state.source_network.wanted(wants, now)

    def _wants(self) -> dict[str, list[Memberships]]:
        """What each MAG is to be sent; a stream that has begun to come for an MN on its way does not end before it."""
        state = self._state
        intent = state.switches.intent(state.domain.lma.id)
        forwarding.note_fed(intent, state.domain, state.cache, state.handovers.open())
        return listening.by_mag(state)

    def _may_tell(self, name: str) -> bool:
        if self._settle_at is None or name == self._state.transport_switch:
            return True
        return self._anchored and name == self._state.domain.lma.id

    def _intent(self, name: str, wants: Mapping[str, Iterable[Memberships]]) -> Intent:
        """`wants`: of the LMA's own switch, what each MAG is to be sent."""
        state = self._state
        domain = state.domain
        if name == state.transport_switch:
            return SignallingIntent(lma_address=domain.lma.address)
        if name == domain.lma.id:
            own = unicast_forwarding.lma_unicast(
                domain, state.cache, state.listeners, state.handovers, state.neighbours.link_layer_ids()
            )
            return forwarding.lma_intent(domain, wants, own, state.routes.kept_from_routes)
        mag = domain.mag(name)
        if mag is None:
            raise KeyError(name)
        return forwarding.mag_intent(mag, domain, state.cache, state.listeners, state.handovers)

    def _hold(self, waits: list[Wait], now: float) -> Iterable[Command]:
        for wait in waits:
            away = [name for name in wait.needs if not self._state.switches.is_connected(name)]
            if away:
                yield from self._lost(wait, f"switch {', '.join(away)} is not connected")
                continue
            met = self._state.switches.hold(wait)
            if met is not None:
                yield from self._met(met, now)

    def _met(self, wait: Wait, now: float) -> list[Command]:
        if wait.advance is None:
            return list(wait.then)
        return [*wait.then, *coordination.advance(self._state, wait.handover_id, wait.advance, now)]

    def _lost(self, wait: Wait, reason: str) -> list[Command]:
        self._state.count("confirmation_lost")
        named = [
            RejectAgent(mag_id=command.mag_id, token=command.token, code=command.code, message=reason)
            if isinstance(command, RejectAgent) else command
            for command in wait.otherwise
        ]
        fact = RecordEvent(name="confirmation_lost", fields={"reason": reason, "handover_id": wait.handover_id})
        return [fact, *named]

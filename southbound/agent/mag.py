# SPDX-License-Identifier: Apache-2.0
"""MagCore: all that one MAG's agent decides. Events and `now` in, commands out; it routes, the machines decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from southbound.agent.access import AccessLinks
from southbound.agent.attachment import Attachments
from southbound.agent.binding_update_list import BindingUpdateList
from southbound.agent.commands import PACKET_DROPPED, AnswerController, Command, RecordFact, SendMobilityHeader
from southbound.agent.context import MagContext
from southbound.agent.context_fetch import ContextFetch
from southbound.agent.context_transfer import ContextTransfer
from southbound.agent.default_router import DefaultRouter
from southbound.agent.departed import DepartedContexts
from southbound.agent.events import (
    AccessFrameReceived,
    ContextTransferReceived,
    ControllerAnswered,
    ControllerCalled,
    ControllerConnected,
    ControllerDisconnected,
    Event,
    LinkDown,
    LinkUp,
    MobilityHeaderReceived,
    StreamObserved,
    StreamsJoined,
    TunnelQueryReceived,
)
from southbound.agent.handover_exchange import HandoverExchange, token_parts
from southbound.agent.handover_trigger import HandoverTrigger
from southbound.agent.handovers import Handovers
from southbound.agent.home_networks import HomeNetworks
from southbound.agent.peer_messages import PeerMessages
from southbound.agent.reactive import Reactive
from southbound.agent.recovery import Recovery, each
from southbound.agent.sequence_window import SequenceWindow
from southbound.agent.snapshot import MagSnapshot
from southbound.agent.synchronisation import Synchronisation
from southbound.agent.tunnel_proxy import TunnelProxy
from southbound.mobility_authentication import MobilityAuthentication
from southbound.rpc import methods
from topology.model import Domain, Mag
from topology.policy_store import PolicyStore


class MagCore:
    """One MAG. `now` is a monotonic clock in seconds; `wall_offset` what must be added to get seconds since 1970.

    `uniform(low, high)` draws a number from that range.
    """

    def __init__(
        self,
        domain: Domain,
        mag: Mag,
        *,
        new_handover_id: Callable[[], str],
        wall_offset: float,
        held_bytes: Callable[[], int] = lambda: 0,
        uplink_waits: Callable[[str], bool] = lambda _peer: False,
        uniform: Callable[[float, float], float] = lambda low, high: (low + high) / 2,
        authentication: MobilityAuthentication | None = None,
    ) -> None:
        """`held_bytes` tells how many octets of packets are kept for MNs here. `uplink_waits(mag_id)`
        is that of MagContext. None: messages are not authenticated."""
        timers = domain.timers
        exchange = HandoverExchange(
            timeout_s=timers.handover_initiate_timeout_ms / 1000,
            retries=timers.handover_initiate_retries,
        )
        self._context = MagContext(
            domain=domain,
            mag=mag,
            policy=PolicyStore(domain.mobile_nodes),
            exchange=exchange,
            new_handover_id=new_handover_id,
            home_networks=HomeNetworks(domain),
            sequences=SequenceWindow(timers.forwarding_lifetime_s),
            held_bytes=held_bytes,
            uplink_waits=uplink_waits,
            wall_offset=wall_offset,
            authentication=authentication,
        )
        self._links = AccessLinks(self._context)
        self._bindings = BindingUpdateList(self._context)
        self._handovers = Handovers.of(self._context)
        self._departed = DepartedContexts(timers.forwarding_lifetime_s)
        self._router = DefaultRouter(self._context, uniform)
        self._proxy = TunnelProxy(self._context, lambda limit: uniform(0.0, limit))
        self._attachments = Attachments(
            self._context, self._links, self._bindings, self._handovers, self._departed, self._router
        )
        self._transfer = ContextTransfer(self._context, self._links, self._departed)
        self._reactive = Reactive(self._context, self._links, self._handovers, self._departed)
        self._fetch = ContextFetch(self._context, self._attachments, self._transfer, self._reactive, self._handovers.intake)
        self._peers = PeerMessages(
            self._context, self._links, self._bindings, self._handovers, self._attachments, self._reactive,
            self._fetch, self._router,
        )
        self._trigger = HandoverTrigger(self._context, self._links, self._handovers)
        self._recovery = Recovery(
            self._context, self._links, self._bindings, self._handovers, self._departed, self._attachments, self._transfer,
            self._reactive, self._peers,
        )
        self._synchronisation = Synchronisation(
            self._links, self._bindings, self._handovers, self._departed, self._proxy
        )

    def set_clock(self, wall_offset: float) -> None:
        """The wall clock may be set while we run: Timestamp options follow it."""
        self._context.wall_offset = wall_offset

    @property
    def counters(self) -> dict[str, int]:
        """What was dropped, refused or given up, by reason."""
        return dict(self._context.counters)

    def snapshot(self) -> MagSnapshot:
        """An immutable picture of everything but the counters."""
        attached = tuple(sorted(profile.id for profile in self._links.attached()))
        return MagSnapshot(
            attached=attached,
            memberships={mn_id: self._links.memberships(mn_id) for mn_id in attached},
            bindings=self._bindings.states(),
            leaving=self._handovers.leaving.states(),
            arriving={one.profile.id: (one.handover_id, one.state.value) for one in self._handovers.new.all()},
            outstanding=(
                *self._context.exchange.outstanding(), *self._context.releases.names(), *self._transfer.outstanding()
            ),
        )

    def handle(self, event: Event, now: float) -> list[Command]:
        """React to one event, to completion. A fault of ours on the way is contained: see `recovery`.

        What then is raised has not been.
        """
        try:
            commands = self._react(event, now)
        except Exception as fault:  # the guard
            if isinstance(event, ControllerConnected):
                raise  # it is about everybody: to begin anew is all that is left
            commands = self._recovery.after(fault, event, now)
        return self._completed(commands, now)

    def failed(self, command: Command, fault: Exception, now: float) -> list[Command]:
        """A command could not be carried out, by a fault of ours."""
        return self._completed(self._recovery.after_command(fault, command, now), now)

    def _react(self, event: Event, now: float) -> list[Command]:
        match event:
            case LinkUp(port=port):
                profile = self._links.up(port)
                return self._attachments.attached(profile, now) if profile is not None else []
            case LinkDown(port=port, last_delivered=last_delivered):
                return self._attachments.detached(port, last_delivered, now)
            case AccessFrameReceived(port=port, frame=frame):
                return self._access_frame(port, frame, now)
            case MobilityHeaderReceived(header=header, source=source):
                return self._peers.received(header, source, now)
            case ContextTransferReceived(datagram=datagram, source=source):
                commands, result = self._transfer.received(datagram, source, now)
                return [*commands, *(self._fetch.transferred(result, now) if result is not None else [])]
            case ControllerConnected():
                return self._synchronisation.after_hello(now)
            case ControllerDisconnected():
                return [RecordFact(name="controller_away")]
            case ControllerAnswered():
                return self._controller_answered(event, now)
            case ControllerCalled(call=call):
                return self._controller_called(call, now)
            case StreamObserved(mn_id=mn_id, what=what, detail=detail):
                return self._handovers.new.observed(mn_id, what, detail, now)
            case StreamsJoined(mn_id=mn_id):
                return self._handovers.new.joined(mn_id, now)
            case TunnelQueryReceived(packet=packet):
                return self._proxy.received(packet, now)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next, or None."""
        context = self._context
        parts = (
            context.exchange, context.releases, self._bindings, self._handovers.leaving, self._handovers.new,
            self._links, self._attachments, self._transfer, self._router, self._proxy, self._peers,
        )
        return min((at for part in parts if (at := part.next_deadline()) is not None), default=None)

    def tick(self, now: float) -> list[Command]:
        """Do what time has made due. Raises what leaves it due: else there would be no end to it."""
        faults: list[Exception] = []

        def after(fault: Exception, at: float) -> list[Command]:
            faults.append(fault)
            return self._recovery.after_tick(fault, at)

        machines = (
            self._exchanges_due, self._context.releases.tick, self._bindings.tick, self._handovers.departures.tick,
            self._handovers.new.tick, self._attachments.tick, self._router.tick, self._fetch.tick, self._peers.tick,
            self._proxy.tick, self._links_due,
        )
        commands = self._completed(each(machines, after, now), now)
        due = self.next_deadline()
        if faults and due is not None and due <= now:
            raise faults[0]
        return commands

    def _exchanges_due(self, now: float) -> list[Command]:
        repeated, given_up = self._context.exchange.tick(now)
        commands: list[Command] = [*repeated]
        for token in given_up:
            what, mn_id, handover_id = token_parts(token)
            commands += self._handovers.previous.gave_up(mn_id, handover_id, what, now)
            commands += self._handovers.intake.gave_up(mn_id, handover_id, what)
            commands += self._fetch.gave_up(mn_id, handover_id, what, now)
        return commands

    def _links_due(self, now: float) -> list[Command]:
        return self._attachments.reported(self._links.tick(now))

    def _completed(self, commands: list[Command], now: float) -> list[Command]:
        """With what follows from them; whatever goes to a peer is signed here, and nowhere else."""
        follow = each(
            (self._deregister_departed, self._binding_results, self._proxied), self._recovery.after_tick, now
        )
        return [self._signed(command) for command in (*commands, *follow)]

    def _signed(self, command: Command) -> Command:
        authentication = self._context.authentication
        if authentication is None or not isinstance(command, SendMobilityHeader):
            return command
        return replace(command, header=authentication.sign(command.header, command.destination))

    def _proxied(self, now: float) -> list[Command]:
        """Where the LMA has no ear for the multicast option, MLD tells it (RFC 6224)."""
        return self._proxy.serves(self._bindings.without_multicast(), now)

    def _deregister_departed(self, now: float) -> list[Command]:
        """The de-registrations that waited for the end of forwarding (the LMA ignores them once the n-MAG is bound)."""
        commands: list[Command] = []
        for profile, kept in self._handovers.departures.take_departed():
            if self._links.is_attached(profile.id):
                continue
            try:
                commands += self._attachments.handovers_over(profile, now, kept=kept)
            except Exception as fault:  # the guard
                commands += self._recovery.after_part(fault, "de-registration", profile.id, now)
        return commands

    def _binding_results(self, now: float) -> list[Command]:
        """What has become of bindings without an answer of the LMA."""
        commands: list[Command] = []
        for result in self._bindings.take_results():
            try:
                commands += self._peers.binding_result(result, now)
            except Exception as fault:  # the guard
                commands += self._recovery.after_part(fault, "binding", result.mn_id, now)
        return commands

    # --- the access link ------------------------------------------------------------------------------------------

    def _access_frame(self, port: str, frame: bytes, now: float) -> list[Command]:
        heard = self._links.frame(port, frame, now)
        if heard.dropped:
            return [RecordFact(name=PACKET_DROPPED, fields={"reason": heard.dropped, "port": port})]
        commands = self._attachments.heard(heard.profile, heard.effects, now)
        if heard.neighbor is not None and heard.profile is not None:
            commands += self._router.heard(heard.profile, heard.neighbor, now)
        if heard.indication is not None and heard.profile is not None:
            commands += self._trigger.indicated(heard.profile, heard.indication, now)
        return commands

    # --- the controller -------------------------------------------------------------------------------------------

    def _controller_answered(self, answer: ControllerAnswered, now: float) -> list[Command]:
        token, error, lost = answer.token, answer.error, answer.lost
        what, mn_id, handover_id = token_parts(token)
        match what:
            case "prepare":
                commands = self._handovers.intake.prepared(mn_id, handover_id, error, now, lost=lost)
                return [*commands, *([] if lost else self._fetch.prepared(mn_id, now))]
            case "join":
                return self._handovers.intake.joined_ahead(mn_id, handover_id, error, now, lost=lost)
            case "attached":
                return self._fetch.previous_mag_named(mn_id, handover_id, error, answer.result, now)
            case "clone":
                return self._handovers.previous.cloned(mn_id, handover_id, error, now, lost=lost)
            case "direct":
                return self._handovers.new.delivered_directly(mn_id, handover_id, error, now)
            case "released":
                return self._context.releases.answered(token, error, now)
        return []

    def _controller_called(self, call: object, now: float) -> list[Command]:
        match call:
            case methods.StartHandover(handover_id=handover_id, mn_id=mn_id, new_mag=new_mag, mode=mode):
                profile = self._context.policy.by_id(mn_id)
                if profile is None:
                    return [AnswerController(error=f"mn_id: {mn_id} is not in the policy store")]
                error, commands = self._trigger.start(profile, new_mag, handover_id, now, "REST", join=mode == "join")
                return [*commands, AnswerController(error=error)]
            case methods.FinishForwarding(handover_id=handover_id, mn_id=mn_id):
                finished = self._handovers.departures.finish(mn_id, handover_id, now)
                error = None if finished is not None else "no such handover"
                return [*(finished or []), AnswerController(error=error)]
            case methods.CancelHandover(handover_id=handover_id, mn_id=mn_id):
                cancelled = self._handovers.departures.cancelled(mn_id, handover_id, now)
                error = None if cancelled is not None else "no such handover"
                return [*(cancelled or []), AnswerController(error=error)]
        return [AnswerController(error="unknown call")]

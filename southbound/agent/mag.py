# SPDX-License-Identifier: Apache-2.0
"""MagCore: all that one MAG's agent decides. Events and `now` in, commands out; it routes, the machines decide."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address

from southbound.agent.access import AccessLinks
from southbound.agent.binding_update_list import BindingUpdateList
from southbound.agent.commands import (
    AnswerController,
    Command,
    NotifyController,
    RecordFact,
)
from southbound.agent.context import MagContext
from southbound.agent.events import (
    AccessFrameReceived,
    ControllerAnswered,
    ControllerCalled,
    ControllerConnected,
    ControllerDisconnected,
    Event,
    LastDeliveredDigests,
    LinkDown,
    LinkUp,
    MobilityHeaderReceived,
    StreamObserved,
    StreamsJoined,
)
from southbound.agent.handover_exchange import HandoverExchange, token_parts
from southbound.agent.handover_messages import Purpose, acknowledgement, handover_id_of, memberships_of, purpose
from southbound.agent.new_mag import NewMag
from southbound.agent.previous_mag import PreviousMag
from southbound.agent.snapshot import MagSnapshot
from southbound.codec.accessors import mn_id as mn_id_of
from southbound.codec.accessors import new_mag_id
from southbound.codec.binding import ProxyBindingAcknowledgement
from southbound.codec.errors import DecodeError
from southbound.codec.handover import HandoverAcknowledge, HandoverIndication, HandoverInitiate
from southbound.codec.iana import HandoffIndicator, HandoverAcknowledgeCode
from southbound.codec.mobility import decode_mobility
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.rpc import methods
from topology.model import Domain, Mag, MobileNode
from topology.policy_store import PolicyStore


class MagCore:
    """One MAG. `now` is a monotonic clock in seconds; `wall_offset` what must be added to get seconds since 1970."""

    def __init__(
        self, domain: Domain, mag: Mag, *, first_sequence: int, new_handover_id: Callable[[], str], wall_offset: float
    ) -> None:
        timers = domain.timers
        exchange = HandoverExchange(
            timeout_s=timers.handover_initiate_timeout_ms / 1000,
            retries=timers.handover_initiate_retries,
            first_sequence=first_sequence,
        )
        self._context = MagContext(
            domain=domain,
            mag=mag,
            policy=PolicyStore(domain.mobile_nodes),
            exchange=exchange,
            new_handover_id=new_handover_id,
            wall_offset=wall_offset,
        )
        self._links = AccessLinks(self._context)
        self._bindings = BindingUpdateList(self._context)
        self._previous = PreviousMag(self._context)
        self._new = NewMag(self._context)

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
            leaving=self._previous.states(),
            arriving=self._new.states(),
            outstanding=(*self._context.exchange.outstanding(), *self._context.releases.names()),
        )

    def handle(self, event: Event, now: float) -> list[Command]:
        """React to one event, to completion."""
        commands = self._react(event, now)
        return [*commands, *self._deregister_departed(now)]

    def _react(self, event: Event, now: float) -> list[Command]:
        match event:
            case LinkUp(port=port):
                return self._attached(self._links.up(port), now)
            case LinkDown(port=port, last_delivered=last_delivered):
                return self._detached(self._links.down(port), last_delivered, now)
            case AccessFrameReceived(port=port, frame=frame):
                return self._access_frame(port, frame, now)
            case MobilityHeaderReceived(header=header, source=source):
                return self._mobility_header(header, source, now)
            case ControllerConnected():
                return self._synchronise(now)
            case ControllerDisconnected():
                return [RecordFact(name="controller_away")]
            case ControllerAnswered(token=token, error=error):
                return self._controller_answered(token, error, now)
            case ControllerCalled(call=call):
                return self._controller_called(call, now)
            case StreamObserved(mn_id=mn_id, what=what, detail=detail):
                return self._new.observed(mn_id, what, detail, now)
            case StreamsJoined(mn_id=mn_id):
                return self._new.joined(mn_id)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next, or None."""
        context = self._context
        parts = (context.exchange, context.releases, self._bindings, self._previous, self._new, self._links)
        return min((at for part in parts if (at := part.next_deadline()) is not None), default=None)

    def tick(self, now: float) -> list[Command]:
        """Do what time has made due."""
        repeated, given_up = self._context.exchange.tick(now)
        commands: list[Command] = [*repeated]
        for token in given_up:
            what, mn_id, handover_id = token_parts(token)
            commands += self._previous.gave_up(mn_id, handover_id, what)
            commands += self._new.gave_up(mn_id, handover_id, what)
        commands += self._context.releases.tick(now)
        commands += self._bindings.tick(now)
        commands += self._previous.tick(now)
        commands += self._new.tick(now)
        return [*commands, *self._reported(self._links.tick(now)), *self._deregister_departed(now)]

    # --- the access link ------------------------------------------------------------------------------------------

    def _attached(self, profile: MobileNode | None, now: float) -> list[Command]:
        """RFC 5213 section 6.9.1.1. With a transferred context delivery comes first, then the PBU-M (steps 7 and 8)."""
        if profile is None:
            return []
        leaving = self._previous.get(profile.id)
        commands = self._previous.returned(profile.id, now)
        arriving = self._new.get(profile.id)
        if arriving is not None:
            delivery = self._new.arrived(profile.id, now)
            installed = self._links.install(profile, arriving.memberships, now)
            indicator = HandoffIndicator.BETWEEN_MAGS_SAME_INTERFACE
        else:
            delivery = []
            # One that comes back is what it was when it left; of another one only the policy store knows anything.
            known = leaving.memberships if leaving is not None else _subscribed(profile)
            installed = self._links.install(profile, known, now)
            indicator = HandoffIndicator.UNKNOWN
        memberships = self._links.memberships(profile.id)
        register = self._bindings.register(profile, indicator, memberships, now)
        attached = methods.MobileNodeAttached(mn_id=profile.id, access_port=profile.access_port())
        step: list[Command] = []
        if arriving is not None:
            step = [
                self._context.step(
                    8, "PBU-M", arriving.handover_id, profile.id, arriving.peer.id, self._context.mag.id, now,
                    f"{len(memberships)} group(s)",
                )
            ]
        return [
            *delivery,
            *register,
            *commands,
            NotifyController(call=attached),
            NotifyController(call=methods.MembershipReported(mn_id=profile.id, memberships=memberships)),
            *step,
            *(command for command in self._reported(installed) if not isinstance(command, NotifyController)),
            # After delivery has begun: it corrects what changed while the MN was away (RFC 6224 section 4.2).
            *self._reported(self._links.query(profile, now)),
        ]

    def _detached(
        self, profile: MobileNode | None, last_delivered: LastDeliveredDigests, now: float
    ) -> list[Command]:
        if profile is None:
            return []
        leaving = self._previous.get(profile.id)
        commands = self._previous.detached(profile.id, last_delivered, now)
        commands += self._new.left(profile.id, now)
        commands.append(NotifyController(call=methods.MobileNodeDetached(mn_id=profile.id)))
        if leaving is None:
            # While forwarding is under way the de-registration waits: the LMA would stop the stream that is being
            # cloned (RFC 5213 section 5.3.5).
            commands += self._bindings.deregister(profile, now)
        else:
            self._bindings.suspend(profile.id)
        return commands

    def _access_frame(self, port: str, frame: bytes, now: float) -> list[Command]:
        heard = self._links.frame(port, frame, now)
        commands = self._reported(heard.effects)
        if heard.indication is not None and heard.profile is not None:
            commands += self._indicated(heard.profile, heard.indication, now)
        return commands

    def _indicated(self, profile: MobileNode, indication: HandoverIndication, now: float) -> list[Command]:
        """Step 1 from the MN itself: MN-ID and n-MAG id (the draft's section 4)."""
        target = new_mag_id(indication)
        if mn_id_of(indication) != profile.id or target is None:
            return self._dropped("handover_indication_not_of_this_mobile_node")
        error, commands = self._start(profile, target, self._context.new_handover_id(), now, "mobile node")
        if error is not None:
            self._context.counters["handover_indication_refused"] += 1
            fact = RecordFact(name="handover_refused", fields={"mn_id": profile.id, "new_mag": target, "reason": error})
            return [fact]
        return commands

    def _reported(self, commands: list[Command]) -> list[Command]:
        """What the listener machines say, with the Binding Update List kept in step."""
        for command in commands:
            if isinstance(command, NotifyController) and isinstance(command.call, methods.MembershipReported):
                self._bindings.update_memberships(command.call.mn_id, command.call.memberships)
        return commands

    # --- peers and LMA --------------------------------------------------------------------------------------------

    def _mobility_header(self, header: bytes, source: IPv6Address, now: float) -> list[Command]:
        context = self._context
        peer = context.domain.mag_by_address(source)
        if peer is None and source != context.domain.lma.address:
            return self._dropped("mobility_header_of_unknown_peer")
        dialect = context.dialect(peer or context.mag)
        try:
            message = decode_mobility(
                header, source, context.mag.address, dialect,
                option_length_unit=context.domain.option_length_unit, verify_checksum=True,
            )
        except DecodeError as error:
            return self._dropped(f"mobility_header_{error.reason}")
        match message:
            case HandoverInitiate() if peer is not None:
                return self._handover_initiate(peer, message, now)
            case HandoverAcknowledge() if peer is not None:
                return self._handover_acknowledge(peer, message)
            case ProxyBindingAcknowledgement() if peer is None:
                return self._proxy_binding_acknowledgement(message, now)
        return self._dropped("mobility_header_not_expected_from_this_peer")

    def _handover_initiate(self, peer: Mag, message: HandoverInitiate, now: float) -> list[Command]:
        context, exchange = self._context, self._context.exchange
        mn_id = mn_id_of(message)
        profile = context.policy.by_id(mn_id) if mn_id else None
        if mn_id is None:
            return self._dropped("handover_initiate_without_mn_id")
        if exchange.is_repeated(peer.address, mn_id, message.sequence):
            return [*exchange.replay(peer.address, mn_id, message.sequence)]
        allowed = profile is not None and all(context.policy.may_register(mn_id, mag.id) for mag in (peer, context.mag))
        if profile is None or not allowed:
            context.counters["handover_initiate_prohibited"] += 1
            return self._refuse(peer, mn_id, message, HandoverAcknowledgeCode.ADMINISTRATIVELY_PROHIBITED, now)
        exchange.received(peer.address, mn_id, message.sequence, now)
        match purpose(message):
            case Purpose.CONTEXT:
                return self._context_received(profile, peer, message, now)
            case Purpose.FORWARDING_REQUEST:
                commands = self._previous.forwarding_requested(mn_id, peer, message, now)
                refusal = HandoverAcknowledgeCode.FORWARDING_NOT_AVAILABLE
            case Purpose.LAST_DELIVERED:
                commands = self._new.last_delivered(mn_id, message, peer, now)
                refusal = HandoverAcknowledgeCode.NOT_ACCEPTED
            case Purpose.COMPLETED:
                commands = self._new.completed(mn_id, message, peer, now)
                return [*commands, *self._previous.completed_by_peer(mn_id, peer, message)]
        if commands is None:
            return self._refuse(peer, mn_id, message, refusal, now)
        return commands

    def _context_received(self, profile: MobileNode, peer: Mag, message: HandoverInitiate, now: float) -> list[Command]:
        handover_id = handover_id_of(message) or self._context.new_handover_id()
        attached = self._links.is_attached(profile.id)
        commands = self._new.context_received(profile, peer, message, handover_id, attached, now)
        if attached:
            wanted, _ = memberships_of(message)
            allowed = tuple(m for m in wanted if self._context.policy.may_join(profile.id, m.group))
            commands += self._reported(self._links.merge(profile, allowed, now))
        return commands

    def _refuse(
        self, peer: Mag, mn_id: str, message: HandoverInitiate, code: HandoverAcknowledgeCode, now: float
    ) -> list[Command]:
        return self._context.acknowledge(peer.address, mn_id, acknowledgement(message, code), now)

    def _handover_acknowledge(self, peer: Mag, message: HandoverAcknowledge) -> list[Command]:
        mn_id = mn_id_of(message) or ""
        token = self._context.exchange.acknowledged(peer.address, mn_id, message.sequence)
        if token is None:
            return self._dropped("handover_acknowledge_unexpected")
        what, mn_id, handover_id = token_parts(token)
        if what == "forward":
            return self._new.forwarding_acknowledged(mn_id, handover_id, message)
        return self._previous.acknowledged(mn_id, handover_id, what, message)

    def _deregister_departed(self, now: float) -> list[Command]:
        """The de-registrations that waited for the end of forwarding (the LMA ignores them once the n-MAG is bound)."""
        gone = [profile for profile in self._previous.take_departed() if not self._links.is_attached(profile.id)]
        return [command for profile in gone for command in self._bindings.deregister(profile, now)]

    def _proxy_binding_acknowledgement(self, message: ProxyBindingAcknowledgement, now: float) -> list[Command]:
        result = self._bindings.acknowledged(message, now)
        if result is None:
            return []
        if not result.accepted:
            self._context.counters[f"binding_refused_{result.status}"] += 1
            fact = RecordFact(name="binding_refused", fields={"mn_id": result.mn_id, "status": result.status})
            return [fact, *self._new.refused(result.mn_id, result.status, now)]
        arriving = self._new.get(result.mn_id)
        if arriving is None or arriving.bound:
            return []
        step = self._context.step(
            9, "PBA", arriving.handover_id, result.mn_id, arriving.peer.id, self._context.mag.id, now,
            f"status {result.status}",
        )
        return [*self._new.bound(result.mn_id), step]

    # --- the controller -------------------------------------------------------------------------------------------

    def _synchronise(self, now: float) -> list[Command]:
        """After every hello: what is on our links, and every binding anew, so that a restarted LMA knows it all."""
        commands: list[Command] = []
        attached = self._links.attached()
        for profile in attached:
            call = methods.MobileNodeAttached(mn_id=profile.id, access_port=profile.access_port())
            memberships = self._links.memberships(profile.id)
            report = methods.MembershipReported(mn_id=profile.id, memberships=memberships)
            commands += [NotifyController(call=call), NotifyController(call=report)]
        commands.append(
            NotifyController(call=methods.Synchronised(attached=tuple(profile.id for profile in attached)))
        )
        return [*commands, *self._bindings.resend_all(now)]

    def _controller_answered(self, token: str, error: str | None, now: float) -> list[Command]:
        what, mn_id, handover_id = token_parts(token)
        match what:
            case "prepare":
                return self._new.prepared(mn_id, handover_id, error, now)
            case "clone":
                return self._previous.cloned(mn_id, handover_id, error, now)
            case "direct":
                return self._new.delivered_directly(mn_id, handover_id, error, now)
            case "released":
                return self._context.releases.answered(token, error, now)
        return []

    def _controller_called(self, call: object, now: float) -> list[Command]:
        match call:
            case methods.StartHandover(handover_id=handover_id, mn_id=mn_id, new_mag=new_mag):
                profile = self._context.policy.by_id(mn_id)
                if profile is None:
                    return [AnswerController(error=f"mn_id: {mn_id} is not in the policy store")]
                error, commands = self._start(profile, new_mag, handover_id, now, "REST")
                return [*commands, AnswerController(error=error)]
            case methods.FinishForwarding(handover_id=handover_id, mn_id=mn_id):
                finished = self._previous.finish(mn_id, handover_id, now)
                error = None if finished is not None else "no such handover"
                return [*(finished or []), AnswerController(error=error)]
            case methods.CancelHandover(handover_id=handover_id, mn_id=mn_id):
                cancelled = self._previous.cancel(mn_id, handover_id, now)
                error = None if cancelled is not None else "no such handover"
                return [*(cancelled or []), AnswerController(error=error)]
        return [AnswerController(error="unknown call")]

    def _start(
        self, profile: MobileNode, new_mag: str, handover_id: str, now: float, trigger: str
    ) -> tuple[str | None, list[Command]]:
        """Both triggers of step 1 come here: the reason why not, or the commands."""
        context = self._context
        peer = context.domain.mag(new_mag)
        if peer is None:
            return f"new_mag: no MAG {new_mag!r} in this domain", []
        if peer == context.mag:
            return f"new_mag: {profile.id} is at {new_mag} already", []
        if not context.policy.may_register(profile.id, new_mag):
            return f"new_mag: {new_mag} may not register {profile.id}", []
        if not self._links.is_attached(profile.id):
            return f"mn_id: {profile.id} is not attached to {context.mag.id}", []
        if self._previous.get(profile.id) is not None or self._new.get(profile.id) is not None:
            return f"mn_id: a handover of {profile.id} is under way", []
        memberships = self._links.memberships(profile.id)
        port = profile.access_port()
        return None, self._previous.start(profile, port, peer, memberships, handover_id, now, trigger)

    def _dropped(self, reason: str) -> list[Command]:
        self._context.counters[reason] += 1
        return [RecordFact(name="packet_dropped", fields={"reason": reason})]


def _subscribed(profile: MobileNode) -> tuple[GroupMembership, ...]:
    """The policy store's word on what an MN listens to, for attachments without a context (the draft's section 2)."""
    return tuple(
        GroupMembership(
            group=subscription.group,
            filter_mode=FilterMode.INCLUDE if subscription.sources else FilterMode.EXCLUDE,
            sources=subscription.sources,
        )
        for subscription in profile.subscriptions
    )

# SPDX-License-Identifier: Apache-2.0
"""Mobility Headers from other MAGs and from the LMA: who may send what, and which machine it is for. Pure."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from southbound.agent.access import AccessLinks
from southbound.agent.attachment import Attachments
from southbound.agent.binding_entry import BindingResult, Service
from southbound.agent.binding_update_list import BindingUpdateList
from southbound.agent.commands import PACKET_DROPPED, Command, RecordFact, SendMobilityHeader
from southbound.agent.context import MagContext
from southbound.agent.context_admission import contradiction, groups_of
from southbound.agent.context_fetch import ContextFetch
from southbound.agent.context_parts import ContextParts
from southbound.agent.default_router import DefaultRouter
from southbound.agent.handover_acknowledge import acknowledgement
from southbound.agent.handover_exchange import token_parts
from southbound.agent.handover_initiate import Purpose, purpose
from southbound.agent.handovers import Handovers
from southbound.agent.multicast_state import memberships_of, older_of
from southbound.agent.reactive import Reactive
from southbound.codec.accessors import handover_id as handover_id_of
from southbound.codec.accessors import home_network_prefixes
from southbound.codec.accessors import mn_id as mn_id_of
from southbound.codec.binding import ProxyBindingAcknowledgement
from southbound.codec.binding_error import BindingError, BindingErrorRate
from southbound.codec.errors import DecodeError
from southbound.codec.handover import HandoverAcknowledge, HandoverInitiate
from southbound.codec.iana import BindingErrorStatus, HandoverAcknowledgeCode
from southbound.codec.mobility import MobilityMessage, UnknownMobilityMessage, decode_mobility, encode_mobility
from topology.model import Mag, MobileNode


class PeerMessages:
    """The receiver of all Mobility Headers of the transport network."""

    def __init__(
        self,
        context: MagContext,
        links: AccessLinks,
        bindings: BindingUpdateList,
        handovers: Handovers,
        attachments: Attachments,
        reactive: Reactive,
        fetch: ContextFetch,
        router: DefaultRouter,
    ) -> None:
        self._context, self._links, self._bindings = context, links, bindings
        self._handovers, self._attachments = handovers, attachments
        self._reactive, self._fetch, self._router = reactive, fetch, router
        self._parts, self._errors = ContextParts(context), BindingErrorRate()

    def received(self, header: bytes, source: IPv6Address, now: float) -> list[Command]:
        """One Mobility Header; the kernel has taken those with a wrong checksum away."""
        context = self._context
        peer = context.domain.mag_by_address(source)
        if peer is None and source != context.domain.lma.address:
            return self._dropped("mobility_header_of_unknown_peer")
        try:
            message = self._read(header, source, peer)
        except DecodeError as error:
            return self._dropped(f"mobility_header_{error.reason}")
        match message:
            case HandoverInitiate() if peer is not None:
                return self._handover_initiate(peer, message, now)
            case HandoverAcknowledge() if peer is not None:
                return self._handover_acknowledge(peer, message, now)
            case ProxyBindingAcknowledgement() if peer is None:
                return self._proxy_binding_acknowledgement(message, now)
            case UnknownMobilityMessage():
                return [*self._unknown_type(source, now), *self._dropped("mobility_header_of_unknown_type")]
        return self._dropped("mobility_header_not_expected_from_this_peer")

    def _read(self, header: bytes, source: IPv6Address, peer: Mag | None) -> MobilityMessage:
        context = self._context
        if context.authentication is not None:
            header = context.authentication.open(header, source)
        return decode_mobility(
            header, source, context.mag.address, context.dialect(peer or context.mag),
            option_length_unit=context.option_length_unit(peer or context.mag), verify_checksum=True,
        )

    def mobile_node(self, header: bytes, source: IPv6Address) -> str | None:
        """Whom a message is about; None where it does not say, or is none."""
        try:
            message = self._read(header, source, self._context.domain.mag_by_address(source))
        except DecodeError:
            return None
        return None if isinstance(message, UnknownMobilityMessage | BindingError) else mn_id_of(message)

    def forget(self, mn_id: str) -> None:
        """Nothing runs for this MN any more."""
        self._parts.forget(mn_id)

    def given_up(self, header: bytes, source: IPv6Address, now: float) -> list[Command]:
        """A message that we have failed on: the sender of a HI is told at once (RFC 5949 section 4.2), with what it has
        been told before, if it has."""
        peer = self._context.domain.mag_by_address(source)
        try:
            message = self._read(header, source, peer)
        except DecodeError:
            return []
        mn_id = mn_id_of(message) if isinstance(message, HandoverInitiate) else None
        if peer is None or mn_id is None or not isinstance(message, HandoverInitiate):
            return []
        told = self._context.exchange.replay(peer.address, mn_id, message.sequence)
        return [*told] if told else self._refuse(peer, mn_id, message, HandoverAcknowledgeCode.NOT_ACCEPTED, now)

    def _unknown_type(self, source: IPv6Address, now: float) -> list[Command]:
        """RFC 6275 section 9.2."""
        if not self._errors.may_tell(source, now):
            return []
        error = BindingError(status=BindingErrorStatus.UNRECOGNIZED_MH_TYPE)
        return [SendMobilityHeader(header=encode_mobility(error, self._context.mag.address, source), destination=source)]

    def _handover_initiate(self, peer: Mag, message: HandoverInitiate, now: float) -> list[Command]:
        context, exchange = self._context, self._context.exchange
        mn_id = mn_id_of(message)
        profile = context.policy.by_id(mn_id) if mn_id else None
        if mn_id is None:
            return self._dropped("handover_initiate_without_mn_id")
        if exchange.is_repeated(peer.address, mn_id, message.sequence, now):
            return [*exchange.replay(peer.address, mn_id, message.sequence)]
        if context.sequences.is_stale(peer.address, mn_id, message.sequence, now):
            return self._dropped("handover_initiate_stale")
        allowed = profile is not None and all(context.policy.may_register(mn_id, mag.id) for mag in (peer, context.mag))
        if profile is None or not allowed:
            context.counters["handover_initiate_prohibited"] += 1
            return self._refuse(peer, mn_id, message, HandoverAcknowledgeCode.ADMINISTRATIVELY_PROHIBITED, now)
        exchange.received(peer.address, mn_id, message.sequence, now)
        context.sequences.received(peer.address, mn_id, message.sequence, now)
        refusal = contradiction(context, profile, message)
        if refusal is not None:
            context.counters[refusal.reason] += 1
            fact = RecordFact(name="handover_initiate_refused", fields={"mn_id": mn_id, "reason": refusal.reason})
            return [*self._refuse(peer, mn_id, message, refusal.code, now), fact]
        return self._carried_out(profile, peer, message, now)

    def _carried_out(self, profile: MobileNode, peer: Mag, message: HandoverInitiate, now: float) -> list[Command]:
        mn_id = profile.id
        match purpose(message):
            case Purpose.CONTEXT:
                return self._context_received(profile, peer, message, now)
            case Purpose.CONTEXT_REQUEST:
                handover_id = handover_id_of(message) or self._context.new_handover_id()
                return self._reactive.requested(profile, peer, message, handover_id, now)
            case Purpose.FORWARDING_REQUEST:
                commands = self._handovers.previous.forwarding_requested(mn_id, peer, message, now)
                otherwise = HandoverAcknowledgeCode.FORWARDING_NOT_AVAILABLE
            case Purpose.LAST_DELIVERED:
                commands = self._handovers.new.last_delivered(mn_id, message, peer, now)
                otherwise = HandoverAcknowledgeCode.NOT_ACCEPTED
            case Purpose.COMPLETED:
                self._parts.forget(mn_id, peer)
                commands = self._handovers.new.completed(mn_id, message, peer, now)
                return [*commands, *self._handovers.departures.completed_by_peer(mn_id, peer, message, now)]
        if commands is None:
            return self._refuse(peer, mn_id, message, otherwise, now)
        return commands

    def _context_received(self, profile: MobileNode, peer: Mag, message: HandoverInitiate, now: float) -> list[Command]:
        context, prefixes = self._context, home_network_prefixes(message)
        handover_id = handover_id_of(message) or context.new_handover_id()
        attached = self._links.is_attached(profile.id)
        if not attached and self._parts.gather(profile, peer, message, handover_id, now):
            _, refused = groups_of(context, profile, message)
            code = HandoverAcknowledgeCode.CONTEXT_TRANSFER_ACCEPTED
            unit = context.option_length_unit(peer)
            answer = acknowledgement(message, code, refused, option_length_unit=unit)
            return context.acknowledge(peer.address, profile.id, answer, now)
        message = self._parts.complete(profile, peer, message)
        if prefixes and not attached:
            context.home_networks.assign(profile.id, prefixes)
        self._links.expect(profile.id, older_of(message))
        commands = self._handovers.intake.context_received(profile, peer, message, handover_id, attached, now)
        if attached:
            wanted, _ = memberships_of(message)
            allowed = tuple(m for m in wanted if self._context.policy.may_join(profile.id, m.group))
            commands += self._attachments.reported(self._links.merge(profile, allowed, now))
        return commands

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        return self._parts.next_deadline()

    def tick(self, now: float) -> list[Command]:
        """Contexts of which no more parts come: what there is counts."""
        commands: list[Command] = []
        for gathered in self._parts.due(now):
            whole, attached = gathered.whole(gathered.last), self._links.is_attached(gathered.profile.id)
            commands += self._handovers.intake.context_received(
                gathered.profile, gathered.peer, whole, gathered.handover_id, attached, now
            )
        return commands

    def _refuse(
        self, peer: Mag, mn_id: str, message: HandoverInitiate, code: HandoverAcknowledgeCode, now: float
    ) -> list[Command]:
        return self._context.acknowledge(peer.address, mn_id, acknowledgement(message, code), now)

    def _handover_acknowledge(self, peer: Mag, message: HandoverAcknowledge, now: float) -> list[Command]:
        mn_id = mn_id_of(message) or ""
        token = self._context.exchange.acknowledged(peer.address, mn_id, message.sequence)
        if token is None:
            return self._dropped("handover_acknowledge_unexpected")
        what, mn_id, handover_id = token_parts(token)
        if what == "forward":
            return self._handovers.intake.forwarding_acknowledged(mn_id, handover_id, message)
        if what == "reactive":
            answer = self._reactive.acknowledged(mn_id, handover_id, message)
            return self._fetch.answered(answer, now) if answer is not None else []
        return self._handovers.previous.acknowledged(mn_id, handover_id, what, message, now)

    def _proxy_binding_acknowledgement(self, message: ProxyBindingAcknowledgement, now: float) -> list[Command]:
        if not message.proxy:
            # P says that the LMA knows proxy registrations (RFC 5213 section 8.2); without, it is Mobile IPv6's.
            return self._dropped("binding_acknowledgement_not_proxy")
        result = self._bindings.acknowledged(message, now)
        return self.binding_result(result, now) if result is not None else []

    def binding_result(self, result: BindingResult, now: float) -> list[Command]:
        """A binding is there, or is not (RFC 5213 section 6.9.1.2 rules 11 to 14)."""
        mn_id = result.mn_id
        if result.service is not Service.GRANTED:
            denied = result.service is Service.DENIED
            name = "binding_refused" if denied else "binding_interrupted"
            fact = RecordFact(name=name, fields={"mn_id": mn_id, "status": result.status})
            ended = self._handovers.new.refused(mn_id, result.status, now) if denied else []
            return [fact, *self._router.withdraw(mn_id, now), *ended]
        advertised = self._advertised(mn_id, result.prefixes, now)
        arriving = self._handovers.new.get(mn_id)
        if arriving is None or arriving.bound:
            return advertised
        step = self._context.step(
            9, "PBA", arriving.handover_id, mn_id, arriving.peer.id, self._context.mag.id, now,
            f"status {result.status}",
        )
        return [*self._handovers.new.bound(mn_id, now), *advertised, step]

    def _advertised(self, mn_id: str, prefixes: tuple[IPv6Network, ...], now: float) -> list[Command]:
        profile = self._context.policy.by_id(mn_id)
        if profile is None or not self._links.is_attached(mn_id):
            return []
        return self._router.advertise(profile, prefixes, now)

    def _dropped(self, reason: str) -> list[Command]:
        self._context.counters[reason] += 1
        return [RecordFact(name=PACKET_DROPPED, fields={"reason": reason})]

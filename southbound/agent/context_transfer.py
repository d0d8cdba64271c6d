# SPDX-License-Identifier: Apache-2.0
"""Context transfer after attachment, in the manner of CXTP (RFC 4067 section 5.2: initiated by the new router). Pure.

The n-MAG asks with CT-Req until it has the CTD or gives up; the p-MAG answers every CT-Req as often as it comes, so
nothing has to be repeated on its side. CTDR tells it that it may forget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from southbound.agent.access import AccessLinks
from southbound.agent.commands import PACKET_DROPPED, Command, RecordFact, SendContextTransfer
from southbound.agent.context import MagContext
from southbound.agent.departed import DepartedContexts
from southbound.agent.home_networks import address_of
from southbound.codec.cxtp import (
    BLOCKS_MAX,
    ContextTransferData,
    ContextTransferDataReply,
    ContextTransferMessage,
    ContextTransferRequest,
    decode_context_transfer,
    encode_context_transfer,
    listener_block,
    record_of,
)
from southbound.codec.errors import DecodeError
from southbound.mld.context import memberships_from_records, records_from_memberships
from southbound.mld.membership import GroupMembership
from topology.model import Mag, MobileNode

_NOT_UNDERSTOOD = 1
"""Status of a CTDR for a block that was no use; RFC 4067 leaves its codes to the context type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult:
    """What has become of a request."""

    mn_id: str
    memberships: tuple[GroupMembership, ...]
    """Empty: the previous MAG knows nothing, or does not answer."""
    found: bool


@dataclass(slots=True, kw_only=True)
class _Asked:
    peer: Mag
    datagram: bytes
    timeout_s: float
    retransmit_at: float
    retries_left: int


@dataclass(slots=True, kw_only=True)
class _Sent:
    peer: IPv6Address
    sequence: int
    first_at: float


class ContextTransfer:
    """Both ends of all transfers of one MAG; at most one under way an MN (RFC 4067 section 2.5)."""

    def __init__(self, context: MagContext, links: AccessLinks, departed: DepartedContexts) -> None:
        self._context, self._links, self._departed = context, links, departed
        self._asked: dict[str, _Asked] = {}
        self._sent: dict[str, _Sent] = {}
        """CTDs sent, by MN-ID; as many as there are profiles at most."""

    def outstanding(self) -> tuple[str, ...]:
        """Names of the requests that wait for their CTD."""
        return tuple(f"context-transfer {mn_id}" for mn_id in self._asked)

    def forget(self, mn_id: str) -> None:
        """Nothing runs for this MN any more."""
        self._asked.pop(mn_id, None)
        self._sent.pop(mn_id, None)

    def mobile_node(self, datagram: bytes) -> str | None:
        """Whom a CXTP message is about; None where it does not say."""
        try:
            owner = self._context.home_networks.owner(decode_context_transfer(datagram).previous_address)
        except DecodeError:
            return None
        return owner.id if owner is not None else None

    # --- the new MAG ----------------------------------------------------------------------------------------------

    def request(self, profile: MobileNode, peer: Mag, now: float) -> list[Command]:
        """Ask the previous MAG for the context of an MN."""
        timers = self._context.domain.timers
        message = ContextTransferRequest(
            previous_address=address_of(profile),
            sequence=self._context.exchange.next_sequence(now + self._context.wall_offset),
        )
        timeout_s = timers.handover_initiate_timeout_ms / 1000
        asked = _Asked(
            peer=peer, datagram=encode_context_transfer(message), timeout_s=timeout_s, retransmit_at=now + timeout_s,
            retries_left=timers.handover_initiate_retries,
        )
        self._asked[profile.id] = asked
        return [SendContextTransfer(datagram=asked.datagram, destination=peer.address)]

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        return min((asked.retransmit_at for asked in self._asked.values()), default=None)

    def tick(self, now: float, wanted: Callable[[str], bool]) -> tuple[list[Command], list[TransferResult]]:
        """Requests to repeat, doubling the time (RFC 4067 section 3.1), and those that are given up.

        One for an MN that is not `wanted` any more ends without a word.
        """
        commands: list[Command] = []
        given_up: list[TransferResult] = []
        for mn_id, asked in list(self._asked.items()):
            if asked.retransmit_at > now:
                continue
            if not wanted(mn_id):
                del self._asked[mn_id]
                continue
            if asked.retries_left == 0:
                del self._asked[mn_id]
                self._context.counters["context_transfer_unanswered"] += 1
                given_up.append(TransferResult(mn_id=mn_id, memberships=(), found=False))
                continue
            asked.retries_left -= 1
            asked.timeout_s *= 2
            asked.retransmit_at = now + asked.timeout_s
            commands.append(SendContextTransfer(datagram=asked.datagram, destination=asked.peer.address))
        return commands, given_up

    # --- both -----------------------------------------------------------------------------------------------------

    def received(self, datagram: bytes, source: IPv6Address, now: float) -> tuple[list[Command], TransferResult | None]:
        """A CXTP message has come; the result is that of a request of ours, if it ends one."""
        peer = self._context.domain.mag_by_address(source)
        if peer is None or peer == self._context.mag:
            return self._dropped("context_transfer_of_unknown_peer"), None
        try:
            message = decode_context_transfer(datagram)
        except DecodeError as error:
            return self._dropped(f"context_transfer_{error.reason}"), None
        profile = self._context.home_networks.owner(message.previous_address)
        match message:
            case ContextTransferRequest():
                return self._requested(profile, peer, message, now), None
            case ContextTransferData() if profile is not None:
                return self._answered(profile, peer, message)
            case ContextTransferDataReply() if profile is not None:
                return self._acknowledged(profile, peer, message), None
        return self._dropped("context_transfer_of_unknown_mobile_node"), None

    def _requested(
        self, profile: MobileNode | None, peer: Mag, request: ContextTransferRequest, now: float
    ) -> list[Command]:
        policy = self._context.policy
        memberships: tuple[GroupMembership, ...] = ()
        if profile is not None and not all(policy.may_register(profile.id, m.id) for m in (peer, self._context.mag)):
            self._context.counters["context_transfer_prohibited"] += 1
            profile = None
        if profile is not None:
            memberships = self._known(profile)
        elapsed_s = 0.0
        if profile is not None and memberships:
            sent = self._sent.get(profile.id)
            if sent is None or (sent.peer, sent.sequence) != (peer.address, request.sequence):
                sent = _Sent(peer=peer.address, sequence=request.sequence, first_at=now)
                self._sent[profile.id] = sent
            elapsed_s = now - sent.first_at
        # An MN that is not known here has no blocks: an answer all the same, so that nobody waits.
        ipv6_first = sorted(memberships, key=lambda membership: -membership.group.version)
        records = records_from_memberships(ipv6_first)[:BLOCKS_MAX] if profile is not None else ()
        network = IPv6Network((request.previous_address, 64), strict=False)
        blocks = [listener_block(network, record) for record in records]
        answer = ContextTransferData(
            previous_address=request.previous_address, elapsed_ms=round(1000 * elapsed_s),
            acknowledge=bool(blocks), blocks=tuple(blocks),
        )
        return [_send(answer, peer)]

    def _known(self, profile: MobileNode) -> tuple[GroupMembership, ...]:
        departed = self._departed.find(profile.id)
        return departed.memberships if departed is not None else self._links.memberships(profile.id)

    def _answered(
        self, profile: MobileNode, peer: Mag, message: ContextTransferData
    ) -> tuple[list[Command], TransferResult | None]:
        commands: list[Command] = []
        read, ignored = [], 0
        statuses = []
        for block in message.blocks:
            try:
                record = record_of(block)
            except DecodeError:
                record = None
            ignored += record is None
            read += [record] if record is not None else []
            statuses.append((block.profile, 0 if record is not None else _NOT_UNDERSTOOD))
        if message.acknowledge:
            reply = ContextTransferDataReply(
                previous_address=message.previous_address, success=not ignored, statuses=tuple(statuses)
            )
            commands.append(_send(reply, peer))
        asked = self._asked.get(profile.id)
        if asked is None or asked.peer != peer:
            return [*commands, *self._dropped("context_transfer_data_unexpected")], None
        del self._asked[profile.id]
        memberships, passed_over = memberships_from_records(read)
        if ignored or passed_over:
            self._context.counters["context_records_ignored"] += ignored + passed_over
        found = bool(message.blocks)
        return commands, TransferResult(mn_id=profile.id, memberships=memberships, found=found)

    def _acknowledged(self, profile: MobileNode, peer: Mag, message: ContextTransferDataReply) -> list[Command]:
        sent = self._sent.get(profile.id)
        if sent is None or sent.peer != peer.address:
            return self._dropped("context_transfer_reply_unexpected")
        del self._sent[profile.id]
        departed = self._departed.find(profile.id)
        if message.success and departed is not None and not departed.retained:
            self._departed.take(profile.id)
        return []

    def _dropped(self, reason: str) -> list[Command]:
        self._context.counters[reason] += 1
        return [RecordFact(name=PACKET_DROPPED, fields={"reason": reason})]


def _send(message: ContextTransferMessage, peer: Mag) -> Command:
    return SendContextTransfer(datagram=encode_context_transfer(message), destination=peer.address)

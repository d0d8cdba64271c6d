# SPDX-License-Identifier: Apache-2.0
"""The answers to a HandoverInitiate, and what they say of the multicast state."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from southbound.agent.message_room import state_room
from southbound.agent.multicast_state import state_of_one_message
from southbound.codec.accessors import find_option, find_options
from southbound.codec.accessors import mn_id as mn_id_of
from southbound.codec.addresses import IpAddress
from southbound.codec.authenticator import OPTION_OCTETS
from southbound.codec.handover import Dialect, HandoverAcknowledge, HandoverInitiate
from southbound.codec.iana import HandoverAcknowledgeCode, MulticastAcknowledgementStatus
from southbound.codec.options import (
    WORDS,
    HomeNetworkPrefix,
    LocalMobilityAnchorAddress,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    MobilityOption,
    MulticastAcknowledgement,
    MulticastMobility,
    UnreadableMulticastMobility,
)
from southbound.codec.records import Version
from southbound.mld.context_options import StateRoom, options_of_one_message
from southbound.mld.membership import GroupMembership


def acknowledgement(
    request: HandoverInitiate,
    code: HandoverAcknowledgeCode,
    refused: tuple[GroupMembership, ...] = (),
    *,
    option_length_unit: str = WORDS,
) -> HandoverAcknowledge:
    """The answer to any HandoverInitiate; one with multicast state is acknowledged with option 61 (RFC 7411 5.2).

    `option_length_unit`: of the pair; it says how many `refused` groups go into one option, of which there may be several.
    """
    answer: list[MobilityOption] = [*find_options(request, MobileNodeIdentifier)]
    if find_option(request, UnreadableMulticastMobility) is not None:
        unsupported = MulticastAcknowledgementStatus.PAYLOAD_TYPE_UNSUPPORTED
        answer.append(MulticastAcknowledgement(status=unsupported, records=()))
    elif find_option(request, MulticastMobility) is not None:
        # What one message holds. A refused group that it does not name is sent in vain, and dropped here.
        options, _ = options_of_one_message(refused, answer_room(request, (), option_length_unit))
        told = MulticastAcknowledgementStatus.SUCCESS
        if refused:
            told = MulticastAcknowledgementStatus.ADMINISTRATIVELY_PROHIBITED
        named = [option.records for option in options] or [()]
        answer += [MulticastAcknowledgement(status=told, records=records) for records in named]
    return HandoverAcknowledge(
        dialect=request.dialect,
        sequence=request.sequence,
        code=code,
        proxy=request.dialect is Dialect.RFC,
        options=tuple(answer),
    )


def context_acknowledgement(
    request: HandoverInitiate,
    code: HandoverAcknowledgeCode,
    *,
    prefixes: tuple[IPv6Network, ...],
    lma_address: IPv6Address,
    link_layer_id: bytes,
    memberships: tuple[GroupMembership, ...],
    multicast: bool = True,
    older: frozenset[Version] = frozenset(),
    option_length_unit: str = WORDS,
) -> HandoverAcknowledge:
    """The p-MAG's answer to a reactive HI: what it knows of the MN (RFC 5949 4.1 (d)).

    What does not fit comes with the MN's own report; Code 5 then says that there is more than this (6.1.2).
    """
    room = answer_room(request, prefixes, option_length_unit)
    state, whole = state_of_one_message(memberships, older, room)
    if multicast and not whole and code == HandoverAcknowledgeCode.ALL_CONTEXT_TRANSFERRED:
        code = HandoverAcknowledgeCode.CONTEXT_TRANSFER_ACCEPTED
    return HandoverAcknowledge(
        dialect=request.dialect,
        sequence=request.sequence,
        code=code,
        proxy=request.dialect is Dialect.RFC,
        options=(
            *find_options(request, MobileNodeIdentifier),
            *(HomeNetworkPrefix(prefix=prefix) for prefix in prefixes),
            MobileNodeLinkLayerIdentifier(identifier=link_layer_id),
            LocalMobilityAnchorAddress(address=lma_address),
            *(state if multicast else ()),
        ),
    )


def answer_room(
    request: HandoverInitiate, prefixes: tuple[IPv6Network, ...], option_length_unit: str
) -> StateRoom:
    """What an answer with these prefixes has room for."""
    return state_room(
        mn_id_of(request) or "", prefixes, authenticator_octets=OPTION_OCTETS, option_length_unit=option_length_unit
    )


def refused_groups(
    message: HandoverAcknowledge, memberships: tuple[GroupMembership, ...]
) -> frozenset[IpAddress]:
    """Of the groups of a context those that its HandoverAcknowledge refuses; no option 61 with a Code below 128: none.

    All, when the peer cannot read multicast state at all: it asks the MN itself when that is there.
    """
    answers = find_options(message, MulticastAcknowledgement)
    if any(answer.status == MulticastAcknowledgementStatus.PAYLOAD_TYPE_UNSUPPORTED for answer in answers):
        return frozenset(membership.group for membership in memberships)
    return frozenset(record.group for answer in answers for record in answer.records)

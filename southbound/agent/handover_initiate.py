# SPDX-License-Identifier: Apache-2.0
"""What one MAG wants of the other in a handover, and how each dialect says it in a HandoverInitiate
(docs/explanation/protocol.md).

Writing: intent -> HandoverInitiate. Reading: `purpose` tells what one is for. Dialect differences (Code values, which
flags exist) live here, in `handover_acknowledge` and in the codec, nowhere else.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv6Address, IPv6Network

from southbound.agent.events import LastDeliveredDigests
from southbound.agent.message_room import word_room
from southbound.agent.multicast_state import states
from southbound.codec.accessors import find_option, last_delivered
from southbound.codec.addresses import IpAddress, address_order
from southbound.codec.authenticator import OPTION_OCTETS
from southbound.codec.castover_options import HandoverIdentifier, HandoverMode, LastDelivered, MobilityAuthenticator
from southbound.codec.handover import Dialect, HandoverInitiate, InitiatePurpose, initiate_code
from southbound.codec.handover_options import ContextRequest, RequestedContext
from southbound.codec.iana import HandoverInitiateCode, HandoverModeCode, OptionType
from southbound.codec.options import (
    GreKey,
    HomeNetworkPrefix,
    LocalMobilityAnchorAddress,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    MobilityOption,
    MulticastMobility,
)
from southbound.codec.records import Version
from southbound.mld.context_options import WHOLE_OPTION, StateRoom
from southbound.mld.membership import GroupMembership

_STREAM_OCTETS = 40
"""Of one LastDelivered without its digests: option and vendor header, source, group, count."""
_DIGEST_OCTETS = 8
_DIGESTS_MAX = 16
_DIGESTS_MIN = 4
"""Of each stream, as far as there are so many: with less a loss or an equal packet leaves nothing to know the place by."""


class Purpose(Enum):
    """What a HandoverInitiate asks for."""

    CONTEXT = "context"
    """Step 2: here is an MN's context, get ready for it."""
    CONTEXT_REQUEST = "context_request"
    """The MN is here: send me its context, keep its packets (F and a Context Request, RFC 5949 4.1 reactive)."""
    FORWARDING_REQUEST = "forwarding_request"
    """Step 4: forward its packets to me (F)."""
    LAST_DELIVERED = "last_delivered"
    """Step 6: the MN has left, these were the last packets that it was sent."""
    COMPLETED = "completed"
    """Step 11: forwarding is over (F and the completion Code)."""


def purpose(message: HandoverInitiate) -> Purpose:
    """What the peer wants. F with the completion Code first: Code 2 means opposite things in the two dialects."""
    if message.purpose is InitiatePurpose.FORWARDING_COMPLETED:
        return Purpose.COMPLETED
    if find_option(message, LastDelivered) is not None or _is_bare_word(message):
        return Purpose.LAST_DELIVERED
    if message.forward and find_option(message, ContextRequest) is not None:
        return Purpose.CONTEXT_REQUEST
    context = find_option(message, MulticastMobility) or find_option(message, HomeNetworkPrefix)
    return Purpose.FORWARDING_REQUEST if message.forward and context is None else Purpose.CONTEXT


def _is_bare_word(message: HandoverInitiate) -> bool:
    """A word on the last packets that names no stream: nothing was sent while the p-MAG watched."""
    told = {MobileNodeIdentifier, HandoverIdentifier}
    said = {type(option) for option in message.options} - {MobilityAuthenticator}
    return not message.forward and not message.buffer and said == told


def mode_of(message: HandoverInitiate) -> HandoverModeCode:
    """What a context comes for; a mode that we do not know is none that we could follow."""
    option = find_option(message, HandoverMode)
    known = option is not None and option.mode in tuple(HandoverModeCode)
    return option.mode if option is not None and known else HandoverModeCode.PREDICTIVE


def last_delivered_of(message: HandoverInitiate) -> LastDeliveredDigests:
    """What the p-MAG says it delivered last, by stream."""
    return {(option.source, option.group): option.digests for option in last_delivered(message)}


def context_message(
    dialect: Dialect,
    sequence: int,
    *,
    mn_id: str,
    handover_id: str,
    prefixes: tuple[IPv6Network, ...],
    lma_address: IPv6Address,
    link_layer_id: bytes,
    memberships: tuple[GroupMembership, ...],
    mode: HandoverModeCode = HandoverModeCode.PREDICTIVE,
    buffer: bool = True,
    multicast: bool = True,
    older: frozenset[Version] = frozenset(),
    part: int = 0,
    room: StateRoom = WHOLE_OPTION,
) -> HandoverInitiate:
    """Step 2. `buffer` (U): the n-MAG shall keep the MN's packets until it comes; else they are kept where it was.

    `multicast`: the peer knows RFC 7411; else there is neither M flag nor option 60. `part` of as many messages as
    `count_parts` says, each with at most `room` of records, see `state_room`.
    The multicast state comes last: a peer that reads its Length in octets then mis-walks only the tail.
    """
    draft = dialect is Dialect.DRAFT
    parts = states(memberships, older, room)
    more = multicast and part + 1 < len(parts)
    mode = HandoverModeCode.MORE_FOLLOWS if more else mode
    return HandoverInitiate(
        dialect=dialect,
        sequence=sequence,
        code=HandoverInitiateCode.DEFAULT if more else initiate_code(dialect, InitiatePurpose.CONTEXT),
        buffer=buffer and mode != HandoverModeCode.JOIN,
        forward=False,
        multicast=draft and multicast,
        proxy=not draft,
        options=(
            MobileNodeIdentifier(identifier=mn_id),
            *(HomeNetworkPrefix(prefix=prefix) for prefix in prefixes),
            MobileNodeLinkLayerIdentifier(identifier=link_layer_id),
            LocalMobilityAnchorAddress(address=lma_address),
            HandoverIdentifier(identifier=handover_id),
            *((HandoverMode(mode=mode),) if mode != HandoverModeCode.PREDICTIVE else ()),
            *(parts[part] if multicast and part < len(parts) else ()),
        ),
    )


def context_request(
    dialect: Dialect, sequence: int, *, mn_id: str, handover_id: str, multicast: bool = True
) -> HandoverInitiate:
    """The reactive HI of the n-MAG: F, and a Context Request for prefixes, link-layer id, and multicast state where the
    peer knows it (RFC 5949 6.2.1)."""
    wanted = [OptionType.HOME_NETWORK_PREFIX, OptionType.MOBILE_NODE_LINK_LAYER_IDENTIFIER]
    wanted += [OptionType.MULTICAST_MOBILITY] if multicast else []
    requests = tuple(RequestedContext(option_type=option_type) for option_type in wanted)
    code = initiate_code(dialect, InitiatePurpose.FORWARDING_REQUEST)
    return _with_identity(dialect, sequence, code, True, mn_id, handover_id, (ContextRequest(requests=requests),))


def forwarding_request(
    dialect: Dialect, sequence: int, *, mn_id: str, handover_id: str, key: int | None = None
) -> HandoverInitiate:
    """Step 4, from the n-MAG; `key`: it wants this MN's packets under a GRE key of their own (RFC 5949 section 4.2)."""
    code = initiate_code(dialect, InitiatePurpose.FORWARDING_REQUEST)
    more = (GreKey(key=key),) if key is not None else ()
    return _with_identity(dialect, sequence, code, True, mn_id, handover_id, more)


def completion(dialect: Dialect, sequence: int, *, mn_id: str, handover_id: str) -> HandoverInitiate:
    """Step 11."""
    code = initiate_code(dialect, InitiatePurpose.FORWARDING_COMPLETED)
    return _with_identity(dialect, sequence, code, True, mn_id, handover_id)


def last_delivered_parts(mn_id: str, handover_id: str, last_delivered: LastDeliveredDigests) -> list[LastDeliveredDigests]:
    """What each message of a word on the last packets names: as few as have room for some digests of every stream."""
    streams = sorted(last_delivered.items(), key=_stream_order)
    most = _word_room(mn_id, handover_id) // (_STREAM_OCTETS + _DIGESTS_MIN * _DIGEST_OCTETS)
    parts = max(-(-len(streams) // most), 1)
    return [dict(streams[part::parts]) for part in range(parts)]


def last_delivered_message(
    dialect: Dialect, sequence: int, *, mn_id: str, handover_id: str, last_delivered: LastDeliveredDigests,
    more: bool = False,
) -> HandoverInitiate:
    """Step 6: Castover's own vendor option in a HandoverInitiate, acknowledged and repeated like any other.

    `last_delivered`: one of `last_delivered_parts`; `more`: another part follows.
    """
    # The whole message stays below OCTETS_MAX, its authenticator included; with many streams fewer digests each.
    room = _word_room(mn_id, handover_id)
    each = (room // max(len(last_delivered), 1) - _STREAM_OCTETS) // _DIGEST_OCTETS
    words: list[MobilityOption] = [HandoverMode(mode=HandoverModeCode.MORE_FOLLOWS)] if more else []
    words += [
        LastDelivered(source=source, group=group, digests=digests[-min(each, _DIGESTS_MAX):])
        for (source, group), digests in sorted(last_delivered.items(), key=_stream_order)
    ]
    return _with_identity(dialect, sequence, 0, False, mn_id, handover_id, tuple(words))


def _word_room(mn_id: str, handover_id: str) -> int:
    return word_room(mn_id, handover_id, authenticator_octets=OPTION_OCTETS)


def _stream_order(item: tuple[tuple[IpAddress, IpAddress], tuple[bytes, ...]]) -> list[tuple[int, int]]:
    return [address_order(address) for address in item[0]]


def _with_identity(
    dialect: Dialect,
    sequence: int,
    code: int,
    forward: bool,
    mn_id: str,
    handover_id: str,
    more: tuple[MobilityOption, ...] = (),
) -> HandoverInitiate:
    return HandoverInitiate(
        dialect=dialect,
        sequence=sequence,
        code=code,
        buffer=False,
        forward=forward,
        multicast=False,
        proxy=dialect is Dialect.RFC,
        options=(MobileNodeIdentifier(identifier=mn_id), HandoverIdentifier(identifier=handover_id), *more),
    )

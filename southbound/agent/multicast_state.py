# SPDX-License-Identifier: Apache-2.0
"""The multicast state of a mobile node as HI and HAck carry it: options 60 (RFC 7411 section 5.3)."""

from __future__ import annotations

from dataclasses import replace

from southbound.codec.accessors import find_options, multicast_records
from southbound.codec.handover import HandoverAcknowledge, HandoverInitiate
from southbound.codec.iana import MulticastPayload
from southbound.codec.options import MulticastMobility
from southbound.codec.records import Version
from southbound.mld.context import memberships_from_records
from southbound.mld.context_options import StateRoom, context_messages, options_of_one_message
from southbound.mld.membership import GroupMembership

_PAYLOADS: dict[Version, tuple[MulticastPayload, MulticastPayload]] = {
    4: (MulticastPayload.IGMPV3, MulticastPayload.IGMPV3_FROM_COMPATIBILITY_MODE),
    6: (MulticastPayload.MLDV2, MulticastPayload.MLDV2_FROM_COMPATIBILITY_MODE),
}

State = tuple[MulticastMobility, ...]


_NOTHING = (MulticastMobility(records=()),)
"""What is said of an MN that listens to nothing."""


def states(
    memberships: tuple[GroupMembership, ...], older: frozenset[Version], room: StateRoom
) -> tuple[State, ...]:
    """The options 60 of each message of a context; there is one at least.

    `older`: families whose listener speaks an older version; their Option-Code says so (RFC 7411 section 5.6).
    """
    return tuple(_coded(message, older) for message in context_messages(memberships, room) or (_NOTHING,))


def state_of_one_message(
    memberships: tuple[GroupMembership, ...], older: frozenset[Version], room: StateRoom
) -> tuple[State, bool]:
    """The options 60 of an answer, and whether they say all."""
    options, whole = options_of_one_message(memberships, room)
    return _coded(options or _NOTHING, older), whole


def _coded(options: State, older: frozenset[Version]) -> State:
    codes = {current: old for version, (current, old) in _PAYLOADS.items() if version in older}
    return tuple(replace(option, option_code=codes.get(option.option_code, option.option_code)) for option in options)


def memberships_of(message: HandoverInitiate | HandoverAcknowledge) -> tuple[tuple[GroupMembership, ...], int]:
    """The multicast state of a context, and how many records were passed over."""
    return memberships_from_records(multicast_records(message))


def older_of(message: HandoverInitiate | HandoverAcknowledge) -> frozenset[Version]:
    """The families whose multicast state in it is of an older listener."""
    codes = {option.option_code for option in find_options(message, MulticastMobility)}
    return frozenset(version for version, (_, old) in _PAYLOADS.items() if old in codes)

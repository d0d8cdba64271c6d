# SPDX-License-Identifier: Apache-2.0
"""Memberships into options 60, and those into messages: how much one option and one message hold (RFC 7411 section 5.5).

Where the Length of the option counts octets and not words, it says at most 255 of them: twelve groups, or one with
fourteen sources. A message has room for several such options. A HandoverInitiate has one all the same, and the context
goes in as many of them as it takes; an answer, of which there is only one, has as many options as find room.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from southbound.codec.iana import MulticastPayload
from southbound.codec.multicast_options import RECORDS_MAX, SOURCES_MAX, MulticastMobility
from southbound.codec.options import OCTETS, WORDS, records_octets_max
from southbound.codec.records import (
    RECORD_OCTETS,
    RECORD_OCTETS_IPV4,
    SOURCE_OCTETS,
    SOURCE_OCTETS_IPV4,
    MulticastAddressRecord,
    Version,
    record_octets,
)
from southbound.mld.context import records_from_memberships
from southbound.mld.membership import FilterMode, GroupMembership

RECORDS_MAX_IN_OCTETS = records_octets_max(OCTETS) // RECORD_OCTETS
"""Of an option whose Length counts octets: twelve, where one that counts words has RECORDS_MAX."""
SOURCES_MAX_IN_OCTETS = (records_octets_max(OCTETS) - RECORD_OCTETS) // SOURCE_OCTETS
"""Of one record in it."""
_SECOND_OPTION_OCTETS = 12
"""Type, Length, Option-Code, count line and padding of a further one in a message."""

Options = tuple[MulticastMobility, ...]


@dataclass(frozen=True, slots=True)
class StateRoom:
    """Octets of multicast address records."""

    option: int = records_octets_max(WORDS)
    """In one option."""
    message: int = records_octets_max(WORDS)
    """In one message, and no less than in one option; a further option in it takes some of that."""

    def sources_max(self, version: Version) -> int:
        """The most sources that a record can have here."""
        if version == 6:
            return min(SOURCES_MAX, (self.option - RECORD_OCTETS) // SOURCE_OCTETS)
        return min(SOURCES_MAX, (self.option - RECORD_OCTETS_IPV4) // SOURCE_OCTETS_IPV4)


WHOLE_OPTION = StateRoom()
"""What the option of RFC 7411 holds, and nothing else in the message asks for room."""


def multicast_mobility_options(memberships: Iterable[GroupMembership], room: StateRoom = WHOLE_OPTION) -> Options:
    """Options 60 for these memberships, each as full as it may be; MLD comes first.

    Of an EXCLUDE list that is too long for one record the rest is left out (`records_from_memberships`).
    """
    known = tuple(memberships)
    return (*_options(known, 6, room), *_options(known, 4, room))


def context_messages(
    memberships: Iterable[GroupMembership], room: StateRoom = WHOLE_OPTION
) -> tuple[Options, ...]:
    """The options 60 of each HandoverInitiate that a context takes: one (RFC 7411 5.5).

    Of a dual-stack MN the last of MLD and the first of IGMP go together where they fit into the room of one message: the
    RFC has a payload of MLD or of IGMP, and is silent on MNs that have both.
    """
    messages: list[Options] = []
    for option in multicast_mobility_options(memberships, room):
        last = messages[-1] if messages else ()
        other_family = len(last) == 1 and last[0].option_code != option.option_code
        if other_family and _octets(last[0]) + _octets(option) <= room.message - _SECOND_OPTION_OCTETS:
            messages[-1] = (*last, option)
        else:
            messages.append((option,))
    return tuple(messages)


def options_of_one_message(memberships: Iterable[GroupMembership], room: StateRoom) -> tuple[Options, bool]:
    """The options 60 that one message has room for, and whether they are all."""
    options, left = multicast_mobility_options(memberships, room), room.message
    taken: list[MulticastMobility] = []
    for option in options:
        octets = _octets(option) + (_SECOND_OPTION_OCTETS if taken else 0)
        if octets <= left:
            taken.append(option)
            left -= octets
    return tuple(taken), len(taken) == len(options)


def excluded_sources_left_out(memberships: Iterable[GroupMembership], room: StateRoom) -> int:
    """Sources that somebody does not want to hear, and for which a record has no room: they will be heard."""
    return sum(
        max(0, len(one.sources) - room.sources_max(6 if one.group.version == 6 else 4))
        for one in memberships
        if one.filter_mode is FilterMode.EXCLUDE
    )


def _octets(option: MulticastMobility) -> int:
    return sum(record_octets(record) for record in option.records)


def _options(memberships: tuple[GroupMembership, ...], version: Version, room: StateRoom) -> list[MulticastMobility]:
    payloads: list[list[MulticastAddressRecord]] = []
    left = 0
    of_family = (membership for membership in memberships if membership.group.version == version)
    for record in records_from_memberships(of_family, sources_max=room.sources_max(version)):
        octets = record_octets(record)
        if not payloads or octets > left or len(payloads[-1]) == RECORDS_MAX:
            payloads.append([])
            left = room.option
        payloads[-1].append(record)
        left -= octets
    code = MulticastPayload.MLDV2 if version == 6 else MulticastPayload.IGMPV3
    return [MulticastMobility(records=tuple(payload), option_code=code) for payload in payloads]

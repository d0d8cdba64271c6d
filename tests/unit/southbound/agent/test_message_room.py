# SPDX-License-Identifier: Apache-2.0
"""Messages of every size an MN can cause fit the smallest IPv6 path, authenticated or not, and say all that they can."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from southbound.agent import handover_acknowledge, handover_initiate
from southbound.agent.context_parts import PARTS_MAX, count_parts, more_follows
from southbound.agent.delivery_log import STREAMS_NAMED
from southbound.agent.message_room import OCTETS_MAX, state_room
from southbound.codec.accessors import multicast_records
from southbound.codec.authenticator import OPTION_OCTETS
from southbound.codec.handover import Dialect
from southbound.codec.iana import HandoverAcknowledgeCode, HandoverModeCode
from southbound.codec.mobility import (
    HandoverAcknowledge,
    HandoverInitiate,
    MobilityMessage,
    decode_mobility,
    encode_mobility,
)
from southbound.codec.options import OCTETS, WORDS, MulticastMobility, records_octets_max
from southbound.mld.context import memberships_from_records
from southbound.mld.context_options import (
    RECORDS_MAX_IN_OCTETS,
    SOURCES_MAX_IN_OCTETS,
    StateRoom,
    excluded_sources_left_out,
)
from southbound.mld.membership import FilterMode, GroupMembership

P_MAG, N_MAG, LMA = IPv6Address("2001:db8:a::1"), IPv6Address("2001:db8:b::1"), IPv6Address("2001:db8:f::1")


def membership(place: int, sources: int, ipv4: bool) -> GroupMembership:
    """INCLUDE with so many sources, else EXCLUDE without any."""
    base = int(IPv4Address("198.18.0.0")) if ipv4 else int(IPv6Address("2001:db8:c0::"))
    address = IPv4Address if ipv4 else IPv6Address
    group = IPv4Address("233.252.0.0") + place if ipv4 else IPv6Address("ff1e::100") + place
    mode = FilterMode.INCLUDE if sources else FilterMode.EXCLUDE
    return GroupMembership(
        group=group, filter_mode=mode, sources=frozenset(address(base + number) for number in range(1, sources + 1))
    )


listened = st.lists(st.tuples(st.integers(0, 62), st.booleans()), max_size=50).map(
    lambda groups: tuple(membership(place, *group) for place, group in enumerate(groups))
)
names = st.integers(1, 253).map(lambda octets: "n" * octets)


units = st.sampled_from((WORDS, OCTETS))


def octets(message: MobilityMessage, unit: str = WORDS) -> int:
    """How long it is; and it is read as it was written."""
    header = encode_mobility(message, P_MAG, N_MAG, option_length_unit=unit)
    if isinstance(message, HandoverInitiate | HandoverAcknowledge):
        read = decode_mobility(header, P_MAG, N_MAG, message.dialect, option_length_unit=unit)
        assert multicast_records(read) == multicast_records(message)  # type: ignore[arg-type]
    return len(header)


def parts(
    dialect: Dialect, mn_id: str, prefixes: int, memberships: tuple[GroupMembership, ...], authenticator: int,
    mode: HandoverModeCode = HandoverModeCode.PREDICTIVE, unit: str = WORDS,
) -> list[HandoverInitiate]:
    networks = tuple(IPv6Network((0x20010DB8 << 96 | place << 64, 64)) for place in range(prefixes))
    room = state_room(
        mn_id, networks, "ho-0123456789ab", authenticator_octets=authenticator, option_length_unit=unit
    )
    return [
        handover_initiate.context_message(
            dialect, 1, mn_id=mn_id, handover_id="ho-0123456789ab", prefixes=networks, lma_address=LMA,
            link_layer_id=bytes(6), memberships=memberships, part=part, room=room, mode=mode,
        )
        for part in range(count_parts(memberships, room))
    ]


@settings(max_examples=60, deadline=None)
@given(
    dialect=st.sampled_from(Dialect), mn_id=names, prefixes=st.integers(1, 8), memberships=listened,
    authenticated=st.booleans(), mode=st.sampled_from((HandoverModeCode.PREDICTIVE, HandoverModeCode.RELAYED)),
    unit=units,
)
def test_every_part_of_a_context_fits_and_all_together_say_it(
    dialect: Dialect, mn_id: str, prefixes: int, memberships: tuple[GroupMembership, ...], authenticated: bool,
    mode: HandoverModeCode, unit: str,
) -> None:
    authenticator = OPTION_OCTETS if authenticated else 0
    messages = parts(dialect, mn_id, prefixes, memberships, authenticator, mode, unit)
    assert len(messages) <= PARTS_MAX
    assert max(octets(message, unit) for message in messages) + authenticator <= OCTETS_MAX
    assert all(
        len({option.option_code for option in message.options if isinstance(option, MulticastMobility)})
        == sum(isinstance(option, MulticastMobility) for option in message.options)
        for message in messages
    ), "one option of each family (RFC 7411 section 5.5)"
    said, passed_over = memberships_from_records(record for one in messages for record in multicast_records(one))
    assert (set(said), passed_over) == (set(memberships), 0)


def test_an_ordinary_context_takes_no_more_messages_than_before() -> None:
    """What one option holds: a group with 62 sources, or 50 groups with any source."""
    for memberships in ((membership(1, 62, False),), tuple(membership(place, 0, False) for place in range(50))):
        for dialect in Dialect:
            assert len(parts(dialect, "mn1@example.net", 1, memberships, 0)) == 1
    network = IPv6Network("2001:db8:100:1::/64")
    room = state_room("mn1@example.net", (network,), authenticator_octets=0, option_length_unit=WORDS)
    assert room.option >= 1012
    assert state_room("mn1@example.net", (), authenticator_octets=OPTION_OCTETS, option_length_unit=WORDS) == StateRoom()


@pytest.mark.parametrize(
    ("unit", "most", "groups", "sources", "groups_ipv4"), [(WORDS, 1016, 50, 62, 127), (OCTETS, 248, 12, 14, 31)]
)
def test_what_an_option_holds_is_what_its_length_can_say(
    unit: str, most: int, groups: int, sources: int, groups_ipv4: int
) -> None:
    """RFC 7411 section 5.5 in words; the 255 octets of RFC 6275 section 6.2.1 less what stands before the records."""
    assert records_octets_max(unit) == most
    assert (most // 20, (most - 20) // 16, most // 8) == (groups, sources, groups_ipv4)
    assert (RECORDS_MAX_IN_OCTETS, SOURCES_MAX_IN_OCTETS, PARTS_MAX) == (12, 14, 250)
    full = tuple(membership(place, 0, False) for place in range(groups))
    assert [len(multicast_records(part)) for part in parts(Dialect.RFC, "mn1", 1, full, 0, unit=unit)] == [groups]
    for more in ((membership(1, sources, False),), tuple(membership(n, 0, True) for n in range(31))):
        assert len(parts(Dialect.RFC, "mn1", 1, more, 0, unit=unit)) == 1


@pytest.mark.parametrize(("groups", "messages"), [(12, 1), (13, 2), (25, 3), (50, 5)])
def test_a_context_counted_in_octets_goes_in_parts_of_twelve_groups(groups: int, messages: int) -> None:
    full = tuple(membership(place, 0, False) for place in range(groups))
    assert len(parts(Dialect.DRAFT, "mn1@example.net", 1, full, 0, unit=OCTETS)) == messages


@pytest.mark.parametrize(("ipv4", "room"), [(False, 14), (True, 60)])
def test_an_exclude_list_ends_where_its_record_does(ipv4: bool, room: int) -> None:
    """RFC 3810 section 5.2.15: it must not go on in another record; rather more is heard than less, and counted."""
    wanted = replace(membership(1, 62, ipv4), filter_mode=FilterMode.EXCLUDE)
    (part,) = parts(Dialect.RFC, "mn1", 1, (wanted,), 0, unit=OCTETS)
    (record,) = multicast_records(part)
    assert set(record.sources) < set(wanted.sources)
    assert len(record.sources) == room
    octets_room = StateRoom(option=records_octets_max(OCTETS))
    assert excluded_sources_left_out((wanted, membership(2, 62, ipv4)), octets_room) == 62 - room
    assert excluded_sources_left_out((wanted,), StateRoom()) == 0


@settings(max_examples=40, deadline=None)
@given(dialect=st.sampled_from(Dialect), mn_id=names, prefixes=st.integers(1, 8), memberships=listened, unit=units)
def test_answers_fit_with_their_authenticator(
    dialect: Dialect, mn_id: str, prefixes: int, memberships: tuple[GroupMembership, ...], unit: str
) -> None:
    request = parts(dialect, mn_id, 1, memberships, OPTION_OCTETS, unit=unit)[0]
    code = HandoverAcknowledgeCode.CONTEXT_TRANSFER_ACCEPTED
    networks = tuple(IPv6Network((0x20010DB8 << 96 | place << 64, 64)) for place in range(prefixes))
    answers = (
        handover_acknowledge.acknowledgement(request, code, memberships, option_length_unit=unit),
        handover_acknowledge.context_acknowledgement(
            request, code, prefixes=networks, lma_address=LMA, link_layer_id=bytes(6), memberships=memberships,
            option_length_unit=unit,
        ),
    )
    assert max(octets(answer, unit) for answer in answers) + OPTION_OCTETS <= OCTETS_MAX


@pytest.mark.parametrize(("unit", "said"), [(WORDS, 50), (OCTETS, 48)])
def test_an_answer_says_as_much_as_a_message_holds(unit: str, said: int) -> None:
    """There is only one of it, so it has several options where one is too short; Code 5: there is more than this."""
    full = tuple(membership(place, 0, False) for place in range(50))
    (*_, request) = parts(Dialect.RFC, "mn1@example.net", 1, full[:1], 0, unit=unit)
    accepted, whole = HandoverAcknowledgeCode.CONTEXT_TRANSFER_ACCEPTED, HandoverAcknowledgeCode.ALL_CONTEXT_TRANSFERRED
    refusal = handover_acknowledge.acknowledgement(request, accepted, full, option_length_unit=unit)
    assert len(handover_acknowledge.refused_groups(refusal, full)) == said

    def answer(memberships: tuple[GroupMembership, ...]) -> HandoverAcknowledge:
        return handover_acknowledge.context_acknowledgement(
            request, whole, prefixes=(), lma_address=LMA, link_layer_id=bytes(6), memberships=memberships,
            option_length_unit=unit,
        )

    told = answer(full)
    assert len(multicast_records(told)) == said
    assert told.code == (whole if said == 50 else accepted)
    assert answer(full[:30]).code == whole


@pytest.mark.parametrize("streams", [0, 1, 5, 40, STREAMS_NAMED])
@settings(max_examples=20, deadline=None)
@given(dialect=st.sampled_from(Dialect), mn_id=names)
def test_a_word_on_the_last_packets_fits_with_its_authenticator(streams: int, dialect: Dialect, mn_id: str) -> None:
    """And names every stream, in as many messages as that takes, each stream by some packets."""
    handover_id = "ho-0123456789ab"
    last = {(LMA, IPv6Address("ff1e::100") + place): (bytes(8),) * 16 for place in range(streams)}
    parts = handover_initiate.last_delivered_parts(mn_id, handover_id, last)
    said: dict[Any, tuple[bytes, ...]] = {}
    for number, part in enumerate(parts, start=1):
        word = handover_initiate.last_delivered_message(
            dialect, number, mn_id=mn_id, handover_id=handover_id, last_delivered=part, more=number < len(parts)
        )
        assert octets(word) + OPTION_OCTETS <= OCTETS_MAX
        assert handover_initiate.purpose(word) is handover_initiate.Purpose.LAST_DELIVERED
        assert more_follows(word) == (number < len(parts))
        said |= handover_initiate.last_delivered_of(word)
    assert said.keys() == last.keys()
    assert all(len(digests) >= 4 for digests in said.values())
    assert len(parts) <= streams / 6 + 1

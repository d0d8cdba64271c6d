# SPDX-License-Identifier: Apache-2.0
"""Messages of every size an MN can cause fit the smallest IPv6 path, authenticated or not, and say all that they can."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from southbound.agent import handover_acknowledge, handover_initiate
from southbound.agent.context_parts import count_parts
from southbound.agent.message_room import OCTETS_MAX, state_room
from southbound.codec.accessors import multicast_records
from southbound.codec.authenticator import OPTION_OCTETS
from southbound.codec.handover import Dialect
from southbound.codec.iana import HandoverAcknowledgeCode, HandoverModeCode
from southbound.codec.mobility import HandoverInitiate, MobilityMessage, encode_mobility
from southbound.mld.context import STATE_OCTETS_MAX
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


def octets(message: MobilityMessage) -> int:
    return len(encode_mobility(message, P_MAG, N_MAG))


def parts(
    dialect: Dialect, mn_id: str, prefixes: int, memberships: tuple[GroupMembership, ...], authenticator: int,
    mode: HandoverModeCode = HandoverModeCode.PREDICTIVE,
) -> list[HandoverInitiate]:
    networks = tuple(IPv6Network((0x20010DB8 << 96 | place << 64, 64)) for place in range(prefixes))
    room = state_room(mn_id, networks, "ho-0123456789ab", authenticator_octets=authenticator)
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
)
def test_every_part_of_a_context_fits_and_all_together_say_it(
    dialect: Dialect, mn_id: str, prefixes: int, memberships: tuple[GroupMembership, ...], authenticated: bool,
    mode: HandoverModeCode,
) -> None:
    authenticator = OPTION_OCTETS if authenticated else 0
    messages = parts(dialect, mn_id, prefixes, memberships, authenticator, mode)
    assert max(octets(message) for message in messages) + authenticator <= OCTETS_MAX
    said: dict[object, set[object]] = {}
    for message in messages:
        for record in multicast_records(message):
            said.setdefault(record.group, set()).update(record.sources)
    assert said == {one.group: set(one.sources) for one in memberships}


def test_an_ordinary_context_takes_no_more_messages_than_before() -> None:
    """What one option holds: a group with 62 sources, or 50 groups with any source."""
    for memberships in ((membership(1, 62, False),), tuple(membership(place, 0, False) for place in range(50))):
        for dialect in Dialect:
            assert len(parts(dialect, "mn1@example.net", 1, memberships, 0)) == 1
    assert state_room("mn1@example.net", (IPv6Network("2001:db8:100:1::/64"),), authenticator_octets=0) >= 1012
    assert state_room("mn1@example.net", (), authenticator_octets=OPTION_OCTETS) <= STATE_OCTETS_MAX


@settings(max_examples=40, deadline=None)
@given(dialect=st.sampled_from(Dialect), mn_id=names, prefixes=st.integers(1, 8), memberships=listened)
def test_answers_fit_with_their_authenticator(
    dialect: Dialect, mn_id: str, prefixes: int, memberships: tuple[GroupMembership, ...]
) -> None:
    request = parts(dialect, mn_id, 1, memberships, OPTION_OCTETS)[0]
    code = HandoverAcknowledgeCode.CONTEXT_TRANSFER_ACCEPTED
    networks = tuple(IPv6Network((0x20010DB8 << 96 | place << 64, 64)) for place in range(prefixes))
    answers = (
        handover_acknowledge.acknowledgement(request, code, memberships),
        handover_acknowledge.context_acknowledgement(
            request, code, prefixes=networks, lma_address=LMA, link_layer_id=bytes(6), memberships=memberships
        ),
    )
    assert max(octets(answer) for answer in answers) + OPTION_OCTETS <= OCTETS_MAX


@pytest.mark.parametrize("streams", [0, 1, 5, 40])
@settings(max_examples=20, deadline=None)
@given(dialect=st.sampled_from(Dialect), mn_id=names)
def test_a_word_on_the_last_packets_fits_with_its_authenticator(streams: int, dialect: Dialect, mn_id: str) -> None:
    last = {(LMA, IPv6Address("ff1e::100") + place): (bytes(8),) * 16 for place in range(streams)}
    word = handover_initiate.last_delivered_message(
        dialect, 1, mn_id=mn_id, handover_id="ho-0123456789ab", last_delivered=last
    )
    assert octets(word) + OPTION_OCTETS <= OCTETS_MAX
    assert len(handover_initiate.last_delivered_of(word)) >= min(streams, 10)

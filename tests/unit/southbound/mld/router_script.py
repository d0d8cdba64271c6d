# SPDX-License-Identifier: Apache-2.0
"""What the tests of the router side say, and expect."""

from __future__ import annotations

from ipaddress import IPv6Address

from southbound.codec.iana import Mldv2RecordType
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.effects import Effect, MembershipChanged, SendGroupQuery
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.mld.router import RouterLink

G1, G2, G3 = IPv6Address("ff1e::101"), IPv6Address("ff3e::8000:1"), IPv6Address("ff1e::103")
A, B, C = IPv6Address("2001:db8:c0::a"), IPv6Address("2001:db8:c0::b"), IPv6Address("2001:db8:c0::c")
IS_IN, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK = (
    Mldv2RecordType.MODE_IS_INCLUDE, Mldv2RecordType.MODE_IS_EXCLUDE, Mldv2RecordType.CHANGE_TO_INCLUDE_MODE,
    Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE, Mldv2RecordType.ALLOW_NEW_SOURCES, Mldv2RecordType.BLOCK_OLD_SOURCES,
)


def Record(  # noqa: N802 - reads as the report it stands for
    record_type: int, group: IPv6Address, sources: tuple[IPv6Address, ...] = ()
) -> MulticastAddressRecord:
    return MulticastAddressRecord(record_type=Mldv2RecordType(record_type), group=group, sources=sources)


def include(group: IPv6Address, *sources: IPv6Address) -> GroupMembership:
    return GroupMembership(group=group, filter_mode=FilterMode.INCLUDE, sources=frozenset(sources))


def exclude(group: IPv6Address, *sources: IPv6Address) -> GroupMembership:
    return GroupMembership(group=group, filter_mode=FilterMode.EXCLUDE, sources=frozenset(sources))


def changed(*memberships: GroupMembership) -> MembershipChanged:
    return MembershipChanged(memberships=memberships)


def group_query(group: IPv6Address, *sources: IPv6Address, suppress: bool = False) -> SendGroupQuery:
    return SendGroupQuery(group=group, sources=sources, max_response_ms=1000, suppress=suppress)


def run_until(node: RouterLink, end: float) -> list[tuple[float, Effect]]:
    """Tick at every deadline up to `end`; deadlines must move on."""
    happened: list[tuple[float, Effect]] = []
    while (deadline := node.next_deadline()) is not None and deadline <= end:
        happened += [(deadline, effect) for effect in node.tick(deadline)]
        following = node.next_deadline()
        assert following is None or following > deadline
    return happened

# SPDX-License-Identifier: Apache-2.0
"""The host side of an MLD proxy (RFC 4605 section 4.1): several listeners become one, and its changes become records.

Merging follows RFC 3810 section 4.2, records follow section 6.1. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable

from southbound.codec.addresses import IpAddress, address_order
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.membership import FilterMode, GroupMembership

CHANGE_TO = {
    FilterMode.INCLUDE: Mldv2RecordType.CHANGE_TO_INCLUDE_MODE,
    FilterMode.EXCLUDE: Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE,
}
"""What a Filter Mode Change Record says, by the new mode."""


def merge(listeners: Iterable[Iterable[GroupMembership]]) -> tuple[GroupMembership, ...]:
    """The one membership that asks for what any of the listeners wants, sorted by group.

    Any order, any grouping and any repetition of the listeners gives the same answer.
    """
    by_group: dict[IpAddress, list[GroupMembership]] = {}
    for memberships in listeners:
        for membership in memberships:
            by_group.setdefault(membership.group, []).append(membership)
    merged = (_merge_group(group, by_group[group]) for group in sorted(by_group, key=address_order))
    return tuple(membership for membership in merged if _is_listening(membership))


def _merge_group(group: IpAddress, memberships: list[GroupMembership]) -> GroupMembership:
    """RFC 3810 section 4.2: EXCLUDE(intersection of the exclude lists - all includes), else INCLUDE(union)."""
    included: frozenset[IpAddress] = frozenset()
    excluded: frozenset[IpAddress] | None = None
    for membership in memberships:
        if membership.filter_mode is FilterMode.INCLUDE:
            included |= membership.sources
        elif excluded is None:
            excluded = membership.sources
        else:
            excluded &= membership.sources
    if excluded is None:
        return GroupMembership(group=group, filter_mode=FilterMode.INCLUDE, sources=included)
    return GroupMembership(group=group, filter_mode=FilterMode.EXCLUDE, sources=excluded - included)


def state_change_records(
    before: Iterable[GroupMembership], after: Iterable[GroupMembership]
) -> tuple[MulticastAddressRecord, ...]:
    """What a listener whose state goes from `before` to `after` reports (RFC 3810 section 6.1), sorted by group.

    No record of a group is INCLUDE({}). Within a group ALLOW comes before BLOCK, so that a router which acts record by
    record never has less than it ends up with. Sending them Robustness Variable times is the caller's task.
    """
    old = {membership.group: membership for membership in merge([before])}
    new = {membership.group: membership for membership in merge([after])}
    records: list[MulticastAddressRecord] = []
    for group in sorted(old.keys() | new.keys(), key=address_order):
        nothing = GroupMembership(group=group, filter_mode=FilterMode.INCLUDE)
        records.extend(_group_records(old.get(group, nothing), new.get(group, nothing)))
    return tuple(records)


def _group_records(old: GroupMembership, new: GroupMembership) -> list[MulticastAddressRecord]:
    """The table of RFC 3810 section 6.1; ALLOW and BLOCK without sources are omitted."""
    if old.filter_mode is not new.filter_mode:
        return [_record(CHANGE_TO[new.filter_mode], new.group, new.sources)]
    gained, lost = new.sources - old.sources, old.sources - new.sources
    if new.filter_mode is FilterMode.EXCLUDE:
        gained, lost = lost, gained
    pairs = ((Mldv2RecordType.ALLOW_NEW_SOURCES, gained), (Mldv2RecordType.BLOCK_OLD_SOURCES, lost))
    return [_record(record_type, new.group, sources) for record_type, sources in pairs if sources]


def _record(
    record_type: Mldv2RecordType, group: IpAddress, sources: frozenset[IpAddress]
) -> MulticastAddressRecord:
    return MulticastAddressRecord(record_type=record_type, group=group, sources=tuple(sorted(sources)))


def _is_listening(membership: GroupMembership) -> bool:
    return membership.filter_mode is FilterMode.EXCLUDE or bool(membership.sources)

# SPDX-License-Identifier: Apache-2.0
"""Multicast context on the wire <-> memberships: what a HandoverInitiate or a PBU-M says about one MN.

A context is state, so only the record types MODE_IS_INCLUDE and MODE_IS_EXCLUDE mean something in it. A record that
may not be in a context is refused with a named reason and leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from southbound.codec.addresses import IpAddress
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.multicast_options import (
    RECORDS_MAX,
    SOURCES_MAX,
    SUBSCRIPTION_SOURCES_MAX,
    ActiveMulticastSubscription,
    ActiveMulticastSubscriptionIpv4,
)
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.membership import FilterMode, GroupMembership

REFUSAL_REASONS = frozenset(
    {
        "group_not_multicast",
        "include_without_sources",
        "link_scope_group",
        "reserved_scope_group",
        "source_loopback",
        "source_multicast",
        "source_unspecified",
        "ssm_without_sources",
        "too_many_groups",
        "too_many_sources",
    }
)
"""Every `RefusedRecord.reason` there is: the closed label set of the counters."""

_SSM_RANGE_MASK = int(IPv6Address("fff0:ffff::"))
_SSM_RANGE = int(IPv6Address("ff30::"))
_LINK_LOCAL_SCOPE = 2
_STATE_RECORDS = (Mldv2RecordType.MODE_IS_INCLUDE, Mldv2RecordType.MODE_IS_EXCLUDE)
_MULTICAST = IPv6Network("ff00::/8")
_SSM_RANGE_IPV4 = IPv4Network("232.0.0.0/8")
"""RFC 4607 section 1."""
_LINK_SCOPE_IPV4 = IPv4Network("224.0.0.0/24")
"""Local Network Control Block (RFC 5771 section 4), which nobody forwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRecord:
    """A record that may not be in a context, and why."""

    record: MulticastAddressRecord
    reason: str
    """One of REFUSAL_REASONS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextReading:
    """What a peer's records come to."""

    memberships: tuple[GroupMembership, ...]
    """At most one a group, in the order of first mention."""
    ignored_count: int = 0
    """Records that are no state: types 3 to 6 and unknown ones (RFC 3810 5.2.12)."""
    refused: tuple[RefusedRecord, ...] = ()


def is_source_specific(group: IpAddress) -> bool:
    """Whether the group is in the SSM range: ff3x::/32 or 232/8 (RFC 4607 section 1)."""
    if isinstance(group, IPv4Address):
        return group in _SSM_RANGE_IPV4
    return int(group) & _SSM_RANGE_MASK == _SSM_RANGE


def group_refusal(group: IpAddress) -> str | None:
    """Why a group cannot be in a context, or None.

    MLD never speaks of scopes 0 and 1 (RFC 3810 section 6), and nobody forwards link scope.
    """
    if isinstance(group, IPv4Address):
        if not group.is_multicast:
            return "group_not_multicast"
        return "link_scope_group" if group in _LINK_SCOPE_IPV4 else None
    if group not in _MULTICAST:
        return "group_not_multicast"
    scope = group.packed[1] & 0x0F
    if scope < _LINK_LOCAL_SCOPE:
        return "reserved_scope_group"
    return "link_scope_group" if scope == _LINK_LOCAL_SCOPE else None


def memberships_from_records(
    records: Iterable[MulticastAddressRecord], *, groups_max: int = RECORDS_MAX, sources_max: int = SOURCES_MAX
) -> tuple[tuple[GroupMembership, ...], int]:
    """The memberships that these records describe, and how many records were passed over, ignored or refused.

    `read_context` says which ones and why.
    """
    reading = read_context(records, groups_max=groups_max, sources_max=sources_max)
    return reading.memberships, reading.ignored_count + len(reading.refused)


def read_context(
    records: Iterable[MulticastAddressRecord], *, groups_max: int = RECORDS_MAX, sources_max: int = SOURCES_MAX
) -> ContextReading:
    """The memberships that these records describe together.

    Several records of one group join as RFC 3810 section 4.2 joins listeners: whatever any of them wants is wanted.
    (An INCLUDE list may come in pieces.) The caps hold for the result, too: `sources_max` a group.
    """
    memberships: dict[IpAddress, GroupMembership] = {}
    refused: list[RefusedRecord] = []
    ignored_count = 0
    for record in records:
        if record.record_type not in _STATE_RECORDS:
            ignored_count += 1
            continue
        known = memberships.get(record.group)
        reason = _record_refusal(record)
        if reason is None and known is None and len(memberships) >= groups_max:
            reason = "too_many_groups"
        if reason is None:
            joined = _join(known, _membership(record))
            if len(joined.sources) <= sources_max:
                memberships[record.group] = joined
                continue
            reason = "too_many_sources"
        refused.append(RefusedRecord(record=record, reason=reason))
    return ContextReading(memberships=tuple(memberships.values()), ignored_count=ignored_count, refused=tuple(refused))


def records_from_memberships(
    memberships: Iterable[GroupMembership], *, sources_max: int = SOURCES_MAX
) -> tuple[MulticastAddressRecord, ...]:
    """The records that carry these memberships, sources sorted; what may not be in a context is left out.

    More than `sources_max` sources (RFC 3810 5.2.15): an INCLUDE list goes on in further records; an EXCLUDE list
    must not, so it ends there and the receiver gets more than was wanted rather than less.
    """
    records: list[MulticastAddressRecord] = []
    for membership in memberships:
        sources = sorted(membership.sources)
        if membership.filter_mode is FilterMode.EXCLUDE:
            kind = Mldv2RecordType.MODE_IS_EXCLUDE
            pieces = [sources[:sources_max]]
        else:
            kind = Mldv2RecordType.MODE_IS_INCLUDE
            pieces = [sources[at : at + sources_max] for at in range(0, len(sources), sources_max)]
        for piece in pieces:
            record = MulticastAddressRecord(record_type=kind, group=membership.group, sources=tuple(piece))
            if _record_refusal(record) is None:
                records.append(record)
    return tuple(records)


Subscriptions = tuple[ActiveMulticastSubscription | ActiveMulticastSubscriptionIpv4, ...]


def active_multicast_subscriptions(memberships: Iterable[GroupMembership]) -> Subscriptions:
    """Options 57 and 56 for these memberships: one record each, what a PBU-M carries."""
    records: Sequence[MulticastAddressRecord] = records_from_memberships(
        memberships, sources_max=SUBSCRIPTION_SOURCES_MAX
    )
    return tuple(
        ActiveMulticastSubscription(record=record) if record.group.version == 6
        else ActiveMulticastSubscriptionIpv4(record=record)
        for record in records
    )


def _record_refusal(record: MulticastAddressRecord) -> str | None:
    reason = group_refusal(record.group)
    if reason is not None:
        return reason
    for source in record.sources:
        if source.is_multicast:
            return "source_multicast"
        if source.is_unspecified:
            return "source_unspecified"
        if source.is_loopback:
            return "source_loopback"
    include = record.record_type == Mldv2RecordType.MODE_IS_INCLUDE
    if is_source_specific(record.group) and not (include and record.sources):
        return "ssm_without_sources"
    # RFC 3810 5.2.12: IS_IN with an empty list is never sent; it says "not a member".
    return "include_without_sources" if include and not record.sources else None


def _membership(record: MulticastAddressRecord) -> GroupMembership:
    include = record.record_type == Mldv2RecordType.MODE_IS_INCLUDE
    return GroupMembership(
        group=record.group,
        filter_mode=FilterMode.INCLUDE if include else FilterMode.EXCLUDE,
        sources=frozenset(record.sources),
    )


def _join(known: GroupMembership | None, added: GroupMembership) -> GroupMembership:
    """RFC 3810 4.2: EXCLUDE(common excludes - includes) if any excludes, else INCLUDE(all)."""
    if known is None:
        return added
    modes = (known.filter_mode, added.filter_mode)
    match modes:
        case (FilterMode.INCLUDE, FilterMode.INCLUDE):
            return GroupMembership(
                group=added.group, filter_mode=FilterMode.INCLUDE, sources=known.sources | added.sources
            )
        case (FilterMode.EXCLUDE, FilterMode.EXCLUDE):
            sources = known.sources & added.sources
        case (FilterMode.EXCLUDE, FilterMode.INCLUDE):
            sources = known.sources - added.sources
        case _:
            sources = added.sources - known.sources
    return GroupMembership(group=added.group, filter_mode=FilterMode.EXCLUDE, sources=sources)

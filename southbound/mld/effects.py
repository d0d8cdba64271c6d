# SPDX-License-Identifier: Apache-2.0
"""What the two sides of a link ask their owner to do: send a query or a report, pass on a membership, count a discard."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from southbound.codec.addresses import IpAddress
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.membership import GroupMembership


class IgnoreReason(Enum):
    """Why a record, or some sources of a record, had no effect; the values are counter names."""

    LINK_SCOPE = "mld_group_of_link_scope"
    """Scope 0, 1 or 2: never forwarded, so nothing to track. Normal: every host joins its solicited-node groups."""
    SSM_WITHOUT_SOURCES = "mld_ssm_without_sources"
    """EXCLUDE for a group of the SSM range ff3x::/32, which routers ignore (RFC 4604); no context could carry it on."""
    NOT_MULTICAST = "mld_group_not_multicast"
    SOURCE_NOT_UNICAST = "mld_source_not_unicast"
    """Multicast, unspecified or loopback: no packet can have such a source; the rest of the record counts."""
    UNKNOWN_RECORD_TYPE = "mld_record_type_unknown"
    """Ignored record by record, RFC 3810 section 5.2.12."""
    GROUPS_OVER_LIMIT = "mld_groups_over_limit"
    SOURCES_OVER_LIMIT = "mld_sources_over_limit"
    """As many sources of the record as fit were taken."""
    BLOCK_IN_MLDV1_MODE = "mld_block_in_mldv1_mode"
    """RFC 3810 section 8.3.2."""
    SOURCES_IN_MLDV1_MODE = "mld_sources_in_mldv1_mode"
    """The source list of a TO_EX, RFC 3810 section 8.3.2."""

    @property
    def is_refusal(self) -> bool:
        """Whether the listener did not get something it asked for, or sent something no host should send.

        False for what a correct host sends all the time and the RFC has the router pass over.
        """
        return self not in _ORDINARY


_ORDINARY = frozenset({
    IgnoreReason.LINK_SCOPE,
    IgnoreReason.UNKNOWN_RECORD_TYPE,
    IgnoreReason.BLOCK_IN_MLDV1_MODE,
    IgnoreReason.SOURCES_IN_MLDV1_MODE,
})


@dataclass(frozen=True, slots=True, kw_only=True)
class SendGeneralQuery:
    """Send a General Query (RFC 3810 section 5.1.13) on the link."""

    max_response_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendGroupQuery:
    """Send a Multicast Address Specific Query, or with sources a Multicast Address and Source Specific Query."""

    group: IpAddress
    sources: tuple[IpAddress, ...]
    """Sorted; empty for a Multicast Address Specific Query."""
    max_response_ms: int
    suppress: bool
    """The S flag: Suppress Router-Side Processing (RFC 3810 section 5.1.7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipChanged:
    """What is listened to on the link is now this; replaces what was said before."""

    memberships: tuple[GroupMembership, ...]
    """Sorted by group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordIgnored:
    """Count one discard under `reason.value`."""

    reason: IgnoreReason
    group: IpAddress
    sources: int = 0
    """How many sources were passed over; 0 when the whole record was."""


Effect = SendGeneralQuery | SendGroupQuery | MembershipChanged | RecordIgnored
"""Of the router side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReport:
    """Send these records, in one report or in as many as they need (`southbound.mld.report_size`)."""

    records: tuple[MulticastAddressRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOlderReport:
    """Send a Report of the older version (RFC 2710): we listen to the group."""

    group: IpAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOlderDone:
    """Send a Done of the older version (RFC 2710): we listen no longer."""

    group: IpAddress


HostEffect = SendReport | SendOlderReport | SendOlderDone
"""Of the host side."""

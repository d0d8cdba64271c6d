# SPDX-License-Identifier: Apache-2.0
"""What one listener wants: per group a filter mode and a source list (RFC 3810 section 4.2).

This is the shape in which multicast state travels through the whole project; codec records become it on the way in
and it becomes records on the way out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from southbound.codec.addresses import IpAddress, address_order


class FilterMode(Enum):
    """RFC 3810 section 2: whether `sources` lists what is wanted or what is not."""

    INCLUDE = "include"
    EXCLUDE = "exclude"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMembership:
    """The state of one listener for one group, IPv4 or IPv6.

    INCLUDE with no sources means 'not a member' and is never stored.
    """

    group: IpAddress
    filter_mode: FilterMode
    sources: frozenset[IpAddress] = frozenset()

    def wants(self, source: IpAddress | None) -> bool:
        """Whether a packet of this source is wanted; None stands for a source that no list names."""
        if self.filter_mode is FilterMode.INCLUDE:
            return source in self.sources
        return source not in self.sources


def group_order(membership: GroupMembership) -> tuple[int, int]:
    """Key to sort memberships of both families by: by group."""
    return address_order(membership.group)

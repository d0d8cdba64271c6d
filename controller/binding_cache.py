# SPDX-License-Identifier: Apache-2.0
"""The Binding Cache of the LMA (RFC 5213 section 5.1): one entry an MN, replaced as a whole, never changed in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, IPv6Network

from southbound.codec.binding import ProxyBindingAcknowledgement


class BindingState(Enum):
    """RFC 5213 section 5.3.5: a de-registered binding waits before it is deleted."""

    ACTIVE = "active"
    PENDING_DELETE = "pending_delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingCacheEntry:
    """One proxy registration."""

    mn_id: str
    home_network_prefixes: tuple[IPv6Network, ...]
    mag_id: str
    proxy_care_of_address: IPv6Address
    link_layer_id: bytes | None
    access_technology_type: int
    sequence: int
    timestamp: float | None
    """Of the last accepted PBU, seconds since 1970; None under the sequence number scheme."""
    lifetime_s: int
    expires_at: float
    """On the core's clock; in PENDING_DELETE the moment of deletion."""
    state: BindingState
    multicast: bool
    """Whether the MAG registered with the S flag, i.e. speaks PBU-M."""
    acknowledgement: ProxyBindingAcknowledgement | None = None
    """The last PBA, replayed for a repeated PBU."""


class BindingCache:
    """Entries by MN-ID, with expiry."""

    def __init__(self) -> None:
        self._entries: dict[str, BindingCacheEntry] = {}

    def __iter__(self) -> Iterator[BindingCacheEntry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def lookup(self, mn_id: str) -> BindingCacheEntry | None:
        """The entry of this MN, or None."""
        return self._entries.get(mn_id)

    def serving_mag(self, mn_id: str) -> str | None:
        """The MAG id of an active binding, or None."""
        entry = self._entries.get(mn_id)
        return entry.mag_id if entry is not None and entry.state is BindingState.ACTIVE else None

    def put(self, entry: BindingCacheEntry) -> None:
        """Create or replace the entry of its MN."""
        self._entries[entry.mn_id] = entry

    def expire(self, now: float) -> list[BindingCacheEntry]:
        """Remove and return what has run out by `now`."""
        gone = [entry for entry in self._entries.values() if entry.expires_at <= now]
        for entry in gone:
            del self._entries[entry.mn_id]
        return gone

    def next_deadline(self) -> float | None:
        """When `expire` has something to do next."""
        return min((entry.expires_at for entry in self._entries.values()), default=None)

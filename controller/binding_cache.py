# SPDX-License-Identifier: Apache-2.0
"""The Binding Cache of the LMA (RFC 5213 section 5.1): one entry a mobility session, replaced as a whole.

A session is one interface of an MN with all its home network prefixes (section 5.4). Prefixes are nobody else's, so any
of them names the session.
"""

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
    """One mobility session."""

    mn_id: str
    home_network_prefixes: tuple[IPv6Network, ...]
    """At least one; the same for as long as the session lasts."""
    mag_id: str
    proxy_care_of_address: IPv6Address
    link_layer_id: bytes | None
    """Of the interface; None: the MAG has not named it (all zero in RFC 5213)."""
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
    own_interface: bool = True
    """Whether this may be the interface that the policy store knows: the one that moves when a handover is asked for."""
    link_local_address: IPv6Address | None = None
    """Of the MAG on the access link, where the MAG has asked for it or told it (RFC 5213 section 8.7)."""
    gre_key: int | None = None
    """Uplink and downlink, when they were exchanged (RFC 5845)."""
    acknowledgement: ProxyBindingAcknowledgement | None = None
    """The last PBA, replayed for a repeated PBU."""

    @property
    def active(self) -> bool:
        """Whether packets are forwarded for it."""
        return self.state is BindingState.ACTIVE


class BindingCache:
    """All sessions, with expiry."""

    def __init__(self) -> None:
        self._entries: dict[IPv6Network, BindingCacheEntry] = {}
        """By the first prefix, in the order of registration."""
        self._prefixes: dict[IPv6Network, IPv6Network] = {}
        """Every prefix -> the first of its session."""

    def __iter__(self) -> Iterator[BindingCacheEntry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def sessions(self, mn_id: str) -> tuple[BindingCacheEntry, ...]:
        """All sessions of this MN, the one registered last at the end."""
        return tuple(entry for entry in self._entries.values() if entry.mn_id == mn_id)

    def by_prefix(self, prefix: IPv6Network) -> BindingCacheEntry | None:
        """The session that this home network prefix is of, or None."""
        first = self._prefixes.get(prefix)
        return None if first is None else self._entries[first]

    def of_own_interface(self, mn_id: str) -> BindingCacheEntry | None:
        """The session of the interface that the policy store knows, if there is one; of several the latest active one."""
        sessions = self.sessions(mn_id)
        return max(sessions, key=lambda entry: (entry.own_interface, entry.active, sessions.index(entry)), default=None)

    def serving_mag(self, mn_id: str) -> str | None:
        """The MAG id of that session while it is active, or None."""
        entry = self.of_own_interface(mn_id)
        return entry.mag_id if entry is not None and entry.active else None

    def is_bound(self, mn_id: str, mag_id: str) -> bool:
        """Whether an active session of the MN is at this MAG."""
        return any(entry.active and entry.mag_id == mag_id for entry in self.sessions(mn_id))

    def put(self, entry: BindingCacheEntry) -> BindingCacheEntry | None:
        """Create a session or replace its entry; returns what it was."""
        former = self.by_prefix(entry.home_network_prefixes[0])
        if former is not None:
            self._remove(former)
        self._entries[entry.home_network_prefixes[0]] = entry
        self._prefixes |= dict.fromkeys(entry.home_network_prefixes, entry.home_network_prefixes[0])
        return former

    def expire(self, now: float) -> list[BindingCacheEntry]:
        """Remove and return what has run out by `now`."""
        gone = [entry for entry in self._entries.values() if entry.expires_at <= now]
        for entry in gone:
            self._remove(entry)
        return gone

    def next_deadline(self) -> float | None:
        """When `expire` has something to do next."""
        return min((entry.expires_at for entry in self._entries.values()), default=None)

    def _remove(self, entry: BindingCacheEntry) -> None:
        del self._entries[entry.home_network_prefixes[0]]
        for prefix in entry.home_network_prefixes:
            del self._prefixes[prefix]

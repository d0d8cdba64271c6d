# SPDX-License-Identifier: Apache-2.0
"""The policy store (RFC 5213 section 6.2): which mobile nodes there are and what each may do where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from topology.model import MobileNode


class PolicyStore:
    """Read-only lookups over the profiles of topology.yaml."""

    def __init__(self, profiles: Iterable[MobileNode]) -> None:
        self._by_id = {profile.id: profile for profile in profiles}
        self._by_name = {profile.name: profile for profile in self._by_id.values()}

    def __iter__(self) -> Iterator[MobileNode]:
        return iter(self._by_id.values())

    def by_id(self, mn_id: str) -> MobileNode | None:
        """The profile of an MN-ID (NAI), or None."""
        return self._by_id.get(mn_id)

    def find(self, mn_id_or_name: str) -> MobileNode | None:
        """The profile of an MN-ID or of a short name, or None."""
        return self._by_id.get(mn_id_or_name) or self._by_name.get(mn_id_or_name)

    def may_register(self, mn_id: str, mag_id: str) -> bool:
        """Whether this MAG may register this MN (RFC 5213 section 4: MAG and prefix combinations)."""
        profile = self._by_id.get(mn_id)
        return profile is not None and mag_id in profile.mags

    def owns_prefix(self, mn_id: str, prefix: IPv6Network) -> bool:
        """Whether the prefix is one of this MN's own home network prefixes."""
        profile = self._by_id.get(mn_id)
        return profile is not None and prefix in profile.home_network_prefixes

    def may_join(self, mn_id: str, group: IPv4Address | IPv6Address) -> bool:
        """Whether this MN may receive the group."""
        profile = self._by_id.get(mn_id)
        return profile is not None and any(group in network for network in profile.allowed_groups)

# SPDX-License-Identifier: Apache-2.0
"""The variables of RFC 3810 section 9, for both sides of a link, and the caps on what one link can make us keep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from topology.model import Domain
from topology.settings import Timers


@dataclass(frozen=True, slots=True, kw_only=True)
class MldParameters:
    """Defaults are those of RFC 3810 section 9; times in seconds."""

    robustness: int = 2
    """Robustness Variable, 9.1; at least 1."""
    query_interval_s: float = 125.0
    """9.2"""
    query_response_interval_s: float = 10.0
    """9.3"""
    last_listener_query_interval_s: float = 1.0
    """9.8"""
    unsolicited_report_interval_s: float = 1.0
    """9.11, host side."""
    fast_leave: bool = False
    """Router side: believe at once what a listener says it does not want, instead of asking who else does (LLQT)."""
    start_query_response_s: float = 1.0
    """Maximum Response Delay of the first query: what changed while nobody asked shall not take 10 s to show."""
    groups_max: int = 50
    """Groups tracked on one link: as many as fit one option 60 (RFC 7411 section 5.3) without sources."""
    sources_max: int = 62
    """Sources tracked for one group: as many as fit one option 60 in one record."""

    @classmethod
    def of_access_link(cls, domain: Domain) -> Self:
        """What topology.yaml asks for on the link of a mobile node."""
        limits = domain.limits
        return replace(
            cls._timed(domain.timers), fast_leave=domain.mld_fast_leave,
            groups_max=limits.groups_per_mobile_node, sources_max=limits.sources_per_group,
        )

    @classmethod
    def of_tunnel(cls, domain: Domain) -> Self:
        """What it asks for in the LMA's tunnel to a MAG: MLD reports there are of a proxy for many MNs (RFC 6224)."""
        timers, limits = domain.timers, domain.limits
        return replace(
            cls(),
            robustness=timers.mld_robustness,
            query_interval_s=timers.mld_tunnel_query_interval_s,
            query_response_interval_s=timers.mld_tunnel_query_response_interval_s,
            last_listener_query_interval_s=timers.mld_tunnel_last_listener_query_interval_s,
            groups_max=limits.groups_per_tunnel,
            sources_max=limits.sources_per_group,
        )

    @classmethod
    def of_host(cls, domain: Domain) -> Self:
        """Of the host side: the LMA's towards the multicast network, a MAG's towards its LMA."""
        return replace(cls(), robustness=domain.timers.mld_robustness, sources_max=domain.limits.sources_per_group)

    @classmethod
    def _timed(cls, timers: Timers) -> Self:
        return cls(
            robustness=timers.mld_robustness,
            query_interval_s=timers.mld_query_interval_s,
            query_response_interval_s=timers.mld_query_response_interval_s,
            last_listener_query_interval_s=timers.mld_last_listener_query_interval_s,
        )

    @property
    def multicast_address_listening_interval_s(self) -> float:
        """MALI, 9.4. Also the Older Version Host Present Timeout, which 9.13 defines by the same sum."""
        return self.robustness * self.query_interval_s + self.query_response_interval_s

    @property
    def startup_query_interval_s(self) -> float:
        """9.6"""
        return self.query_interval_s / 4

    @property
    def startup_query_count(self) -> int:
        """9.7"""
        return self.robustness

    @property
    def last_listener_query_count(self) -> int:
        """9.9"""
        return self.robustness

    @property
    def last_listener_query_time_s(self) -> float:
        """LLQT, 9.10."""
        return self.last_listener_query_interval_s * self.last_listener_query_count

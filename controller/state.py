# SPDX-License-Identifier: Apache-2.0
"""The LMA's state: what the modules of the core read and change, in one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address

from controller.binding_cache import BindingCache
from controller.confirmation import Confirmations
from controller.events import ProxyBindingUpdateReceived
from controller.handover import HandoverTable
from controller.home_network_routes import HomeNetworkRoutes
from controller.lma_routes import LmaRoutes
from controller.multicast import Listeners
from controller.router_errors import RouterErrors
from controller.source_neighbours import SourceNeighbours
from controller.source_network import SourceNetwork
from controller.source_router import SourceRouter
from controller.tunnel_listeners import TunnelListeners
from southbound.codec.binding_error import BindingErrorRate
from topology.model import Domain
from topology.policy_store import PolicyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldUpdate:
    """A PBU whose judgement waits (RFC 5213 section 5.4.1.2)."""

    mn_id: str
    event: ProxyBindingUpdateReceived
    deadline: float


@dataclass(slots=True, kw_only=True)
class LmaState:
    """Everything that the LMA knows."""

    domain: Domain
    policy: PolicyStore
    cache: BindingCache
    listeners: Listeners
    handovers: HandoverTable
    switches: Confirmations
    source_network: SourceNetwork
    tunnels: TunnelListeners
    neighbours: SourceNeighbours
    source_router: SourceRouter
    routes: LmaRoutes
    router_errors: RouterErrors
    errors: BindingErrorRate = field(default_factory=BindingErrorRate)
    agents: set[str] = field(default_factory=set)
    """MAG ids whose agent is connected."""
    known_agents: set[str] = field(default_factory=set)
    """MAG ids whose agent has told everything at least once since the start."""
    agent_counters: dict[str, dict[str, int]] = field(default_factory=dict)
    """By MAG id: what its agent has dropped since its start, as it told last. Stays when the agent is away."""
    agent_messages: dict[str, dict[str, int]] = field(default_factory=dict)
    """By MAG id: what Mobility Header messages its agent has sent and received."""
    counters: Counter[str]
    may_assign: bool = True
    """Whether prefixes may be taken from the pool; not before a new LMA has heard which of them are in use."""
    held: dict[tuple[str, IPv6Address], HeldUpdate] = field(default_factory=dict)
    """PBUs that wait, the last of each MN and MAG."""

    @classmethod
    def of(cls, domain: Domain, random_delay: Callable[[float], float]) -> LmaState:
        """The state before anything has happened."""
        policy, counters, cache = PolicyStore(domain.mobile_nodes), Counter[str](), BindingCache()
        neighbours = SourceNeighbours(domain, counters)
        routes = LmaRoutes(domain, cache, neighbours)
        state = cls(
            domain=domain,
            policy=policy,
            cache=cache,
            listeners=Listeners(),
            handovers=HandoverTable(domain.limits.handovers_remembered),
            switches=Confirmations(),
            source_network=SourceNetwork(domain, random_delay),
            tunnels=TunnelListeners(domain, policy, counters),
            neighbours=neighbours,
            source_router=SourceRouter(neighbours, HomeNetworkRoutes(domain, random_delay)),
            routes=routes,
            router_errors=RouterErrors(domain, routes, counters),
            counters=counters,
        )
        for name in (domain.lma.id, state.transport_switch, *(mag.id for mag in domain.mags)):
            state.switches.add_switch(name)
        return state

    @property
    def transport_switch(self) -> str:
        """Name of the LMA's transport switch, where Mobility Header packets are taken."""
        return f"{self.domain.lma.id}-transport"

    def is_settled(self) -> bool:
        """Whether all MAGs have told what they have, and every MN that they named is bound again or about to be.

        Where MAGs tell by MLD what their agents know of listeners, that counts among it.
        """
        by_mld = not self.domain.lma.multicast_signalling
        listening = {one.mag_id for one in self.listeners if by_mld and one.access_port is not None and one.memberships}
        told = all(mag.id in self.known_agents for mag in self.domain.mags)
        waiting = {held.mn_id for held in self.held.values()}
        return told and self.tunnels.have_answered(listening) and all(
            self.cache.serving_mag(listener.mn_id) is not None or listener.mn_id in waiting
            for listener in self.listeners
            if listener.access_port is not None
        )

    def hold(self, update: HeldUpdate) -> None:
        """Keep a PBU for later. One that the MAG has repeated meanwhile takes the place and the deadline of the first."""
        key = update.mn_id, update.event.source
        first = self.held.get(key)
        self.held[key] = update if first is None else replace(update, deadline=first.deadline)

    def take_held(self, wanted: Callable[[HeldUpdate], bool]) -> list[HeldUpdate]:
        """Those PBUs whose time has come; they are held no longer."""
        taken = {key: update for key, update in self.held.items() if wanted(update)}
        for key in taken:
            del self.held[key]
        return list(taken.values())

    def count(self, name: str) -> None:
        """One more of these. Names come from the code, never from a peer."""
        self.counters[name] += 1

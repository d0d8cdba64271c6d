# SPDX-License-Identifier: Apache-2.0
"""The LMA's state: what the modules of the core read and change, in one place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from controller.binding_cache import BindingCache
from controller.confirmation import Confirmations
from controller.handover import HandoverTable
from controller.multicast import Listeners
from topology.model import Domain
from topology.policy_store import PolicyStore


@dataclass(slots=True, kw_only=True)
class LmaState:
    """Everything that the LMA knows."""

    domain: Domain
    policy: PolicyStore
    cache: BindingCache
    listeners: Listeners
    handovers: HandoverTable
    switches: Confirmations
    agents: set[str] = field(default_factory=set)
    """MAG ids whose agent is connected."""
    known_agents: set[str] = field(default_factory=set)
    """MAG ids whose agent has told everything at least once since the start."""
    agent_counters: dict[str, dict[str, int]] = field(default_factory=dict)
    """By MAG id: what its agent has dropped since its start, as it told last. Stays when the agent is away."""
    agent_messages: dict[str, dict[str, int]] = field(default_factory=dict)
    """By MAG id: what Mobility Header messages its agent has sent and received."""
    counters: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, domain: Domain) -> LmaState:
        """The state before anything has happened."""
        state = cls(
            domain=domain,
            policy=PolicyStore(domain.mobile_nodes),
            cache=BindingCache(),
            listeners=Listeners(),
            handovers=HandoverTable(domain.limits.handovers_remembered),
            switches=Confirmations(),
        )
        for name in (domain.lma.id, state.transport_switch, *(mag.id for mag in domain.mags)):
            state.switches.add_switch(name)
        return state

    @property
    def transport_switch(self) -> str:
        """Name of the LMA's transport switch, where Mobility Header packets are taken."""
        return f"{self.domain.lma.id}-transport"

    def is_settled(self) -> bool:
        """Whether all MAGs have told what they have, and every MN that they named is bound again."""
        told = all(mag.id in self.known_agents for mag in self.domain.mags)
        return told and all(
            self.cache.serving_mag(listener.mn_id) is not None
            for listener in self.listeners
            if listener.access_port is not None
        )

    def count(self, name: str) -> None:
        """One more of these. Names come from the code, never from a peer."""
        self.counters[name] += 1

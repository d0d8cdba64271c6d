# SPDX-License-Identifier: Apache-2.0
"""What a mobile node sees of its router: everywhere the same one, at once, and not when service is denied."""

from __future__ import annotations

from dataclasses import replace

from southbound.agent.default_router import MAX_INITIAL_RTR_ADVERTISEMENTS
from southbound.codec.iana import BindingStatus
from tests.support.domain_script import MN1
from tests.support.simulated_domain import SimulatedDomain
from topology.model import MAG_LINK_LOCAL_ADDRESS


def served(domain: SimulatedDomain, mag_id: str = "mag1") -> None:
    domain.start()
    domain.attach(MN1, mag_id)
    domain.run_until(lambda: domain.bound_at(MN1) == mag_id)
    domain.run_for(0.1)


def test_a_mobile_node_configures_itself_when_it_is_bound() -> None:
    domain = SimulatedDomain()
    served(domain)
    node = domain.mobile_nodes[MN1]
    assert node.default_router == MAG_LINK_LOCAL_ADDRESS
    assert node.prefixes == set(node.profile.home_network_prefixes)


def test_after_a_handover_it_hears_the_same_router_before_the_binding() -> None:
    domain = SimulatedDomain()
    served(domain)
    domain.request_handover(MN1, "mag2")
    domain.run_for(0.2)
    domain.detach(MN1)
    domain.run_for(0.05)
    node = domain.mobile_nodes[MN1]
    before, at = len(node.advertisements), domain.clock.now
    domain.attach(MN1, "mag2")
    assert len(node.advertisements) == before + 1
    assert node.advertisements[-1][0] == at
    assert domain.bound_at(MN1) == "mag1"
    assert (node.default_router, node.prefixes) == (MAG_LINK_LOCAL_ADDRESS, set(node.profile.home_network_prefixes))


def test_a_binding_that_is_refused_after_the_handover_withdraws_the_prefix() -> None:
    domain = SimulatedDomain()
    served(domain)
    domain.request_handover(MN1, "mag2")
    domain.run_for(0.2)
    domain.detach(MN1)
    node = domain.mobile_nodes[MN1]
    # The operator has taken the right to register away meanwhile.
    domain.lma._state.policy._by_id[MN1] = replace(node.profile, mags=("mag1",))
    domain.attach(MN1, "mag2")
    assert node.default_router == MAG_LINK_LOCAL_ADDRESS
    domain.run_for(1.0)
    refused = [carried for carried in domain.transport.sent("PBA") if carried.destination == "mag2"]
    assert refused[-1].message.status == BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG  # type: ignore[union-attr]
    assert node.default_router is None
    assert node.prefixes == set()


def test_a_mobile_node_that_asks_is_answered() -> None:
    domain = SimulatedDomain()
    served(domain)
    domain.run_for(20.0)
    node = domain.mobile_nodes[MN1]
    before = len(node.advertisements)
    assert before == MAX_INITIAL_RTR_ADVERTISEMENTS
    node.solicit_router()
    domain.run_for(0.5)
    assert len(node.advertisements) == before + 1

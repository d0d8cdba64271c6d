# SPDX-License-Identifier: Apache-2.0
"""Controller, agent connection or switch connection go away in the middle of things and come back."""

from __future__ import annotations

import pytest

from tests.scenario.handover_script import GROUP, MN1, MN2, move, trigger
from tests.support.domain_checks import assert_at_rest, native_copies
from tests.support.simulated_domain import SimulatedDomain
from topology.switch_names import MAG_BUFFER_PORT

LIFETIMES_S = 25.0
MOMENTS = [0.0, 0.001, 0.0025, 0.004, 0.0055, 0.1]


def test_controller_restart_in_peace_disturbs_nobody(domain: SimulatedDomain) -> None:
    batches = {name: switch.batches for name, switch in domain.switches.items()}
    domain.restart_controller()

    def served() -> bool:
        assert native_copies(domain, "mag1", GROUP) == ["mn1", "mn2"]
        return False

    domain.clock.run_until(served, LIFETIMES_S)
    assert {name: switch.batches for name, switch in domain.switches.items()} == batches
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


@pytest.mark.parametrize("after_s", MOMENTS)
def test_controller_restart_during_the_exchange(domain: SimulatedDomain, after_s: float) -> None:
    trigger(domain)
    domain.run_for(after_s)
    domain.restart_controller()
    domain.run_for(1.0)
    move(domain)
    domain.run_for(40.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_a_restarted_controller_does_not_strand_what_waits_of_the_uplink(domain: SimulatedDomain) -> None:
    """What is in front of the gate of the new MAG goes on by a rule that only handovers of that kind have."""

    def ways_back() -> int:
        flows = domain.switches["mag2"].rules.flows.values()
        return sum(flow.match.in_port == MAG_BUFFER_PORT and flow.match.ipv6_source is not None for flow in flows)

    trigger(domain)
    domain.run_for(0.2)
    assert ways_back() == 1
    domain.restart_controller()
    domain.run_for(1.0)
    assert ways_back() == 1
    move(domain)
    domain.run_for(40.0)
    assert ways_back() == 0


@pytest.mark.parametrize("after_s", MOMENTS)
def test_controller_restart_after_the_arrival(domain: SimulatedDomain, after_s: float) -> None:
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(after_s)
    domain.restart_controller()
    domain.run_for(40.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("back_after_s", [0.2, 3.0, 30.0])
@pytest.mark.parametrize("mag_id", ["mag1", "mag2"])
@pytest.mark.parametrize("after_s", MOMENTS)
def test_agent_loses_the_controller_during_the_exchange(
    domain: SimulatedDomain, mag_id: str, after_s: float, back_after_s: float
) -> None:
    trigger(domain)
    domain.run_for(after_s)
    domain.disconnect_agent(mag_id)
    domain.run_for(0.1)
    move(domain)
    domain.run_for(back_after_s)
    domain.connect_agent(mag_id)
    domain.run_for(40.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("mag_id", ["mag1", "mag2"])
@pytest.mark.parametrize("after_s", MOMENTS)
def test_agent_loses_the_controller_after_the_arrival(
    domain: SimulatedDomain, mag_id: str, after_s: float
) -> None:
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(after_s)
    domain.disconnect_agent(mag_id)
    domain.run_for(2.0)
    domain.connect_agent(mag_id)
    domain.run_for(40.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_buffer_delivers_until_the_switch_is_known_to(domain: SimulatedDomain) -> None:
    """A release that cannot be told leaves native packets going to the buffer: it must be there for them."""
    domain.agents["mag2"].buffer.joins = False
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(1.0)
    domain.disconnect_agent("mag2")
    start = domain.clock.now

    def somebody_delivers() -> bool:
        copies = native_copies(domain, "mag2", GROUP)
        assert copies in (["mn1"], ["hob0"])
        assert copies == ["mn1"] or MN1 in domain.agents["mag2"].buffer.kept
        return domain.clock.now > start + 25.0

    domain.run_until(somebody_delivers, 30.0)
    domain.connect_agent("mag2")
    domain.run_for(5.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("switch", ["lma", "lma-transport", "mag1", "mag2"])
@pytest.mark.parametrize("after_s", MOMENTS)
def test_switch_loses_the_controller_during_the_exchange(
    domain: SimulatedDomain, switch: str, after_s: float
) -> None:
    trigger(domain)
    domain.run_for(after_s)
    domain.switches[switch].disconnect()
    domain.run_for(0.1)
    move(domain)
    domain.run_for(0.5)
    domain.switches[switch].connect()
    domain.run_for(40.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_mobile_node_that_left_while_its_agent_was_away_is_forgotten(domain: SimulatedDomain) -> None:
    domain.disconnect_agent("mag1")
    domain.detach(MN1)
    domain.run_for(1.0)
    domain.connect_agent("mag1")
    domain.run_for(15.0)
    assert domain.bound_at(MN1) is None
    assert_at_rest(domain, {MN1: None, MN2: "mag1"})


def test_mobile_node_that_came_while_the_agent_was_away_is_served_afterwards(domain: SimulatedDomain) -> None:
    domain.disconnect_agent("mag2")
    move(domain)
    domain.run_for(1.0)
    domain.connect_agent("mag2")
    domain.run_for(1.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})

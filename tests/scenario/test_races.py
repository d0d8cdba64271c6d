# SPDX-License-Identifier: Apache-2.0
"""The MN is faster, slower or elsewhere than predicted (docs/explanation/protocol.md, races)."""

from __future__ import annotations

import pytest

from southbound.codec.accessors import mn_id as mn_id_of
from tests.scenario.handover_script import GROUP, MN1, MN2, move, outcome, trigger
from tests.support.domain_checks import assert_at_rest, lma_copies, native_copies, tunnel_copies
from tests.support.simulated_domain import SimulatedDomain

LIFETIMES_S = 25.0


def test_it_never_leaves(domain: SimulatedDomain) -> None:
    handover_id = trigger(domain)
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, handover_id)[0] == "failed"
    assert domain.transport.sent("PBU 0") == []
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_it_never_arrives_and_the_n_mag_is_mute(domain: SimulatedDomain) -> None:
    """The forwarding lifetime of the p-MAG is its own."""
    handover_id = trigger(domain)
    domain.run_for(0.2)
    domain.transport.fates.append(lambda carried: "lose" if carried.source == "mag2" else "")
    domain.detach(MN1)
    domain.run_for(40.0)
    assert outcome(domain, handover_id)[0] in ("failed", "completed")
    assert domain.bound_at(MN1) is None
    assert_at_rest(domain, {MN1: None, MN2: "mag1"})


@pytest.mark.parametrize("gap_s", [0.0, 0.0005, 0.005, 0.3])
def test_ping_pong_a_back_before_it_was_elsewhere(domain: SimulatedDomain, gap_s: float) -> None:
    handover_id = trigger(domain)
    domain.run_for(0.2)
    domain.detach(MN1)
    domain.run_for(gap_s)
    domain.attach(MN1, "mag1")
    domain.run_for(0.01)
    assert native_copies(domain, "mag1", GROUP).count("mn1") == 1
    domain.run_for(1.0)
    assert outcome(domain, handover_id)[0] == "cancelled"
    assert domain.transport.sent("PBU", "mag2") == []
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_ping_pong_a_keeps_the_state_that_it_left_with(domain: SimulatedDomain) -> None:
    node = domain.mobile_nodes[MN1]
    node.join("ff1e::777")
    domain.run_for(0.2)
    trigger(domain)
    domain.run_for(0.2)
    node.answers_queries = False
    domain.detach(MN1)
    domain.run_for(0.05)
    domain.attach(MN1, "mag1")
    domain.run_for(2.0)
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


@pytest.mark.parametrize("there_s", [0.0, 0.001, 0.002, 0.003, 0.005, 0.01, 0.1, 0.4, 2.0])
def test_ping_pong_b_back_after_it_was_registered_elsewhere(domain: SimulatedDomain, there_s: float) -> None:
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(there_s)
    domain.detach(MN1)
    domain.run_for(0.02)
    domain.attach(MN1, "mag1")
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})
    assert lma_copies(domain, GROUP) == ["mag1"]


def test_de_registration_from_the_wrong_mag_is_ignored(domain: SimulatedDomain) -> None:
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(3.0)
    former = domain.transport.sent("PBU 0", "mag1")
    assert len(former) == 1
    assert [carried.at for carried in domain.transport.sent("PBA") if carried.at >= former[0].at] == []
    assert domain.bound_at(MN1) == "mag2"


@pytest.mark.parametrize("after_s", [0.0, 0.0002, 0.0006, 0.0012, 0.002, 0.003, 0.004, 0.005, 0.006])
def test_arrival_at_any_moment_of_the_exchange(domain: SimulatedDomain, after_s: float) -> None:
    """Before the HI, before the HAck, before HI(F), before the clone."""
    trigger(domain)
    domain.run_for(after_s)
    move(domain, gap_s=0.0001)
    domain.run_for(0.05)
    assert native_copies(domain, "mag1", GROUP).count("mn2") == 1
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_it_goes_to_a_third_mag_instead(domain: SimulatedDomain) -> None:
    trigger(domain, "mag2")
    domain.run_for(0.2)
    move(domain, "mag3")
    domain.run_for(0.1)
    assert native_copies(domain, "mag3", GROUP) == ["mn1"]
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag3", MN2: "mag1"})


@pytest.mark.parametrize("there_s", [0.001, 0.003, 0.05, 0.3])
def test_it_goes_on_to_a_third_mag(domain: SimulatedDomain, there_s: float) -> None:
    trigger(domain, "mag2")
    domain.run_for(0.2)
    move(domain, "mag2")
    domain.run_for(there_s)
    move(domain, "mag3")
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag3", MN2: "mag1"})


def test_a_frame_that_was_queued_when_it_left_does_not_bring_it_back(domain: SimulatedDomain) -> None:
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(1.0)
    node = domain.mobile_nodes[MN1]
    node.mag_id = "mag1"
    node.join("ff1e::101")
    node.mag_id = "mag2"
    domain.run_for(3.0)
    assert domain.agents["mag1"].core.counters["frame_without_carrier"] == 1
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_stream_never_joins(domain: SimulatedDomain) -> None:
    """The forwarding lifetime ends the tunnel and the buffer; the switch delivers alone."""
    domain.agents["mag2"].buffer.joins = False
    handover_id = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(5.0)
    assert native_copies(domain, "mag2", GROUP) == ["hob0"]
    assert tunnel_copies(domain, "mag2", "mag1", GROUP) == ["hob0"]
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, handover_id)[0] == "completed"
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_streams_of_two_never_join(domain: SimulatedDomain) -> None:
    """Each waits for the other to change over; neither waits for ever."""
    domain.agents["mag2"].buffer.joins = False
    for mn_id in (MN1, MN2):
        trigger(domain, mn_id=mn_id)
    domain.run_for(0.2)
    for mn_id in (MN1, MN2):
        move(domain, mn_id=mn_id)
    domain.run_for(14.0)
    assert native_copies(domain, "mag2", GROUP) == ["mn1", "mn2"]
    domain.run_for(LIFETIMES_S)
    assert [view["state"] for view in domain.handovers().values()] == ["completed", "completed"]
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag2"})


def test_handover_back_while_the_first_one_is_ending(domain: SimulatedDomain) -> None:
    """The second context arrives while the p-MAG of the first still waits for its last HAck."""
    domain.transport.lose("HAck to HI completed", 2)
    trigger(domain, "mag2")
    domain.run_for(0.2)
    move(domain, "mag2")
    domain.run_for(0.05)
    domain.mobile_nodes[MN1].indicate_handover("mag1")
    domain.run_for(0.05)
    move(domain, "mag1")
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_refresh_of_a_binding_is_not_sent_for_one_that_has_left(domain: SimulatedDomain) -> None:
    """80 % of the lifetime passes in the middle of a handover."""
    bound_at = domain.transport.sent("PBU", "mag1")[0].at
    domain.run_for(bound_at + 239.9 - domain.clock.now)
    trigger(domain)
    domain.run_for(0.05)
    domain.detach(MN1)
    domain.run_for(0.2)
    domain.attach(MN1, "mag2")
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})
    later = [carried for carried in domain.transport.sent("PBU", "mag1") if carried.at > bound_at + 200.0]
    assert {mn_id_of(carried.message) for carried in later} == {MN2}, "what stays is refreshed, what has left is not"


def test_bindings_are_refreshed_for_as_long_as_the_mobile_node_stays(domain: SimulatedDomain) -> None:
    domain.run_for(2000.0)
    assert len(domain.transport.sent("PBU", "mag1")) >= 2 * 8
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})

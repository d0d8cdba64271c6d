# SPDX-License-Identifier: Apache-2.0
"""Somebody says no: a MAG, the LMA, a switch, the controller (docs/explanation/protocol.md, failures)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.commands import HandoverAccepted, HandoverRefused
from southbound.agent.commands import NoForwarding
from southbound.codec.handover import HandoverAcknowledge, HandoverInitiate
from southbound.codec.iana import HandoverAcknowledgeCode
from tests.scenario.handover_script import GROUP, MN1, MN2, answer_in_place_of, move, outcome, trigger
from tests.support.domain_checks import Watch, assert_at_rest, lma_copies, native_copies
from tests.support.domains import three_mags
from tests.support.simulated_domain import SimulatedDomain

LIFETIMES_S = 25.0


@pytest.mark.parametrize("code", [128, 129, 130, 131, 200])
def test_context_refused_leaves_the_mobile_node_served(domain: SimulatedDomain, code: int) -> None:
    answer_in_place_of(domain, "mag2", "HI context", HandoverAcknowledgeCode(code))
    handover_id = trigger(domain)
    domain.run_for(0.5)
    assert outcome(domain, handover_id) == ("failed", f"mag2 refused: HAck code {code}")
    # 130 is answered once more with U = 0: nothing is to be buffered there.
    contexts = [carried.message for carried in domain.transport.sent("HI context")]
    assert [context.buffer for context in contexts if isinstance(context, HandoverInitiate)] == (
        [True, False] if code == 130 else [True]
    )
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})
    move(domain)
    domain.run_for(1.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("code", [0, 4, 5, 6, 100])
def test_every_code_below_128_accepts(domain: SimulatedDomain, code: int) -> None:
    answer_in_place_of(domain, "mag2", "HI context", HandoverAcknowledgeCode(code))
    handover_id = trigger(domain)
    domain.run_for(0.5)
    assert outcome(domain, handover_id)[0] == "initiated"
    assert domain.agents["mag1"].core.snapshot().leaving[MN1][0][1] == "context_transferred"
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


@pytest.mark.parametrize("code", [128, 132])
def test_forwarding_refused_the_context_still_serves(domain: SimulatedDomain, code: int) -> None:
    answer_in_place_of(domain, "mag1", "HI(F)", HandoverAcknowledgeCode(code))
    trigger(domain)
    domain.run_for(0.5)
    assert domain.agents["mag2"].core.snapshot().arriving[MN1][1] == "alone"
    assert NoForwarding(mn_id=MN1) in domain.agents["mag2"].buffer.commands
    move(domain)
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_unknown_mobile_node_is_prohibited() -> None:
    whole = three_mags()
    domain = SimulatedDomain(whole)
    Watch(domain)
    here_only = tuple(replace(node, mags=("mag1", "mag3")) for node in whole.mobile_nodes)
    domain.agents["mag2"].core = SimulatedDomain(replace(whole, mobile_nodes=here_only)).agents["mag2"].core
    domain.start()
    domain.attach(MN1, "mag1")
    domain.run_for(1.0)
    handover_id = trigger(domain)
    domain.run_for(0.5)
    assert outcome(domain, handover_id) == ("failed", "mag2 refused: HAck code 129")
    answers = [carried.message for carried in domain.transport.sent("HAck to HI context")]
    assert [answer.code for answer in answers if isinstance(answer, HandoverAcknowledge)] == [129]


@pytest.mark.parametrize("switch", ["mag1", "mag2", "lma"])
def test_a_switch_refuses(domain: SimulatedDomain, switch: str) -> None:
    domain.switches[switch].refuses = True
    trigger(domain)
    domain.run_for(3.0)
    move(domain)
    domain.run_for(3.0)
    domain.switches[switch].refuses = False
    domain.run_for(60.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_no_hack_to_hi_f_when_the_clone_is_refused(domain: SimulatedDomain) -> None:
    domain.switches["mag1"].refuses = True
    trigger(domain)
    domain.run_for(3.0)
    answers = [carried.message for carried in domain.transport.sent("HAck to HI(F)")]
    assert {answer.code for answer in answers if isinstance(answer, HandoverAcknowledge)} == {132}


def test_no_hi_f_when_the_way_to_the_buffer_is_refused(domain: SimulatedDomain) -> None:
    domain.switches["mag2"].refuses = True
    trigger(domain)
    domain.run_for(3.0)
    assert domain.transport.sent("HI(F)") == []


def test_no_pba_when_the_lma_switch_refuses(domain: SimulatedDomain) -> None:
    domain.switches["lma"].refuses = True
    domain.detach(MN1)
    domain.run_for(0.1)
    domain.attach(MN1, "mag2")
    domain.run_for(5.0)
    assert [carried for carried in domain.transport.sent("PBA") if carried.destination == "mag2"] == []
    domain.switches["lma"].refuses = False
    domain.run_for(40.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_clock_too_far_away_is_refused_with_156_and_asked_again_while_forwarding_lasts() -> None:
    domain = SimulatedDomain(clock_errors_s={"mag2": 5.0})
    Watch(domain)
    domain.start()
    domain.attach(MN1, "mag1")
    domain.run_for(1.0)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(3.0)
    # Never with the LMA's stamp: each PBU carries this MAG's own clock, later and later.
    assert domain.agents["mag2"].core.counters["binding_refused_156"] == 2
    assert len(domain.transport.sent("PBU", "mag2")) == 2
    # The MN hears through the tunnel meanwhile, up to the forwarding lifetime.
    assert outcome(domain, handover_id)[0] == "forwarding"
    domain.run_for(LIFETIMES_S)
    assert lma_copies(domain, GROUP) == []
    assert domain.agents["mag2"].core.snapshot().arriving == {}
    assert domain.agents["mag1"].core.snapshot().leaving == {}


def test_clock_behind_that_of_the_mag_before_is_overcome() -> None:
    """157: at once again with a newer stamp, then at most three times a second (RFC 6275 section 12)."""
    domain = SimulatedDomain(clock_errors_s={"mag1": 0.29, "mag2": -0.29})
    Watch(domain)
    domain.start()
    domain.attach(MN1, "mag1")
    domain.run_for(1.0)
    domain.detach(MN1)
    domain.run_for(0.01)
    domain.attach(MN1, "mag2")
    domain.run_for(3.0)
    assert domain.lma.snapshot().counters["proxy_binding_update.157"] >= 1
    assert len(domain.transport.sent("PBU", "mag2")) <= 5
    assert domain.bound_at(MN1) == "mag2"
    assert native_copies(domain, "mag2", GROUP) == ["mn1"]


def test_second_handover_to_the_same_mag_is_a_conflict(domain: SimulatedDomain) -> None:
    first = trigger(domain)
    refused = domain.request_handover(MN1, "mag2")
    assert isinstance(refused, HandoverRefused)
    assert (refused.status, refused.field) == (409, "mn_id")
    assert first in refused.reason
    domain.run_for(0.5)
    refused = domain.request_handover(MN1, "mag2")
    assert isinstance(refused, HandoverRefused)
    assert refused.status == 409
    assert isinstance(domain.request_handover(MN1, "mag3"), HandoverAccepted), "another candidate"
    assert isinstance(domain.request_handover(MN2, "mag2"), HandoverAccepted)


@pytest.mark.parametrize(
    ("mn_id", "new_mag", "status", "field"),
    [
        ("nobody@example.net", "mag2", 404, "mn_id"),
        (MN1, "mag9", 404, "new_mag"),
        (MN1, "mag1", 422, "new_mag"),
    ],
)
def test_requests_that_cannot_be(
    domain: SimulatedDomain, mn_id: str, new_mag: str, status: int, field: str
) -> None:
    refused = domain.request_handover(mn_id, new_mag)
    assert isinstance(refused, HandoverRefused)
    assert (refused.status, refused.field) == (status, field)
    assert domain.handovers() == {}


@pytest.mark.parametrize(("mag_id", "field"), [("mag1", "mn_id"), ("mag2", "new_mag")])
def test_without_agent_or_switch_there_is_no_handover(domain: SimulatedDomain, mag_id: str, field: str) -> None:
    domain.disconnect_agent(mag_id)
    refused = domain.request_handover(MN1, "mag2")
    assert isinstance(refused, HandoverRefused)
    assert (refused.status, refused.field) == (503, field)
    domain.connect_agent(mag_id)
    domain.switches[mag_id].disconnect()
    domain.run_for(0.1)
    refused = domain.request_handover(MN1, "mag2")
    assert isinstance(refused, HandoverRefused)
    assert (refused.status, refused.field) == (503, field)


def test_handover_of_a_mobile_node_that_is_nowhere(domain: SimulatedDomain) -> None:
    domain.detach(MN1)
    domain.run_for(20.0)
    refused = domain.request_handover(MN1, "mag2")
    assert isinstance(refused, HandoverRefused)
    assert refused.status == 409


@pytest.mark.parametrize("mn_id", [MN2, "nobody@example.net"])
def test_indication_of_somebody_else_is_dropped(domain: SimulatedDomain, mn_id: str) -> None:
    domain.mobile_nodes[MN1].indicate_handover("mag2", mn_id)
    domain.run_for(0.2)
    assert domain.handovers() == {}
    assert domain.agents["mag1"].core.counters["handover_indication_not_of_this_mobile_node"] == 1


@pytest.mark.parametrize("new_mag", ["mag1", "mag9", ""])
def test_indication_that_cannot_be_is_refused(domain: SimulatedDomain, new_mag: str) -> None:
    domain.mobile_nodes[MN1].indicate_handover(new_mag)
    domain.run_for(0.2)
    assert domain.handovers() == {}
    assert domain.agents["mag1"].core.counters["handover_indication_refused"] == 1
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_cancelled_before_the_mobile_node_leaves(domain: SimulatedDomain) -> None:
    handover_id = trigger(domain)
    domain.run_for(0.2)
    assert isinstance(domain.cancel_handover(handover_id), HandoverAccepted)
    domain.run_for(1.0)
    assert outcome(domain, handover_id)[0] == "cancelled"
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})
    refused = domain.cancel_handover(handover_id)
    assert isinstance(refused, HandoverRefused)
    assert refused.status == 409


def test_what_is_not_there_cannot_be_cancelled(domain: SimulatedDomain) -> None:
    refused = domain.cancel_handover("no-such")
    assert isinstance(refused, HandoverRefused)
    assert refused.status == 404

# SPDX-License-Identifier: Apache-2.0
"""Mode join: the context goes ahead, and the n-MAG has the LMA send the groups before the MN is there."""

from __future__ import annotations

import pytest

from controller.commands import HandoverAccepted
from tests.scenario.handover_script import GROUP, MN1, MN2, move, outcome
from tests.scenario.mode_script import Opened, said
from tests.support.domain_checks import assert_at_rest, lma_copies, native_copies
from tests.support.simulated_domain import SimulatedDomain


def trigger(domain: SimulatedDomain, new_mag: str = "mag2") -> str:
    answer = domain.request_handover(MN1, new_mag, "join")
    assert isinstance(answer, HandoverAccepted)
    return answer.handover_id


def test_the_stream_is_there_before_the_mobile_node(opened: Opened) -> None:
    domain = opened("policy-store")
    before = len(domain.carried)
    handover_id = trigger(domain)
    domain.run_for(0.1)
    assert outcome(domain, handover_id) == ("joined", None)
    assert lma_copies(domain, GROUP) == ["mag1", "mag2"]
    assert native_copies(domain, "mag2", GROUP) == []
    assert native_copies(domain, "mag1", GROUP) == ["mn1", "mn2"]
    domain.transport.delay("PBU", 0.05)
    move(domain)
    domain.run_for(0.01)
    assert domain.bound_at(MN1) == "mag1"
    assert native_copies(domain, "mag2", GROUP) == ["mn1"], "delivered from the attachment on"
    domain.run_for(3.0)
    assert said(domain, before) == [
        ("mag1", "HI context", "mag2"),
        ("mag2", "HAck to HI context", "mag1"),
        ("mag2", "PBU", "lma"),
        ("lma", "PBA", "mag2"),
        ("mag1", "HI completed", "mag2"),
        ("mag2", "HAck to HI completed", "mag1"),
        ("mag1", "PBU 0", "lma"),
    ]
    view = domain.handovers()[handover_id]
    assert (view["state"], view["mode"], view["error"]) == ("completed", "join", None)
    assert {step["step"] for step in view["steps"]} == {1, 2, 3, 6, 7, 8, 9, 10, 11}
    assert domain.agents["mag2"].buffer.commands == []
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_n_mag_is_silent(opened: Opened) -> None:
    domain = opened("policy-store")
    domain.transport.lose("HI context", times=10)
    handover_id = trigger(domain)
    domain.run_for(2.0)
    assert outcome(domain, handover_id) == ("failed", "mag2 does not answer")
    assert lma_copies(domain, GROUP) == ["mag1"]
    move(domain)
    domain.run_for(3.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("lost", ["HI context", "HAck to HI context", "PBU", "PBA", "HI completed"])
def test_each_message_may_be_lost_once(opened: Opened, lost: str) -> None:
    domain = opened("policy-store")
    domain.transport.lose(lost)
    handover_id = trigger(domain)
    domain.run_for(0.5)
    move(domain)
    domain.run_for(5.0)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_mobile_node_never_comes(opened: Opened) -> None:
    domain = opened("policy-store")
    handover_id = trigger(domain)
    domain.run_for(0.1)
    assert lma_copies(domain, GROUP) == ["mag1", "mag2"]
    domain.run_for(25.0)
    assert outcome(domain, handover_id) == ("failed", "the mobile node has not arrived")
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_cancelled(opened: Opened) -> None:
    domain = opened("policy-store")
    handover_id = trigger(domain)
    domain.run_for(0.1)
    assert isinstance(domain.cancel_handover(handover_id), HandoverAccepted)
    domain.run_for(2.0)
    assert outcome(domain, handover_id)[0] == "cancelled"
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_there_and_back(opened: Opened) -> None:
    domain = opened("policy-store")
    for target in ("mag2", "mag1", "mag3"):
        handover_id = trigger(domain, target)
        domain.run_for(0.1)
        move(domain, target)
        domain.run_for(2.0)
        assert outcome(domain, handover_id) == ("completed", None)
        assert_at_rest(domain, {MN1: target, MN2: "mag1"})


def test_the_mobile_node_comes_back_instead(opened: Opened) -> None:
    domain = opened("policy-store")
    handover_id = trigger(domain)
    domain.run_for(0.1)
    move(domain, "mag1")
    domain.run_for(3.0)
    assert outcome(domain, handover_id)[0] == "cancelled"
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_the_switch_of_the_lma_refuses(opened: Opened) -> None:
    domain = opened("policy-store")
    domain.switches["lma"].refuses = True
    trigger(domain)
    domain.run_for(3.0)
    assert domain.agents["mag2"].core.snapshot().arriving[MN1][1] == "alone"
    domain.switches["lma"].refuses = False
    move(domain)
    domain.run_for(60.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})

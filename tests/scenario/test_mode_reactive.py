# SPDX-License-Identifier: Apache-2.0
"""attach_mode reactive: the n-MAG asks by HI when the MN is there, and gets context and packets (RFC 5949)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.commands import HandoverAccepted
from southbound.agent.commands import ExpectMobileNode, NoForwarding
from southbound.codec.handover import HandoverAcknowledge
from tests.scenario.handover_script import GROUP, MN1, MN2, move, outcome
from tests.scenario.mode_script import Opened, first_update, groups_of, said
from tests.support.domain_checks import assert_at_rest, native_copies, tunnel_copies
from tests.support.domains import three_mags
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_transport import Carried


def test_messages_and_states(opened: Opened) -> None:
    domain = opened("reactive")
    domain.mobile_nodes[MN1].answers_queries = False
    before = len(domain.carried)
    domain.detach(MN1)
    domain.run_for(0.05)
    assert domain.agents["mag1"].buffer.retained == {MN1: set()}
    assert native_copies(domain, "mag1", GROUP) == ["hob0", "mn2"]
    domain.attach(MN1, "mag2")
    domain.run_for(3.0)
    assert said(domain, before) == [
        ("mag2", "HI reactive", "mag1"),
        ("mag1", "HAck to HI reactive", "mag2"),
        ("mag2", "HI(F)", "mag1"),
        ("mag2", "PBU", "lma"),
        ("mag1", "HAck to HI(F)", "mag2"),
        ("lma", "PBA", "mag2"),
        ("mag1", "HI completed", "mag2"),
        ("mag2", "HAck to HI completed", "mag1"),
        ("mag1", "PBU 0", "lma"),
    ]
    assert groups_of(first_update(domain, before)) == ["ff1e::101"]
    ((handover_id, view),) = domain.handovers().items()
    assert (view["state"], view["mode"], view["error"]) == ("completed", "reactive", None)
    assert {step["step"] for step in view["steps"]} == {2, 3, 4, 6, 7, 8, 9, 10, 11}
    assert handover_id.startswith("mag2-")
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_answer_has_the_whole_context(opened: Opened) -> None:
    domain = opened("reactive")
    move(domain)
    domain.run_for(0.5)
    (answer,) = domain.transport.sent("HAck to HI reactive")
    assert isinstance(answer.message, HandoverAcknowledge)
    assert answer.message.code == 6
    kinds = [type(option).__name__ for option in answer.message.options]
    assert kinds == [
        "MobileNodeIdentifier", "HomeNetworkPrefix", "MobileNodeLinkLayerIdentifier", "LocalMobilityAnchorAddress",
        "MulticastMobility",
    ]  # fmt: skip


def test_the_tunnel_is_taken_before_it_is_asked_for(opened: Opened) -> None:
    domain = opened("reactive")
    seen: list[list[str]] = []

    def look(carried: Carried) -> None:
        if carried.name == "HI(F)":
            seen.append(tunnel_copies(domain, "mag2", "mag1", GROUP, relayed_for=MN1))

    domain.transport.watchers.append(look)
    move(domain)
    domain.run_for(1.0)
    assert seen == [["hob0"]]


@pytest.mark.parametrize(
    "lost", ["HI reactive", "HAck to HI reactive", "HI(F)", "HAck to HI(F)", "PBU", "PBA", "HI completed"]
)
def test_each_message_may_be_lost_once(opened: Opened, lost: str) -> None:
    domain = opened("reactive")
    domain.transport.lose(lost)
    move(domain)
    domain.run_for(5.0)
    ((_, view),) = domain.handovers().items()
    assert (view["state"], view["error"]) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_previous_mag_is_silent(opened: Opened) -> None:
    domain = opened("reactive")
    domain.transport.lose("HI reactive", times=10)
    before = len(domain.carried)
    left_at = domain.clock.now
    move(domain)
    domain.run_for(20.0)
    assert first_update(domain, before).at - left_at < 1.0
    assert domain.handovers() == {}
    assert domain.agents["mag1"].core.counters["retained_in_vain"] == 1
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_previous_mag_does_not_know_the_mobile_node(opened: Opened) -> None:
    domain = opened("reactive")
    domain.detach(MN1)
    domain.run_for(0.05)
    domain.agents["mag1"].core = SimulatedDomain(domain.domain).agents["mag1"].core
    domain.attach(MN1, "mag2")
    domain.run_for(0.5)
    (answer,) = domain.transport.sent("HAck to HI reactive")
    assert isinstance(answer.message, HandoverAcknowledge)
    assert (answer.message.code, len(answer.message.options)) == (131, 1)
    assert domain.bound_at(MN1) == "mag2"
    assert native_copies(domain, "mag2", GROUP) == ["mn1"]


def test_a_mag_that_may_not_have_the_mobile_node_is_told_nothing() -> None:
    whole = three_mags("rfc", "reactive")
    domain = SimulatedDomain(whole)
    elsewhere = tuple(replace(node, mags=("mag1", "mag3")) for node in whole.mobile_nodes)
    domain.agents["mag1"].core = SimulatedDomain(replace(whole, mobile_nodes=elsewhere)).agents["mag1"].core
    domain.start()
    domain.attach(MN1, "mag1")
    domain.run_for(1.0)
    move(domain)
    domain.run_for(0.5)
    (answer,) = domain.transport.sent("HAck to HI reactive")
    assert isinstance(answer.message, HandoverAcknowledge)
    assert answer.message.code == 129
    assert domain.bound_at(MN1) == "mag2"


def test_nobody_asks_and_nothing_is_kept_for_ever(opened: Opened) -> None:
    domain = opened("reactive")
    domain.detach(MN1)
    domain.run_for(0.1)
    assert domain.transport.sent("PBU 0") == []
    domain.run_for(30.0)
    assert domain.agents["mag1"].buffer.retained == {}
    assert native_copies(domain, "mag1", GROUP) == ["mn2"]
    assert len(domain.transport.sent("PBU 0")) == 1
    assert domain.bound_at(MN1) is None


def test_back_at_the_same_mag(opened: Opened) -> None:
    domain = opened("reactive")
    move(domain, "mag1")
    domain.run_for(1.0)
    assert domain.agents["mag1"].buffer.retained == {}
    assert domain.transport.sent("HI reactive") == []
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.002, 0.004, 0.006, 0.01, 0.1])
@pytest.mark.parametrize("then", ["mag1", "mag3"])
def test_away_again_at_any_moment(opened: Opened, after_s: float, then: str) -> None:
    domain = opened("reactive")
    move(domain)
    domain.run_for(after_s)
    move(domain, then)
    domain.run_for(30.0)
    assert_at_rest(domain, {MN1: then, MN2: "mag1"})


def test_the_tunnel_cannot_be_taken(opened: Opened) -> None:
    domain = opened("reactive")
    domain.switches["mag2"].refuses = True
    move(domain)
    domain.run_for(3.0)
    assert NoForwarding(mn_id=MN1) in domain.agents["mag2"].buffer.commands
    domain.switches["mag2"].refuses = False
    domain.run_for(60.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_a_triggered_handover_stays_predictive(opened: Opened) -> None:
    domain = opened("reactive")
    answer = domain.request_handover(MN1, "mag2")
    assert isinstance(answer, HandoverAccepted)
    domain.run_for(0.1)
    move(domain)
    domain.run_for(3.0)
    assert domain.transport.sent("HI reactive") == []
    assert outcome(domain, answer.handover_id) == ("completed", None)
    expected = [command for command in domain.agents["mag2"].buffer.commands if isinstance(command, ExpectMobileNode)]
    assert len(expected) == 1
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_controller_restarts_while_packets_are_kept(opened: Opened) -> None:
    domain = opened("reactive")
    domain.detach(MN1)
    domain.run_for(0.05)
    domain.restart_controller()
    domain.run_for(5.0)
    assert native_copies(domain, "mag1", GROUP) == ["hob0", "mn2"]
    domain.run_for(30.0)
    assert native_copies(domain, "mag1", GROUP) == ["mn2"]

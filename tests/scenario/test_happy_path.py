# SPDX-License-Identifier: Apache-2.0
"""A handover without any trouble: each step of the draft's Figure 2 in its place, and nothing left of it afterwards."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest

from controller.commands import HandoverAccepted
from southbound.agent.commands import CutBuffer, DeliverBuffer, ExpectMobileNode, NativeConfirmed, ReleaseBuffer
from tests.scenario.handover_script import MN1, MN2
from tests.support.domain_checks import (
    assert_at_rest,
    assert_forwarding_is_exact,
    lma_copies,
    native_copies,
    tunnel_copies,
)
from tests.support.simulated_domain import SimulatedDomain

GROUP = IPv6Address("ff1e::101")


def handover(domain: SimulatedDomain, gap_s: float = 0.05) -> str:
    """mn1 from mag1 to mag2, by REST."""
    answer = domain.request_handover(MN1, "mag2")
    assert isinstance(answer, HandoverAccepted)
    domain.run_for(0.1)
    domain.detach(MN1)
    domain.run_for(gap_s)
    domain.attach(MN1, "mag2")
    domain.run_for(3.0)
    return answer.handover_id


def test_messages_are_those_of_figure_2_in_their_order(domain: SimulatedDomain) -> None:
    before = len(domain.carried)
    handover(domain)
    carried = [(sent.source, sent.name, sent.destination) for sent in domain.carried[before:]]
    assert carried == [
        ("mag1", "HI context", "mag2"),
        ("mag2", "HAck to HI context", "mag1"),
        ("mag2", "HI(F)", "mag1"),
        ("mag1", "HAck to HI(F)", "mag2"),
        ("mag1", "HI last delivered", "mag2"),
        ("mag2", "HAck to HI last delivered", "mag1"),
        ("mag2", "PBU", "lma"),
        ("lma", "PBA", "mag2"),
        ("mag1", "HI completed", "mag2"),
        ("mag2", "HAck to HI completed", "mag1"),
        ("mag1", "PBU 0", "lma"),
    ]


def test_each_promise_follows_its_switch(domain: SimulatedDomain) -> None:
    """tunnel to buffer < HI(F) < clone < HAck to HI(F); attachment < PBU-M < LMA copies < PBA < completion."""
    seen: list[str] = []

    def look(what: str) -> None:
        if what not in seen:
            seen.append(what)

    def condition() -> bool:
        if tunnel_copies(domain, "mag2", "mag1", GROUP) == ["hob0"]:
            look("tunnel to buffer")
        if "mag mag2" in native_copies(domain, "mag1", GROUP):
            look("clone")
        if "mag2" in lma_copies(domain, GROUP):
            look("LMA copies to mag2")
        for sent in domain.carried[before:]:
            look(sent.name)
        return False

    before = len(domain.carried)
    domain.request_handover(MN1, "mag2")
    domain.clock.run_until(condition, 0.1)
    domain.detach(MN1)
    domain.clock.run_until(condition, 0.05)
    look("attachment")
    domain.attach(MN1, "mag2")
    domain.clock.run_until(condition, 3.0)
    assert seen == [
        "HI context", "HAck to HI context", "tunnel to buffer", "HI(F)", "clone", "HAck to HI(F)", "HI last delivered",
        "HAck to HI last delivered", "attachment", "PBU", "LMA copies to mag2", "PBA", "HI completed",
        "HAck to HI completed", "PBU 0",
    ]  # fmt: skip


def test_the_controller_tells_all_eleven_steps(domain: SimulatedDomain) -> None:
    handover_id = handover(domain)
    view = domain.handovers()[handover_id]
    assert view["state"] == "completed"
    assert view["error"] is None
    assert {step["step"] for step in view["steps"]} == {1, 2, 3, 4, 6, 7, 8, 9, 10, 11}  # 5 is told by the buffer
    assert [step["at"] for step in view["steps"]] == sorted(step["at"] for step in view["steps"])


def test_buffer_is_told_in_order(domain: SimulatedDomain) -> None:
    handover(domain)
    kinds = [type(command) for command in domain.agents["mag2"].buffer.commands]
    assert kinds == [ExpectMobileNode, CutBuffer, DeliverBuffer, NativeConfirmed, ReleaseBuffer]
    assert domain.agents["mag1"].buffer.commands == []


def test_word_on_the_last_packets_reaches_the_buffer(domain: SimulatedDomain) -> None:
    last = {(IPv6Address("2001:db8:c0::10"), GROUP): (b"12345678", b"abcdefgh")}
    domain.request_handover(MN1, "mag2")
    domain.run_for(0.1)
    domain.detach(MN1, last)
    domain.run_for(0.05)
    cuts = [command for command in domain.agents["mag2"].buffer.commands if isinstance(command, CutBuffer)]
    assert [cut.last_delivered for cut in cuts] == [last]


def test_nothing_is_left_and_everyone_is_served_once(domain: SimulatedDomain) -> None:
    handover(domain)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_lma_is_quiet_before_and_after_and_not_meanwhile(domain: SimulatedDomain) -> None:
    """What may take its time, like a full garbage collection, is done while it is."""
    domain.run_for(1.0)
    assert domain.lma.is_quiet
    assert isinstance(domain.request_handover(MN1, "mag2"), HandoverAccepted)
    assert not domain.lma.is_quiet
    domain.run_for(0.1)
    domain.detach(MN1)
    assert not domain.lma.is_quiet
    domain.attach(MN1, "mag2")
    domain.run_for(3.0)
    assert domain.lma.is_quiet


def test_the_other_mobile_node_never_misses_a_packet(domain: SimulatedDomain) -> None:
    def undisturbed() -> bool:
        assert "mag1" in lma_copies(domain, GROUP)
        assert native_copies(domain, "mag1", GROUP).count("mn2") == 1
        return False

    domain.request_handover(MN1, "mag2")
    domain.clock.run_until(undisturbed, 0.1)
    domain.detach(MN1)
    domain.clock.run_until(undisturbed, 0.05)
    domain.attach(MN1, "mag2")
    domain.clock.run_until(undisturbed, 3.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_two_mobile_nodes_together_make_one_copy(domain: SimulatedDomain) -> None:
    domain.request_handover(MN1, "mag2")
    domain.request_handover(MN2, "mag2")
    domain.run_for(0.1)
    assert native_copies(domain, "mag1", GROUP) == ["mag mag2", "mn1", "mn2"]
    assert tunnel_copies(domain, "mag2", "mag1", GROUP) == ["hob0"]
    for mn_id in (MN1, MN2):
        domain.detach(mn_id)
    domain.run_for(0.05)
    for mn_id in (MN1, MN2):
        domain.attach(mn_id, "mag2")
    domain.run_for(3.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag2"})


def test_there_and_back_and_on(domain: SimulatedDomain) -> None:
    for target in ("mag2", "mag1", "mag3", "mag2"):
        domain.request_handover(MN1, target)
        domain.run_for(0.1)
        domain.detach(MN1)
        domain.run_for(0.03)
        domain.attach(MN1, target)
        domain.run_for(2.0)
        assert_at_rest(domain, {MN1: target, MN2: "mag1"})
    assert [view["state"] for view in domain.handovers().values()] == ["completed"] * 4


def test_the_mobile_nodes_own_trigger_gives_the_same_path(domain: SimulatedDomain) -> None:
    before = len(domain.carried)
    handover(domain)
    by_rest = [(sent.source, sent.name) for sent in domain.carried[before:]]
    domain.detach(MN1)
    domain.run_for(0.01)
    domain.attach(MN1, "mag1")
    domain.run_for(1.0)
    before = len(domain.carried)
    domain.mobile_nodes[MN1].indicate_handover("mag2")
    domain.run_for(0.1)
    domain.detach(MN1)
    domain.run_for(0.05)
    domain.attach(MN1, "mag2")
    domain.run_for(3.0)
    assert [(sent.source, sent.name) for sent in domain.carried[before:]] == by_rest
    triggers = [(view["trigger"], view["state"]) for view in domain.handovers().values()]
    assert triggers == [("rest", "completed"), ("mobile_node", "completed")]


def test_groups_of_every_kind_travel(domain: SimulatedDomain) -> None:
    node = domain.mobile_nodes[MN1]
    node.join("ff3e::8000:1", "2001:db8:c0::10")
    node.join("ff1e::202", "2001:db8:c0::10", exclude=True)
    node.join("ff1e::303")
    domain.run_for(0.2)
    assert_forwarding_is_exact(domain)
    handover_id = handover(domain)
    assert len(domain.handovers()[handover_id]["groups"]) == 4
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("mn_id", [MN1, MN2])
def test_plain_attachment_registers_the_policy_stores_groups(mn_id: str) -> None:
    domain = SimulatedDomain()
    domain.start()
    domain.mobile_nodes[mn_id].answers_queries = False
    domain.attach(mn_id, "mag2")
    domain.run_for(0.5)
    assert [sent.name for sent in domain.carried] == ["PBU", "PBA"]
    assert native_copies(domain, "mag2", GROUP) == [domain.mobile_nodes[mn_id].profile.access_port()]
    assert_forwarding_is_exact(domain)


def test_plain_move_without_a_trigger(domain: SimulatedDomain) -> None:
    domain.detach(MN1)
    domain.run_for(0.1)
    assert native_copies(domain, "mag1", GROUP) == ["mn2"]
    domain.attach(MN1, "mag2")
    domain.run_for(1.0)
    assert domain.handovers() == {}
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})

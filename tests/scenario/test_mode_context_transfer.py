# SPDX-License-Identifier: Apache-2.0
"""attach_mode context-transfer: the n-MAG asks the p-MAG by CXTP (RFC 4067) when the MN is there."""

from __future__ import annotations

import pytest

from tests.scenario.handover_script import GROUP, MN1, MN2, move
from tests.scenario.mode_script import Opened, first_update, groups_of, said
from tests.support.domain_checks import assert_at_rest
from tests.support.simulated_domain import SimulatedDomain


def test_the_context_comes_from_the_previous_mag(opened: Opened) -> None:
    domain = opened("context-transfer")
    domain.mobile_nodes[MN1].join("ff3e::8000:1", "2001:db8:c0::10")
    domain.mobile_nodes[MN1].join("ff1e::202", "2001:db8:c0::10", exclude=True)
    domain.run_for(0.2)
    before = len(domain.carried)
    domain.mobile_nodes[MN1].answers_queries = False
    move(domain)
    domain.run_for(1.0)
    assert said(domain, before) == [
        ("mag1", "PBU 0", "lma"),
        ("lma", "PBA", "mag1"),
        ("mag2", "CT-Req", "mag1"),
        ("mag1", "CTD", "mag2"),
        ("mag2", "CTDR", "mag1"),
        ("mag2", "PBU", "lma"),
        ("lma", "PBA", "mag2"),
    ]
    assert groups_of(first_update(domain, before)) == ["ff1e::101", "ff1e::202", "ff3e::8000:1"]
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_first_attachment_has_no_previous_mag(opened: Opened) -> None:
    domain = opened("context-transfer")
    assert domain.transport.sent("CT-Req") == []


@pytest.mark.parametrize("lost", ["CT-Req", "CTD"])
@pytest.mark.parametrize("times", [1, 2])
def test_lost_messages_are_made_good(opened: Opened, lost: str, times: int) -> None:
    domain = opened("context-transfer")
    domain.mobile_nodes[MN1].answers_queries = False
    before = len(domain.carried)
    domain.transport.lose(lost, times)
    move(domain)
    domain.run_for(2.0)
    assert groups_of(first_update(domain, before)) == ["ff1e::101"]
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_previous_mag_is_silent(opened: Opened) -> None:
    domain = opened("context-transfer")
    domain.mobile_nodes[MN1].answers_queries = False
    domain.transport.lose("CT-Req", times=10)
    before = len(domain.carried)
    left_at = domain.clock.now
    move(domain)
    domain.run_for(3.0)
    update = first_update(domain, before)
    assert groups_of(update) == []
    assert update.at - left_at < 1.0
    assert domain.agents["mag2"].core.counters["context_awaited_in_vain"] == 1
    assert domain.bound_at(MN1) == "mag2"
    domain.mobile_nodes[MN1].join(str(GROUP))
    domain.run_for(0.5)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_the_mobile_nodes_own_word_is_not_waited_behind_a_silent_mag(opened: Opened) -> None:
    domain = opened("context-transfer")
    domain.transport.lose("CT-Req", times=10)
    before = len(domain.carried)
    left_at = domain.clock.now
    move(domain)
    domain.run_for(1.0)
    update = first_update(domain, before)
    assert groups_of(update) == ["ff1e::101"]
    assert update.at - left_at < 0.1
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_an_unknown_mobile_node_has_an_empty_answer(opened: Opened) -> None:
    """The previous MAG's agent was restarted meanwhile: it knows nothing, and says so at once."""
    domain = opened("context-transfer")
    domain.mobile_nodes[MN1].answers_queries = False
    before = len(domain.carried)
    domain.detach(MN1)
    domain.run_for(0.05)
    fresh = SimulatedDomain(domain.domain)
    domain.agents["mag1"].core = fresh.agents["mag1"].core
    domain.attach(MN1, "mag2")
    domain.run_for(0.1)
    assert ("mag1", "CTD", "mag2") in said(domain, before)
    assert domain.transport.sent("CTDR") == []
    assert groups_of(first_update(domain, before)) == []


def test_without_a_controller_the_mobile_node_is_asked(opened: Opened) -> None:
    domain = opened("context-transfer")
    before = len(domain.carried)
    domain.disconnect_agent("mag2")
    move(domain)
    domain.run_for(0.015)
    assert [name for _, name, _ in said(domain, before)][2:] == ["PBU", "PBA"]
    domain.connect_agent("mag2")
    domain.run_for(3.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_back_at_the_same_mag_nobody_is_asked(opened: Opened) -> None:
    domain = opened("context-transfer")
    domain.mobile_nodes[MN1].answers_queries = False
    move(domain, "mag1")
    domain.run_for(1.0)
    assert domain.transport.sent("CT-Req") == []
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_away_again_before_the_context_has_come(opened: Opened) -> None:
    domain = opened("context-transfer")
    domain.transport.lose("CTD", times=2)
    move(domain)
    domain.run_for(0.01)
    move(domain, "mag3")
    domain.run_for(5.0)
    assert_at_rest(domain, {MN1: "mag3", MN2: "mag1"})

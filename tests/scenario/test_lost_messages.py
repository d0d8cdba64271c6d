# SPDX-License-Identifier: Apache-2.0
"""One message of a handover is lost, doubled or late (docs/explanation/protocol.md, failures and races)."""

from __future__ import annotations

import pytest

from southbound.agent.commands import CutBuffer
from southbound.codec.binding import ProxyBindingUpdate
from tests.scenario.handover_script import GROUP, MN1, MN2, move, outcome, trigger
from tests.support.domain_checks import assert_at_rest, native_copies
from tests.support.simulated_domain import SimulatedDomain

ENOUGH_S = 3.0
LIFETIMES_S = 25.0
"""Context and forwarding lifetime, and the controller's guard."""


@pytest.mark.parametrize(
    "lost", ["HI context", "HAck to HI context", "HI(F)", "HAck to HI(F)", "HI last delivered",
             "HAck to HI last delivered", "HI completed", "HAck to HI completed", "PBU", "PBA"],
)
@pytest.mark.parametrize("times", [1, 3])
def test_repetition_makes_good_what_is_lost(domain: SimulatedDomain, lost: str, times: int) -> None:
    domain.transport.lose(lost, times)
    handover_id = trigger(domain)
    domain.run_for(1.0)
    move(domain)
    domain.run_for(12.0)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("lost", ["HI context", "HAck to HI context"])
def test_a_peer_that_never_answers_ends_it_and_the_mobile_node_stays_served(
    domain: SimulatedDomain, lost: str
) -> None:
    domain.transport.lose(lost, 1000)
    domain.transport.lose("HI(F)", 1000)  # would stand for the HAck
    handover_id = trigger(domain)
    domain.run_for(2.0)
    assert outcome(domain, handover_id) == ("failed", "mag2 does not answer")
    assert native_copies(domain, "mag1", GROUP) == ["mn1", "mn2"]
    assert domain.agents["mag1"].core.snapshot().leaving == {}
    move(domain)
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("lost", ["HI(F)", "HAck to HI(F)"])
def test_without_forwarding_the_context_still_serves(domain: SimulatedDomain, lost: str) -> None:
    """HI(F) exhausted = as HAck 132: PBU-M at attachment."""
    domain.transport.lose(lost, 1000)
    trigger(domain)
    domain.run_for(2.0)
    move(domain)
    domain.run_for(1.0)
    assert native_copies(domain, "mag1", GROUP).count("mn2") == 1
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_hi_repeats_are_the_same_octets_and_done_once(domain: SimulatedDomain) -> None:
    domain.transport.lose("HAck to HI context", 2)
    domain.transport.lose("HI(F)", 3)  # it would stand for the HAck
    trigger(domain)
    domain.run_for(1.0)
    sent = domain.transport.sent("HI context")
    assert len({carried.header for carried in sent}) == 1
    assert [round(carried.at - sent[0].at, 3) for carried in sent] == [0.0, 0.1, 0.3]
    assert len({carried.header for carried in domain.transport.sent("HAck to HI context")}) == 1
    assert len({carried.header for carried in domain.transport.sent("HI(F)")}) == 1


def test_hi_is_given_up_after_three_repetitions(domain: SimulatedDomain) -> None:
    """RFC 5568: sends at 0, 100, 300, 700 ms, give-up at 1500 ms."""
    domain.transport.lose("HI context", 1000)
    start = domain.clock.now
    handover_id = trigger(domain)
    domain.run_until(lambda: outcome(domain, handover_id)[0] == "failed")
    assert domain.clock.now - start == pytest.approx(1.5, abs=0.01)
    times = [round(carried.at - start, 2) for carried in domain.transport.sent("HI context")]
    assert times == [0.0, 0.1, 0.3, 0.7]


def test_hi_f_that_overtakes_its_hack_stands_for_it(domain: SimulatedDomain) -> None:
    domain.transport.delay("HAck to HI context", 0.05)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    assert domain.transport.names().count("HI context") == 1
    assert domain.agents["mag1"].core.counters["handover_acknowledge_unexpected"] == 1
    move(domain)
    domain.run_for(ENOUGH_S)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_completion_that_comes_twice_changes_nothing(domain: SimulatedDomain) -> None:
    domain.transport.lose("HAck to HI completed", 1)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(ENOUGH_S)
    assert len(domain.transport.sent("HAck to HI completed")) == 2
    steps = [step for step in domain.handovers()[handover_id]["steps"] if step["name"] == "HAck completed"]
    assert len(steps) == 1
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_completion_that_is_never_answered(domain: SimulatedDomain) -> None:
    domain.transport.lose("HI completed", 1000)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, handover_id)[0] == "completed"
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_lost_word_on_the_last_packets_holds_nothing_up(domain: SimulatedDomain) -> None:
    domain.transport.lose("HI last delivered", 1000)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(ENOUGH_S)
    assert not any(isinstance(command, CutBuffer) for command in domain.agents["mag2"].buffer.commands)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_pba_never_comes_retransmissions_grow_in_distance_stamp_and_sequence(domain: SimulatedDomain) -> None:
    """RFC 5213 section 6.9.4: 1, 2, 4, ... 32 s, each with a larger Timestamp; here until the MN leaves."""
    domain.transport.lose("PBA", 1000)
    start = domain.clock.now
    domain.detach(MN1)
    domain.run_for(0.01)
    domain.attach(MN1, "mag3")
    first = domain.clock.now
    domain.run_for(130.0)
    sent = domain.transport.sent("PBU", "mag3")
    assert [round(carried.at - first) for carried in sent] == [0, 1, 3, 7, 15, 31, 63, 95, 127]
    stamps = [_stamp(carried.message) for carried in sent]
    assert stamps == sorted(set(stamps))
    sequences = [carried.message.sequence for carried in sent if isinstance(carried.message, ProxyBindingUpdate)]
    assert sequences == sorted(set(sequences))
    domain.detach(MN1)
    count = len(domain.transport.sent("PBU", "mag3"))
    domain.run_for(100.0)
    assert len(domain.transport.sent("PBU", "mag3")) == count
    assert start < first


def test_doubled_pbu_is_not_answered_before_the_switch_either(domain: SimulatedDomain) -> None:
    domain.transport.quality = type(domain.transport.quality)(duplication=1.0)
    domain.switches["lma"].delay_s = 0.2
    handover_id = trigger(domain)
    domain.run_for(0.5)
    move(domain)
    domain.run_for(ENOUGH_S)
    # The watch of the fixture has judged every PBA.
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def _stamp(message: object) -> int:
    from southbound.codec.accessors import timestamp

    assert isinstance(message, ProxyBindingUpdate)
    found = timestamp(message)
    assert found is not None
    return found.units

# SPDX-License-Identifier: Apache-2.0
"""What the whole is for: a moving listener hears every packet of its group, once, in order."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

import pytest

from tests.scenario.handover_script import GROUP, MN1, MN2, move, outcome, trigger, watched
from tests.support.domain_checks import SOURCE, assert_at_rest
from tests.support.domains import three_mags
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_streams import SimulatedStreams
from topology.settings import Timers

LIFETIMES_S = 25.0
LINKS = {
    "equal": {},
    "n-MAG far from the LMA": {("lma", "mag2"): 0.015},
    "p-MAG far from the LMA": {("lma", "mag1"): 0.015},
    "MAGs far from each other": {("mag1", "mag2"): 0.02, ("mag2", "mag1"): 0.02},
    "n-MAG near, tunnel long": {("lma", "mag1"): 0.01, ("mag1", "mag2"): 0.02, ("lma", "mag2"): 0.0005},
}


@pytest.fixture
def domain() -> SimulatedDomain:
    """In one dialect: packets are the same in both."""
    return watched(SimulatedDomain())


def streams(domain: SimulatedDomain, links: str = "equal", group: IPv6Address = GROUP) -> SimulatedStreams:
    """A source that has been heard for a while."""
    running = SimulatedStreams(domain, group, SOURCE, LINKS[links], unicast=(MN1, MN2))
    running.start()
    domain.run_for(0.2)
    return running


def finish(running: SimulatedStreams, closely_s: float = 0.5) -> None:
    """Let everything come to rest, and the last packets arrive; nothing happens to them after `closely_s`."""
    running.domain.run_for(closely_s)
    running.thin_out(0.05)
    running.domain.run_for(3.0 - closely_s)
    running.stop()
    running.domain.run_for(1.0)


def assert_everything_once_in_order(heard: list[int], running: SimulatedStreams) -> None:
    missing = sorted(set(range(heard[0], running.sent)) - set(heard))
    assert missing == [], f"{len(missing)} lost: {missing[:10]}"
    assert heard == sorted(heard), "out of order"
    assert len(set(heard)) == len(heard), "twice"


def assert_heard_once(running: SimulatedStreams, mn_id: str) -> None:
    """All that the MN has sent has come to the source, and once; the order may change where its way does."""
    heard, sent = running.heard_from[mn_id], running.sent_by[mn_id]
    assert sorted(heard) == [number for number in sent if number >= min(heard)]
    assert len(sent) - len(heard) < 2


@pytest.mark.parametrize("links", LINKS)
@pytest.mark.parametrize("gap_s", [0.0001, 0.0053, 0.05, 0.4])
@pytest.mark.parametrize("ahead_s", [0.06, 0.5])
def test_nothing_lost_nothing_twice_nothing_out_of_order(
    domain: SimulatedDomain, links: str, gap_s: float, ahead_s: float
) -> None:
    running = streams(domain, links)
    trigger(domain)
    domain.run_for(ahead_s)
    move(domain, gap_s=gap_s)
    finish(running)
    for mn_id in (MN1, MN2):
        assert_everything_once_in_order(running.heard[mn_id], running)
        assert_everything_once_in_order(running.heard_alone[mn_id], running)
        assert_heard_once(running, mn_id)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_all_eleven_steps_are_told_with_the_buffers_counters(domain: SimulatedDomain) -> None:
    running = streams(domain)
    handover_id = trigger(domain)
    domain.run_for(0.1)
    move(domain)
    finish(running)
    view = domain.handovers()[handover_id]
    assert {step["step"] for step in view["steps"]} == set(range(1, 12))
    assert view["packets"]["delivered"] > 0


def test_what_was_kept_for_a_node_that_never_came_is_told(domain: SimulatedDomain) -> None:
    running = streams(domain)
    handover_id = trigger(domain)
    domain.run_for(0.3)
    domain.cancel_handover(handover_id)
    domain.run_for(2.0)
    packets = domain.handovers()[handover_id]["packets"]
    assert packets["released_undelivered"] == packets["received_tunnel"] > 0
    finish(running)
    assert_everything_once_in_order(running.heard[MN1], running)


@pytest.mark.parametrize("gap_s", [0.0001, 0.05, 0.9])
@pytest.mark.parametrize("links", [
    {("lma", "mag2"): 0.7}, {("mag1", "mag2"): 0.7, ("mag2", "mag1"): 0.7}, {("lma", "mag1"): 0.7},
], ids=["native path slower", "tunnel slower", "p-MAG far from the LMA"])
def test_paths_as_unlike_as_the_topology_allows(links: dict[tuple[str, str], float], gap_s: float) -> None:
    timers = Timers(path_difference_ms=720, cut_wait_ms=900)
    domain = SimulatedDomain(replace(three_mags(), timers=timers))
    domain.start()
    domain.attach(MN1, "mag1")
    domain.run_for(1.0)
    running = SimulatedStreams(domain, GROUP, SOURCE, links)
    running.start()
    domain.run_for(1.0)
    trigger(domain)
    domain.run_for(0.8)
    move(domain, gap_s=gap_s)
    domain.run_for(5.0)
    running.stop()
    domain.run_for(2.0)
    assert_everything_once_in_order(running.heard[MN1], running)


@pytest.mark.parametrize("lost", ["HI context", "HAck to HI context", "HI(F)", "HAck to HI(F)", "HI completed",
                                  "HAck to HI completed", "HI last delivered", "HAck to HI last delivered", "PBU", "PBA"])
@pytest.mark.parametrize("gap_s", [0.0, 0.05])
def test_one_lost_message_loses_no_packet(domain: SimulatedDomain, lost: str, gap_s: float) -> None:
    running = streams(domain)
    domain.transport.lose(lost)
    trigger(domain)
    domain.run_for(0.5)
    move(domain, gap_s=gap_s)
    finish(running, closely_s=2.0)  # messages are sent again after a second
    for mn_id in (MN1, MN2):
        assert_everything_once_in_order(running.heard[mn_id], running)
        assert_everything_once_in_order(running.heard_alone[mn_id], running)


@pytest.mark.parametrize("lost", ["HI context", "HAck to HI context", "HI(F)", "HAck to HI(F)", "HI completed", "PBA"])
@pytest.mark.parametrize("times", [1, 3])
def test_lost_messages_lose_no_packet_where_the_group_is_at_the_new_mag_already(lost: str, times: int) -> None:
    """The native path is there from the HI on, for as long as the rest takes before there is a tunnel."""
    domain = SimulatedDomain(replace(three_mags(), timers=Timers(timestamp_validity_window_ms=3000)))
    domain.start()
    domain.attach(MN1, "mag1")
    domain.attach(MN2, "mag2")
    domain.run_for(1.0)
    running = SimulatedStreams(domain, GROUP, SOURCE, {("lma", "mag2"): 0.05}, 0.001)
    running.start()
    domain.run_for(0.3)
    domain.transport.lose(lost, times)
    handover_id = trigger(domain)
    domain.run_until(lambda: outcome(domain, handover_id)[0] == "forwarding", 9.0)
    domain.run_for(0.01)
    move(domain, gap_s=0.02)
    finish(running, closely_s=2.0)
    for mn_id in (MN1, MN2):
        assert_everything_once_in_order(running.heard[mn_id], running)


@pytest.mark.parametrize("links", LINKS)
@pytest.mark.parametrize("apart_s", [0.0, 0.0031, 0.02, 0.1, 0.3, 1.0])
def test_two_that_move_together(domain: SimulatedDomain, links: str, apart_s: float) -> None:
    """Their native stream comes to the buffer as one copy: neither gets anything twice because of the other."""
    running = streams(domain, links)
    for mn_id in (MN1, MN2):
        trigger(domain, mn_id=mn_id)
    domain.run_for(0.1)
    domain.detach(MN1)
    domain.run_for(0.013)
    domain.detach(MN2)
    domain.run_for(0.05)
    domain.attach(MN2, "mag2")
    domain.run_for(apart_s)
    domain.attach(MN1, "mag2")
    finish(running)
    for mn_id in (MN1, MN2):
        assert_everything_once_in_order(running.heard[mn_id], running)
        assert_everything_once_in_order(running.heard_alone[mn_id], running)
        assert_heard_once(running, mn_id)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag2"})


def test_one_handover_after_the_other(domain: SimulatedDomain) -> None:
    running = streams(domain)
    for target in ("mag2", "mag3", "mag1", "mag2"):
        trigger(domain, target)
        domain.run_for(0.1)
        move(domain, target, gap_s=0.03)
        domain.run_for(1.5)
    finish(running)
    for mn_id in (MN1, MN2):
        assert_everything_once_in_order(running.heard[mn_id], running)


def test_a_source_specific_listener(domain: SimulatedDomain) -> None:
    special = IPv6Address("ff3e::8000:1")
    domain.mobile_nodes[MN1].join(str(special), str(SOURCE))
    domain.run_for(0.1)
    running = streams(domain, group=special)
    trigger(domain)
    domain.run_for(0.1)
    move(domain)
    finish(running)
    assert_everything_once_in_order(running.heard[MN1], running)
    assert running.heard[MN2] == []


@pytest.mark.parametrize("name", ["HI(F)", "HI context"])
def test_without_forwarding_nothing_comes_twice_and_it_goes_on(domain: SimulatedDomain, name: str) -> None:
    """No better than plain PMIPv6, and no worse: the gap is that of the move."""
    running = streams(domain)
    domain.transport.lose(name, 1000)
    trigger(domain)
    domain.run_for(2.0)
    move(domain, gap_s=0.05)
    domain.run_for(1.0)
    running.thin_out(0.05)
    domain.run_for(LIFETIMES_S)
    finish(running)
    heard = running.heard[MN1]
    assert heard == sorted(set(heard))
    assert heard[-1] == running.sent - 1
    lost = set(range(heard[0], running.sent)) - set(heard)
    assert len(lost) * 0.002 < 0.05 + 0.03, "the gap, a PBU and a PBA"
    assert_everything_once_in_order(running.heard[MN2], running)


def test_ping_pong_serves_at_once_where_it_came_from(domain: SimulatedDomain) -> None:
    running = streams(domain)
    trigger(domain)
    domain.run_for(0.1)
    domain.detach(MN1)
    domain.run_for(0.02)
    domain.attach(MN1, "mag1")
    finish(running)
    heard = running.heard[MN1]
    assert heard == sorted(set(heard))
    assert len(set(range(heard[0], running.sent)) - set(heard)) <= 11, "what passed while it was on no link"
    assert_everything_once_in_order(running.heard[MN2], running)


def test_cancelling_disturbs_nobody(domain: SimulatedDomain) -> None:
    running = streams(domain)
    handover_id = trigger(domain)
    domain.run_for(0.1)
    domain.cancel_handover(handover_id)
    finish(running)
    for mn_id in (MN1, MN2):
        assert_everything_once_in_order(running.heard[mn_id], running)

# SPDX-License-Identifier: Apache-2.0
"""What each mode loses of a stream, packet by packet: never twice, in order, and no more than the mode must."""

from __future__ import annotations

import pytest

from controller.commands import HandoverAccepted
from tests.scenario.handover_script import GROUP, MN1, MN2, begun, move
from tests.scenario.test_streams import LINKS, assert_everything_once_in_order, finish
from tests.support.domain_checks import SOURCE, assert_at_rest
from tests.support.domains import three_mags
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_streams import SimulatedStreams

GAP_S = 0.05
INTERVAL_S = 0.002


def running_stream(attach_mode: str, links: str = "equal") -> SimulatedStreams:
    domain = begun(SimulatedDomain(three_mags("rfc", attach_mode)), 1.5)
    running = SimulatedStreams(domain, GROUP, SOURCE, LINKS[links], INTERVAL_S, unicast=(MN1, MN2))
    running.start()
    domain.run_for(0.2)
    return running


def lost(running: SimulatedStreams, mn_id: str = MN1) -> int:
    """Packets lost of the group, or of those for the MN alone, whatever is more; the rest came once and in order."""
    losses = []
    for heard in (running.heard[mn_id], running.heard_alone[mn_id]):
        assert heard == sorted(set(heard)), "twice, or out of order"
        losses.append(running.sent - heard[0] - len(heard))
    return max(losses)


@pytest.mark.parametrize("links", LINKS)
@pytest.mark.parametrize("gap_s", [0.0001, 0.013, 0.05, 0.4])
def test_reactive_loses_only_what_came_before_the_store_was_ready(links: str, gap_s: float) -> None:
    running = running_stream("reactive", links)
    running.domain.mobile_nodes[MN1].answers_queries = False
    move(running.domain, gap_s=gap_s)
    finish(running)
    # Two or three milliseconds from the loss of the link to the switch's confirmation.
    assert lost(running) <= 3
    assert_everything_once_in_order(running.heard[MN2], running)
    assert_at_rest(running.domain, {MN1: "mag2", MN2: "mag1"})


def test_reactive_keeps_unicast_of_a_node_that_listens_to_nothing() -> None:
    running = running_stream("reactive")
    running.domain.mobile_nodes[MN1].leave(str(GROUP))
    running.domain.run_for(3.0)
    move(running.domain, gap_s=GAP_S)
    finish(running)
    heard = running.heard_alone[MN1]
    assert heard == sorted(set(heard))
    assert running.sent - heard[0] - len(heard) <= 3
    assert_at_rest(running.domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("message", ["HI reactive", "HAck to HI reactive", "HI(F)", "HAck to HI(F)", "PBU", "PBA"])
def test_a_lost_message_of_a_reactive_handover_loses_no_packet_more(message: str) -> None:
    running = running_stream("reactive")
    running.domain.transport.lose(message)
    move(running.domain, gap_s=GAP_S)
    finish(running)
    assert lost(running) <= 3


def test_reactive_moves_of_two_that_share_a_group_give_nothing_twice() -> None:
    """One copy a tunnel: the second MN's kept packets that went to the n-MAG for the first are not sent again."""
    running = running_stream("reactive")
    domain = running.domain
    domain.detach(MN1)
    domain.detach(MN2)
    domain.run_for(GAP_S)
    domain.attach(MN1, "mag2")
    domain.run_for(0.1)
    domain.attach(MN2, "mag2")
    finish(running)
    assert lost(running) <= 3
    assert lost(running, MN2) * INTERVAL_S <= GAP_S + 0.15
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag2"})


@pytest.mark.parametrize("links", LINKS)
@pytest.mark.parametrize("ahead_s", [0.1, 0.5])
def test_join_loses_the_time_without_a_link(links: str, ahead_s: float) -> None:
    running = running_stream("policy-store", links)
    domain = running.domain
    assert isinstance(domain.request_handover(MN1, "mag2", "join"), HandoverAccepted)
    domain.run_for(ahead_s)
    move(domain, gap_s=GAP_S)
    finish(running)
    # Both native paths may be of different length: what is on its way to the old MAG is lost, or heard once more.
    heard = sorted(set(running.heard[MN1]))
    assert running.sent - heard[0] - len(heard) <= (GAP_S + 0.005 + 0.016) / INTERVAL_S
    assert_everything_once_in_order(running.heard[MN2], running)


@pytest.mark.parametrize(
    ("attach_mode", "more_s"), [("policy-store", 0.01), ("context-transfer", 0.015), ("query", 0.05)]
)
def test_without_forwarding_all_is_lost_until_the_new_path_is_there(attach_mode: str, more_s: float) -> None:
    running = running_stream(attach_mode)
    move(running.domain, gap_s=GAP_S)
    finish(running)
    assert GAP_S / INTERVAL_S <= lost(running) <= (GAP_S + more_s) / INTERVAL_S
    assert_at_rest(running.domain, {MN1: "mag2", MN2: "mag1"})

# SPDX-License-Identifier: Apache-2.0
"""A listener that goes on to the next MAG while its last handover is still under way (p -> n -> n2), and back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.scenario.handover_script import GROUP, MN1, MN2, outcome, trigger, watched
from tests.support.domain_checks import SOURCE, assert_at_rest
from tests.support.domains import three_mags
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_streams import SimulatedStreams

LINKS = {
    "equal": {},
    "middle far from the LMA": {("lma", "mag2"): 0.015},
    "ends far from the LMA": {("lma", "mag1"): 0.015, ("lma", "mag3"): 0.02},
    "MAGs far from each other": {
        (one, other): 0.02 for one in ("mag1", "mag2", "mag3") for other in ("mag1", "mag2", "mag3") if one != other
    },
}
LINE = ("mag2", "mag3", "mag2", "mag1")
MAY_LEAVE = ("forwarding", "bound", "delivered")


@pytest.fixture
def domain() -> SimulatedDomain:
    return started()


def started(attach_mode: str = "policy-store") -> SimulatedDomain:
    return watched(SimulatedDomain(three_mags("draft", attach_mode)))


def streams(domain: SimulatedDomain, links: str = "equal", interval_s: float = 0.001) -> SimulatedStreams:
    running = SimulatedStreams(domain, GROUP, SOURCE, LINKS[links], interval_s, unicast=(MN1,))
    running.start()
    domain.run_for(0.2)
    return running


def finish(running: SimulatedStreams) -> None:
    """All that a handover does to packets is done within half a second; what it leaves, later ones show as well."""
    running.domain.run_for(0.5)
    running.thin_out(0.05)
    running.domain.run_for(2.5)
    running.stop()
    running.domain.run_for(1.0)


def exactly_once(running: SimulatedStreams, mn_id: str) -> None:
    """Of the group, and what is for the MN alone."""
    for heard in (running.heard[mn_id], *([running.heard_alone[mn_id]] if mn_id in running.home else [])):
        missing = sorted(set(range(heard[0], running.sent)) - set(heard))
        assert (len(missing), missing[:10]) == (0, [])
        assert heard == sorted(heard), "out of order"
        assert len(set(heard)) == len(heard), "twice"


def go(domain: SimulatedDomain, target: str, gap_s: float) -> str:
    """Ask for the handover, wait for the clone, move; its id."""
    handover_id = trigger(domain, target)
    domain.run_until(lambda: outcome(domain, handover_id)[0] in MAY_LEAVE, 2.0)
    domain.detach(MN1)
    domain.run_for(gap_s)
    domain.attach(MN1, target)
    domain.run_for(0.002)  # the RPC that tells of the attachment
    return handover_id


@pytest.mark.parametrize("links", LINKS)
@pytest.mark.parametrize("period_s", [0.2, 0.06, 0.025, 0.012])
def test_twenty_moves_on_a_line_lose_nothing(domain: SimulatedDomain, links: str, period_s: float) -> None:
    """Back and forth at 1,000 packets/s: 0 lost, 0 twice, 0 out of order, whatever of the handover before is still open."""
    running = streams(domain, links)
    ids = []
    for number in range(20):
        due = domain.clock.now + period_s
        ids.append(go(domain, LINE[number % 4], 0.005))
        domain.run_for(max(0.0, due - domain.clock.now))
    finish(running)
    for mn_id in (MN1, MN2):
        exactly_once(running, mn_id)
    domain.run_for(25.0)
    assert {outcome(domain, handover_id)[0] for handover_id in ids} == {"completed"}
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


@pytest.mark.parametrize("links", LINKS)
@pytest.mark.parametrize("there_s", [0.0, 0.001, 0.003, 0.006, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1])
@pytest.mark.parametrize("way", [("mag2", "mag3"), ("mag2", "mag1")])
def test_on_at_any_moment(domain: SimulatedDomain, links: str, there_s: float, way: Sequence[str]) -> None:
    """Its PBA, the native join, the change to the switch, the completion: each may still be to come when it goes on."""
    running = streams(domain, links)
    for target in way:
        go(domain, target, 0.02)
        domain.run_for(there_s)
    finish(running)
    for mn_id in (MN1, MN2):
        exactly_once(running, mn_id)
    domain.run_for(25.0)
    assert_at_rest(domain, {MN1: way[-1], MN2: "mag1"})

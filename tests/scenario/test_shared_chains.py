# SPDX-License-Identifier: Apache-2.0
"""Listeners that share a group and go on to the next MAG, and back, whenever they like: nobody gets what is another's.

Signalling takes as long as packets do between the same two nodes.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from controller.commands import HandoverAccepted
from tests.scenario.handover_script import GROUP, MN1, MN2, outcome, trigger
from tests.support.domain_checks import SOURCE, Watch, assert_at_rest
from tests.support.domains import more_mobile_nodes, three_mags
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_streams import SimulatedStreams

MAGS = ("mag1", "mag2", "mag3")
MAY_LEAVE = ("forwarding", "bound", "delivered")
ENDED = ("completed", "failed", "cancelled")
LIFETIMES_S = 25.0


def finish(running: SimulatedStreams) -> None:
    running.domain.run_for(0.6)
    running.thin_out(0.05)
    running.domain.run_for(2.5)
    running.stop()
    running.domain.run_for(1.0)


def faults(running: SimulatedStreams) -> dict[str, tuple[list[int], int, int]]:
    """By MN, and with a * of what is for it alone: numbers lost, how many came twice, how many out of order."""
    heard = running.heard | {f"{mn_id}*": running.heard_alone[mn_id] for mn_id in running.home}
    found = {}
    for name, numbers in heard.items():
        lost = sorted(set(range(numbers[0], running.sent)) - set(numbers))
        back = sum(second < first for first, second in pairwise(numbers))
        found[name] = (lost, len(numbers) - len(set(numbers)), back)
    return {name: fault for name, fault in found.items() if fault != ([], 0, 0)}


# --- two that come together, of which one goes on at once -----------------------------------------------------------------


def move(domain: SimulatedDomain, mn_id: str, mag_id: str, gap_s: float) -> None:
    domain.detach(mn_id)
    domain.clock.after(gap_s, lambda: domain.attach(mn_id, mag_id))


def may_leave(domain: SimulatedDomain, handover_id: str) -> None:
    domain.run_until(lambda: outcome(domain, handover_id)[0] in MAY_LEAVE, 2.0)


@pytest.mark.parametrize("on_to", ["mag2", "mag1"])
@pytest.mark.parametrize("after_s", [0.0, 0.003, 0.006, 0.01, 0.02, 0.05, 0.08, 0.12])
@pytest.mark.parametrize("behind_s", [0.0, 0.015, 0.1])
def test_one_goes_on_while_the_other_joins(behind_s: float, after_s: float, on_to: str) -> None:
    """The second, which is later, joins the native stream in the middle of the first one's next handover."""
    domain = SimulatedDomain(three_mags("rfc"))
    Watch(domain)
    domain.start()
    for mn_id in (MN1, MN2):
        domain.attach(mn_id, "mag1")
    domain.run_for(1.0)
    running = SimulatedStreams(domain, GROUP, SOURCE, {}, 0.001, unicast=(MN1, MN2))
    running.start()
    domain.run_for(0.2)
    both = [trigger(domain, "mag3", mn_id) for mn_id in (MN2, MN1)]
    for handover_id in both:
        may_leave(domain, handover_id)
    move(domain, MN2, "mag3", 0.02)
    domain.run_for(behind_s)
    move(domain, MN1, "mag3", 0.02)
    domain.run_until(lambda: any(step["step"] == 10 for step in domain.handovers()[both[1]]["steps"]), 2.0)
    domain.run_for(after_s)
    may_leave(domain, trigger(domain, on_to, MN2))
    move(domain, MN2, on_to, 0.02)
    finish(running)
    assert faults(running) == {}
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag3", MN2: on_to})


def test_each_changes_over_to_the_switch_alone() -> None:
    """Who is there and in step does not wait for who is still to come with the same group."""
    domain = SimulatedDomain(three_mags("rfc"))
    domain.start()
    for mn_id in (MN1, MN2):
        domain.attach(mn_id, "mag1")
    domain.run_for(1.0)
    running = SimulatedStreams(domain, GROUP, SOURCE, {}, 0.002)
    running.start()
    first, second = (trigger(domain, "mag3", mn_id) for mn_id in (MN1, MN2))
    may_leave(domain, second)
    move(domain, MN1, "mag3", 0.02)
    domain.run_until(lambda: outcome(domain, first)[0] == "completed", 0.5)
    assert outcome(domain, second)[0] == "forwarding"
    move(domain, MN2, "mag3", 0.02)
    finish(running)
    assert faults(running) == {}


# --- everything at random -------------------------------------------------------------------------------------------------


class Walk:
    """One MN that goes from MAG to MAG, each time as soon as it may leave, or a little later."""

    def __init__(self, domain: SimulatedDomain, mn_id: str, moves: int, draw: Random) -> None:
        self._domain, self._mn_id, self._left, self._draw = domain, mn_id, moves, draw
        self.is_over = False
        self._handover = ""
        domain.clock.after(draw.choice([0.0, 0.0, 0.001, 0.01, 0.1]), self._ask)

    def _ask(self) -> None:
        if self._left == 0:
            self.is_over = True
            return
        self._left -= 1
        self._target = self._draw.choice([mag for mag in MAGS if mag != self._domain.mobile_nodes[self._mn_id].mag_id])
        answer = self._domain.request_handover(self._mn_id, self._target)
        if isinstance(answer, HandoverAccepted):
            self._handover = answer.handover_id
            self._wait()
        else:
            self._domain.clock.after(0.05, self._ask)

    def _wait(self) -> None:
        state = outcome(self._domain, self._handover)[0]
        if state in MAY_LEAVE:
            self._domain.clock.after(self._draw.choice([0.0, 0.001, 0.02, 0.3]), self._leave)
        elif state in ENDED:
            self._domain.clock.after(0.05, self._ask)
        else:
            self._domain.clock.after(0.001, self._wait)

    def _leave(self) -> None:
        if outcome(self._domain, self._handover)[0] in ENDED:
            self._domain.clock.after(0.05, self._ask)
            return
        self._domain.detach(self._mn_id)
        self._domain.clock.after(self._draw.choice([0.0001, 0.005, 0.02, 0.05, 0.3]), self._arrive)

    def _arrive(self) -> None:
        self._domain.attach(self._mn_id, self._target)
        self._domain.clock.after(self._draw.choice([0.002, 0.005, 0.02, 0.1, 0.6]), self._ask)


def walked(seed: int, moves: int = 3, walkers: int | None = None) -> SimulatedStreams:
    """Two to four MNs with one group, of which all or some walk; over when everything is at rest."""
    draw = Random(seed)
    count = walkers or draw.choice([2, 3, 4])
    domain = SimulatedDomain(more_mobile_nodes(three_mags(draw.choice(["draft", "rfc"])), count))
    Watch(domain)
    domain.start()
    nodes = list(domain.mobile_nodes)
    for mn_id in nodes:
        domain.attach(mn_id, draw.choice(MAGS))
    domain.run_for(1.0)
    places = ("lma", *MAGS)
    pairs = [(one, other) for number, one in enumerate(places) for other in places[number + 1 :]]
    delays = {pair: draw.choice([0.0003, 0.001, 0.005, 0.02]) for pair in pairs}
    links = delays | {(other, one): delay_s for (one, other), delay_s in delays.items()}
    domain.transport.delays_s = {pair: delay_s + 0.0004 for pair, delay_s in links.items()}
    running = SimulatedStreams(
        domain, GROUP, SOURCE, links, draw.choice([0.001, 0.002]), unicast=tuple(nodes) if draw.random() < 0.3 else ()
    )
    running.start()
    domain.run_for(0.3)
    walks = [Walk(domain, mn_id, moves, draw) for mn_id in nodes]
    domain.run_until(lambda: all(walk.is_over for walk in walks), 30.0)
    finish(running)
    return running


@pytest.mark.parametrize("seed", range(12))
def test_nobody_that_walks_loses_anything_or_gets_it_twice(seed: int) -> None:
    running = walked(seed)
    assert faults(running) == {}
    domain = running.domain
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {mn_id: node.mag_id for mn_id, node in domain.mobile_nodes.items()})

# SPDX-License-Identifier: Apache-2.0
"""A fault of our own in the middle of anything: its handover fails and says so, and nothing of it stays behind.

Every place where a MAG's agent builds something during a move raises once, on its first call, its second, and so on.
"""

from __future__ import annotations

from typing import Any

import pytest

from southbound.agent import binding_update, context
from southbound.agent.access import AccessLinks
from southbound.agent.binding_update_list import BindingUpdateList
from southbound.agent.context import MagContext
from southbound.agent.context_intake import ContextIntake
from southbound.agent.default_router import DefaultRouter
from southbound.agent.departures import Departures
from southbound.agent.leaving_table import LeavingTable
from southbound.agent.recovery import INTERNAL_FAULT
from southbound.agent.releases import Releases
from southbound.codec.errors import EncodeError
from southbound.codec.handover import HandoverAcknowledge
from tests.scenario.handover_script import MN1, MN2, begun, move, outcome, trigger
from tests.support.domain_checks import assert_at_rest
from tests.support.simulated_domain import SimulatedDomain, three_mags

LIFETIMES_S = 25.0
SAID = "option_length: 266 does not fit into 1 octets"


class Fault:
    """Raises on one call of what it stands before."""

    def __init__(self) -> None:
        self.on_call = -1
        self.calls = 0

    def before(self, real: Any) -> Any:
        def called(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls - 1 == self.on_call:
                raise EncodeError("option_length", "266 does not fit into 1 octets")
            return real(*args, **kwargs)

        return called


PLACES: list[tuple[Any, str]] = [
    (context, "encode_mobility"), (binding_update, "encode_mobility"), (MagContext, "step"), (Releases, "ask"),
    (AccessLinks, "install"), (AccessLinks, "query"), (ContextIntake, "_prepare"), (Departures, "detached"),
    (LeavingTable, "add"), (LeavingTable, "remove"), (BindingUpdateList, "suspend"), (BindingUpdateList, "acknowledged"),
    (DefaultRouter, "advertise"),
]
MODES = ["predictive", "reactive", "context-transfer", "chain", "back", "candidates"]


@pytest.fixture
def fault() -> Fault:
    return Fault()


def domain_in(mode: str) -> SimulatedDomain:
    domain = begun(SimulatedDomain(three_mags("rfc", mode if mode in ("reactive", "context-transfer") else "query")))
    for agent in domain.agents.values():
        agent.may_fail = True
    return domain


def moved(domain: SimulatedDomain, mode: str, target: str) -> None:
    """There: `chain` by way of mag3, `back` after a moment at mag2, `candidates` with mag3 as another one."""
    by_way = {"chain": "mag3" if target == "mag2" else "mag2", "back": "mag2" if target == "mag2" else "mag3"}.get(mode)
    if by_way is not None:
        for agent in domain.agents.values():
            agent.buffer.joins = False  # the next move comes before the switch has the stream
        here = domain.mobile_nodes[MN1].mag_id
        for step in (by_way, *([here] if mode == "back" and here is not None else [])):
            domain.request_handover(MN1, step)
            domain.run_for(0.2)
            move(domain, step)
            domain.run_for(0.1)
    if mode not in ("reactive", "context-transfer"):
        domain.request_handover(MN1, target)
        if mode == "candidates":
            domain.request_handover(MN1, "mag3" if target == "mag2" else "mag1")
        domain.run_for(0.2)
    for agent in domain.agents.values():
        agent.buffer.joins = True
    move(domain, target)
    domain.run_for(LIFETIMES_S)


def faults(domain: SimulatedDomain) -> int:
    return sum(len(agent.faults) for agent in domain.agents.values())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("owner", "name"), PLACES, ids=lambda place: str(getattr(place, "__name__", place)))
def test_a_fault_anywhere_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, fault: Fault, owner: Any, name: str, mode: str
) -> None:
    monkeypatch.setattr(owner, name, fault.before(getattr(owner, name)))
    on_call = 0
    while True:
        domain = domain_in(mode)
        fault.calls, fault.on_call = 0, on_call
        moved(domain, mode, "mag2")
        if fault.calls <= on_call:
            break
        counted = [agent.core.counters.get(INTERNAL_FAULT, 0) for agent in domain.agents.values()]
        assert (faults(domain), sum(counted)) == (1, 1), on_call
        assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})
        states = {handover["state"] for handover in domain.handovers().values()}
        assert states <= {"completed", "failed", "cancelled"}, (on_call, states)
        moved(domain, mode, "mag3")
        assert_at_rest(domain, {MN1: "mag3", MN2: "mag1"})
        on_call += 1
    assert on_call or mode != "predictive", "the place is not on the way"


def test_whoever_asked_reads_what_has_happened(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    """No name of a Python class, but what is wrong, and where there is more."""
    domain = domain_in("predictive")
    monkeypatch.setattr(context, "encode_mobility", fault.before(context.encode_mobility))
    fault.on_call = 0
    handover_id = trigger(domain)
    domain.run_for(0.2)
    assert outcome(domain, handover_id) == ("failed", f"a fault inside the agent of mag1 ({SAID}); its log says where")
    (reported,) = domain.agents["mag1"].faults
    assert (str(reported.fault), reported.doing, reported.mn_ids) == (SAID, "ControllerCalled", (MN1,))


def test_a_peer_is_told_at_once(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    """RFC 5949 section 4.2: HAck with a cause, and no more tunnelling; the peer need not repeat its HI in vain."""
    domain = domain_in("predictive")
    monkeypatch.setattr(ContextIntake, "context_received", fault.before(ContextIntake.context_received))
    fault.on_call = 0
    handover_id = trigger(domain)
    domain.run_for(0.05)
    (answer,) = [carried.message for carried in domain.transport.sent("HAck to HI context")]
    assert isinstance(answer, HandoverAcknowledge)
    assert answer.code == 128
    assert outcome(domain, handover_id) == ("failed", "mag2 refused: HAck code 128")


def test_other_mobile_nodes_are_not_concerned(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    domain = domain_in("predictive")
    other = trigger(domain, "mag2", MN2)
    domain.run_for(0.2)
    monkeypatch.setattr(context, "encode_mobility", fault.before(context.encode_mobility))
    fault.on_call = 0
    trigger(domain, "mag3", MN1)
    domain.run_for(0.2)
    assert faults(domain) == 1
    move(domain, "mag2", mn_id=MN2)
    domain.run_for(3.0)
    assert outcome(domain, other) == ("completed", None)


def test_what_would_stay_due_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that fails for ever must not run for ever: the process ends, and begins anew."""
    domain = domain_in("predictive")
    core = domain.agents["mag1"].core

    def fails(_self: Any, _now: float) -> Any:
        raise EncodeError("binding", "cannot be")

    monkeypatch.setattr(BindingUpdateList, "tick", fails)
    due = core.next_deadline()
    while due is not None and due < domain.clock.now + 1000 and BindingUpdateList.next_deadline(core._bindings) != due:
        core.tick(due)
        due = core.next_deadline()
    assert due is not None
    with pytest.raises(EncodeError):
        core.tick(due)

# SPDX-License-Identifier: Apache-2.0
"""Each way in which a handover can fail, and each race: one test a row of docs/conformance/handover.md, by its name.

Other tests vary the moments (test_lost_messages, test_races, test_restarts, test_chains, test_chaos); these say what must
happen. A row that is about packets is judged by numbered packets, the others by the switches' rules.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from itertools import pairwise
from typing import Any

import pytest

from controller.commands import HandoverAccepted, HandoverRefused
from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.handover import HandoverAcknowledge, HandoverInitiate
from southbound.codec.iana import (
    BindingStatus,
    HandoffIndicator,
    HandoverAcknowledgeCode,
    MulticastAcknowledgementStatus,
    MulticastPayload,
)
from southbound.codec.multicast_options import MulticastAcknowledgement, MulticastMobility, UnreadableMulticastMobility
from southbound.codec.options import HandoffIndicatorOption, HomeNetworkPrefix, MobileNodeLinkLayerIdentifier
from tests.scenario.handover_script import GROUP, MN1, MN2, answer_in_place_of, move, outcome, trigger, watched
from tests.support.domain_checks import SOURCE, Watch, assert_at_rest, lma_copies, native_copies, tunnel_copies
from tests.support.domains import three_mags
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_streams import SimulatedStreams
from topology.settings import Limits

LIFETIMES_S = 25.0
"""Context and forwarding lifetime, and the controller's guard."""
SPECIAL = IPv6Address("ff3e::8000:1")


def codes(domain: SimulatedDomain, name: str) -> list[int]:
    """Codes of the HAcks of this name, as they were sent."""
    messages = [carried.message for carried in domain.transport.sent(name)]
    return [int(message.code) for message in messages if isinstance(message, HandoverAcknowledge)]


def contexts(domain: SimulatedDomain) -> list[HandoverInitiate]:
    messages = [carried.message for carried in domain.transport.sent("HI context")]
    return [message for message in messages if isinstance(message, HandoverInitiate)]


def limited(**limits: int) -> SimulatedDomain:
    """A domain with these limits, both mobile nodes at the first MAG."""
    whole = three_mags()
    return watched(SimulatedDomain(replace(whole, limits=replace(Limits(), **limits))))


def streaming(domain: SimulatedDomain) -> SimulatedStreams:
    running = SimulatedStreams(domain, GROUP, SOURCE, {}, 0.001)
    running.start()
    domain.run_for(0.2)
    return running


def lost(running: SimulatedStreams, mn_id: str = MN1) -> int:
    """Packets that the MN has not had since its first; each that it has had came once and in order."""
    running.domain.run_for(1.5)
    running.stop()
    running.domain.run_for(0.6)
    heard = running.heard[mn_id]
    assert heard == sorted(set(heard))
    return running.sent - heard[0] - len(heard)


def pba(domain: SimulatedDomain, status: BindingStatus, times: int = 1) -> None:
    """The LMA's next answers to mag2 say this instead."""

    def how(message: Any) -> ProxyBindingAcknowledgement:
        return replace(message, status=status, lifetime_s=0)

    domain.transport.change("PBA", how, times)


# --- failures ---------------------------------------------------------------------------------------------------------


def test_hi_lost(domain: SimulatedDomain) -> None:
    domain.transport.lose("HI context", 2)
    handover_id = trigger(domain)
    domain.run_for(1.0)
    assert len({carried.header for carried in domain.transport.sent("HI context")}) == 1
    move(domain)
    domain.run_for(12.0)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_hack_lost(domain: SimulatedDomain) -> None:
    domain.transport.lose("HAck to HI context", 1)
    domain.transport.lose("HI(F)", 1)  # would stand for it
    handover_id = trigger(domain)
    domain.run_for(1.0)
    assert [carried.repeated for carried in domain.transport.sent("HAck to HI context")] == [False, True]
    move(domain)
    domain.run_for(12.0)
    assert outcome(domain, handover_id) == ("completed", None)


@pytest.mark.parametrize("code", [128, 129])
def test_hack_refuses(domain: SimulatedDomain, code: int) -> None:
    answer_in_place_of(domain, "mag2", "HI context", HandoverAcknowledgeCode(code))
    handover_id = trigger(domain)
    domain.run_for(0.5)
    assert outcome(domain, handover_id) == ("failed", f"mag2 refused: HAck code {code}")
    assert len(contexts(domain)) == 1
    assert domain.transport.sent("HI(F)") == []
    move(domain)
    domain.run_for(1.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_hack_130_once_more_without_buffer() -> None:
    """No room in the buffer of the n-MAG: U = 0, and what comes after the MN has left waits at the p-MAG."""
    domain = limited()
    agent = domain.agents["mag2"]
    agent.held_bytes = Limits().buffer_bytes_total
    running = streaming(domain)
    handover_id = trigger(domain)
    domain.run_for(0.3)
    assert codes(domain, "HAck to HI context") == [130, 5]
    assert [context.buffer for context in contexts(domain)] == [True, False]
    assert agent.core.counters["context_without_room_in_buffer"] == 1
    assert native_copies(domain, "mag1", GROUP) == ["mn1", "mn2"], "nothing is forwarded yet"
    agent.held_bytes = 0
    move(domain, gap_s=0.05)
    assert lost(running) <= 5, "until the p-MAG's switch had a way to its store"
    assert lost(running, MN2) == 0
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"handovers_at_once": 1}, "context_beyond_handovers_at_once"),
     ({"contexts_per_peer": 1}, "context_beyond_contexts_per_peer")],
)
def test_hack_130_again_is_a_refusal(limits: dict[str, int], reason: str) -> None:
    domain = limited(**limits)
    trigger(domain)
    domain.run_for(0.2)
    domain.mobile_nodes[MN2].indicate_handover("mag2")
    domain.run_for(0.5)
    refused = [message for message in contexts(domain) if MN2 in str(message.options)]
    assert [message.buffer for message in refused] == [True, False]
    assert codes(domain, "HAck to HI context") == [5, 130, 130]
    assert domain.agents["mag2"].core.counters[reason] == 2
    assert native_copies(domain, "mag1", GROUP).count("mn2") == 1, "it is served where it is"
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_handovers_at_once_are_limited_for_rest() -> None:
    domain = limited(handovers_at_once=1)
    trigger(domain)
    refused = domain.request_handover(MN2, "mag2")
    assert isinstance(refused, HandoverRefused)
    assert refused.status == 503
    assert "handovers_at_once" in refused.reason


def test_option_61_refuses_groups() -> None:
    """Neither forwarded nor joined before the MN is there; the handover goes on with the others."""
    whole = three_mags()
    nodes = tuple(replace(node, allowed_groups=(IPv6Network("ff1e::/16"),)) for node in whole.mobile_nodes)
    domain = SimulatedDomain(whole)
    Watch(domain)
    # Only mag2 knows the stricter rule.
    domain.agents["mag2"].restarted(SimulatedDomain(replace(whole, mobile_nodes=nodes)).agents["mag2"].core)
    domain.start()
    domain.attach(MN1, "mag1")
    domain.mobile_nodes[MN1].join(str(SPECIAL), str(SOURCE))
    domain.run_for(1.0)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    (answer,) = [carried.message for carried in domain.transport.sent("HAck to HI context")]
    assert isinstance(answer, HandoverAcknowledge)
    (acknowledged,) = [option for option in answer.options if isinstance(option, MulticastAcknowledgement)]
    assert acknowledged.status == MulticastAcknowledgementStatus.ADMINISTRATIVELY_PROHIBITED
    assert [record.group for record in acknowledged.records] == [SPECIAL]
    assert native_copies(domain, "mag1", GROUP) == ["mag mag2", "mn1"]
    assert native_copies(domain, "mag1", SPECIAL) == ["mn1"]
    assert tunnel_copies(domain, "mag2", "mag1", SPECIAL) == []
    move(domain)
    domain.run_for(3.0)
    assert outcome(domain, handover_id) == ("completed", None)


def test_option_61_cannot_read_the_context(domain: SimulatedDomain) -> None:
    """Status 1: nothing is forwarded for an MN whose groups the n-MAG does not know; it asks the MN when that is there."""

    def unreadable(message: Any) -> HandoverInitiate:
        option = UnreadableMulticastMobility(option_code=MulticastPayload(9), payload=bytes(4), reason="")
        others = tuple(known for known in message.options if not isinstance(known, MulticastMobility))
        return replace(message, options=(*others, option))

    domain.transport.change("HI context", unreadable)
    trigger(domain)
    domain.run_for(0.2)
    (answer,) = [carried.message for carried in domain.transport.sent("HAck to HI context")]
    assert isinstance(answer, HandoverAcknowledge)
    status = [option.status for option in answer.options if isinstance(option, MulticastAcknowledgement)]
    assert status == [MulticastAcknowledgementStatus.PAYLOAD_TYPE_UNSUPPORTED]
    assert native_copies(domain, "mag1", GROUP) == ["mn1", "mn2"]
    move(domain)
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_hi_f_refused(domain: SimulatedDomain) -> None:
    """132: the n-MAG goes on alone, with the context."""
    answer_in_place_of(domain, "mag1", "HI(F)", HandoverAcknowledgeCode.FORWARDING_NOT_AVAILABLE)
    trigger(domain)
    domain.run_for(0.5)
    assert domain.agents["mag2"].core.snapshot().arriving[MN1][1] == "alone"
    move(domain)
    domain.run_for(0.03)
    assert lma_copies(domain, GROUP) == ["mag1", "mag2"], "the PBU-M has the context's groups"
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_hi_f_exhausted(domain: SimulatedDomain) -> None:
    domain.transport.lose("HI(F)", 1000)
    trigger(domain)
    domain.run_for(2.0)
    assert domain.agents["mag2"].core.snapshot().arriving[MN1][1] == "alone"
    move(domain)
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_mobile_node_never_arrives(domain: SimulatedDomain) -> None:
    """Powered off: both MAGs free everything, the p-MAG de-registers, no PBU has been sent for it."""
    handover_id = trigger(domain)
    domain.run_for(0.2)
    before = len(domain.transport.sent("PBU"))
    domain.detach(MN1)
    domain.run_for(LIFETIMES_S)
    assert len(domain.transport.sent("PBU")) == before
    assert outcome(domain, handover_id) == ("failed", "the mobile node has not arrived")
    assert len(domain.transport.sent("PBU 0", "mag1")) == 1
    assert_at_rest(domain, {MN1: None, MN2: "mag1"})


def test_mobile_node_powers_off_where_it_has_come_to(domain: SimulatedDomain) -> None:
    """In the middle of the handover, and on its way to the next MAG already: the whole chain is freed."""
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(0.002)
    onward = trigger(domain, "mag3")
    domain.run_for(0.1)
    domain.detach(MN1)
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, onward) == ("failed", "the mobile node has not arrived")
    assert domain.bound_at(MN1) is None
    assert_at_rest(domain, {MN1: None, MN2: "mag1"})


def test_ping_pong_a(domain: SimulatedDomain) -> None:
    handover_id = trigger(domain)
    domain.run_for(0.2)
    domain.detach(MN1)
    domain.run_for(0.02)
    domain.attach(MN1, "mag1")
    domain.run_for(0.01)
    assert native_copies(domain, "mag1", GROUP).count("mn1") == 1
    domain.run_for(1.0)
    assert outcome(domain, handover_id)[0] == "cancelled"
    assert domain.transport.sent("PBU", "mag2") == []
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_ping_pong_b(domain: SimulatedDomain) -> None:
    """Back where it came from, announced, while the first handover still runs: a handover like any other, nothing lost."""
    running = streaming(domain)
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(0.01)
    back = trigger(domain, "mag1")
    domain.run_for(0.1)
    move(domain, "mag1")
    assert lost(running) == 0
    updates = [carried.message for carried in domain.transport.sent("PBU", "mag1")]
    last = next(message for message in reversed(updates) if isinstance(message, ProxyBindingUpdate))
    indicator = HandoffIndicatorOption(indicator=HandoffIndicator.BETWEEN_MAGS_SAME_INTERFACE)
    assert indicator in last.options
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, back) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_mobile_node_there_before_hack(domain: SimulatedDomain) -> None:
    """The context is there: it serves at once, and HI(F) is still of use for the gap."""
    domain.transport.delay("HAck to HI context", 0.05)
    handover_id = trigger(domain)
    domain.run_for(0.002)
    move(domain, gap_s=0.0001)
    domain.run_for(3.0)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_mobile_node_there_before_hi(domain: SimulatedDomain) -> None:
    """Served as one without a context; the HI that comes late is the race 'late predictive HI'."""
    domain.transport.delay("HI context", 0.3)
    trigger(domain)
    domain.run_for(0.01)
    move(domain, gap_s=0.01)
    domain.run_for(0.1)
    assert native_copies(domain, "mag2", GROUP) == ["mn1"]
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_pba_157(domain: SimulatedDomain) -> None:
    """At once again, with a newer stamp."""
    trigger(domain)
    domain.run_for(0.2)
    pba(domain, BindingStatus.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED)
    move(domain)
    domain.run_for(0.3)
    sent = domain.transport.sent("PBU", "mag2")
    assert len(sent) == 2
    assert sent[1].at - sent[0].at < 0.1
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_pba_156(domain: SimulatedDomain) -> None:
    """Later, by our own clock; the tunnel serves meanwhile."""
    trigger(domain)
    domain.run_for(0.2)
    pba(domain, BindingStatus.TIMESTAMP_MISMATCH)
    move(domain)
    domain.run_for(0.5)
    sent = domain.transport.sent("PBU", "mag2")
    assert len(sent) == 1
    assert tunnel_copies(domain, "mag2", "mag1", GROUP) == ["hob0"]
    domain.run_for(LIFETIMES_S)
    assert len(domain.transport.sent("PBU", "mag2")) == 2
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("status", [155, 152, 128, 153, 154, 158, 160, 161, 162, 200])
def test_pba_refuses_service(domain: SimulatedDomain, status: int) -> None:
    """No PBU again, no service, and nothing more is forwarded; 155 is refused once more without a prefix."""
    handover_id = trigger(domain)
    domain.run_for(0.2)
    pba(domain, BindingStatus(status), times=1000)
    move(domain)
    domain.run_for(2.0)
    assert tunnel_copies(domain, "mag2", "mag1", GROUP) == []
    assert "mag mag2" not in native_copies(domain, "mag1", GROUP)
    assert outcome(domain, handover_id)[0] == "failed"
    asked = len(domain.transport.sent("PBU", "mag2"))
    domain.run_for(100.0)
    assert len(domain.transport.sent("PBU", "mag2")) == asked, "until an operator acts, or it comes anew"
    assert domain.agents["mag2"].core.snapshot().arriving == {}
    assert domain.agents["mag1"].core.snapshot().leaving == {}


def test_pba_130(domain: SimulatedDomain) -> None:
    """A shortage may pass: no service meanwhile, and a PBU now and then for as long as the MN is there."""
    handover_id = trigger(domain)
    domain.run_for(0.2)
    pba(domain, BindingStatus.INSUFFICIENT_RESOURCES, times=2)
    move(domain)
    domain.run_for(10.0)
    assert outcome(domain, handover_id)[0] == "failed"
    assert domain.mobile_nodes[MN1].prefixes == set()
    domain.run_for(60.0)
    sent = [carried.at for carried in domain.transport.sent("PBU", "mag2")]
    assert [later - earlier for earlier, later in pairwise(sent)] == pytest.approx([32.0, 32.0], abs=0.1)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_pba_echoes_another(domain: SimulatedDomain) -> None:
    """Another mobile node's link-layer id: ignored, and not asked again (RFC 5213 section 6.9.1.2 rule 6)."""

    def how(message: Any) -> ProxyBindingAcknowledgement:
        others = tuple(one for one in message.options if not isinstance(one, MobileNodeLinkLayerIdentifier))
        return replace(message, options=(*others, MobileNodeLinkLayerIdentifier(identifier=b"\x02\0\0\0\0\x99")))

    trigger(domain)
    domain.run_for(0.2)
    domain.transport.change("PBA", how)
    move(domain)
    domain.run_for(100.0)
    assert domain.agents["mag2"].core.snapshot().bindings[MN1] != "bound"
    assert domain.agents["mag2"].core.counters["binding_acknowledgement_not_matching"] == 1
    assert len(domain.transport.sent("PBU", "mag2")) == 1
    assert domain.mobile_nodes[MN1].prefixes == set()


def test_pba_without_multicast(domain: SimulatedDomain) -> None:
    """S = 0: the LMA has taken no groups from the PBU; they reach it by the MLD state that the agent tells."""
    domain.transport.change("PBA", lambda message: replace(message, multicast=False), times=1000)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_no_pba(domain: SimulatedDomain) -> None:
    """Repeated while the MN is there, and the tunnel covers it: nothing is lost."""
    running = streaming(domain)
    domain.transport.lose("PBU", 2, source="mag2")
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(6.0)
    assert lost(running) == 0
    assert len(domain.transport.sent("PBU", "mag2")) == 3
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("times", [1, 1000])
def test_completion_lost(domain: SimulatedDomain, times: int) -> None:
    """Repeated; and both MAGs have the forwarding lifetime besides."""
    domain.transport.lose("HI completed", times)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, handover_id)[0] == "completed"
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_previous_mag_waits_with_its_de_registration(domain: SimulatedDomain) -> None:
    """While it forwards the LMA goes on sending to it; after the n-MAG's PBU the de-registration is ignored."""
    trigger(domain)
    domain.run_for(0.2)
    domain.detach(MN1)
    domain.run_for(2.0)
    assert domain.transport.sent("PBU 0") == []
    assert lma_copies(domain, GROUP) == ["mag1"]
    domain.attach(MN1, "mag2")
    domain.run_for(3.0)
    assert len(domain.transport.sent("PBU 0", "mag1")) == 1
    assert domain.bound_at(MN1) == "mag2"


@pytest.mark.parametrize("moment", ["before it leaves", "on its way", "after it has come"])
def test_lma_restarts(domain: SimulatedDomain, moment: str) -> None:
    """The rules are in place when the controller dies: nothing is lost, and the handover completes afterwards."""
    running = streaming(domain)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    steps = [("before it leaves", lambda: domain.detach(MN1)), ("on its way", lambda: domain.attach(MN1, "mag2"))]
    for name, step in steps:
        if name == moment:
            domain.restart_controller()
            domain.run_for(0.1)
        step()
        domain.run_for(0.02)
    if moment == "after it has come":
        domain.restart_controller()
    assert lost(running) == 0
    assert lost(running, MN2) == 0
    domain.run_for(LIFETIMES_S)
    if moment != "after it has come":  # both MAGs were through with it when the new one asked
        assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_lma_restarts_before_the_clone(domain: SimulatedDomain) -> None:
    """What the controller has not answered is asked again when it is back."""
    handover_id = trigger(domain)
    domain.run_for(0.0025)
    domain.restart_controller(back_after_s=0.2)
    domain.run_for(2.0)  # the p-MAG's bindings are refreshed first
    assert codes(domain, "HAck to HI(F)") == [0]
    move(domain)
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_agent_of_the_new_mag_restarts(domain: SimulatedDomain) -> None:
    """Nobody reads its buffer any more: the MN is served as one without a handover."""
    handover_id = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(0.002)
    domain.restart_agent("mag2")
    domain.run_for(1.0)
    assert native_copies(domain, "mag2", GROUP) == ["mn1"]
    assert outcome(domain, handover_id) == ("failed", "the agent of mag2 has restarted")
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_agent_of_the_previous_mag_restarts(domain: SimulatedDomain) -> None:
    """Its switch goes on cloning: nothing is lost."""
    running = streaming(domain)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    domain.detach(MN1)
    domain.run_for(0.01)
    domain.restart_agent("mag1")
    domain.run_for(0.04)
    domain.attach(MN1, "mag2")
    assert lost(running) == 0
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, handover_id) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("attach_mode", ["policy-store", "reactive"])
def test_wrong_prediction(attach_mode: str) -> None:
    """It goes where nobody expects it: served there, and the context that waits elsewhere is dropped at once."""
    domain = watched(SimulatedDomain(three_mags("draft", attach_mode)))
    running = streaming(domain)
    handover_id = trigger(domain, "mag2")
    domain.run_for(0.2)
    move(domain, "mag3", gap_s=0.03)
    domain.run_for(0.3)
    assert outcome(domain, handover_id)[0] == "cancelled"
    assert domain.agents["mag2"].core.snapshot().arriving == {}
    gap = lost(running)
    assert gap <= (5 if attach_mode == "reactive" else 45)
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag3", MN2: "mag1"})


def test_candidates(domain: SimulatedDomain) -> None:
    """HI to several MAGs (RFC 5568 section 3.3): nothing is lost at whichever it comes to, the other one is told off."""
    running = streaming(domain)
    chosen, other = trigger(domain, "mag3"), trigger(domain, "mag2")
    domain.run_for(0.2)
    assert native_copies(domain, "mag1", GROUP) == ["mag mag2", "mag mag3", "mn1", "mn2"]
    move(domain, "mag3")
    assert lost(running) == 0
    assert outcome(domain, other)[0] == "cancelled"
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, chosen) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag3", MN2: "mag1"})


@pytest.mark.parametrize("late_s", [0.0, 0.001, 0.02])
def test_candidate_asked_for_while_the_mobile_node_leaves(domain: SimulatedDomain, late_s: float) -> None:
    """It has left for one MAG when the p-MAG hears of the other one: that is no failure, and nothing is lost."""
    running = streaming(domain)
    chosen = trigger(domain, "mag3")
    domain.run_for(0.2)
    domain.detach(MN1)
    domain.run_for(late_s)  # at 0 the controller has not heard of it yet
    other = trigger(domain, "mag2")
    domain.run_for(0.05)
    domain.attach(MN1, "mag3")
    assert lost(running) == 0
    assert outcome(domain, other) == ("cancelled", f"{MN1} had left mag1 before this handover began")
    domain.run_for(LIFETIMES_S)
    assert outcome(domain, chosen) == ("completed", None)
    assert_at_rest(domain, {MN1: "mag3", MN2: "mag1"})


# --- what a HI may say ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "code", "reason"),
    [
        (HomeNetworkPrefix(prefix=IPv6Network("2001:db8:100:9::/64")), 129, "handover_initiate_prefix_prohibited"),
        (MobileNodeLinkLayerIdentifier(identifier=b"\x02\0\0\0\0\x99"), 129,
         "handover_initiate_link_layer_id_prohibited"),
        ("lma", 128, "handover_initiate_unknown_lma"),
    ],
)
def test_hi_contradicts_the_profile(domain: SimulatedDomain, option: Any, code: int, reason: str) -> None:
    def how(message: Any) -> HandoverInitiate:
        kind = "LocalMobilityAnchorAddress" if option == "lma" else type(option).__name__
        wrong = [
            replace(one, address=IPv6Address("2001:db8:ff::99")) if option == "lma" else option
            if type(one).__name__ == kind else one
            for one in message.options
            if type(one).__name__ == kind or option != "lma"
        ]
        others = [one for one in message.options if type(one).__name__ != kind] if option == "lma" else []
        return replace(message, options=(*wrong, *others))

    domain.transport.change("HI context", how)
    handover_id = trigger(domain)
    domain.run_for(0.5)
    assert codes(domain, "HAck to HI context") == [code]
    assert domain.agents["mag2"].core.counters[reason] == 1
    assert outcome(domain, handover_id) == ("failed", f"mag2 refused: HAck code {code}")
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_hi_played_back(domain: SimulatedDomain) -> None:
    """Within seconds it finds the remembered answer, after that it is stale: no context is installed by it."""
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(6.0)
    (context,) = domain.transport.sent("HI context")
    domain.transport.play_back(context)
    domain.run_for(0.1)
    assert domain.agents["mag2"].core.counters["handover_initiate_stale"] == 1
    assert domain.agents["mag2"].core.snapshot().arriving == {}


# --- races ------------------------------------------------------------------------------------------------------------


def test_race_late_predictive_hi(domain: SimulatedDomain) -> None:
    """Acknowledged (5) and merged; the roles and the binding stay, and the p-MAG is told that it is over."""
    domain.mobile_nodes[MN1].join("ff1e::777")
    domain.mobile_nodes[MN1].answers_queries = False
    domain.run_for(0.2)
    domain.transport.delay("HI context", 0.05)
    handover_id = trigger(domain)
    domain.run_for(0.01)
    move(domain, gap_s=0.01)
    domain.run_for(2.0)
    assert codes(domain, "HAck to HI context") == [5]
    assert domain.agents["mag2"].core.counters["context_after_attachment"] == 1
    assert outcome(domain, handover_id) == ("failed", "the mobile node was there before its context")
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_race_crossing_hi() -> None:
    """Predictive and reactive at once: each is answered, and both lead to the same end."""
    domain = watched(SimulatedDomain(three_mags("draft", "reactive")))
    running = streaming(domain)
    domain.transport.delay("HI context", 0.035)
    trigger(domain)
    domain.run_for(0.005)
    move(domain, gap_s=0.02)
    assert lost(running) <= 25
    assert len(domain.transport.sent("HAck to HI context")) == 1
    assert len(domain.transport.sent("HAck to HI reactive")) == 1
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_race_hi_after_completion(domain: SimulatedDomain) -> None:
    """A new sequence number is a new procedure; an old one gets the old answer and nothing else."""
    first = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(1.0)
    (context,) = domain.transport.sent("HI context")
    domain.transport.play_back(context)
    domain.run_for(0.1)
    assert [carried.repeated for carried in domain.transport.sent("HAck to HI context")] == [False, True]
    assert domain.agents["mag2"].core.snapshot().arriving == {}
    again = trigger(domain, "mag1")
    domain.run_for(0.2)
    move(domain, "mag1")
    domain.run_for(LIFETIMES_S)
    assert [outcome(domain, one)[0] for one in (first, again)] == ["completed", "completed"]
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def test_race_data_before_hack(domain: SimulatedDomain) -> None:
    """Tunnel packets are taken only from the p-MAG of a handover, only its groups, and not before it is asked for them."""
    assert tunnel_copies(domain, "mag2", "mag1", GROUP) == []
    seen: list[list[str]] = []
    domain.transport.watchers.append(
        lambda carried: seen.append(tunnel_copies(domain, "mag2", "mag1", GROUP)) if carried.name == "HI(F)" else None
    )
    trigger(domain)
    domain.run_for(0.2)
    assert seen == [["hob0"]]
    assert tunnel_copies(domain, "mag2", "mag3", GROUP) == []
    assert tunnel_copies(domain, "mag2", "mag1", IPv6Address("ff1e::999")) == []


def test_race_buffer_before_live(domain: SimulatedDomain) -> None:
    running = streaming(domain)
    trigger(domain)
    domain.run_for(0.2)
    move(domain, gap_s=0.5)
    assert lost(running) == 0, "in order, once"


# --- cancelled by REST ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.1])
@pytest.mark.parametrize("gone", [False, True])
def test_cancelled_while_it_has_not_arrived(domain: SimulatedDomain, after_s: float, gone: bool) -> None:
    """At every moment before the arrival, also when the MN is on no link: it is served wherever it comes up then."""
    handover_id = trigger(domain)
    domain.run_for(after_s)
    if gone:
        domain.run_for(0.001)  # the p-MAG has heard of it
        domain.detach(MN1)
        domain.run_for(0.001)
    assert isinstance(domain.cancel_handover(handover_id), HandoverAccepted)
    domain.run_for(0.3)
    assert outcome(domain, handover_id)[0] == "cancelled"
    if gone:
        domain.attach(MN1, "mag2")
    domain.run_for(LIFETIMES_S)
    assert_at_rest(domain, {MN1: "mag2" if gone else "mag1", MN2: "mag1"})


def test_cancelled_on_the_way_on(domain: SimulatedDomain) -> None:
    """The second handover of a chain: the MN stays where it is, and the first one completes."""
    running = streaming(domain)
    first = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(0.002)
    onward = trigger(domain, "mag3")
    domain.run_for(0.02)
    assert isinstance(domain.cancel_handover(onward), HandoverAccepted)
    assert lost(running) == 0
    assert (outcome(domain, first)[0], outcome(domain, onward)[0]) == ("completed", "cancelled")
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_cancelled_too_late(domain: SimulatedDomain) -> None:
    handover_id = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(0.002)
    refused = domain.cancel_handover(handover_id)
    assert isinstance(refused, HandoverRefused)
    assert refused.status == 409
    domain.run_for(3.0)
    assert outcome(domain, handover_id) == ("completed", None)

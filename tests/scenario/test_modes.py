# SPDX-License-Identifier: Apache-2.0
"""The alternatives to the predictive handover, in both dialects (docs/explanation/protocol.md, modes)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.commands import HandoverAccepted
from southbound.agent.commands import ExpectMobileNode, NoForwarding
from southbound.codec.accessors import find_options
from southbound.codec.handover import HandoverAcknowledge
from southbound.codec.igmp import Igmpv3Query
from southbound.codec.mld import Mldv2Query
from southbound.codec.mobility import ProxyBindingUpdate
from southbound.codec.options import ActiveMulticastSubscription
from tests.scenario.handover_script import GROUP, MN1, MN2, move, outcome, watched
from tests.support.domain_checks import assert_at_rest, lma_copies, native_copies, tunnel_copies
from tests.support.simulated_domain import SimulatedDomain, three_mags
from tests.support.simulated_transport import Carried

Opened = Callable[[str], SimulatedDomain]


@pytest.fixture(params=["draft", "rfc"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """A domain with this attach_mode, both mobile nodes at mag1, in each dialect, watched."""

    def open_domain(attach_mode: str) -> SimulatedDomain:
        domain = watched(SimulatedDomain(three_mags(request.param, attach_mode)), 1.5)
        assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})
        return domain

    return open_domain


def said(domain: SimulatedDomain, since: int) -> list[tuple[str, str, str]]:
    """What has gone over the transport network since then, without repetitions."""
    return [(one.source, one.name, one.destination) for one in domain.carried[since:] if not one.repeated]


def groups_of(carried: Carried) -> list[str]:
    """The groups of a PBU-M."""
    assert isinstance(carried.message, ProxyBindingUpdate)
    return [str(option.record.group) for option in find_options(carried.message, ActiveMulticastSubscription)]


def first_update(domain: SimulatedDomain, since: int, mag_id: str = "mag2") -> Carried:
    return next(one for one in domain.carried[since:] if one.name == "PBU" and one.source == mag_id)


class TestRejoin:
    """attach_mode query: the n-MAG knows nothing and asks the MN itself."""

    def test_the_mobile_nodes_own_answer_is_all_there_is(self, opened: Opened) -> None:
        domain = opened("query")
        before = len(domain.carried)
        move(domain)
        attached = domain.clock.now
        domain.run_for(0.015)
        asked = [query for at, query in domain.mobile_nodes[MN1].queries if at >= attached]
        assert {type(query) for query in asked} == {Mldv2Query, Igmpv3Query}
        assert all(query.group.is_unspecified for query in asked)
        # Registered, and nothing is known yet: the query is being answered.
        assert domain.bound_at(MN1) == "mag2"
        assert lma_copies(domain, GROUP) == ["mag1"]
        assert groups_of(first_update(domain, before)) == []
        domain.run_for(1.0)
        assert said(domain, before) == [
            ("mag1", "PBU 0", "lma"), ("lma", "PBA", "mag1"), ("mag2", "PBU", "lma"), ("lma", "PBA", "mag2"),
        ]  # fmt: skip
        assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})

    def test_without_an_answer_nothing_is_joined(self, opened: Opened) -> None:
        domain = opened("query")
        domain.mobile_nodes[MN1].answers_queries = False
        move(domain)
        domain.run_for(5.0)
        assert domain.bound_at(MN1) == "mag2"
        assert native_copies(domain, "mag2", GROUP) == []

    def test_a_triggered_handover_is_predictive_all_the_same(self, opened: Opened) -> None:
        domain = opened("query")
        answer = domain.request_handover(MN1, "mag2")
        assert isinstance(answer, HandoverAccepted)
        domain.run_for(0.1)
        move(domain)
        domain.run_for(3.0)
        assert outcome(domain, answer.handover_id) == ("completed", None)
        assert domain.handovers()[answer.handover_id]["mode"] == "predictive"
        assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


class TestJoin:
    """Mode join: the context goes ahead, the groups are joined at the LMA at once, nothing is forwarded or kept."""

    def trigger(self, domain: SimulatedDomain, new_mag: str = "mag2") -> str:
        answer = domain.request_handover(MN1, new_mag, "join")
        assert isinstance(answer, HandoverAccepted)
        return answer.handover_id

    def test_the_stream_is_there_before_the_mobile_node(self, opened: Opened) -> None:
        domain = opened("policy-store")
        before = len(domain.carried)
        handover_id = self.trigger(domain)
        domain.run_for(0.1)
        assert outcome(domain, handover_id) == ("joined", None)
        assert lma_copies(domain, GROUP) == ["mag1", "mag2"]
        assert native_copies(domain, "mag2", GROUP) == []
        assert native_copies(domain, "mag1", GROUP) == ["mn1", "mn2"]
        domain.transport.delay("PBU", 0.05)
        move(domain)
        domain.run_for(0.01)
        assert domain.bound_at(MN1) == "mag1"
        assert native_copies(domain, "mag2", GROUP) == ["mn1"], "delivered from the attachment on"
        domain.run_for(3.0)
        assert said(domain, before) == [
            ("mag1", "HI context", "mag2"),
            ("mag2", "HAck to HI context", "mag1"),
            ("mag2", "PBU", "lma"),
            ("lma", "PBA", "mag2"),
            ("mag1", "HI completed", "mag2"),
            ("mag2", "HAck to HI completed", "mag1"),
            ("mag1", "PBU 0", "lma"),
        ]
        view = domain.handovers()[handover_id]
        assert (view["state"], view["mode"], view["error"]) == ("completed", "join", None)
        assert {step["step"] for step in view["steps"]} == {1, 2, 3, 6, 7, 8, 9, 10, 11}
        assert domain.agents["mag2"].buffer.commands == []
        assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})

    def test_the_n_mag_is_silent(self, opened: Opened) -> None:
        domain = opened("policy-store")
        domain.transport.lose("HI context", times=10)
        handover_id = self.trigger(domain)
        domain.run_for(2.0)
        assert outcome(domain, handover_id) == ("failed", "mag2 does not answer")
        assert lma_copies(domain, GROUP) == ["mag1"]
        move(domain)
        domain.run_for(3.0)
        assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})

    @pytest.mark.parametrize("lost", ["HI context", "HAck to HI context", "PBU", "PBA", "HI completed"])
    def test_each_message_may_be_lost_once(self, opened: Opened, lost: str) -> None:
        domain = opened("policy-store")
        domain.transport.lose(lost)
        handover_id = self.trigger(domain)
        domain.run_for(0.5)
        move(domain)
        domain.run_for(5.0)
        assert outcome(domain, handover_id) == ("completed", None)
        assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})

    def test_the_mobile_node_never_comes(self, opened: Opened) -> None:
        domain = opened("policy-store")
        handover_id = self.trigger(domain)
        domain.run_for(0.1)
        assert lma_copies(domain, GROUP) == ["mag1", "mag2"]
        domain.run_for(25.0)
        assert outcome(domain, handover_id) == ("failed", "the mobile node has not arrived")
        assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})

    def test_cancelled(self, opened: Opened) -> None:
        domain = opened("policy-store")
        handover_id = self.trigger(domain)
        domain.run_for(0.1)
        assert isinstance(domain.cancel_handover(handover_id), HandoverAccepted)
        domain.run_for(2.0)
        assert outcome(domain, handover_id)[0] == "cancelled"
        assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})

    def test_there_and_back(self, opened: Opened) -> None:
        domain = opened("policy-store")
        for target in ("mag2", "mag1", "mag3"):
            handover_id = self.trigger(domain, target)
            domain.run_for(0.1)
            move(domain, target)
            domain.run_for(2.0)
            assert outcome(domain, handover_id) == ("completed", None)
            assert_at_rest(domain, {MN1: target, MN2: "mag1"})

    def test_the_mobile_node_comes_back_instead(self, opened: Opened) -> None:
        domain = opened("policy-store")
        handover_id = self.trigger(domain)
        domain.run_for(0.1)
        move(domain, "mag1")
        domain.run_for(3.0)
        assert outcome(domain, handover_id)[0] == "cancelled"
        assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})

    def test_the_switch_of_the_lma_refuses(self, opened: Opened) -> None:
        domain = opened("policy-store")
        domain.switches["lma"].refuses = True
        self.trigger(domain)
        domain.run_for(3.0)
        assert domain.agents["mag2"].core.snapshot().arriving[MN1][1] == "alone"
        domain.switches["lma"].refuses = False
        move(domain)
        domain.run_for(60.0)
        assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


class TestContextTransfer:
    """attach_mode context-transfer: CT-Req, CTD, CTDR (RFC 4067), then the PBU-M."""

    def test_the_context_comes_from_the_previous_mag(self, opened: Opened) -> None:
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

    def test_the_first_attachment_has_no_previous_mag(self, opened: Opened) -> None:
        domain = opened("context-transfer")
        assert domain.transport.sent("CT-Req") == []

    @pytest.mark.parametrize("lost", ["CT-Req", "CTD"])
    @pytest.mark.parametrize("times", [1, 2])
    def test_lost_messages_are_made_good(self, opened: Opened, lost: str, times: int) -> None:
        domain = opened("context-transfer")
        domain.mobile_nodes[MN1].answers_queries = False
        before = len(domain.carried)
        domain.transport.lose(lost, times)
        move(domain)
        domain.run_for(2.0)
        assert groups_of(first_update(domain, before)) == ["ff1e::101"]
        assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})

    def test_the_previous_mag_is_silent(self, opened: Opened) -> None:
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

    def test_the_mobile_nodes_own_word_is_not_waited_behind_a_silent_mag(self, opened: Opened) -> None:
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

    def test_an_unknown_mobile_node_has_an_empty_answer(self, opened: Opened) -> None:
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

    def test_without_a_controller_the_mobile_node_is_asked(self, opened: Opened) -> None:
        domain = opened("context-transfer")
        before = len(domain.carried)
        domain.disconnect_agent("mag2")
        move(domain)
        domain.run_for(0.015)
        assert [name for _, name, _ in said(domain, before)][2:] == ["PBU", "PBA"]
        domain.connect_agent("mag2")
        domain.run_for(3.0)
        assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})

    def test_back_at_the_same_mag_nobody_is_asked(self, opened: Opened) -> None:
        domain = opened("context-transfer")
        domain.mobile_nodes[MN1].answers_queries = False
        move(domain, "mag1")
        domain.run_for(1.0)
        assert domain.transport.sent("CT-Req") == []
        assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})

    def test_away_again_before_the_context_has_come(self, opened: Opened) -> None:
        domain = opened("context-transfer")
        domain.transport.lose("CTD", times=2)
        move(domain)
        domain.run_for(0.01)
        move(domain, "mag3")
        domain.run_for(5.0)
        assert_at_rest(domain, {MN1: "mag3", MN2: "mag1"})


class TestReactive:
    """attach_mode reactive (RFC 5949 section 4.1, Figure 3)."""

    def test_messages_and_states(self, opened: Opened) -> None:
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

    def test_the_answer_has_the_whole_context(self, opened: Opened) -> None:
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

    def test_the_tunnel_is_taken_before_it_is_asked_for(self, opened: Opened) -> None:
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
    def test_each_message_may_be_lost_once(self, opened: Opened, lost: str) -> None:
        domain = opened("reactive")
        domain.transport.lose(lost)
        move(domain)
        domain.run_for(5.0)
        ((_, view),) = domain.handovers().items()
        assert (view["state"], view["error"]) == ("completed", None)
        assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})

    def test_the_previous_mag_is_silent(self, opened: Opened) -> None:
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

    def test_the_previous_mag_does_not_know_the_mobile_node(self, opened: Opened) -> None:
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

    def test_a_mag_that_may_not_have_the_mobile_node_is_told_nothing(self) -> None:
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

    def test_nobody_asks_and_nothing_is_kept_for_ever(self, opened: Opened) -> None:
        domain = opened("reactive")
        domain.detach(MN1)
        domain.run_for(0.1)
        assert domain.transport.sent("PBU 0") == []
        domain.run_for(30.0)
        assert domain.agents["mag1"].buffer.retained == {}
        assert native_copies(domain, "mag1", GROUP) == ["mn2"]
        assert len(domain.transport.sent("PBU 0")) == 1
        assert domain.bound_at(MN1) is None

    def test_back_at_the_same_mag(self, opened: Opened) -> None:
        domain = opened("reactive")
        move(domain, "mag1")
        domain.run_for(1.0)
        assert domain.agents["mag1"].buffer.retained == {}
        assert domain.transport.sent("HI reactive") == []
        assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})

    @pytest.mark.parametrize("after_s", [0.0, 0.001, 0.002, 0.004, 0.006, 0.01, 0.1])
    @pytest.mark.parametrize("then", ["mag1", "mag3"])
    def test_away_again_at_any_moment(self, opened: Opened, after_s: float, then: str) -> None:
        domain = opened("reactive")
        move(domain)
        domain.run_for(after_s)
        move(domain, then)
        domain.run_for(30.0)
        assert_at_rest(domain, {MN1: then, MN2: "mag1"})

    def test_the_tunnel_cannot_be_taken(self, opened: Opened) -> None:
        domain = opened("reactive")
        domain.switches["mag2"].refuses = True
        move(domain)
        domain.run_for(3.0)
        assert NoForwarding(mn_id=MN1) in domain.agents["mag2"].buffer.commands
        domain.switches["mag2"].refuses = False
        domain.run_for(60.0)
        assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})

    def test_a_triggered_handover_stays_predictive(self, opened: Opened) -> None:
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

    def test_the_controller_restarts_while_packets_are_kept(self, opened: Opened) -> None:
        domain = opened("reactive")
        domain.detach(MN1)
        domain.run_for(0.05)
        domain.restart_controller()
        domain.run_for(5.0)
        assert native_copies(domain, "mag1", GROUP) == ["hob0", "mn2"]
        domain.run_for(30.0)
        assert native_copies(domain, "mag1", GROUP) == ["mn2"]

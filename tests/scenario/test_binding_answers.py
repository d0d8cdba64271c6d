# SPDX-License-Identifier: Apache-2.0
"""What a MAG makes of the LMA's answers (RFC 5213 section 6.9.1.2): echoes, refusals, acceptances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from controller.commands import HandoverRefused
from southbound.codec.accessors import find_options, home_network_prefixes
from southbound.codec.binding import ProxyBindingAcknowledgement
from southbound.codec.iana import AccessTechnologyType, BindingStatus, HandoffIndicator
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
)
from tests.scenario.binding_script import (
    ALL_ZERO,
    OWN,
    advertised,
    answer,
    counted,
    pooled,
    running,
    state,
    times,
    updates,
    with_nodes,
)
from tests.scenario.handover_script import GROUP, MN1, MN2, move, outcome, trigger
from tests.support.domain_checks import SOURCE, assert_at_rest
from tests.support.simulated_streams import SimulatedStreams

REFUSALS = [status for status in BindingStatus if status >= 128]


def changed(option: Any) -> Callable[[Any], ProxyBindingAcknowledgement]:
    """A PBA in which this option says something else."""

    def how(message: Any) -> ProxyBindingAcknowledgement:
        options = tuple(option if type(one) is type(option) else one for one in message.options)
        return replace(message, options=options)

    return how


@pytest.mark.parametrize("status", [0, 157])
@pytest.mark.parametrize(
    "option",
    [
        MobileNodeIdentifier(identifier="somebody@example.net"),
        HandoffIndicatorOption(indicator=HandoffIndicator.NEW_INTERFACE),
        AccessTechnologyTypeOption(technology=AccessTechnologyType.PPP),
        MobileNodeLinkLayerIdentifier(identifier=b"\x02\0\0\0\0\x99"),
    ],
    ids=lambda option: type(option).__name__,
)
def test_wrong_echo_is_ignored_and_nothing_is_sent_again(option: Any, status: int) -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    domain.transport.change("PBA", lambda message: replace(changed(option)(message), status=BindingStatus(status)))
    domain.attach(MN1, "mag2")
    domain.run_for(200.0)
    assert (state(domain, "mag2"), len(times(domain, "mag2"))) == ("registering", 1)
    assert counted(domain, "binding_acknowledgement_not_matching", "mag2") == 1
    # The operator starts the controller anew.
    domain.restart_controller()
    domain.run_for(5.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_wrong_echo_in_a_refresh_leaves_the_binding_until_its_lifetime_ends() -> None:
    domain = running()
    wrong = changed(AccessTechnologyTypeOption(technology=AccessTechnologyType.PPP))
    domain.transport.change("PBA", wrong, times=2)
    domain.run_for(290.0)
    assert (state(domain), domain.mobile_nodes[MN1].prefixes) == ("bound", {OWN})
    domain.run_for(20.0)
    assert (state(domain), domain.mobile_nodes[MN1].prefixes) == ("registering", set())


def test_option_that_the_answer_leaves_out_is_no_wrong_echo() -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    kept = (MobileNodeIdentifier, HomeNetworkPrefix)
    domain.transport.change(
        "PBA", lambda message: replace(message, options=tuple(one for one in message.options if isinstance(one, kept)))
    )
    domain.attach(MN1, "mag2")
    domain.run_for(0.5)
    assert state(domain, "mag2") == "bound"


def test_unsolicited_late_and_foreign_answers_are_dropped_and_counted() -> None:
    domain = running()
    first = domain.transport.sent("PBA")[0]
    domain.transport.play_back(first)
    domain.run_for(0.1)
    assert counted(domain, "binding_acknowledgement_unexpected") == 1
    # Of a mobile node that has left meanwhile.
    domain.transport.delay("PBA", 0.5)
    domain.detach(MN1)
    domain.run_for(0.1)
    domain.attach(MN1, "mag2")
    domain.run_for(0.1)
    domain.detach(MN1)
    domain.run_for(2.0)
    assert state(domain) is None
    assert state(domain, "mag2") is None
    # A Binding Acknowledgement of Mobile IPv6.
    domain.transport.change("PBA", lambda message: replace(message, proxy=False))
    domain.attach(MN1, "mag3")
    domain.run_for(0.5)
    assert counted(domain, "binding_acknowledgement_not_proxy", "mag3") == 1
    domain.run_for(2.0)
    assert state(domain, "mag3") == "bound"


def test_acceptance_without_a_prefix_is_none() -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    domain.transport.change("PBA", changed(HomeNetworkPrefix(prefix=ALL_ZERO)))
    domain.attach(MN1, "mag2")
    domain.run_for(0.5)
    assert counted(domain, "binding_acknowledgement_without_prefix", "mag2") == 1
    domain.run_for(1.0)
    assert state(domain, "mag2") == "bound"


def test_152_bars_the_mobile_node_until_an_operator_acts() -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    answer(domain, 152)
    domain.attach(MN1, "mag2")
    domain.run_for(1.0)
    domain.detach(MN1)
    domain.run_for(1.0)
    domain.attach(MN1, "mag2")
    domain.run_for(100.0)
    assert (state(domain, "mag2"), len(times(domain, "mag2"))) == ("refused", 1)
    domain.restart_controller()
    domain.run_for(5.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_barred_mobile_node_that_is_handed_over_ends_the_handover() -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    answer(domain, 152)
    domain.attach(MN1, "mag2")
    domain.run_for(1.0)
    move(domain, "mag1")
    domain.run_for(2.0)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(2.0)
    assert outcome(domain, handover_id) == ("failed", "the LMA has refused the binding (status 152)")
    assert domain.mobile_nodes[MN1].prefixes == set()


@pytest.mark.parametrize("status", [155, 159])
def test_155_and_159_are_asked_once_more_with_the_all_zero_prefix(status: int) -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    answer(domain, status)
    domain.attach(MN1, "mag2")
    domain.run_for(1.0)
    assert [home_network_prefixes(update) for update in updates(domain, "mag2")] == [(OWN,), (ALL_ZERO,)]
    assert state(domain, "mag2") == "bound"
    assert domain.mobile_nodes[MN1].prefixes == {OWN}, "the LMA has assigned what it knows"


def test_155_twice_denies_the_service_and_the_same_prefix_is_not_asked_for_again() -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    answer(domain, 155, count=2)
    domain.attach(MN1, "mag2")
    domain.run_for(50.0)
    assert (state(domain, "mag2"), len(times(domain, "mag2"))) == ("refused", 2)
    domain.detach(MN1)
    domain.run_for(1.0)
    domain.attach(MN1, "mag2")
    domain.run_for(1.0)
    assert home_network_prefixes(updates(domain, "mag2")[-1]) == (ALL_ZERO,)


@pytest.mark.parametrize("status", [135, 157])
def test_157_and_135_for_ever_are_asked_ever_more_seldom(status: int) -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    answer(domain, status, count=1000)
    since = domain.clock.now
    domain.attach(MN1, "mag2")
    domain.run_for(60.0)
    sent = times(domain, "mag2")
    assert sent[1] - sent[0] < 0.01
    assert len(sent) <= 10
    assert not advertised(domain, since)


@pytest.mark.parametrize("status", REFUSALS, ids=lambda status: f"{int(status)}-{status.name}")
def test_refusal_withdraws_the_prefix_until_there_is_a_binding(status: BindingStatus) -> None:
    """Rule 11, for every status that has a name; an MN with a context hears its prefix before the PBA (RFC 5949)."""
    domain = running()
    trigger(domain)
    domain.run_for(0.2)
    answer(domain, status, count=1000)
    move(domain)
    assert domain.mobile_nodes[MN1].prefixes == {OWN}
    domain.run_for(5.0)
    node = domain.mobile_nodes[MN1]
    assert (node.prefixes, node.default_router) == (set(), None)
    assert state(domain, "mag2") != "bound"
    assert counted(domain, f"binding_refused_{int(status)}", "mag2") >= 1


@pytest.mark.parametrize("status", [131, 134, 200])
def test_refusal_without_a_name_denies_the_service(status: int) -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    answer(domain, status)
    domain.attach(MN1, "mag2")
    domain.run_for(100.0)
    assert (state(domain, "mag2"), len(times(domain, "mag2"))) == ("refused", 1)


def test_refused_mobile_node_may_attach_anew() -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    answer(domain, 128)
    domain.attach(MN1, "mag2")
    domain.run_for(2.0)
    domain.detach(MN1)
    domain.run_for(0.1)
    assert updates(domain, "mag2", name="PBU 0") == [], "there is nothing to de-register"
    domain.attach(MN1, "mag2")
    domain.run_for(2.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


@pytest.mark.parametrize("status", [1, 2, 3])
def test_every_status_below_128_accepts(status: int) -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    answer(domain, status, lifetime_s=300)
    domain.attach(MN1, "mag2")
    domain.run_for(1.0)
    assert state(domain, "mag2") == "bound"


def test_mobile_node_without_mobility_service_has_none() -> None:
    """The LMA's own 152."""
    domain = running(with_nodes(lambda node: replace(node, mobility_service=node.id != MN1)))
    assert (state(domain), domain.mobile_nodes[MN1].prefixes) == ("refused", set())
    assert find_options(updates(domain)[0], HomeNetworkPrefix) != ()
    domain.run_for(100.0)
    assert len(updates(domain)) == 1
    refused = domain.request_handover(MN1, "mag2")
    assert isinstance(refused, HandoverRefused)
    assert (refused.status, refused.field) == (409, "mn_id")
    assert "mobility_service" in refused.reason


def test_nothing_is_lost_while_the_number_is_asked_for() -> None:
    """Sequence numbers cost a handover one more exchange with the LMA; the tunnel covers it, also in a chain."""
    domain = running(replace(pooled(), binding_order="sequence-numbers", gre_key_option="required"))
    stream = SimulatedStreams(domain, GROUP, SOURCE, {}, 0.001)
    stream.start()
    domain.run_for(0.2)
    for target in ("mag2", "mag3", "mag1"):
        trigger(domain, target)
        domain.run_for(0.1)
        move(domain, target)
        domain.run_for(0.02)
    domain.run_for(2.0)
    stream.stop()
    domain.run_for(0.6)
    for mn_id in (MN1, MN2):
        heard = stream.heard[mn_id]
        assert heard == list(range(heard[0], stream.sent))
    domain.run_for(25.0)
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})

# SPDX-License-Identifier: Apache-2.0
"""A MAG as MLD proxy in its tunnel to an LMA that knows no multicast option (RFC 6224 section 4.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.options import ActiveMulticastSubscription
from southbound.rpc.methods import MembershipReported
from tests.scenario.listener_script import ALLOW, OTHER, S1, S2, S3, receivers, record, reports, started
from tests.support.domain_script import GROUP, MN1, MN2
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_streams import SimulatedStreams


def at_an_lma_of_another_make(domain: SimulatedDomain) -> list[bytes]:
    """It reads no option 57, hears no RPC about listeners, knows no S flag. What comes to it in tunnels is in the list."""

    def deaf(message: Any) -> Any:
        assert isinstance(message, ProxyBindingUpdate)
        kept = tuple(option for option in message.options if not isinstance(option, ActiveMulticastSubscription))
        return replace(message, options=kept)

    def without_s(message: Any) -> Any:
        assert isinstance(message, ProxyBindingAcknowledgement)
        return replace(message, multicast=False)

    domain.transport.change("PBU", deaf, times=100)
    domain.transport.change("PBA", without_s, times=100)
    notify, to_lma = domain.notify_controller, domain.packet_to_lma
    tunnelled: list[bytes] = []

    def notify_but_of_listeners(mag_id: str, call: Any) -> None:
        if not isinstance(call, MembershipReported):
            notify(mag_id, call)

    def watched(mag_id: str, packet: bytes) -> None:
        tunnelled.append(packet)
        to_lma(mag_id, packet)

    domain.notify_controller = notify_but_of_listeners  # type: ignore[method-assign]
    domain.packet_to_lma = watched  # type: ignore[method-assign]
    return tunnelled


def test_pba_without_s_makes_the_agent_an_mld_proxy() -> None:
    domain = started()
    tunnelled = at_an_lma_of_another_make(domain)
    domain.attach(MN1, "mag1")
    domain.run_for(5.0)
    assert len(tunnelled) == 3  # joined, told twice, and the answer to the querier's first question
    assert receivers(domain) == ["mag1"]
    domain.run_for(300.0)
    assert len(tunnelled) >= 5  # the LMA asks, the proxy answers
    assert receivers(domain) == ["mag1"]
    domain.detach(MN1)
    domain.run_for(30.0)
    assert receivers(domain) == []


def test_the_proxy_reports_for_all_its_mobile_nodes_together() -> None:
    domain = started()
    tunnelled = at_an_lma_of_another_make(domain)
    for mn_id in (MN1, MN2):
        domain.attach(mn_id, "mag1")
        domain.run_for(5.0)
    assert len(tunnelled) == 3
    domain.detach(MN1)
    domain.run_for(5.0)
    assert len(tunnelled) == 3
    assert receivers(domain) == ["mag1"]
    domain.detach(MN2)
    domain.run_for(5.0)
    assert receivers(domain) == []


def test_the_proxy_asks_for_the_sources_that_its_mobile_nodes_ask_for() -> None:
    """RFC 4605 section 5, through the tunnel to the LMA and from there on to the multicast network."""
    domain = started()
    at_an_lma_of_another_make(domain)
    for mn_id in (MN1, MN2):
        domain.attach(mn_id, "mag1")
    domain.run_for(5.0)
    before = len(reports(domain))
    domain.mobile_nodes[MN1].join(str(OTHER), str(S1))
    domain.run_for(5.0)
    assert [receivers(domain, source, OTHER) for source in (S1, S2, S3)] == [["mag1"], [], []]
    domain.mobile_nodes[MN2].join(str(OTHER), str(S2))
    domain.run_for(5.0)
    assert [receivers(domain, source, OTHER) for source in (S1, S2, S3)] == [["mag1"], ["mag1"], []]
    assert set(reports(domain)[before:]) == {(record(ALLOW, OTHER, S1),), (record(ALLOW, OTHER, S2),)}
    domain.mobile_nodes[MN1].leave(str(OTHER))
    domain.run_for(30.0)
    assert [receivers(domain, source, OTHER) for source in (S1, S2, S3)] == [[], ["mag1"], []]


def test_without_the_s_flag_a_handover_goes_on_by_mld() -> None:
    domain = started()
    at_an_lma_of_another_make(domain)
    domain.attach(MN1, "mag1")
    domain.run_for(5.0)
    domain.request_handover(MN1, "mag2")
    domain.run_for(0.2)
    domain.detach(MN1)
    domain.run_for(0.05)
    domain.attach(MN1, "mag2")
    domain.run_for(15.0)
    assert [handover["state"] for handover in domain.handovers().values()] == ["completed"]
    assert (domain.bound_at(MN1), receivers(domain)) == ("mag2", ["mag2"])


@pytest.fixture
def rfc_6224() -> SimulatedDomain:
    """A domain whose LMA is told to take no multicast signalling."""
    base = SimulatedDomain().domain
    domain = SimulatedDomain(replace(base, lma=replace(base.lma, multicast_signalling=False)))
    domain.start()
    return domain


def test_an_lma_without_multicast_signalling_hears_listeners_by_mld_alone(rfc_6224: SimulatedDomain) -> None:
    domain = rfc_6224
    domain.attach(MN1, "mag1")
    domain.run_for(3.0)
    (answer, *_) = domain.transport.sent("PBA")
    assert isinstance(answer.message, ProxyBindingAcknowledgement)
    assert not answer.message.multicast
    assert receivers(domain) == ["mag1"]
    groups = {view["id"]: [entry["group"] for entry in view["tunnel_groups"]] for view in domain.lma.snapshot().mags}
    assert groups == {"mag1": [str(GROUP)], "mag2": [], "mag3": []}
    domain.mobile_nodes[MN1].leave(str(GROUP))
    domain.run_for(10.0)
    assert receivers(domain) == []


def test_nothing_is_lost_by_a_handover_without_multicast_signalling(rfc_6224: SimulatedDomain) -> None:
    domain = rfc_6224
    domain.attach(MN1, "mag1")
    domain.run_for(3.0)
    running = SimulatedStreams(domain, GROUP, S1, {})
    running.start()
    domain.run_for(0.2)
    domain.request_handover(MN1, "mag2")
    domain.run_for(0.2)
    domain.detach(MN1)
    domain.run_for(0.05)
    domain.attach(MN1, "mag2")
    domain.run_for(15.0)
    running.stop()
    domain.run_for(1.0)
    heard = running.heard[MN1]
    assert heard == list(range(heard[0], running.sent))
    assert [handover["state"] for handover in domain.handovers().values()] == ["completed"]
    assert receivers(domain) == ["mag2"]


def test_a_restart_of_that_lma_stops_no_stream(rfc_6224: SimulatedDomain) -> None:
    domain = rfc_6224
    for mn_id, mag_id in ((MN1, "mag1"), (MN2, "mag2")):
        domain.attach(mn_id, mag_id)
    domain.run_for(3.0)
    running = SimulatedStreams(domain, GROUP, S1, {})
    running.start()
    domain.run_for(0.2)
    domain.restart_controller()
    domain.run_for(10.0)
    running.stop()
    domain.run_for(1.0)
    for mn_id in (MN1, MN2):
        heard = running.heard[mn_id]
        assert heard == list(range(heard[0], running.sent))


def test_pba_with_s_needs_no_mld_in_the_tunnel() -> None:
    domain = started()
    tunnelled: list[bytes] = []
    domain.packet_to_lma = lambda _, packet: tunnelled.append(packet)  # type: ignore[method-assign]
    domain.attach(MN1, "mag1")
    domain.run_for(300.0)
    assert receivers(domain) == ["mag1"]
    assert tunnelled == []

# SPDX-License-Identifier: Apache-2.0
"""Listeners beyond our own MAGs: the LMA as MLD host towards the sources, as MLD router towards MAGs of other makes, and
our MAGs at an LMA that knows no multicast option."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address
from typing import Any

import pytest

from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.mld import Mldv1Done, Mldv1Query, Mldv1Report, Mldv2Query, Mldv2Report
from southbound.codec.mld_packet import encode_mld_packet
from southbound.codec.options import ActiveMulticastSubscription
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.rpc.methods import MembershipReported
from tests.support.domain_script import GROUP, MN1, MN2
from tests.support.plain_mag import LINK_LOCAL, PlainMag
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_streams import SimulatedStreams
from tests.support.switch_simulator import Packet
from topology.switch_names import LMA_SOURCE_PORT, MAG_LMA_PORT

OTHER = IPv6Address("ff1e::102")
S1, S2, S3 = (IPv6Address(f"2001:db8:c0::{tail}") for tail in ("10", "11", "12"))
TO_EX, TO_IN = Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE, Mldv2RecordType.CHANGE_TO_INCLUDE_MODE
ALLOW, BLOCK = Mldv2RecordType.ALLOW_NEW_SOURCES, Mldv2RecordType.BLOCK_OLD_SOURCES


def exclude(group: IPv6Address, *sources: IPv6Address) -> GroupMembership:
    return GroupMembership(group=group, filter_mode=FilterMode.EXCLUDE, sources=frozenset(sources))


def include(group: IPv6Address, *sources: IPv6Address) -> GroupMembership:
    return GroupMembership(group=group, filter_mode=FilterMode.INCLUDE, sources=frozenset(sources))


def record(record_type: Mldv2RecordType, group: IPv6Address, *sources: IPv6Address) -> MulticastAddressRecord:
    return MulticastAddressRecord(record_type=record_type, group=group, sources=sources)


def started() -> SimulatedDomain:
    domain = SimulatedDomain()
    domain.start()
    return domain


def receivers(domain: SimulatedDomain, source: IPv6Address = S1, group: IPv6Address = GROUP) -> list[str]:
    """The MAGs that the LMA's switch copies this packet to, with repetitions."""
    packet = Packet(in_port=LMA_SOURCE_PORT, ipv6_source=source, ipv6_destination=group)
    sent = domain.switches["lma"].inject(packet)
    addresses = [copy.tunnel_destination for _, copy in sent]
    return [mag.id for address in addresses for mag in domain.domain.mags if mag.address == address]


def reports(domain: SimulatedDomain) -> list[tuple[MulticastAddressRecord, ...]]:
    """What the LMA has reported to the multicast network."""
    return [message.records for _, message in domain.source_network if isinstance(message, Mldv2Report)]


def asked_by_mld(mag: PlainMag) -> list[Mldv2Query]:
    """What the LMA has asked through the tunnel; it asks by IGMP, too."""
    return [message for message in mag.heard if isinstance(message, Mldv2Query)]


# --- the LMA as a host on the multicast network ----------------------------------------------------------------------


def test_the_first_listener_is_reported_and_the_last_leave() -> None:
    domain = started()
    assert domain.source_network == []
    domain.attach(MN1, "mag1")
    domain.run_for(3.0)
    joined = (record(TO_EX, GROUP),)
    assert reports(domain) == [joined, joined]
    domain.attach(MN2, "mag2")
    domain.run_for(3.0)
    assert reports(domain) == [joined, joined]
    domain.detach(MN1)
    domain.run_for(30.0)
    assert reports(domain) == [joined, joined]
    domain.detach(MN2)
    domain.run_for(30.0)
    left = (record(TO_IN, GROUP),)
    assert reports(domain) == [joined, joined, left, left]


def test_a_handover_is_nothing_to_the_multicast_network() -> None:
    domain = started()
    domain.attach(MN1, "mag1")
    domain.run_for(3.0)
    before = list(domain.source_network)
    domain.request_handover(MN1, "mag2")
    domain.run_for(0.2)
    domain.detach(MN1)
    domain.run_for(0.05)
    domain.attach(MN1, "mag2")
    domain.run_for(30.0)
    assert domain.bound_at(MN1) == "mag2"
    assert domain.source_network == before


def test_the_multicast_networks_querier_is_answered_with_what_is_listened_to() -> None:
    domain = started()
    domain.source_network_says(encode_mld_packet(Mldv2Query(maximum_response_delay_ms=1000), LINK_LOCAL))
    domain.run_for(2.0)
    assert domain.source_network == []
    domain.attach(MN1, "mag1")
    domain.run_for(3.0)
    domain.source_network.clear()
    domain.source_network_says(encode_mld_packet(Mldv2Query(maximum_response_delay_ms=1000), LINK_LOCAL))
    domain.run_for(2.0)
    assert reports(domain) == [(record(Mldv2RecordType.MODE_IS_EXCLUDE, GROUP),)]


def test_an_older_querier_there_is_answered_in_its_version() -> None:
    domain = started()
    domain.attach(MN1, "mag1")
    domain.run_for(3.0)
    domain.source_network.clear()
    domain.source_network_says(encode_mld_packet(Mldv1Query(maximum_response_delay_ms=1000), LINK_LOCAL))
    domain.run_for(2.0)
    assert [message for _, message in domain.source_network] == [Mldv1Report(group=GROUP)]
    domain.detach(MN1)
    domain.run_for(30.0)
    assert [message for _, message in domain.source_network][1:] == [Mldv1Done(group=GROUP)]


def test_a_new_lma_asks_for_everything_once_it_knows_its_listeners() -> None:
    domain = started()
    domain.attach(MN1, "mag1")
    domain.run_for(3.0)
    domain.source_network.clear()
    domain.restart_controller()
    domain.run_for(10.0)
    assert reports(domain) == [(record(TO_EX, GROUP),)] * 2


def test_reports_of_other_hosts_there_are_not_forwarded_as_data() -> None:
    domain = started()
    domain.attach(MN1, "mag1")
    domain.run_for(3.0)
    assert receivers(domain) == ["mag1"]
    report = Packet(
        in_port=LMA_SOURCE_PORT, ipv6_source=LINK_LOCAL, ipv6_destination=GROUP, ip_proto=58, icmpv6_type=131
    )
    assert [port for port, _ in domain.switches["lma"].inject(report)] == ["CONTROLLER"]


# --- the LMA as router on the tunnels --------------------------------------------------------------------------------


def plain() -> tuple[SimulatedDomain, PlainMag]:
    """A domain whose third MAG is of another make."""
    domain = started()
    mag = PlainMag(domain, "mag3")
    return domain, mag


def test_a_mag_without_the_extensions_is_asked_and_joins_by_mld() -> None:
    domain, mag = plain()
    mag.register(MN1)
    domain.run_for(0.5)
    assert domain.bound_at(MN1) == "mag3"
    assert asked_by_mld(mag) == [Mldv2Query(maximum_response_delay_ms=1000)]
    assert receivers(domain) == []
    mag.joins(exclude(GROUP))
    domain.run_for(0.1)
    assert receivers(domain) == ["mag3"]
    told = {view["id"]: view["tunnel_groups"] for view in domain.lma.snapshot().mags}
    assert told == {"mag1": [], "mag2": [], "mag3": [{"group": str(GROUP), "filter_mode": "exclude", "sources": []}]}
    assert reports(domain) == [(record(TO_EX, GROUP),)]
    mag.joins()
    domain.run_for(0.5)
    assert receivers(domain) == ["mag3"]  # it is asked once more: another MN may be there
    assert asked_by_mld(mag)[1:] == [Mldv2Query(group=GROUP, maximum_response_delay_ms=1000)]
    domain.run_for(3.0)
    assert receivers(domain) == []
    assert reports(domain)[-1] == (record(TO_IN, GROUP),)


def test_it_is_asked_again_and_what_it_stops_answering_for_ends() -> None:
    domain, mag = plain()
    for _ in range(2):
        mag.register(MN1)
        domain.run_for(0.5)
    mag.joins(exclude(GROUP))
    for _ in range(5):
        domain.run_for(200.0)
        mag.register(MN1)
        domain.run_for(1.0)
        assert receivers(domain) == ["mag3"]
    general = Mldv2Query(maximum_response_delay_ms=10_000)
    assert asked_by_mld(mag).count(general) >= 6
    mag.answers = False
    domain.run_for(262.0)
    assert domain.bound_at(MN1) == "mag3"
    assert receivers(domain) == []


def test_timers_of_the_tunnels_are_the_topologys() -> None:
    domain = SimulatedDomain()
    timers = replace(
        domain.domain.timers, mld_tunnel_query_interval_s=20.0, mld_tunnel_query_response_interval_s=2.0,
        mld_tunnel_last_listener_query_interval_s=0.2, mld_robustness=3,
    )
    domain = SimulatedDomain(replace(domain.domain, timers=timers))
    domain.start()
    mag = PlainMag(domain, "mag3")
    mag.register(MN1)
    mag.joins(exclude(GROUP))
    domain.run_for(100.0)
    robust = {"robustness": 3, "query_interval_s": 20}
    assert asked_by_mld(mag)[:4] == [
        Mldv2Query(maximum_response_delay_ms=1000, **robust), *[Mldv2Query(maximum_response_delay_ms=2000, **robust)] * 3
    ]
    mag.joins()
    domain.run_for(0.65)
    assert receivers(domain) == []


def test_sources_that_it_does_not_ask_for_are_not_sent_to_it() -> None:
    domain, mag = plain()
    mag.register(MN1)
    domain.run_for(0.5)
    mag.joins(include(GROUP, S1), exclude(OTHER, S2))
    domain.run_for(0.5)
    assert [receivers(domain, source) for source in (S1, S2, S3)] == [["mag3"], [], []]
    assert [receivers(domain, source, OTHER) for source in (S1, S2, S3)] == [["mag3"], [], ["mag3"]]
    assert set(reports(domain)) == {(record(ALLOW, GROUP, S1), record(TO_EX, OTHER, S2))}


def test_an_mldv1_proxy_is_understood() -> None:
    domain, mag = plain()
    mag.register(MN1)
    domain.run_for(0.5)
    mag.answers = False
    mag.says(Mldv1Report(group=GROUP))
    domain.run_for(0.1)
    assert receivers(domain) == ["mag3"]
    mag.says(Mldv1Done(group=GROUP))
    domain.run_for(3.0)
    assert receivers(domain) == []


def test_its_last_binding_ends_what_it_has_joined() -> None:
    domain, mag = plain()
    mag.register(MN1)
    mag.joins(exclude(GROUP))
    domain.run_for(0.5)
    mag.joins(exclude(GROUP), exclude(OTHER))
    domain.run_for(0.5)
    assert receivers(domain) == ["mag3"]
    mag.register(MN1, lifetime_s=0)
    domain.run_for(0.5)
    assert receivers(domain) == []
    asked = len(mag.heard)
    domain.run_for(300.0)
    assert len(mag.heard) == asked


def test_without_a_binding_there_is_no_tunnel() -> None:
    domain, mag = plain()
    mag.joins(exclude(GROUP))
    domain.run_for(1.0)
    assert receivers(domain) == []
    assert domain.lma.snapshot().counters["listener_dropped.tunnel_without_binding"] == 2


def test_groups_that_none_of_its_mobile_nodes_may_join_are_not_sent() -> None:
    base = SimulatedDomain().domain
    nodes = (replace(base.mobile_nodes[0], allowed_groups=()), *base.mobile_nodes[1:])
    domain = SimulatedDomain(replace(base, mobile_nodes=nodes))
    domain.start()
    mag = PlainMag(domain, "mag3")
    mag.register(MN1)
    domain.run_for(0.5)
    mag.joins(exclude(GROUP))
    domain.run_for(0.5)
    assert receivers(domain) == []
    mag.register(MN2)
    domain.run_for(0.5)
    assert receivers(domain) == ["mag3"]


def test_groups_beyond_the_limit_are_refused_and_counted() -> None:
    base = SimulatedDomain().domain
    domain = SimulatedDomain(replace(base, limits=replace(base.limits, groups_per_tunnel=2)))
    domain.start()
    mag = PlainMag(domain, "mag3")
    mag.register(MN1)
    domain.run_for(0.5)
    mag.says(Mldv2Report(records=tuple(record(TO_EX, IPv6Address(f"ff1e::{n}")) for n in range(1, 6))))
    domain.run_for(0.5)
    sent = [receivers(domain, S1, IPv6Address(f"ff1e::{n}")) for n in range(1, 6)]
    assert sent == [["mag3"], ["mag3"], [], [], []]
    assert domain.lma.snapshot().counters["listener_dropped.mld_groups_over_limit"] == 3


def test_a_query_of_a_mag_and_strangers_packets_are_dropped() -> None:
    domain, mag = plain()
    mag.register(MN1)
    domain.run_for(0.5)
    mag.says(Mldv2Query())  # the switch does not even take it to the controller
    before = dict(domain.lma.snapshot().counters)
    domain.run_for(0.5)
    assert domain.lma.snapshot().counters == before
    assert asked_by_mld(mag) == [Mldv2Query(maximum_response_delay_ms=1000)]


def test_handover_between_a_mag_of_ours_and_one_of_another_make() -> None:
    """Without HI/HAck: the stream follows the binding and the report, both ways."""
    domain, mag = plain()
    domain.attach(MN1, "mag1")
    domain.run_for(1.0)
    assert receivers(domain) == ["mag1"]
    domain.detach(MN1)
    domain.run_for(0.05)
    mag.register(MN1)
    mag.joins(exclude(GROUP))
    domain.run_for(3.0)
    assert (domain.bound_at(MN1), receivers(domain)) == ("mag3", ["mag3"])
    mag.joins()
    domain.attach(MN1, "mag1")
    domain.run_for(4.0)
    assert (domain.bound_at(MN1), receivers(domain)) == ("mag1", ["mag1"])


# --- source lists, from the mobile node's word to its link ----------------------------------------------------------


def delivered(domain: SimulatedDomain, mag_id: str, source: IPv6Address, group: IPv6Address) -> tuple[list[str], list[str]]:
    """Where the LMA's switch and then the MAG's send a packet."""
    native = Packet(
        in_port=MAG_LMA_PORT, ipv6_source=source, ipv6_destination=group, tunnel_key=domain.domain.lma_gre_key
    )
    return receivers(domain, source, group), [port for port, _ in domain.switches[mag_id].inject(native)]


NOWHERE: tuple[list[str], list[str]] = ([], [])


def test_a_source_that_is_not_asked_for_reaches_neither_tunnel_nor_link() -> None:
    domain = started()
    domain.attach(MN1, "mag1")
    domain.mobile_nodes[MN1].join(str(OTHER), str(S1))
    domain.run_for(1.0)
    assert delivered(domain, "mag1", S1, OTHER) == (["mag1"], ["mn1"])
    assert delivered(domain, "mag1", S2, OTHER) == NOWHERE


def test_an_excluded_source_reaches_neither_tunnel_nor_link() -> None:
    domain = started()
    domain.attach(MN1, "mag1")
    domain.mobile_nodes[MN1].join(str(OTHER), str(S2), exclude=True)
    domain.run_for(1.0)
    assert delivered(domain, "mag1", S1, OTHER) == (["mag1"], ["mn1"])
    assert delivered(domain, "mag1", S2, OTHER) == NOWHERE


def test_on_one_mag_each_gets_what_it_asks_for_and_the_tunnel_what_anybody_does() -> None:
    domain = started()
    for mn_id in (MN1, MN2):
        domain.attach(mn_id, "mag1")
    domain.mobile_nodes[MN1].join(str(OTHER), str(S2), exclude=True)
    domain.mobile_nodes[MN2].join(str(OTHER), str(S2))
    domain.run_for(1.0)
    assert delivered(domain, "mag1", S1, OTHER) == (["mag1"], ["mn1"])
    assert delivered(domain, "mag1", S2, OTHER) == (["mag1"], ["mn2"])


def test_source_lists_move_with_the_mobile_node() -> None:
    domain = started()
    domain.attach(MN1, "mag1")
    domain.mobile_nodes[MN1].join(str(OTHER), str(S2), exclude=True)
    domain.run_for(1.0)
    domain.request_handover(MN1, "mag2")
    domain.run_for(0.2)
    assert [port for port, _ in domain.switches["mag1"].inject(Packet(
        in_port=MAG_LMA_PORT, ipv6_source=S2, ipv6_destination=OTHER, tunnel_key=domain.domain.lma_gre_key
    ))] == []  # not cloned either
    domain.detach(MN1)
    domain.run_for(0.05)
    domain.attach(MN1, "mag2")
    domain.run_for(15.0)
    assert delivered(domain, "mag2", S1, OTHER) == (["mag2"], ["mn1"])
    assert delivered(domain, "mag2", S2, OTHER) == NOWHERE


# --- our MAG at an LMA that knows no multicast option ----------------------------------------------------------------


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

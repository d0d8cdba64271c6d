# SPDX-License-Identifier: Apache-2.0
"""The LMA as querier on the tunnels of MAGs that join by MLD (RFC 6224 section 4.3)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

from southbound.codec.mld import Mldv1Done, Mldv1Report, Mldv2Query, Mldv2Report
from southbound.mld.membership import FilterMode, GroupMembership
from tests.scenario.listener_script import ALLOW, OTHER, S1, S2, S3, TO_EX, TO_IN, receivers, record, reports, started
from tests.support.domain_script import GROUP, MN1, MN2
from tests.support.plain_mag import PlainMag
from tests.support.simulated_domain import SimulatedDomain


def exclude(group: IPv6Address, *sources: IPv6Address) -> GroupMembership:
    return GroupMembership(group=group, filter_mode=FilterMode.EXCLUDE, sources=frozenset(sources))


def include(group: IPv6Address, *sources: IPv6Address) -> GroupMembership:
    return GroupMembership(group=group, filter_mode=FilterMode.INCLUDE, sources=frozenset(sources))


def asked_by_mld(mag: PlainMag) -> list[Mldv2Query]:
    """What the LMA has asked through the tunnel; it asks by IGMP, too."""
    return [message for message in mag.heard if isinstance(message, Mldv2Query)]


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

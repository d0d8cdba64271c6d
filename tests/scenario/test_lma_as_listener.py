# SPDX-License-Identifier: Apache-2.0
"""The LMA as a listener on the network of the sources (RFC 3810): it reports for all its MAGs together."""

from __future__ import annotations

from southbound.codec.iana import Mldv2RecordType
from southbound.codec.mld import Mldv1Done, Mldv1Query, Mldv1Report, Mldv2Query
from southbound.codec.mld_packet import encode_mld_packet
from tests.scenario.listener_script import TO_EX, TO_IN, receivers, record, reports, started
from tests.support.domain_script import GROUP, MN1, MN2
from tests.support.plain_mag import LINK_LOCAL
from tests.support.switch_simulator import Packet
from topology.switch_names import LMA_SOURCE_PORT


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

# SPDX-License-Identifier: Apache-2.0
"""IPv4 groups of dual-stack mobile nodes: IGMP on the access link, option 60 code 1 and option 56 in the messages, the
same handover."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network

import pytest

from southbound.agent.handover_acknowledge import refused_groups
from southbound.agent.handover_initiate import context_message
from southbound.codec.accessors import find_options
from southbound.codec.binding import ProxyBindingUpdate
from southbound.codec.cxtp import ContextTransferData
from southbound.codec.handover import Dialect, HandoverAcknowledge, HandoverInitiate
from southbound.codec.iana import FeatureProfileType, Mldv2RecordType, MulticastPayload
from southbound.codec.igmp import Igmpv3Query, Igmpv3Report
from southbound.codec.listener_packet import LinkAddresses, encode_listener_packet
from southbound.codec.mobility import encode_mobility
from southbound.codec.options import ActiveMulticastSubscription, ActiveMulticastSubscriptionIpv4, MulticastMobility
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.membership import FilterMode, GroupMembership
from tests.scenario.handover_script import GROUP, MN1, MN2, move, trigger
from tests.support.domain_checks import SOURCE, Watch, assert_at_rest
from tests.support.domains import three_mags
from tests.support.plain_mag import LINK_LOCAL, PlainMag
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_streams import SimulatedStreams
from tests.support.switch_simulator import addressed
from topology.switch_names import LMA_SOURCE_PORT, MAG_LMA_PORT

GROUP4, OTHER4, SSM4 = IPv4Address("239.1.1.1"), IPv4Address("239.1.1.2"), IPv4Address("232.1.1.1")
SOURCE4, STRANGER4 = IPv4Address("192.0.2.10"), IPv4Address("192.0.2.99")
ALLOW, TO_EX, TO_IN = (
    Mldv2RecordType.ALLOW_NEW_SOURCES, Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE, Mldv2RecordType.CHANGE_TO_INCLUDE_MODE,
)
LINKS = {
    "equal": {},
    "n-MAG far from the LMA": {("lma", "mag2"): 0.015},
    "p-MAG far from the LMA": {("lma", "mag1"): 0.015},
    "MAGs far from each other": {("mag1", "mag2"): 0.02, ("mag2", "mag1"): 0.02},
}


@pytest.fixture
def domain() -> SimulatedDomain:
    """Both mobile nodes at mag1, listening to an IPv4 group besides their IPv6 one."""
    simulated = SimulatedDomain()
    Watch(simulated)
    simulated.start()
    for mn_id in (MN1, MN2):
        simulated.attach(mn_id, "mag1")
        simulated.mobile_nodes[mn_id].join(str(GROUP4))
    simulated.run_for(3.0)
    return simulated


def reaches(domain: SimulatedDomain, group: IPv4Address, source: IPv4Address = SOURCE4) -> tuple[int, list[str]]:
    """How many copies the LMA's switch makes of a packet, and out of which access ports of mag1 it comes."""
    lma = domain.switches["lma"].inject(addressed(source, group, in_port=LMA_SOURCE_PORT))
    native = addressed(source, group, in_port=MAG_LMA_PORT, tunnel_key=domain.domain.lma_gre_key)
    return len(lma), [port for port, _ in domain.switches["mag1"].inject(native)]


def test_an_ipv4_group_is_joined_and_left_by_igmp(domain: SimulatedDomain) -> None:
    assert reaches(domain, GROUP4) == (1, ["mn1", "mn2"])
    domain.mobile_nodes[MN1].leave(str(GROUP4))
    domain.run_for(3.0)
    assert reaches(domain, GROUP4) == (1, ["mn2"])
    domain.mobile_nodes[MN2].leave(str(GROUP4))
    domain.run_for(3.0)
    assert reaches(domain, GROUP4) == (0, [])


def test_the_frame_has_the_groups_ethernet_address(domain: SimulatedDomain) -> None:
    native = addressed(SOURCE4, GROUP4, in_port=MAG_LMA_PORT, tunnel_key=domain.domain.lma_gre_key)
    assert {copy.eth_destination.hex(":") for _, copy in domain.switches["mag1"].inject(native)} == {"01:00:5e:01:01:01"}


def test_sources_that_are_not_asked_for_are_not_delivered(domain: SimulatedDomain) -> None:
    domain.mobile_nodes[MN1].join(str(SSM4), str(SOURCE4))
    domain.mobile_nodes[MN1].join(str(OTHER4), str(STRANGER4), exclude=True)
    domain.run_for(1.0)
    assert [reaches(domain, SSM4, source) for source in (SOURCE4, STRANGER4)] == [(1, ["mn1"]), (0, [])]
    assert [reaches(domain, OTHER4, source) for source in (SOURCE4, STRANGER4)] == [(1, ["mn1"]), (0, [])]


def test_the_source_network_hears_igmp(domain: SimulatedDomain) -> None:
    told = [message for _, message in domain.source_network if isinstance(message, Igmpv3Report)]
    assert told == [Igmpv3Report(records=(MulticastAddressRecord(record_type=TO_EX, group=GROUP4),))] * 2
    domain.source_network.clear()
    query = encode_listener_packet(Igmpv3Query(maximum_response_delay_ms=1000), LinkAddresses(ipv6=LINK_LOCAL))
    domain.source_network_says(query)
    domain.run_for(1.5)
    state = MulticastAddressRecord(record_type=Mldv2RecordType.MODE_IS_EXCLUDE, group=GROUP4)
    assert [message for _, message in domain.source_network] == [Igmpv3Report(records=(state,))]


def test_the_messages_of_a_handover_carry_both_families(domain: SimulatedDomain) -> None:
    trigger(domain)
    domain.run_for(0.3)
    (context,) = domain.transport.sent("HI context")
    assert isinstance(context.message, HandoverInitiate)
    options = [option for option in context.message.options if isinstance(option, MulticastMobility)]
    assert [(option.option_code, [record.group for record in option.records]) for option in options] == [
        (MulticastPayload.MLDV2, [GROUP]), (MulticastPayload.IGMPV3, [GROUP4]),
    ]
    move(domain)
    domain.run_for(3.0)
    updates = [update for update in domain.transport.sent("PBU") if update.source == "mag2"]
    kinds = [type(option) for option in updates[-1].message.options]  # type: ignore[union-attr]
    assert ActiveMulticastSubscription in kinds
    assert ActiveMulticastSubscriptionIpv4 in kinds
    assert domain.bound_at(MN1) == "mag2"


@pytest.mark.parametrize("links", LINKS)
@pytest.mark.parametrize("gap_s", [0.0053, 0.05, 0.4])
def test_nothing_of_an_ipv4_group_is_lost_twice_or_out_of_order(
    domain: SimulatedDomain, links: str, gap_s: float
) -> None:
    running = SimulatedStreams(domain, GROUP4, SOURCE4, LINKS[links])
    running.start()
    domain.run_for(0.2)
    trigger(domain)
    domain.run_for(0.1)
    move(domain, gap_s=gap_s)
    domain.run_for(3.0)
    running.stop()
    domain.run_for(1.0)
    for mn_id in (MN1, MN2):
        heard = running.heard[mn_id]
        assert heard == list(range(heard[0], running.sent))
    assert [handover["state"] for handover in domain.handovers().values()] == ["completed"]
    domain.run_for(25.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_its_ipv6_group_moves_in_the_same_handover(domain: SimulatedDomain) -> None:
    running = SimulatedStreams(domain, GROUP, SOURCE, {})
    running.start()
    domain.run_for(0.2)
    trigger(domain)
    domain.run_for(0.1)
    move(domain, gap_s=0.05)
    domain.run_for(3.0)
    running.stop()
    domain.run_for(1.0)
    heard = running.heard[MN1]
    assert heard == list(range(heard[0], running.sent))


def test_a_group_that_it_may_not_join_is_not_delivered() -> None:
    base = SimulatedDomain().domain
    node = replace(base.mobile_nodes[0], allowed_groups=(IPv6Network("ff00::/8"),))
    domain = SimulatedDomain(replace(base, mobile_nodes=(node, *base.mobile_nodes[1:])))
    domain.start()
    domain.attach(MN1, "mag1")
    domain.mobile_nodes[MN1].join(str(GROUP4))
    domain.run_for(1.0)
    assert reaches(domain, GROUP4) == (0, [])


@pytest.mark.parametrize("dialect", ["draft", "rfc"])
def test_a_refused_group_comes_back_in_an_option_61_of_its_family(dialect: str) -> None:
    base = three_mags(dialect)
    node = replace(base.mobile_nodes[0], allowed_groups=(IPv6Network("ff00::/8"),))
    domain = SimulatedDomain(replace(base, mobile_nodes=(node, *base.mobile_nodes[1:])))
    domain.start()
    mag1, mag2 = base.mags[:2]
    wanted = tuple(GroupMembership(group=group, filter_mode=FilterMode.EXCLUDE) for group in (GROUP, GROUP4))
    context = context_message(
        Dialect(dialect), 1, mn_id=MN1, handover_id="ho-1", prefixes=node.home_network_prefixes,
        lma_address=base.lma.address, link_layer_id=node.link_layer_id, memberships=wanted,
    )
    domain.transport.send("mag1", mag2.address, encode_mobility(context, mag1.address, mag2.address))
    domain.run_for(0.05)
    (answer,) = domain.transport.sent("HAck to HI context")
    # RFC 7411 section 5.4 by hand: 3 words, IGMPv3, administratively prohibited, one record, MODE_IS_EXCLUDE {}.
    assert bytes.fromhex("3d030103 0000 0001 02000000") + GROUP4.packed in answer.header
    assert isinstance(answer.message, HandoverAcknowledge)
    assert refused_groups(answer.message, wanted) == {GROUP4}


def test_context_transfer_carries_ipv4_groups() -> None:
    """The PBU-M has them as soon as the CTD is there; no MN is asked for that."""
    domain = SimulatedDomain(three_mags(attach_mode="context-transfer"))
    domain.start()
    domain.attach(MN1, "mag1")
    domain.mobile_nodes[MN1].join(str(GROUP4))
    domain.run_for(1.0)
    domain.detach(MN1)
    domain.run_for(0.05)
    domain.attach(MN1, "mag2")
    domain.run_for(0.1)
    (transferred,) = domain.transport.sent("CTD")
    assert isinstance(transferred.message, ContextTransferData)
    assert [block.profile for block in transferred.message.blocks] == [
        FeatureProfileType.IPV6_MULTICAST_LISTENER, FeatureProfileType.IGMPV3_LISTENER,
    ]
    update = domain.transport.sent("PBU", "mag2")[0].message
    assert isinstance(update, ProxyBindingUpdate)
    told = find_options(update, ActiveMulticastSubscriptionIpv4)
    assert [option.record.group for option in told] == [GROUP4]
    domain.run_for(5.0)
    native = addressed(SOURCE4, GROUP4, in_port=MAG_LMA_PORT, tunnel_key=domain.domain.lma_gre_key)
    assert [port for port, _ in domain.switches["mag2"].inject(native)] == ["mn1"]


def test_a_mag_of_another_make_joins_by_igmp_in_its_tunnel() -> None:
    domain = SimulatedDomain()
    domain.start()
    mag = PlainMag(domain, "mag3")
    mag.register(MN1)
    domain.run_for(0.5)
    assert Igmpv3Query(maximum_response_delay_ms=1000) in mag.heard
    mag.joins(GroupMembership(group=GROUP4, filter_mode=FilterMode.EXCLUDE))
    domain.run_for(0.2)
    assert reaches(domain, GROUP4)[0] == 1
    mag.joins()
    domain.run_for(3.0)
    assert reaches(domain, GROUP4)[0] == 0

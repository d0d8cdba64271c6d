# SPDX-License-Identifier: Apache-2.0
"""Packets of what the RFCs have and this domain does not do: where they go, with the rules that a whole domain has.

docs/conformance names each. A switch's own drops are counted by the flow that drops them.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from southbound.agent.events import AccessFrameReceived
from southbound.codec.ethernet import EthernetFrame, encode_ethernet, multicast_mac
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.ipv6 import Ipv6Packet, encode_ipv6
from southbound.codec.listener_packet import LinkAddresses, encode_listener_packet, listener_frame
from southbound.codec.mld import Mldv1Done, Mldv1Query, Mldv1Report, Mldv2Query, Mldv2Report
from southbound.codec.records import MulticastAddressRecord
from southbound.openflow.pipeline import INGRESS, PRIORITY_MISS
from southbound.openflow.rules import Match
from tests.scenario.handover_script import GROUP, MN1, MN2, begun, move, outcome, trigger
from tests.support.domain_checks import SOURCE, assert_at_rest, lma_copies, native_copies, tunnel_copies
from tests.support.domains import three_mags
from tests.support.simulated_domain import SimulatedDomain, listener_fields
from tests.support.switch_simulator import CONTROLLER, Packet
from topology.model import LMA_SOURCE_MAC, MAG_ACCESS_MAC
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT, MAG_MAG_PORT

OTHER = IPv6Address("ff1e::102")
IPV6_IN_IPV6, UDP, ICMPV6, MOBILITY = 41, 17, 58, 135
PACKET_TOO_BIG = 2
DHCP_AGENTS, DHCP_PORTS = IPv6Address("ff02::1:2"), bytes.fromhex("02220223")
"""RFC 8415 section 7: from a client's port 546 to a server's 547."""
MISS = (INGRESS, PRIORITY_MISS, Match())


@pytest.fixture
def served() -> SimulatedDomain:
    """Both mobile nodes at mag1."""
    return begun(SimulatedDomain(three_mags("rfc")))


def home(domain: SimulatedDomain, mn_id: str) -> IPv6Address:
    return domain.mobile_nodes[mn_id].profile.home_network_prefixes[0].network_address + 5


def of_mn1(domain: SimulatedDomain, destination: IPv6Address, router: bytes = MAG_ACCESS_MAC) -> Packet:
    """What mn1 sends on its link."""
    profile = domain.mobile_nodes[MN1].profile
    return Packet(
        in_port=profile.access_port(), eth_source=profile.link_layer_id, eth_destination=router,
        ipv6_source=home(domain, MN1), ipv6_destination=destination,
    )


def ports(domain: SimulatedDomain, switch: str, packet: Packet) -> list[str]:
    return [port for port, _ in domain.switches[switch].inject(packet)]


def dropped(domain: SimulatedDomain, switch: str) -> int:
    """What no rule of the switch has taken."""
    return domain.switches[switch].rules.matched[MISS]


# --- what mobile nodes send -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [GROUP, OTHER, IPv6Address("ff05::1"), IPv6Address("ff02::fb")])
def test_a_mobile_node_is_no_source_of_groups(served: SimulatedDomain, group: IPv6Address) -> None:
    """RFC 6224 section 1 leaves senders to others (RFC 7287): not even to a neighbour that listens, and not upstream."""
    assert "mn2" in native_copies(served, "mag1", GROUP)
    assert ports(served, "mag1", of_mn1(served, SOURCE)) == [MAG_LMA_PORT]
    before = dropped(served, "mag1")
    assert ports(served, "mag1", of_mn1(served, group, multicast_mac(group))) == []
    assert dropped(served, "mag1") == before + 1
    # Nor by the router's own link-layer address, or from a MAG that lets it in: the LMA sends no group of an MN anywhere.
    way = Packet(
        in_port=LMA_MAG_PORT, tunnel_key=served.domain.lma_gre_key, tunnel_source=served.domain.mags[0].address,
        ipv6_source=home(served, MN1), ipv6_destination=group,
    )
    assert ports(served, "lma", way) == []


def test_a_dhcp_client_gets_no_answer_and_goes_nowhere(served: SimulatedDomain) -> None:
    """RFC 5213 section 6.11 is for domains whose MNs have their addresses by DHCP; these form them (RFC 4862)."""
    node = served.mobile_nodes[MN1]
    solicit = DHCP_PORTS + (16).to_bytes(2, "big") + bytes(2) + bytes.fromhex("01abcdef00080000")
    packet = encode_ipv6(
        Ipv6Packet(source=node.link_local, destination=DHCP_AGENTS, next_header=UDP, payload=solicit, hop_limit=1)
    )
    agent, heard = served.agents["mag1"], (len(node.advertisements), len(node.queries))
    counters, picture = agent.core.counters, agent.core.snapshot()
    frame = EthernetFrame(
        destination=multicast_mac(DHCP_AGENTS), source=node.profile.link_layer_id, payload=packet
    )
    event = AccessFrameReceived(port=node.profile.access_port(), frame=encode_ethernet(frame))
    assert agent.core.handle(event, served.clock.now) == []
    assert (agent.core.counters, agent.core.snapshot()) == (counters, picture)
    assert (len(node.advertisements), len(node.queries)) == heard
    before = dropped(served, "mag1")
    assert ports(served, "mag1", of_mn1(served, DHCP_AGENTS, multicast_mac(DHCP_AGENTS))) == []
    assert dropped(served, "mag1") == before + 1


def test_neighbours_at_one_mag_speak_by_the_lma(served: SimulatedDomain) -> None:
    """EnableMAGLocalRouting is at its default, 0 (RFC 5213 section 9.2): the policies of the LMA see all."""
    destination = home(served, MN2)
    assert ports(served, "mag1", of_mn1(served, destination)) == [MAG_LMA_PORT]
    assert ports(served, "mag1", of_mn1(served, destination, served.mobile_nodes[MN2].profile.link_layer_id)) == []
    key, mag1 = served.domain.lma_gre_key, served.domain.mags[0].address
    uplink = Packet(
        in_port=LMA_MAG_PORT, tunnel_key=key, tunnel_source=mag1, ipv6_source=home(served, MN1),
        ipv6_destination=destination,
    )
    ((port, copy),) = served.switches["lma"].inject(uplink)
    assert (port, copy.tunnel_destination) == (LMA_MAG_PORT, mag1)
    downlink = Packet(
        in_port=MAG_LMA_PORT, tunnel_key=key, ipv6_source=home(served, MN1), ipv6_destination=destination
    )
    assert ports(served, "mag1", downlink) == ["mn2"]


def test_ipv4_unicast_goes_nowhere(served: SimulatedDomain) -> None:
    """IPv4 home addresses (RFC 5844) are not registered, so nothing but groups is forwarded of IPv4."""
    node, host = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1")
    profile, key = served.mobile_nodes[MN1].profile, served.domain.lma_gre_key
    ipv4 = {"eth_type": 0x0800, "ipv4_source": node, "ipv4_destination": host}
    link = {"eth_source": profile.link_layer_id, "eth_destination": MAG_ACCESS_MAC}
    before = dropped(served, "mag1"), dropped(served, "lma")
    assert ports(served, "mag1", Packet(in_port=profile.access_port(), **link, **ipv4)) == []
    by_tunnel = Packet(in_port=LMA_MAG_PORT, tunnel_key=key, tunnel_source=served.domain.mags[0].address, **ipv4)
    assert ports(served, "lma", by_tunnel) == []
    assert (dropped(served, "mag1"), dropped(served, "lma")) == (before[0] + 1, before[1] + 1)
    for switch, packet in (
        ("lma", Packet(in_port=LMA_SOURCE_PORT, eth_destination=LMA_SOURCE_MAC, **ipv4)),
        ("mag1", Packet(in_port=MAG_LMA_PORT, tunnel_key=key, **ipv4)),
    ):
        assert ports(served, switch, packet) == []


@pytest.mark.parametrize("query", [Mldv1Query(maximum_response_delay_ms=10_000), Mldv2Query()])
def test_another_router_on_an_access_link_is_not_believed(
    served: SimulatedDomain, query: Mldv1Query | Mldv2Query
) -> None:
    """So the MAG need not be told to be of its version (RFC 3810 section 8.3.1): the link has one router and one host."""
    node, agent = served.mobile_nodes[MN1], served.agents["mag1"]
    frame = listener_frame(query, LinkAddresses(ipv6=IPv6Address("fe80::1")), node.profile.link_layer_id)
    agent.handle(AccessFrameReceived(port=node.profile.access_port(), frame=frame))
    assert agent.core.counters["access_mld_query_of_mobile_node"] == 1
    asked = len(node.queries)
    served.run_for(300.0)
    assert len(node.queries) > asked, "it goes on as querier"
    assert not any(isinstance(asked, Mldv1Query) for _, asked in node.queries)
    assert native_copies(served, "mag1", GROUP) == ["mn1", "mn2"]


# --- what comes by tunnels ----------------------------------------------------------------------------------------------


def test_a_tunnel_without_our_key_leads_nowhere(served: SimulatedDomain) -> None:
    """As IPv6-in-IPv6 has none; such a packet does not even come out of a GRE port (see the lab's test)."""
    mag1, key = served.domain.mags[0].address, served.domain.lma_gre_key
    for wrong in (None, 0, key + 1):
        uplink = Packet(
            in_port=LMA_MAG_PORT, tunnel_key=wrong, tunnel_source=mag1, ipv6_source=home(served, MN1),
            ipv6_destination=SOURCE,
        )
        before = dropped(served, "lma")
        assert ports(served, "lma", uplink) == []
        assert dropped(served, "lma") == before + 1
        for destination in (home(served, MN1), GROUP):
            downlink = Packet(
                in_port=MAG_LMA_PORT, tunnel_key=wrong, ipv6_source=SOURCE, ipv6_destination=destination
            )
            before = dropped(served, "mag1")
            assert ports(served, "mag1", downlink) == []
            assert dropped(served, "mag1") == before + 1
            assert ports(served, "mag1", Packet(
                in_port=MAG_LMA_PORT, tunnel_key=key, ipv6_source=SOURCE, ipv6_destination=destination
            )) != []


@pytest.mark.parametrize(("protocol", "icmpv6_type", "taken"), [
    (MOBILITY, None, True), (IPV6_IN_IPV6, None, False), (UDP, None, False), (ICMPV6, PACKET_TOO_BIG, False),
])
def test_of_what_is_said_to_the_lma_there_only_mobility_headers_are_heard(
    served: SimulatedDomain, protocol: int, icmpv6_type: int | None, taken: bool
) -> None:
    """So neither another encapsulation nor a Packet Too Big about a tunnel changes anything."""
    packet = Packet(
        in_port="transport", ipv6_source=served.domain.mags[0].address, ipv6_destination=served.domain.lma.address,
        ip_proto=protocol, icmpv6_type=icmpv6_type,
    )
    assert ports(served, "lma-transport", packet) == ([CONTROLLER] if taken else [])


TO_EX, TO_IN = Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE, Mldv2RecordType.CHANGE_TO_INCLUDE_MODE
REPORTS = [
    Mldv1Report(group=OTHER), Mldv2Report(records=(MulticastAddressRecord(record_type=TO_EX, group=OTHER),)),
    Mldv1Report(group=GROUP), Mldv1Done(group=GROUP),
    Mldv2Report(records=(MulticastAddressRecord(record_type=TO_IN, group=GROUP),)),
]


@pytest.mark.parametrize("report", REPORTS)
def test_mld_in_the_tunnel_between_mags_changes_nothing(
    served: SimulatedDomain, report: Mldv1Report | Mldv1Done | Mldv2Report
) -> None:
    """RFC 7411 section 4.2.2 has the n-MAG join and leave there; here HI(F) and the completion do (the draft's 4, 11)."""
    handover_id = trigger(served)
    served.run_for(0.2)
    packet = encode_listener_packet(report, LinkAddresses(ipv6=IPv6Address("fe80::6224")))
    for switch, peer in (("mag1", "mag2"), ("mag2", "mag1")):
        by_tunnel = listener_fields(
            MAG_MAG_PORT, packet, tunnel_key=served.domain.mag_gre_key,
            tunnel_source=next(mag.address for mag in served.domain.mags if mag.id == peer),
        )
        assert ports(served, switch, by_tunnel) == []
    served.run_for(1.0)
    assert native_copies(served, "mag1", GROUP) == ["mag mag2", "mn1", "mn2"]
    assert tunnel_copies(served, "mag2", "mag1", GROUP) == [MAG_BUFFER_PORT]
    assert (native_copies(served, "mag1", OTHER), lma_copies(served, OTHER)) == ([], [])
    move(served)
    served.run_for(25.0)
    assert outcome(served, handover_id) == ("completed", None)
    assert_at_rest(served, {MN1: "mag2", MN2: "mag1"})

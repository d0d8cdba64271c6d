# SPDX-License-Identifier: Apache-2.0
"""Source lists, from the mobile node's word to its link: include and exclude, in tunnels and through moves."""

from __future__ import annotations

from ipaddress import IPv6Address

from tests.scenario.listener_script import OTHER, S1, S2, receivers, started
from tests.support.domain_script import MN1, MN2
from tests.support.simulated_domain import SimulatedDomain
from tests.support.switch_simulator import Packet
from topology.switch_names import MAG_LMA_PORT


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

# SPDX-License-Identifier: Apache-2.0
"""What must hold of a simulated domain: always, and when everything has come to rest.

Forwarding is judged by packets through the switches' rules, never by the controller's own idea of them.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from southbound.codec.accessors import gre_key, mn_id, multicast_records
from southbound.codec.addresses import IpAddress
from southbound.codec.handover import HandoverAcknowledge, HandoverInitiate
from southbound.codec.mobility import ProxyBindingAcknowledgement
from tests.support.simulated_agent import SimulatedAgent
from tests.support.simulated_domain import SimulatedDomain
from tests.support.simulated_transport import Carried
from tests.support.switch_simulator import Packet, addressed
from topology.switch_names import LMA_SOURCE_PORT, MAG_LMA_PORT, MAG_MAG_PORT

SOURCE = IPv6Address("2001:db8:c0::10")
OTHER_SOURCE = IPv6Address("2001:db8:c0::77")
_SOURCES = {6: (SOURCE, OTHER_SOURCE), 4: (IPv4Address("192.0.2.10"), IPv4Address("192.0.2.77"))}


def lma_copies(domain: SimulatedDomain, group: IpAddress, source: IpAddress = SOURCE) -> list[str]:
    """MAG ids into whose tunnels the LMA's switch copies a packet of the source now, one item a copy."""
    packet = addressed(source, group, in_port=LMA_SOURCE_PORT)
    sent = domain.switches[domain.domain.lma.id].inject(packet)
    return sorted(_mag_id(domain, copy.tunnel_destination) for _, copy in sent)


def native_copies(
    domain: SimulatedDomain, mag_id: str, group: IpAddress, source: IpAddress = SOURCE
) -> list[str]:
    """Where a MAG's switch copies a packet from the LMA: access ports, 'hob0', or 'mag <id>' for its tunnel there."""
    packet = addressed(source, group, in_port=MAG_LMA_PORT, tunnel_key=domain.domain.lma_gre_key)
    return _copies(domain, mag_id, packet)


def tunnel_copies(
    domain: SimulatedDomain, mag_id: str, peer_id: str, group: IpAddress, source: IpAddress = SOURCE,
    relayed_for: str | None = None,
) -> list[str]:
    """The same for a packet that comes by the tunnel from another MAG: cloned there, or relayed for one MN."""
    peer = domain.domain.mag(peer_id)
    assert peer is not None
    key = domain.domain.mag_gre_key if relayed_for is None else domain.domain.relay_key(relayed_for)
    packet = addressed(source, group, in_port=MAG_MAG_PORT, tunnel_key=key, tunnel_source=peer.address)
    return _copies(domain, mag_id, packet)


def _copies(domain: SimulatedDomain, mag_id: str, packet: Packet) -> list[str]:
    return sorted(
        f"mag {_mag_id(domain, copy.tunnel_destination)}" if port == MAG_MAG_PORT else port
        for port, copy in domain.switches[mag_id].inject(packet)
    )


def _mag_id(domain: SimulatedDomain, address: IPv6Address | None) -> str:
    mag = domain.domain.mag_by_address(address) if address is not None else None
    assert mag is not None, address
    return mag.id


def assert_at_rest(domain: SimulatedDomain, expected: dict[str, str | None]) -> None:
    """Nothing of any handover is left, and every MN is served where `expected` says, and nowhere else."""
    handovers = domain.handovers().values()
    assert [handover for handover in handovers if handover["state"] not in ("completed", "failed", "cancelled")] == []
    for agent in domain.agents.values():
        _assert_nothing_left(agent)
    for name, mag_id in expected.items():
        assert domain.mobile_nodes[name].mag_id == mag_id
        if mag_id is not None:
            assert domain.bound_at(name) == mag_id
            assert domain.agents[mag_id].core.snapshot().bindings[name] == "bound"
    assert_forwarding_is_exact(domain)


def _assert_nothing_left(agent: SimulatedAgent) -> None:
    picture = agent.core.snapshot()
    assert (agent.mag.id, picture.leaving, picture.arriving) == (agent.mag.id, {}, {})
    assert picture.outstanding == ()
    assert agent.buffer.kept == {}
    assert agent.buffer.retained == {}
    assert agent.watched == set()
    assert set(picture.bindings) <= set(picture.attached), (agent.mag.id, picture.bindings)


def assert_forwarding_is_exact(domain: SimulatedDomain) -> None:
    """Every switch copies exactly what the MNs that are bound and attached want: from what the MNs themselves say."""
    groups = {group for node in domain.mobile_nodes.values() for group in node.wants}
    groups |= {ip_address(entry["group"]) for view in domain.lma.snapshot().listeners for entry in view["groups"]}
    for group in groups:
        for source in _SOURCES[group.version]:
            ports: dict[str, list[str]] = {mag_id: [] for mag_id in domain.agents}
            for node in domain.mobile_nodes.values():
                wanted = node.wants.get(group)
                if node.mag_id is not None and wanted is not None and wanted.wants(source):
                    ports[node.mag_id].append(node.profile.access_port())
            assert lma_copies(domain, group, source) == sorted(mag_id for mag_id in ports if ports[mag_id])
            for mag_id, wanted_ports in ports.items():
                assert (mag_id, native_copies(domain, mag_id, group, source)) == (mag_id, sorted(wanted_ports))
                for peer_id in domain.agents:
                    if peer_id != mag_id:
                        for relayed_for in (None, *domain.mobile_nodes):
                            assert tunnel_copies(domain, mag_id, peer_id, group, source, relayed_for) == []


class Watch:
    """Checks, with every Mobility Header that is sent, what may be said at that moment at all."""

    def __init__(self, domain: SimulatedDomain) -> None:
        self._domain = domain
        self._relayed: set[tuple[str, str, int]] = set()
        """(n-MAG, p-MAG, sequence) of each HI(F) that asks for packets under a key of the MN's own."""
        self._registering: dict[tuple[str, str], set[IpAddress]] = {}
        """(MAG, MN-ID) -> groups that the LMA knew or was told of with the last PBU: a PBA promises those."""
        domain.transport.watchers.append(self._sent)

    def _sent(self, carried: Carried) -> None:
        if carried.name == "PBU":
            # Tied to the attachment (RFC 5213 section 6.9.1.1), retransmissions too (6.9.4).
            attached = self._domain.agents[carried.source].core.snapshot().attached
            node = _mn_id(carried)
            assert node in attached, f"{carried.source} registers {node}, which is not there"
            self._registering[carried.source, node] = {
                *(record.group for record in multicast_records(carried.message)),  # type: ignore[arg-type]
                *(group for group, _ in self._listening(node, carried.source)),
            }
        elif carried.name == "HI(F)":
            assert isinstance(carried.message, HandoverInitiate)
            if gre_key(carried.message) is not None:
                self._relayed.add((carried.source, carried.destination, carried.message.sequence))
        elif carried.name == "HAck to HI(F)" and not carried.repeated:
            self._forwarding_promised(carried)
        elif carried.name == "PBA":
            self._native_promised(carried)

    def _forwarding_promised(self, carried: Carried) -> None:
        assert isinstance(carried.message, HandoverAcknowledge)
        if not carried.message.accepted:
            return
        # The HAck says that packets flow: the switch itself must have the clone (the draft's step 4).
        moving, message = _mn_id(carried), carried.message
        for handover in self._domain.handovers().values():
            if handover["mn_id"] != moving or handover["state"] in ("completed", "failed", "cancelled"):
                continue
            if (handover["previous_mag"], handover["new_mag"]) != (carried.source, carried.destination):
                continue
            for entry in handover["groups"]:
                group = ip_address(entry["group"])
                source = _wanted_source(entry)
                copies = native_copies(self._domain, carried.source, group, source)
                if (carried.destination, carried.source, message.sequence) in self._relayed:
                    # The agent relays what comes to its buffer port.
                    assert "hob0" in copies, f"{group} is not kept at {carried.source}: {copies}"
                    continue
                assert f"mag {carried.destination}" in copies, f"no clone of {group} at {carried.source} yet: {copies}"

    def _native_promised(self, carried: Carried) -> None:
        assert isinstance(carried.message, ProxyBindingAcknowledgement)
        if not carried.message.accepted or carried.message.lifetime_s == 0:
            return
        moving = _mn_id(carried)
        if self._domain.bound_at(moving) != carried.destination:
            return  # a binding that has moved on meanwhile
        # What the MN has joined since is in a later change of the switch, on which no PBA waits.
        promised = self._registering.get((carried.destination, moving), set())
        for group, source in self._listening(moving, carried.destination):
            if group in promised:
                assert carried.destination in lma_copies(self._domain, group, source), f"PBA before the path of {group}"

    def _listening(self, moving: str, mag_id: str) -> list[tuple[IpAddress, IpAddress]]:
        """The groups that the LMA knows of an MN at a MAG, each with a source that it wants to hear."""
        return [
            (ip_address(entry["group"]), _wanted_source(entry))
            for view in self._domain.lma.snapshot().listeners
            if (view["mn_id"], view["mag"]) == (moving, mag_id)
            for entry in view["groups"]
        ]


def _wanted_source(entry: dict[str, Any]) -> IpAddress:
    """A source that this listener wants to hear."""
    sources = [ip_address(source) for source in entry["sources"]]
    if entry["filter_mode"] == "include":
        return sources[0]
    first, second = _SOURCES[ip_address(entry["group"]).version]
    return first if first not in sources else second


def _mn_id(carried: Carried) -> str:
    found = mn_id(carried.message)  # type: ignore[arg-type]
    assert found is not None
    return found

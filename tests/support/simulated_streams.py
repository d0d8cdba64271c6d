# SPDX-License-Identifier: Apache-2.0
"""Packets through a simulated domain: a source, links with delay, the switches' rules, the real handover buffer.

Every packet that a switch sends out of an access port counts as heard only while the MN's link is up there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address

from southbound.agent.buffer_effects import (
    Deliver,
    DeliveryStarted,
    Effect,
    FirstNativePacket,
    FirstTunnelPacket,
    Joined,
)
from southbound.agent.commands import (
    Command,
    CutBuffer,
    DeliverBuffer,
    DropRetained,
    ExpectMobileNode,
    NativeConfirmed,
    NoForwarding,
    RelayPackets,
    ReleaseBuffer,
    RetainPackets,
    SetAside,
)
from southbound.agent.delivery_log import DeliveryLog
from southbound.agent.events import StreamObserved, StreamsJoined
from southbound.agent.handover_buffer import HandoverBuffer
from southbound.agent.handover_exchange import token, token_parts
from southbound.agent.retained_packets import Relayed, RetainedPackets
from southbound.codec.addresses import IpAddress
from southbound.codec.ethernet import multicast_mac
from southbound.codec.ipv4 import Ipv4Packet, encode_ipv4
from southbound.codec.ipv6 import Ipv6Packet, encode_ipv6
from southbound.path_mark import UPLINK_PATH, native_place, path_index
from southbound.rpc.methods import BufferReport
from tests.support.simulated_agent import SimulatedAgent
from tests.support.simulated_clock import Ticker
from tests.support.simulated_domain import SimulatedDomain
from tests.support.switch_simulator import CONTROLLER, Packet, addressed
from topology.model import LMA_SOURCE_MAC, MAG_ACCESS_MAC
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT, MAG_MAG_PORT

_UDP = 17
_UDP_HEADER = bytes(8)
_OF_MOBILE_NODE = 0x1
"""Interface identifier of every MN here."""
_BUFFER_PORT_S = 0.0001
"""From the switch to the agent."""

Links = Mapping[tuple[str, str], float]
"""(from, to) -> seconds; node names are MAG ids and the LMA's."""


class RealBuffer:
    """The handover buffer of one agent, between its core, its buffer port and its access ports."""

    def __init__(self, streams: SimulatedStreams, agent: SimulatedAgent) -> None:
        self.commands: list[Command] = []
        self.kept: dict[str, str] = {}
        self.counters: dict[str, dict[str, int]] = {}
        """Of the last life of each MN that is over."""
        self._streams, self._agent = streams, agent
        self.retained: dict[str, set[IPv6Address]] = {}
        self._begin()

    def _begin(self) -> None:
        domain = self._streams.domain.domain
        buffer = self._buffer = HandoverBuffer(limits=domain.limits, timers=domain.timers)
        self._retained = RetainedPackets(domain.limits)
        self._streams.domain.clock.add(
            Ticker(f"buffer {self._agent.mag.id}", buffer.next_deadline, lambda now: self._apply(buffer.tick(now)))
        )

    def carry_out(self, command: Command) -> None:
        """One of the core's commands for the buffer."""
        self.commands.append(command)
        now, buffer = self._streams.domain.clock.now, self._buffer
        match command:
            case ExpectMobileNode(mn_id=mn_id, handover_id=handover_id):
                self.kept[mn_id] = handover_id
                self._apply(
                    buffer.expect(
                        mn_id, command.memberships, command.tunnel_path, now, native_path=command.native_path,
                        prefixes=command.prefixes,
                    )
                )
            case CutBuffer(mn_id=mn_id, last_delivered=last_delivered):
                self._apply(buffer.cut(mn_id, last_delivered, now))
            case DeliverBuffer(mn_id=mn_id):
                self._apply(buffer.arrived(mn_id, now))
            case NativeConfirmed(mn_id=mn_id):
                self._apply(buffer.native_confirmed(mn_id, now))
            case NoForwarding(mn_id=mn_id):
                self._apply(buffer.forwarding_refused(mn_id, now))
            case SetAside(mn_id=mn_id, handover_id=handover_id):
                assert self.kept.pop(mn_id) == handover_id
                name = token("aside", mn_id, handover_id)
                self.kept[name] = handover_id
                buffer.set_aside(mn_id, name)
            case RetainPackets(mn_id=mn_id, fed_by=fed_by):
                if fed_by:
                    self._retained.retain_deliveries(mn_id, fed_by)
                else:
                    self._retained.retain(mn_id, command.memberships, command.prefixes)
            case RelayPackets(mn_id=mn_id, fed_by=fed_by, destination=destination, key=key):
                self._relay(self._retained.relay(mn_id, destination, key, now, fed_by=fed_by))
            case DropRetained(mn_id=mn_id, fed_by=fed_by, destination=destination):
                self._retained.drop(mn_id, fed_by, destination)
            case ReleaseBuffer(mn_id=mn_id, handover_id=handover_id):
                name = mn_id if self.kept.get(mn_id) == handover_id else token("aside", mn_id, handover_id)
                if self.kept.pop(name, None) is not None:
                    counters = self.counters[mn_id] = buffer.release(name, now)
                    report = BufferReport(handover_id=handover_id, mn_id=mn_id, counters=counters)
                    self._streams.domain.notify_controller(self._agent.mag.id, report)

    def packet(self, index: int, octets: bytes) -> None:
        """A packet from the buffer port."""
        now = self._streams.domain.clock.now
        self._apply(self._buffer.on_packet(index, octets, now))
        place = native_place(index)
        if place is not None and self._retained.takes_native:
            mn_id = self._streams.domain.domain.mobile_nodes[place].id
            self._relay(self._retained.on_packet(mn_id, octets, now))

    def restarted(self) -> None:
        """The process has ended, and all that it kept."""
        self.kept.clear()
        self.retained.clear()
        self._begin()

    def hand_over(self, mn_id: str) -> None:
        """The switch delivers to this MN by itself."""
        self._buffer.hand_over_to_switch(mn_id)

    def _relay(self, relayed: Relayed) -> None:
        for (destination, key), octets in relayed:
            self._streams.into_the_tunnel(self._agent.mag.id, destination, key, octets)

    def _apply(self, effects: list[Effect]) -> None:
        agent = self._agent
        for effect in effects:
            match effect:
                case Deliver(mn_id=mn_id, packet=packet):
                    whose, fed_by, now = _owner(mn_id), self.kept[mn_id], self._streams.domain.clock.now
                    self._relay(self._retained.on_delivery(whose, fed_by, packet, now))
                    if whose == mn_id:
                        self._streams.out_of_access_port(agent.mag.id, mn_id, packet)
                case FirstTunnelPacket(mn_id=mn_id):
                    agent.handle(StreamObserved(mn_id=mn_id, what="tunnel"))
                case FirstNativePacket(mn_id=mn_id):
                    agent.handle(StreamObserved(mn_id=mn_id, what="native"))
                case DeliveryStarted(mn_id=mn_id, buffered_packets=count):
                    agent.handle(StreamObserved(mn_id=mn_id, what="delivery", detail=f"{count} buffered"))
                case Joined(mn_id=mn_id):
                    agent.handle(StreamsJoined(mn_id=mn_id))


def _number(packet: bytes) -> int:
    return int.from_bytes(packet[-8:], "big")


def _addresses(packet: bytes) -> tuple[IpAddress, IpAddress]:
    if packet[0] >> 4 == 4:
        return IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    return IPv6Address(packet[8:24]), IPv6Address(packet[24:40])


def _owner(name: str) -> str:
    """The MN-ID of what the buffer knows under this name; one that is set aside is named 'aside <MN-ID> <handover>'."""
    what, mn_id, _ = token_parts(name)
    return mn_id if what == "aside" else name


class SimulatedStreams:
    """One source that sends numbered packets to one group, and to the home networks of some MNs; these send to it, too.

    What every MN hears of the group and for itself, and what the source hears of each of them, by MN-ID.
    """

    def __init__(
        self, domain: SimulatedDomain, group: IpAddress, source: IpAddress, links: Links, interval_s: float = 0.002,
        *, unicast: tuple[str, ...] = (),
    ) -> None:
        self.domain = domain
        self.heard: dict[str, list[int]] = defaultdict(list)
        self.heard_alone: dict[str, list[int]] = defaultdict(list)
        self.sent_by: dict[str, list[int]] = defaultdict(list)
        self.heard_from: dict[str, list[int]] = defaultdict(list)
        self.sent = 0
        self.home = {
            mn_id: IPv6Address(int(domain.mobile_nodes[mn_id].profile.home_network_prefixes[0][_OF_MOBILE_NODE]))
            for mn_id in unicast
        }
        self._mn_of_home = {address: mn_id for mn_id, address in self.home.items()}
        self._group, self._source, self._links, self._interval_s = group, source, links, interval_s
        self._logs: dict[tuple[str, str], DeliveryLog] = {}
        self._running = False
        self._mn_of_port = {node.profile.access_port(): mn_id for mn_id, node in domain.mobile_nodes.items()}
        self.buffers = {mag_id: RealBuffer(self, agent) for mag_id, agent in domain.agents.items()}
        for mag_id, agent in domain.agents.items():
            agent.buffer = self.buffers[mag_id]  # type: ignore[assignment]
        domain.last_delivered = self._last_delivered

    def start(self) -> None:
        """Send from now on."""
        self._running = True
        self._emit()

    def thin_out(self, interval_s: float) -> None:
        """Send less often from now on: whether a stream goes on shows as well, and most time is spent on packets."""
        self._interval_s = interval_s

    def stop(self) -> None:
        """Send no more; what is on the way arrives when time passes."""
        self._running = False

    def out_of_access_port(self, mag_id: str, mn_id: str, packet: bytes) -> None:
        """A packet is put on an MN's link."""
        node = self.domain.mobile_nodes[mn_id]
        if node.mag_id != mag_id:
            return  # nobody there
        port = node.profile.access_port()
        if port in self.domain.agents[mag_id].watched:
            log = self._logs.setdefault((mag_id, port), DeliveryLog())
            log.sent(packet, self.domain.clock.now)
        else:
            self._logs.pop((mag_id, port), None)
        alone = packet[0] >> 4 == 6 and packet[24] != 0xFF
        (self.heard_alone if alone else self.heard)[mn_id].append(_number(packet))

    def _last_delivered(self, mag_id: str, mn_id: str) -> object:
        port = self.domain.mobile_nodes[mn_id].profile.access_port()
        log = self._logs.pop((mag_id, port), None)
        return log.last_delivered() if log is not None else {}

    def _emit(self) -> None:
        if not self._running:
            return
        for destination in (self._group, *self.home.values()):
            octets = self._packet(self._source, destination)
            to = multicast_mac(destination) if destination.is_multicast else LMA_SOURCE_MAC
            self._at_switch(self.domain.domain.lma.id, octets, in_port=LMA_SOURCE_PORT, eth_destination=to)
        for mn_id, address in self.home.items():
            node = self.domain.mobile_nodes[mn_id]
            if node.mag_id is not None:
                self.sent_by[mn_id].append(self.sent)
                self._at_switch(
                    node.mag_id, self._packet(address, self._source), in_port=node.profile.access_port(),
                    eth_source=node.profile.link_layer_id,
                )
        self.sent += 1
        self.domain.clock.after(self._interval_s, self._emit)

    def _packet(self, source: IpAddress, destination: IpAddress) -> bytes:
        payload = _UDP_HEADER + self.sent.to_bytes(8, "big")
        if isinstance(source, IPv4Address) and isinstance(destination, IPv4Address):
            return encode_ipv4(Ipv4Packet(source=source, destination=destination, protocol=_UDP, payload=payload))
        assert isinstance(source, IPv6Address)
        assert isinstance(destination, IPv6Address)
        return encode_ipv6(Ipv6Packet(source=source, destination=destination, next_header=_UDP, payload=payload))

    def _at_switch(
        self, name: str, octets: bytes, *, in_port: str, key: int | None = None,
        tunnel_source: IPv6Address | None = None, eth_source: bytes = bytes(6),
        eth_destination: bytes = MAG_ACCESS_MAC,
    ) -> None:
        packet = addressed(
            *_addresses(octets), in_port=in_port, tunnel_key=key, tunnel_source=tunnel_source, eth_source=eth_source,
            eth_destination=eth_destination,
        )
        for port, copy in self.domain.switches[name].inject(packet):
            if copy.tunnel_destination is not None:
                self._over_a_tunnel(name, copy, octets)
            elif port == MAG_LMA_PORT:
                self._to_the_lma(name, copy, octets)
            elif port == MAG_BUFFER_PORT:
                index = path_index(copy.eth_source)
                assert index is not None
                if index == UPLINK_PATH:
                    # The gate is open, and the kernel sends it back (southbound.agent.adapters.uplink_gate).
                    self._at_switch(name, octets, in_port=MAG_BUFFER_PORT, eth_source=copy.eth_source)
                    continue
                self._later(_BUFFER_PORT_S, lambda index=index: self.buffers[name].packet(index, octets))
            elif port == LMA_SOURCE_PORT:
                self.heard_from[self._mn_of_home[packet.ipv6_source]].append(_number(octets))
            elif port == CONTROLLER:
                continue  # a home network without a binding, as its LMA finds it: an answer for the source, no way
            else:
                self.out_of_access_port(name, self._mn_of_port[port], octets)

    def into_the_tunnel(self, mag_id: str, destination: IPv6Address, key: int | None, octets: bytes) -> None:
        """An agent sends a packet to another MAG itself."""
        copy = addressed(
            *_addresses(octets), in_port="", tunnel_destination=destination,
            tunnel_key=self.domain.domain.mag_gre_key if key is None else key,
        )
        self._over_a_tunnel(mag_id, copy, octets)

    def _over_a_tunnel(self, name: str, copy: Packet, octets: bytes) -> None:
        domain = self.domain.domain
        assert copy.tunnel_destination is not None
        target = domain.mag_by_address(copy.tunnel_destination)
        assert target is not None
        sender = domain.mag(name)
        in_port = MAG_MAG_PORT if sender is not None else MAG_LMA_PORT
        address = sender.address if sender is not None else domain.lma.address
        delay_s = self._links.get((name, target.id), 0.001)
        self._later(
            delay_s,
            lambda: self._at_switch(
                target.id, octets, in_port=in_port, key=copy.tunnel_key, tunnel_source=address
            ),
        )

    def _to_the_lma(self, name: str, copy: Packet, octets: bytes) -> None:
        mag, lma = self.domain.domain.mag(name), self.domain.domain.lma.id
        assert mag is not None
        self._later(
            self._links.get((name, lma), 0.001),
            lambda: self._at_switch(
                lma, octets, in_port=LMA_MAG_PORT, key=copy.tunnel_key, tunnel_source=mag.address
            ),
        )

    def _later(self, delay_s: float, action: object) -> None:
        self.domain.clock.after(delay_s, action)  # type: ignore[arg-type]

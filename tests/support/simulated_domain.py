# SPDX-License-Identifier: Apache-2.0
"""A whole domain without root, network or waiting: the LMA's core, MAG cores, switches, mobile nodes, a fake clock.

Everything that crosses a wire is encoded and decoded by the real codecs; everything that crosses a link takes time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

from apps.listener_packets import listener_event, listener_frame
from apps.mobility_packets import answer_frame, frame_event
from apps.neighbor_packets import is_neighbor_frame, neighbor_event
from controller import commands as lma
from controller import events as lma_events
from controller.lma import LmaCore
from southbound.agent.events import (
    AccessFrameReceived,
    ContextTransferReceived,
    LinkDown,
    LinkUp,
    MobilityHeaderReceived,
    TunnelQueryReceived,
)
from southbound.agent.mag import MagCore
from southbound.codec.ethernet import ETHERTYPE_IPV4, EthernetFrame, decode_ethernet, encode_ethernet, ethertype_of
from southbound.codec.iana import NEXT_HEADER_MOBILITY
from southbound.codec.ipv4 import decode_ipv4
from southbound.codec.ipv6 import Ipv6Packet, decode_ipv6, encode_ipv6
from southbound.codec.listener_packet import ListenerMessage, decode_listener_packet, is_query
from southbound.codec.neighbor_discovery import (
    NeighborAdvertisement,
    NeighborPacket,
    NeighborSolicitation,
    RouterAdvertisement,
    decode_neighbor_packet,
)
from southbound.codec.neighbor_options import TargetLinkLayerAddress
from southbound.mobility_authentication import MobilityAuthentication
from southbound.openflow.intents import SwitchRole
from tests.support.domains import three_mags
from tests.support.simulated_agent import WALL_OFFSET, SimulatedAgent
from tests.support.simulated_clock import Deadline, SimulatedClock, Ticker
from tests.support.simulated_mobile_node import SimulatedMobileNode
from tests.support.simulated_rpc import SimulatedRpc
from tests.support.simulated_switch import SimulatedSwitch
from tests.support.simulated_transport import Carried, LinkQuality, SimulatedTransport
from tests.support.switch_simulator import CONTROLLER, Packet, addressed
from topology.model import LMA_LINK_LOCAL_ADDRESS, MAG_ACCESS_MAC, Domain
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT, MAG_MAG_PORT

_NEIGHBOUR_MAC = bytes.fromhex("02000000aaaa")
_SOURCE_MAC = bytes.fromhex("02000000cccc")


@dataclass(frozen=True, kw_only=True)
class Delays:
    """Seconds that things take."""

    rpc_s: float = 0.0005
    switch_s: float = 0.003
    join_s: float = 0.005


class SimulatedDomain:
    """Start it, let things happen, let time pass, ask."""

    def __init__(
        self,
        domain: Domain | None = None,
        *,
        quality: LinkQuality | None = None,
        seed: int = 0,
        delays: Delays | None = None,
        clock_errors_s: dict[str, float] | None = None,
        keys: dict[str, MobilityAuthentication] | None = None,
    ) -> None:
        """`keys`: by node, of those that authenticate their Mobility Header messages."""
        self.domain = domain or three_mags()
        self.keys = keys or {}
        self.clock = SimulatedClock()
        self.delays = delays or Delays()
        self.transport = SimulatedTransport(self.domain, self.clock, quality or LinkQuality(), seed, self._arrived)
        self.facts: list[tuple[float, lma.RecordEvent]] = []
        self.rest_answers: list[lma.HandoverAccepted | lma.HandoverRefused] = []
        self.last_delivered: Callable[[str, str], Any] = lambda mag_id, mn_id: {}  # noqa: ARG005
        """(MAG, MN) -> what the MN has been sent last there, when somebody watches."""
        self.source_network: list[tuple[float, ListenerMessage]] = []
        """When the LMA has sent what to the multicast network."""
        self.source_advertisements: list[tuple[float, RouterAdvertisement]] = []
        """When the LMA has told the hosts there what it is a router to."""
        self.plain_mags: dict[str, Callable[[bytes], None]] = {}
        """MAG id -> who takes what comes through the tunnel of a MAG that is not ours."""
        self._handover_numbers = itertools.count(1)
        self.lma = LmaCore(self.domain)
        self.switches = {role.name: self._switch(role) for role in _roles(self.domain)}
        errors = clock_errors_s or {}
        self.agents = {
            mag.id: SimulatedAgent(
                self.domain, mag, self.clock, self,
                clock_error_s=errors.get(mag.id, 0.0), join_after_s=self.delays.join_s,
                authentication=self.keys.get(mag.id),
            )
            for mag in self.domain.mags
        }
        self._rpc = SimulatedRpc(self.agents, self.clock, self.delays.rpc_s, self._to_lma)
        self.mobile_nodes = {
            profile.id: SimulatedMobileNode(profile, self.clock, self._frame_from)
            for profile in self.domain.mobile_nodes
        }
        self._start_controller()

    # --- what a test does -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect all switches and agents and let them settle."""
        for switch in self.switches.values():
            switch.connect()
        for mag_id in self.agents:
            self.connect_agent(mag_id)
        self.clock.run_for(0.5)

    def attach(self, mn_id: str, mag_id: str) -> None:
        """The MN's link to this MAG comes up."""
        self.mobile_nodes[mn_id].mag_id = mag_id
        self.agents[mag_id].handle(LinkUp(port=self._port(mn_id)))

    def detach(self, mn_id: str, last_delivered: Any = None) -> None:
        """The MN's link goes down."""
        mag_id, self.mobile_nodes[mn_id].mag_id = self.mobile_nodes[mn_id].mag_id, None
        if mag_id is not None:
            last = last_delivered or self.last_delivered(mag_id, mn_id)
            self.agents[mag_id].handle(LinkDown(port=self._port(mn_id), last_delivered=last))

    def request_handover(
        self, mn_id: str, new_mag: str, mode: str = "predictive"
    ) -> lma.HandoverAccepted | lma.HandoverRefused:
        """POST /v1/handovers."""
        event = lma_events.HandoverRequested(
            handover_id=f"rest-{next(self._handover_numbers)}", mn_id=mn_id, new_mag=new_mag,
            requested_at=self.clock.now + WALL_OFFSET, mode=mode,
        )
        return self._ask(event)

    def cancel_handover(self, handover_id: str) -> lma.HandoverAccepted | lma.HandoverRefused:
        """DELETE /v1/handovers/{id}."""
        return self._ask(lma_events.HandoverCancelRequested(handover_id=handover_id))

    def connect_agent(self, mag_id: str) -> None:
        """The agent dials; two ways later both know."""
        self._rpc.connect(mag_id)

    def disconnect_agent(self, mag_id: str) -> None:
        """The connection breaks: what is under way on it is lost, who waits is told."""
        self._rpc.disconnect(mag_id)

    def restart_controller(self, back_after_s: float = 0.3) -> None:
        """The controller's process ends; another one starts with nothing, and everybody finds it again."""
        for switch in self.switches.values():
            switch.forget_controller()
        self._rpc.forget_calls()
        self.lma = LmaCore(self.domain)
        for mag_id in self.agents:
            self.disconnect_agent(mag_id)
        self.lma = LmaCore(self.domain)
        self._start_controller()
        for switch in self.switches.values():
            self.clock.after(back_after_s, switch.connect)
        for mag_id in self.agents:
            self.clock.after(back_after_s, lambda mag_id=mag_id: self.connect_agent(mag_id))

    def restart_agent(self, mag_id: str, back_after_s: float = 0.05) -> None:
        """The agent's process ends and another one starts: it finds which links are up, and dials."""
        agent = self.agents[mag_id]
        self.disconnect_agent(mag_id)
        number = next(self._handover_numbers)
        core = MagCore(
            self.domain, agent.mag, wall_offset=WALL_OFFSET,
            new_handover_id=lambda: f"{mag_id}-{number}-ho{next(self._handover_numbers)}",
            authentication=self.keys.get(mag_id),
        )
        agent.restarted(core)

        def back() -> None:
            if agent.core is core:
                for mn_id, node in self.mobile_nodes.items():
                    if node.mag_id == mag_id:
                        agent.handle(LinkUp(port=self._port(mn_id)))
                self.connect_agent(mag_id)

        self.clock.after(back_after_s, back)

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.run_for(seconds)

    def run_until(self, condition: Callable[[], bool], within_s: float = 10.0) -> None:
        """Let time pass until this holds."""
        assert self.clock.run_until(condition, within_s), f"not within {within_s} s"

    # --- what a test asks -------------------------------------------------------------------------------------------

    @property
    def carried(self) -> list[Carried]:
        """All Mobility Headers so far."""
        return self.transport.carried

    def handovers(self) -> dict[str, dict[str, Any]]:
        """The controller's view of every handover, by id."""
        return {handover["id"]: handover for handover in self.lma.snapshot().handovers}

    def bound_at(self, mn_id: str) -> str | None:
        """The MAG of the active binding."""
        bindings = self.lma.snapshot().bindings
        found = [binding["mag"] for binding in bindings if binding["mn_id"] == mn_id and binding["state"] == "active"]
        return found[0] if found else None

    def fact_names(self) -> list[str]:
        """Names of what the controller has recorded."""
        return [fact.name for _, fact in self.facts]

    # --- between the parts ------------------------------------------------------------------------------------------

    def mobility_header(self, source: str, destination: IPv6Address, header: bytes) -> None:
        self.transport.send(source, destination, header)

    def context_transfer(self, source: str, destination: IPv6Address, datagram: bytes) -> None:
        self.transport.send_datagram(source, destination, datagram)

    def packet_to_lma(self, mag_id: str, packet: bytes) -> None:
        """A packet of a MAG's own in its tunnel: the LMA's switch knows what is for the controller."""
        mag, switch = self.domain.mag(mag_id), self.switches[self.domain.lma.id]
        assert mag is not None
        key = self.domain.lma_gre_key
        sent = switch.inject(listener_fields(LMA_MAG_PORT, packet, tunnel_key=key, tunnel_source=mag.address))
        if [port for port, _ in sent] == [CONTROLLER] and switch.connected:
            self._packet_in(packet, str(mag.address))

    def source_network_says(self, packet: bytes) -> None:
        """A packet of MLD, IGMP or Neighbor Discovery arrives at the LMA's port towards the multicast network."""
        switch = self.switches[self.domain.lma.id]
        sent = switch.inject(listener_fields(LMA_SOURCE_PORT, packet))
        if [port for port, _ in sent] == [CONTROLLER] and switch.connected:
            self._packet_in(packet, None)

    def _packet_in(self, packet: bytes, tunnel: str | None) -> None:
        frame = encode_ethernet(EthernetFrame(destination=bytes(6), source=bytes(6), payload=packet))
        heard = tunnel is None and is_neighbor_frame(frame)
        event = neighbor_event(frame) if heard else listener_event(frame, tunnel)
        self.clock.after(self.delays.rpc_s, lambda: self._to_lma(event))

    def _listener_packet(self, command: lma.SendListenerPacket) -> None:
        packet = decode_ethernet(listener_frame(command)).payload
        if command.tunnel is None:
            self.source_network.append((self.clock.now, decode_listener_packet(packet)))
            return
        mag = self.domain.mag_by_address(command.tunnel)
        assert mag is not None
        self.clock.after(self.transport.quality.delay_s, lambda: self._query_in_tunnel(mag.id, packet))

    def _query_in_tunnel(self, mag_id: str, packet: bytes) -> None:
        if mag_id in self.plain_mags:
            self.plain_mags[mag_id](packet)
            return
        sent = self.switches[mag_id].inject(listener_fields(MAG_LMA_PORT, packet, tunnel_key=self.domain.lma_gre_key))
        if [port for port, _ in sent] == [MAG_BUFFER_PORT] and is_query(packet):
            self.agents[mag_id].handle(TunnelQueryReceived(packet=packet))

    def access_frame(self, mag_id: str, port: str, frame: bytes) -> None:
        for node in self.mobile_nodes.values():
            if node.mag_id == mag_id and node.profile.access_port() == port:
                node.receive(frame)

    def call_controller(self, mag_id: str, token: str, call: Any) -> None:
        self._rpc.call_controller(mag_id, token, call)

    def notify_controller(self, mag_id: str, call: Any) -> None:
        self._rpc.notify_controller(mag_id, call)

    def _arrived(self, target: str, source: str, header: bytes, datagram: bool) -> None:
        address = self._address(source)
        if target != self.domain.lma.id and datagram:
            self.agents[target].handle(ContextTransferReceived(datagram=header, source=address))
            return
        if target != self.domain.lma.id:
            self.agents[target].handle(MobilityHeaderReceived(header=header, source=address))
            return
        if not self.switches[f"{self.domain.lma.id}-transport"].connected:
            return  # no packet-in without a controller
        packet = encode_ipv6(
            Ipv6Packet(
                source=address, destination=self.domain.lma.address, next_header=NEXT_HEADER_MOBILITY, payload=header
            )
        )
        frame = encode_ethernet(EthernetFrame(destination=MAG_ACCESS_MAC, source=_NEIGHBOUR_MAC, payload=packet))
        lma = self.domain.lma
        event = frame_event(frame, lma.address, None, 1, self.clock.now + WALL_OFFSET, self.keys.get(lma.id))
        self.clock.after(self.delays.rpc_s, lambda: self._to_lma(event))

    def _to_lma(self, event: lma_events.Event) -> None:
        self._execute(self.lma.handle(event, self.clock.now))

    def _ask(self, event: lma_events.Event) -> lma.HandoverAccepted | lma.HandoverRefused:
        commands = self.lma.handle(event, self.clock.now)
        self._execute(commands)
        answers = [command for command in commands if isinstance(command, lma.HandoverAccepted | lma.HandoverRefused)]
        assert len(answers) == 1, commands
        return answers[0]

    def _answer(self, answer: Any, destination: IPv6Address, reply_to: Any) -> None:
        lma = self.domain.lma
        frame = answer_frame(answer, lma.address, destination, reply_to, self.keys.get(lma.id))
        self.transport.send(self.domain.lma.id, destination, decode_ipv6(decode_ethernet(frame).payload).payload)

    def _execute(self, commands: list[lma.Command]) -> None:
        self._lma_deadline.may_have_changed()
        for command in commands:
            match command:
                case lma.SendProxyBindingAcknowledgement(acknowledgement=answer, destination=to, reply_to=reply_to):
                    self._answer(answer, to, reply_to)
                case lma.SendBindingError(error=error, destination=to, reply_to=reply_to):
                    self._answer(error, to, reply_to)
                case lma.SendListenerPacket():
                    self._listener_packet(command)
                case lma.SendToSourceNetwork(frame=frame):
                    self._ask_source(frame)
                case lma.SetForwarding():
                    self.switches[command.switch].set_forwarding(command)
                case lma.RespondToAgent(token=token, result=result):
                    self._rpc.respond(token, None, result)
                case lma.RejectAgent(token=token, message=message):
                    self._rpc.respond(token, message)
                case lma.CallAgent():
                    self._rpc.call_agent(command)
                case lma.RecordEvent():
                    self.facts.append((self.clock.now, command))
                case lma.HandoverAccepted() | lma.HandoverRefused():
                    self.rest_answers.append(command)

    def _ask_source(self, frame: bytes) -> None:
        """The sources answer to Neighbor Solicitations, as soon as the controller can hear them."""
        asked = decode_neighbor_packet(decode_ethernet(frame).payload).message
        if isinstance(asked, RouterAdvertisement):
            self.source_advertisements.append((self.clock.now, asked))
            return
        assert isinstance(asked, NeighborSolicitation)
        answer = NeighborAdvertisement(
            target=asked.target, router=False, solicited=True, override=True,
            options=(TargetLinkLayerAddress(address=_SOURCE_MAC),),
        )
        packet = NeighborPacket(source=asked.target, destination=LMA_LINK_LOCAL_ADDRESS, message=answer)
        event = lma_events.NeighborHeard(link_layer_id=_SOURCE_MAC, packet=packet)

        def heard() -> None:
            if self.switches[self.domain.lma.id].connected:
                self._to_lma(event)

        self.clock.after(2 * self.delays.rpc_s, heard)

    def _frame_from(self, node: SimulatedMobileNode, frame: bytes) -> None:
        if node.mag_id is not None:
            port = node.profile.access_port()
            self.agents[node.mag_id].handle(AccessFrameReceived(port=port, frame=frame))

    def _start_controller(self) -> None:
        core = self.lma
        self._lma_deadline = Deadline(core.next_deadline)
        self.clock.add(Ticker("lma", self._lma_deadline, lambda now: self._execute(core.tick(now))))
        self._execute(core.start(self.clock.now))

    def _switch(self, role: SwitchRole) -> SimulatedSwitch:
        nodes = tuple(profile.access_port() for profile in self.domain.mobile_nodes)
        ports = {
            "lma": (LMA_SOURCE_PORT, LMA_MAG_PORT),
            "mag": (MAG_LMA_PORT, MAG_MAG_PORT, MAG_BUFFER_PORT, *nodes),
            "lma-transport": ("transport",),
        }[role.kind]
        return SimulatedSwitch(role, ports, self.clock, self.delays.switch_s, self._to_lma)

    def _port(self, mn_id: str) -> str:
        return self.mobile_nodes[mn_id].profile.access_port()

    def _address(self, name: str) -> IPv6Address:
        mag = self.domain.mag(name)
        return mag.address if mag is not None else self.domain.lma.address


def _roles(domain: Domain) -> list[SwitchRole]:
    kinds = [(domain.lma.id, "lma"), (f"{domain.lma.id}-transport", "lma-transport")]
    kinds += [(mag.id, "mag") for mag in domain.mags]
    return [
        SwitchRole(
            name=name, kind=kind, lma_gre_key=domain.lma_gre_key, mag_gre_key=domain.mag_gre_key,
            access_mac=MAG_ACCESS_MAC,
        )
        for name, kind in kinds
    ]


def listener_fields(in_port: str, octets: bytes, **tunnel: Any) -> Packet:
    """The fields of a packet of MLD or IGMP as a switch sees them."""
    if ethertype_of(octets) == ETHERTYPE_IPV4:
        ipv4 = decode_ipv4(octets)
        return addressed(ipv4.source, ipv4.destination, in_port=in_port, ip_proto=ipv4.protocol, hop_limit=1, **tunnel)
    packet = decode_ipv6(octets)
    return addressed(
        packet.source, packet.destination, in_port=in_port, hop_limit=packet.hop_limit, ip_proto=packet.next_header,
        icmpv6_type=packet.payload[0], **tunnel,
    )

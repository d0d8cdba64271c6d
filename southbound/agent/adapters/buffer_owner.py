# SPDX-License-Identifier: Apache-2.0
"""The handover buffer between the buffer port and the access ports: its effects become frames and events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from southbound.agent.adapters.access_port import AccessPort
from southbound.agent.adapters.paced_egress import PacedEgress
from southbound.agent.adapters.takeovers import Candidate, Takeovers
from southbound.agent.adapters.uplink_gate import UplinkGate
from southbound.agent.buffer_effects import (
    Deliver,
    DeliveryStarted,
    Effect,
    FirstNativePacket,
    FirstTunnelPacket,
    Joined,
)
from southbound.agent.commands import (
    BufferCommand,
    CutBuffer,
    DeliverBuffer,
    ExpectMobileNode,
    NativeConfirmed,
    NoForwarding,
    SetAside,
)
from southbound.agent.events import Event, StreamObserved, StreamsJoined
from southbound.agent.handover_buffer import HandoverBuffer
from southbound.agent.handover_exchange import token
from southbound.agent.packet_timeline import PacketTimeline
from southbound.rpc.methods import BufferReport, DeliverDirectly, PacketCounts, ReleaseForwarding
from topology.model import MAG_ACCESS_MAC, Domain

_MULTICAST_MAC = b"\x33\x33"
_SOURCE_AND_TYPE = MAG_ACCESS_MAC + b"\x86\xdd"
_MULTICAST_MAC_IPV4 = b"\x01\x00\x5e"
_SOURCE_AND_TYPE_IPV4 = MAG_ACCESS_MAC + b"\x08\x00"
_ETHERNET_HEADER = 14
_DESTINATION, _MULTICAST = 24, 0xFF
"""First octet of the destination address, and what it is of a group."""
_GROUP_TAIL = slice(36, 40)
"""Last four octets of the destination address in an IPv6 header: those of the group's MAC (RFC 2464 section 7)."""

_ALIVE_S = 1.0
"""A stream that has had no packet for longer does not count among those that the switch has to take over."""


class _Arrival:
    """One MN that is expected or being delivered to."""

    def __init__(
        self, mn_id: str, handover_id: str, port_name: str, link_layer_id: bytes, egress: PacedEgress,
        sent: PacketTimeline,
    ) -> None:
        self.mn_id = mn_id
        self.link_layer_id = link_layer_id
        self.handover_id = handover_id
        self.port_name = port_name
        self.egress = egress
        self.sent = sent
        """When the MN was sent what."""
        self.gone = False
        """The MN has left; what is delivered may still be for the MAG that it has gone to."""
        self.unsent: tuple[bytes, ...] = ()
        """What had not been sent by then."""
        self.joined = False
        """Joined, but not told as long as something waits in the egress: the switch must not overtake it."""


class BufferOwner:
    """Owns the HandoverBuffer of one agent; `handle` takes the events that come of it."""

    def __init__(
        self,
        domain: Domain,
        ports: dict[str, AccessPort],
        handle: Callable[[Event], None],
        *,
        uplink: UplinkGate,
        drain: Callable[[], bool],
        on_delivery: Callable[[str, str, bytes], None],
        on_sent: Callable[[str, bytes], None],
    ) -> None:
        """`drain` reads the buffer port. `on_delivery(mn_id, handover_id, packet)` is shown what the buffer delivers,
        `on_sent(port, frame)` what has gone out."""
        self._buffer = HandoverBuffer(limits=domain.limits, timers=domain.timers)
        self.takeovers = Takeovers(
            {name: port.interface for name, port in ports.items()}, drain=drain, hand_over=self._buffer.hand_over_to_switch
        )
        self._uplink = uplink
        self._on_delivery, self._on_sent = on_delivery, on_sent
        self._ports = ports
        self._handle = handle
        self._arrivals: dict[str, _Arrival] = {}

    def carry_out(self, command: BufferCommand, now: float) -> None:
        """One of the core's commands for the buffer."""
        mn_id = command.mn_id
        match command:
            case ExpectMobileNode():
                self.takeovers.end(mn_id, here=True)
                self.takeovers.expected(command.port)
                self._uplink.expect(command)
                sent = PacketTimeline()
                egress = PacedEgress(self._sender(self._ports[command.port], sent), lambda: self._egress_empty(mn_id))
                self._arrivals[mn_id] = _Arrival(
                    mn_id, command.handover_id, command.port, command.link_layer_id, egress, sent
                )
                effects = self._buffer.expect(
                    mn_id, command.memberships, command.tunnel_path, now, native_path=command.native_path,
                    prefixes=command.prefixes,
                )
            case SetAside(handover_id=handover_id):
                self._set_aside(mn_id, handover_id)
                effects = []
            case CutBuffer(last_delivered=last_delivered):
                effects = self._buffer.cut(mn_id, last_delivered, now)
            case DeliverBuffer():
                if (arrival := self._arrivals.get(mn_id)) is not None:
                    arrival.gone, arrival.unsent = False, ()
                self._uplink.arrived(mn_id)
                effects = self._buffer.arrived(mn_id, now)
            case NativeConfirmed():
                self._uplink.bound(mn_id)
                effects = self._buffer.native_confirmed(mn_id, now)
            case NoForwarding():
                self._uplink.end(mn_id)
                effects = self._buffer.forwarding_refused(mn_id, now)
        self._apply(effects)

    def packet(self, path_index: int, packet: bytes, now: float) -> None:
        """A packet for an MN from the buffer port."""
        self._apply(self._buffer.on_packet(path_index, packet, now))

    def gone(self, port_name: str) -> None:
        """The MN behind this port has left: nothing more is owed to it here."""
        for mn_id, arrival in self._arrivals.items():
            if arrival.port_name == port_name:
                arrival.gone, arrival.unsent = True, arrival.egress.waiting()
                arrival.egress.clear()
                self.takeovers.end(mn_id, here=False)
                self._uplink.end(mn_id)

    def _set_aside(self, mn_id: str, handover_id: str) -> None:
        arrival = self._arrivals.get(mn_id)
        if arrival is not None and arrival.handover_id == handover_id:
            name = token("aside", mn_id, handover_id)
            self._arrivals[name] = self._arrivals.pop(mn_id)
            self._buffer.set_aside(mn_id, name)

    def undelivered(self, mn_id: str) -> list[bytes]:
        """Packets that the buffer has delivered and that have not gone out to the MN."""
        arrival = self._arrivals.get(mn_id)
        waiting = () if arrival is None else arrival.unsent if arrival.gone else arrival.egress.waiting()
        return [frame[_ETHERNET_HEADER:] for frame in waiting]

    def _sender(self, port: AccessPort, timeline: PacketTimeline) -> Callable[[bytes], bool]:
        def send(frame: bytes) -> bool:
            sent = port.send(frame)
            if sent:
                timeline.count(time.monotonic())
                self._on_sent(port.name, frame)
            return sent

        return send

    def change_asked(self, call: DeliverDirectly | ReleaseForwarding, now: float) -> None:
        """The controller is about to be asked for what may make the switch deliver to an MN alone."""
        arrival = self._arrivals.get(call.mn_id)
        if isinstance(call, DeliverDirectly) and arrival is not None and arrival.handover_id == call.handover_id:
            mn_id, egress = call.mn_id, arrival.egress
            candidate = Candidate(
                port_name=arrival.port_name,
                streams=lambda: self._buffer.live_streams(mn_id, now - _ALIVE_S),
                egress_empty=lambda: egress.empty,
            )
            self.takeovers.asked(mn_id, candidate)
        else:
            # The release of what has not been asked for yet would be forgotten by then.
            self.takeovers.wait_no_longer()
            self.takeovers.may_change()

    def change_answered(self, mn_id: str, error: str | None) -> None:
        """The controller's answer to DeliverDirectly."""
        self.takeovers.answered(mn_id, error)
        self._uplink.answered(mn_id, error)

    @property
    def is_empty(self) -> bool:
        """Whether no MN is expected or delivered to."""
        return not self._arrivals

    @property
    def counters(self) -> Mapping[str, int]:
        """What belongs to no handover that is reported of (HandoverBuffer.totals), without what no MN expected here wants:
        it may be for those that have left."""
        return {name: count for name, count in self._buffer.totals.items() if name != "not_wanted"}

    @property
    def held_bytes(self) -> int:
        """Octets of the packets that are kept."""
        return self._buffer.held_bytes

    def release(
        self, mn_id: str, handover_id: str, now: float, wall_offset: float
    ) -> list[BufferReport | PacketCounts]:
        """Free what is kept for the MN; what there is to tell of it. Nothing when a later handover has taken its place.

        `wall_offset`: seconds from the clock of `now` to that since 1970.
        """
        name = mn_id
        arrival = self._arrivals.get(mn_id)
        if arrival is None or arrival.handover_id != handover_id:
            name = token("aside", mn_id, handover_id)
            arrival = self._arrivals.get(name)
            if arrival is None:
                return []
        self.takeovers.end(name, here=True)
        if name == mn_id:
            self._uplink.end(mn_id)
        del self._arrivals[name]
        from_tunnel = self._buffer.from_tunnel(name)
        counters = self._buffer.release(name, now)
        counters["send_failed"] = arrival.egress.failed
        return [
            BufferReport(handover_id=handover_id, mn_id=mn_id, counters=counters),
            *from_tunnel.report("tunnel", handover_id, mn_id, wall_offset),
            *arrival.sent.report("new_mag", handover_id, mn_id, wall_offset),
        ]

    def next_deadline(self) -> float | None:
        """When `tick` has something to do."""
        return self._buffer.next_deadline()

    def tick(self, now: float) -> None:
        """Cut waits, holds, idle streams, expiry."""
        due = self._buffer.next_deadline()
        if due is not None and due <= now:
            self._apply(self._buffer.tick(now))

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Deliver(mn_id=mn_id, packet=packet):
                    arrival = self._arrivals.get(mn_id)
                    if arrival is None:
                        continue
                    self._on_delivery(arrival.mn_id, arrival.handover_id, packet)
                    if not arrival.gone:
                        arrival.egress.put(_frame(packet, arrival.link_layer_id))
                        self.takeovers.delivered(mn_id)
                case FirstTunnelPacket(mn_id=mn_id):
                    self._handle(StreamObserved(mn_id=mn_id, what="tunnel"))
                case FirstNativePacket(mn_id=mn_id):
                    self._handle(StreamObserved(mn_id=mn_id, what="native"))
                case DeliveryStarted(mn_id=mn_id, buffered_packets=count):
                    self._handle(StreamObserved(mn_id=mn_id, what="delivery", detail=f"{count} buffered"))
                case Joined(mn_id=mn_id):
                    arrival = self._arrivals.get(mn_id)
                    if arrival is not None:
                        arrival.joined = True
                        self._tell_joined(mn_id)

    def _egress_empty(self, mn_id: str) -> None:
        self._tell_joined(mn_id)
        self.takeovers.egress_empty(mn_id)

    def uplink_drained(self) -> None:
        """What MNs have sent waits no longer."""
        for mn_id in list(self._arrivals):
            self._tell_joined(mn_id)

    def _tell_joined(self, mn_id: str) -> None:
        arrival = self._arrivals.get(mn_id)
        if arrival is None or not arrival.joined or not arrival.egress.empty:
            return
        # Nor must it overtake what the MN has sent.
        if self._uplink.may_leave(mn_id):
            arrival.joined = False
            self._handle(StreamsJoined(mn_id=mn_id))


def _frame(packet: bytes, link_layer_id: bytes) -> bytes:
    """As the switch would deliver it: from the MAG to the group's address (RFC 2464 section 7, RFC 1112 section 6.4), or to
    the MN's."""
    if packet[0] >> 4 == 4:
        return _MULTICAST_MAC_IPV4 + bytes((packet[17] & 0x7F,)) + packet[18:20] + _SOURCE_AND_TYPE_IPV4 + packet
    multicast = packet[_DESTINATION] == _MULTICAST
    return (_MULTICAST_MAC + packet[_GROUP_TAIL] if multicast else link_layer_id) + _SOURCE_AND_TYPE + packet

# SPDX-License-Identifier: Apache-2.0
"""The handover buffer between the buffer port and the access ports: its effects become frames and events."""

from __future__ import annotations

from collections.abc import Callable

from southbound.agent.adapters.access_port import AccessPort
from southbound.agent.adapters.paced_egress import PacedEgress
from southbound.agent.adapters.takeovers import Candidate, Takeovers
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
)
from southbound.agent.events import Event, StreamObserved, StreamsJoined
from southbound.agent.handover_buffer import HandoverBuffer
from southbound.rpc.methods import BufferReport, DeliverDirectly, ReleaseForwarding
from topology.model import MAG_ACCESS_MAC, Domain

_MULTICAST_MAC = b"\x33\x33"
_SOURCE_AND_TYPE = MAG_ACCESS_MAC + b"\x86\xdd"
_GROUP_TAIL = slice(36, 40)
"""Last four octets of the destination address in an IPv6 header: those of the group's MAC (RFC 2464 section 7)."""

_ALIVE_S = 1.0
"""A stream that has had no packet for longer does not count among those that the switch has to take over."""


class _Arrival:
    """One MN that is expected or being delivered to."""

    def __init__(self, handover_id: str, port: AccessPort, on_empty: Callable[[], None]) -> None:
        self.handover_id = handover_id
        self.port_name = port.name
        self.egress = PacedEgress(port.send, on_empty)
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
        drain: Callable[[], bool],
        are_others: Callable[[], bool],
    ) -> None:
        """`drain` reads the buffer port; `are_others` is whether native packets come there for others than MNs that
        arrive."""
        self._buffer = HandoverBuffer(limits=domain.limits, timers=domain.timers)
        self.takeovers = Takeovers(ports, drain=drain, hand_over=self._hand_over)
        self._are_others = are_others
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
                self._arrivals[mn_id] = _Arrival(
                    command.handover_id, self._ports[command.port], lambda: self._egress_empty(mn_id)
                )
                effects = self._buffer.expect(mn_id, command.memberships, command.tunnel_path, now)
            case CutBuffer(last_delivered=last_delivered):
                effects = self._buffer.cut(mn_id, last_delivered, now)
            case DeliverBuffer():
                effects = self._buffer.arrived(mn_id, now)
            case NativeConfirmed():
                effects = self._buffer.native_confirmed(mn_id, now)
            case NoForwarding():
                effects = self._buffer.forwarding_refused(mn_id, now)
        self._apply(effects)

    def packet(self, path_index: int, packet: bytes, now: float) -> None:
        """A packet from the buffer port."""
        self._apply(self._buffer.on_packet(path_index, packet, now))

    def gone(self, port_name: str) -> None:
        """The MN behind this port has left: nothing more is owed to it here."""
        for mn_id, arrival in self._arrivals.items():
            if arrival.port_name == port_name:
                arrival.egress.clear()
                self.takeovers.end(mn_id, here=False)

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

    def others_listen(self) -> None:
        """From now on the switch may give the buffer port copies of what it sends to MNs that it has taken over."""
        self._buffer.others_listen()

    def release(self, mn_id: str, handover_id: str, now: float) -> BufferReport | None:
        """Free what is kept for the MN; its counters. None when a later handover has taken its place."""
        arrival = self._arrivals.get(mn_id)
        if arrival is None or arrival.handover_id != handover_id:
            return None
        self.takeovers.end(mn_id, here=True)
        del self._arrivals[mn_id]
        counters = dict(self._buffer.counters(mn_id))
        counters["send_failed"] = arrival.egress.failed
        self._apply(self._buffer.release(mn_id, now))
        return BufferReport(handover_id=handover_id, mn_id=mn_id, counters=counters)

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
                    if arrival is not None:
                        arrival.egress.put(_MULTICAST_MAC + packet[_GROUP_TAIL] + _SOURCE_AND_TYPE + packet)
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

    def _hand_over(self, mn_id: str) -> None:
        self._buffer.hand_over_to_switch(mn_id)
        if self._are_others():
            self._buffer.others_listen()

    def _egress_empty(self, mn_id: str) -> None:
        self._tell_joined(mn_id)
        self.takeovers.egress_empty(mn_id)

    def _tell_joined(self, mn_id: str) -> None:
        arrival = self._arrivals.get(mn_id)
        if arrival is not None and arrival.joined and arrival.egress.empty:
            arrival.joined = False
            self._handle(StreamsJoined(mn_id=mn_id))


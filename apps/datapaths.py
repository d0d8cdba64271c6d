# SPDX-License-Identifier: Apache-2.0
"""The switches as Ryu knows them: one Reconciler each, its batches as messages, replies and errors as its inputs.

Reading a switch (port descriptions, flows, groups) comes before anything is written to it, on every connection.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Any

from apps.counter_reader import ConnectedSwitch, CounterReader
from apps.listener_packets import listener_frame
from apps.mobility_packets import answer_frame
from controller.commands import (
    SendBindingError,
    SendListenerPacket,
    SendPacket,
    SendProxyBindingAcknowledgement,
    SetForwarding,
)
from controller.events import (
    Event,
    ForwardingConfirmed,
    ForwardingFailed,
    PacketNotForwarded,
    SwitchConnected,
    SwitchDisconnected,
)
from southbound.codec.binding import ProxyBindingAcknowledgement
from southbound.codec.binding_error import BindingError
from southbound.fact_log import log_fact
from southbound.mobility_authentication import MobilityAuthentication
from southbound.openflow import ofp15, ofp15_stats
from southbound.openflow.counters import SwitchCounters
from southbound.openflow.intents import SwitchRole
from southbound.openflow.pipeline import REPLICATION, UNFORWARDED
from southbound.openflow.ports import port_name
from southbound.openflow.reconciler import Batch, Confirmed, Failed, Incomplete, Outcome, Reconciler, ResyncRequired
from topology.model import MAG_ACCESS_MAC, Domain
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_LMA_PORT, MAG_MAG_PORT, SwitchNames

_log = logging.getLogger("castover.switches")


@dataclass(slots=True)
class _Reading:
    """What has been read of a switch so far, one part a request."""

    waiting: set[int]
    """xids of the requests without a complete answer."""
    parts: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(slots=True)
class _Switch:
    name: str
    reconciler: Reconciler
    names: SwitchNames
    """Its host's names of ports against ours: rules and everything else here have ours."""
    metered: bool = False
    """Whether its rules need our meters."""
    datapath: Any = None
    announced: bool = False
    """The core has been told that it is connected."""
    reading: _Reading | None = None
    barriers: dict[int, int] = field(default_factory=dict)
    """Barrier xid -> batch id."""
    batch_of_xid: dict[int, int] = field(default_factory=dict)


class Datapaths:
    """All switches of the domain. `post` takes the events that come of them."""

    def __init__(
        self, domain: Domain, post: Callable[[Event], None], authentication: MobilityAuthentication | None = None
    ) -> None:
        self._domain, self._authentication = domain, authentication
        self._post = post
        self._by_id: dict[int, _Switch] = {}
        self._by_name: dict[str, _Switch] = {}
        self._counters = CounterReader(self._connected)
        lma = domain.lma
        self._add(lma.id, "lma", lma.datapath_id, lma.switch)
        self._add(f"{lma.id}-transport", "lma-transport", lma.transport_datapath_id, SwitchNames())
        for mag in domain.mags:
            self._add(mag.id, "mag", mag.datapath_id, mag.switch)

    def _add(self, name: str, kind: str, datapath_id: int, names: SwitchNames) -> None:
        role = SwitchRole(
            name=name,
            kind=kind,
            lma_gre_key=self._domain.lma_gre_key,
            mag_gre_key=self._domain.mag_gre_key,
            access_mac=MAG_ACCESS_MAC,
            tunnel_mtu=self._domain.access_mtu,
            shared=names.shared,
        )
        timeout_s = self._domain.timers.switch_confirmation_timeout_ms / 1000
        switch = _Switch(
            name, Reconciler(role, confirmation_timeout_s=timeout_s), names, metered=kind != "lma-transport"
        )
        self._by_id[datapath_id] = self._by_name[name] = switch

    # --- commands of the core ---------------------------------------------------------------------------------------

    def set_forwarding(self, command: SetForwarding) -> None:
        """Carry out a SetForwarding."""
        switch = self._by_name[command.switch]
        self._carry_out(switch, switch.reconciler.want(command.intent, command.generation, time.monotonic()))

    def send_acknowledgement(self, command: SendProxyBindingAcknowledgement) -> None:
        """Packet-out of a PBA on the port that the PBU came in by."""
        self._answer(command.acknowledgement, command.destination, command.reply_to)

    def send_binding_error(self, command: SendBindingError) -> None:
        """The same of a Binding Error."""
        self._answer(command.error, command.destination, command.reply_to)

    def _answer(
        self, answer: ProxyBindingAcknowledgement | BindingError, destination: IPv6Address, reply_to: Any
    ) -> None:
        datapath = reply_to.datapath
        frame = answer_frame(answer, self._domain.lma.address, destination, reply_to, self._authentication)
        _packet_out(datapath, frame, [datapath.ofproto_parser.OFPActionOutput(reply_to.port)])

    def send_listener_packet(self, command: SendListenerPacket) -> None:
        """Packet-out of MLD; lost while the switch is away, as on a link that is down."""
        self._send_by_lma(listener_frame(command), command.tunnel)

    def send_to_source_network(self, frame: bytes) -> None:
        """Packet-out of a frame on the LMA's port to the sources; lost likewise."""
        self._send_by_lma(frame, None)

    def send_packet(self, command: SendPacket) -> None:
        """Packet-out of what a router says by itself; lost likewise."""
        self._send_by(self._by_name[command.switch], command.port, command.frame, command.tunnel)

    def _send_by_lma(self, frame: bytes, tunnel: IPv6Address | None) -> None:
        port = LMA_SOURCE_PORT if tunnel is None else LMA_MAG_PORT
        self._send_by(self._by_name[self._domain.lma.id], port, frame, tunnel)

    def _send_by(self, switch: _Switch, port: str, frame: bytes, tunnel: IPv6Address | None) -> None:
        number = switch.reconciler.ports.get(port)
        if switch.datapath is None or number is None:
            return
        parser = switch.datapath.ofproto_parser
        actions = [parser.OFPActionOutput(number)]
        if tunnel is not None:
            actions = [parser.OFPActionSetField(tun_ipv6_dst=str(tunnel)), *actions]
        if tunnel is not None or port == MAG_LMA_PORT:
            actions = [parser.OFPActionSetField(tunnel_id=self._domain.lma_gre_key), *actions]
        _packet_out(switch.datapath, frame, actions)

    def rules(self, name: str) -> Any:
        """What the switch is known to have (southbound.openflow.rules.SwitchRules)."""
        return self._by_name[name].reconciler.installed

    def readings(self) -> Mapping[str, Sequence[SwitchCounters]]:
        """The latest counters by switch, oldest first; asking begins the reading of them."""
        return self._counters.look()

    def next_deadline(self) -> float | None:
        """When `tick` has something to do."""
        deadlines = (switch.reconciler.next_deadline() for switch in self._by_name.values())
        return min((at for at in deadlines if at is not None), default=None)

    def tick(self, now: float) -> None:
        """Batches without answer, readings that hang."""
        for switch in self._by_name.values():
            due = switch.reconciler.next_deadline()
            if due is not None and due <= now:
                self._carry_out(switch, switch.reconciler.tick(now))

    # --- from Ryu ---------------------------------------------------------------------------------------------------

    def knows(self, datapath_id: int) -> bool:
        """Whether this is a switch of the domain."""
        return datapath_id in self._by_id

    def unforwarded(self, message: Any) -> PacketNotForwarded | None:
        """What a packet-in is that a switch sends as a router; None when it is none, or of a port that has gone."""
        switch = self._of(message)
        if switch is None or not switch.metered or message.table_id not in (REPLICATION, UNFORWARDED):
            return None
        tunnel = message.match.get("tun_ipv6_src")
        port = port_name(message.match["in_port"], {number: name for name, number in switch.reconciler.ports.items()})
        of_many = tunnel is not None and port in (LMA_MAG_PORT, MAG_MAG_PORT)
        return PacketNotForwarded(
            switch=switch.name, port=port, tunnel=IPv6Address(tunnel) if of_many else None, frame=bytes(message.data)
        )

    def connected(self, datapath: Any) -> None:
        """A switch has connected: read it first."""
        switch = self._by_id.get(datapath.id)
        if switch is None:
            log_fact(_log, "unknown_switch", {"datapath_id": f"{datapath.id:#x}"}, level=logging.WARNING)
            datapath.close()
            return
        if switch.datapath is not None and switch.datapath is not datapath:
            self._lost(switch)
        switch.datapath = datapath
        if switch.metered:
            _send_in_one_piece(datapath, ofp15.meter_messages(datapath))
        self._read(switch)

    def disconnected(self, datapath: Any) -> None:
        """A connection is gone; an older connection of a switch that has come back does not count."""
        switch = self._by_id.get(datapath.id) if datapath.id is not None else None
        if switch is not None and switch.datapath is datapath:
            self._lost(switch)

    def stats_reply(self, kind: str, message: Any) -> None:
        """A part of a switch's answer; `kind` is 'ports', 'flows', 'groups', 'group_stats' or 'port_stats'."""
        switch = self._of(message)
        if switch is None:
            return
        reading = switch.reading
        if reading is None or message.xid not in reading.waiting:
            self._counters.take(switch.name, kind, message)
            return
        reading.parts.setdefault(kind, []).extend(message.body)
        if not message.flags & message.datapath.ofproto.OFPMPF_REPLY_MORE:
            reading.waiting.discard(message.xid)
        if not reading.waiting:
            self._read_done(switch, reading)

    def barrier_reply(self, message: Any) -> None:
        """Everything up to this barrier has been done."""
        switch = self._of(message)
        batch_id = switch.barriers.pop(message.xid, None) if switch is not None else None
        if switch is None or batch_id is None:
            return
        self._forget(switch, batch_id)
        self._carry_out(switch, switch.reconciler.batch_confirmed(batch_id, time.monotonic()))

    def error(self, message: Any) -> None:
        """A message was refused; if it was one of a batch, the batch has failed."""
        switch = self._of(message)
        if switch is None or ofp15.is_meter_there(message):
            return
        batch_id = switch.batch_of_xid.get(message.xid)
        reason = ofp15_stats.error_text(message)
        fields = {"switch": switch.name, "batch": batch_id, "reason": reason}
        log_fact(_log, "switch_error", fields, level=logging.WARNING)
        if batch_id is not None:
            self._forget(switch, batch_id)
            self._carry_out(switch, switch.reconciler.batch_failed(batch_id, reason, time.monotonic()))

    def ports_changed(self, datapath: Any) -> None:
        """A port has come, gone or been renumbered: read the switch again."""
        switch = self._by_id.get(datapath.id)
        if switch is not None and switch.datapath is datapath:
            self._read(switch)

    def _of(self, message: Any) -> _Switch | None:
        switch = self._by_id.get(message.datapath.id)
        return switch if switch is not None and switch.datapath is message.datapath else None

    def _connected(self) -> list[ConnectedSwitch]:
        return [
            ConnectedSwitch(switch.name, switch.datapath, switch.reconciler.ports)
            for switch in self._by_name.values()
            if switch.datapath is not None and switch.announced
        ]

    # --- steps ------------------------------------------------------------------------------------------------------

    def _lost(self, switch: _Switch) -> None:
        switch.datapath, switch.reading = None, None
        switch.barriers.clear()
        switch.batch_of_xid.clear()
        self._carry_out(switch, switch.reconciler.disconnected())
        if switch.announced:
            switch.announced = False
            self._post(SwitchDisconnected(switch=switch.name))

    def _read(self, switch: _Switch) -> None:
        requests = ofp15_stats.state_requests(switch.datapath)
        for request in requests:
            switch.datapath.set_xid(request)
        switch.reading = _Reading({request.xid for request in requests})
        for request in requests:
            switch.datapath.send_msg(request)

    def _read_done(self, switch: _Switch, reading: _Reading) -> None:
        switch.reading = None
        found = ofp15_stats.port_numbers(reading.parts.get("ports", []))
        ports = {switch.names.of_host(name): number for name, number in found.items()}
        observed = ofp15_stats.switch_rules(reading.parts.get("flows", []), reading.parts.get("groups", []), ports)
        self._carry_out(switch, switch.reconciler.connected(ports, observed, time.monotonic()))
        if not switch.announced:
            switch.announced = True
            self._post(SwitchConnected(switch=switch.name))

    def _carry_out(self, switch: _Switch, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            match outcome:
                case Batch():
                    self._send(switch, outcome)
                case Confirmed(generation=generation):
                    self._post(ForwardingConfirmed(switch=switch.name, generation=generation))
                case Incomplete(generation=generation, missing_ports=missing):
                    reason = f"no port {', '.join(sorted(missing))} on the switch"
                    self._post(ForwardingFailed(switch=switch.name, generation=generation, reason=reason))
                case Failed(generation=generation, reason=reason):
                    self._post(ForwardingFailed(switch=switch.name, generation=generation, reason=reason))
                case ResyncRequired():
                    if switch.datapath is not None:
                        self._read(switch)

    def _send(self, switch: _Switch, batch: Batch) -> None:
        encoded = ofp15.batch_messages(batch, switch.datapath)
        switch.barriers[encoded.barrier_xid] = batch.batch_id
        switch.batch_of_xid.update(dict.fromkeys(encoded.xids, batch.batch_id))
        _send_in_one_piece(switch.datapath, encoded.messages)

    def _forget(self, switch: _Switch, batch_id: int) -> None:
        switch.batch_of_xid = {xid: batch for xid, batch in switch.batch_of_xid.items() if batch != batch_id}
        switch.barriers = {xid: batch for xid, batch in switch.barriers.items() if batch != batch_id}


def _send_in_one_piece(datapath: Any, messages: Iterable[Any]) -> None:
    """The switch wakes up once for all of them; and Ryu, which holds sixteen pieces, has room."""
    octets = bytearray()
    for message in messages:
        message.serialize()
        octets += message.buf
    datapath.send(bytes(octets))


def _packet_out(datapath: Any, frame: bytes, actions: list[Any]) -> None:
    ofproto, parser = datapath.ofproto, datapath.ofproto_parser
    datapath.send_msg(
        parser.OFPPacketOut(
            datapath=datapath,
            buffer_id=ofproto.OFP_NO_BUFFER,
            match=parser.OFPMatch(in_port=ofproto.OFPP_CONTROLLER),
            actions=actions,
            data=frame,
        )
    )

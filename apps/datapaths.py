# SPDX-License-Identifier: Apache-2.0
"""The switches of the domain as Ryu knows them: the core's commands to the switch meant, messages of Ryu to the switch
they came from."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv6Address
from typing import Any

from apps.counter_reader import ConnectedSwitch, CounterReader
from apps.listener_packets import listener_frame
from apps.mobility_packets import answer_frame, frame_back
from apps.packet_outs import packet_out, send_by
from apps.switch_connection import SwitchConnection
from controller.commands import (
    SendBindingError,
    SendListenerPacket,
    SendPacket,
    SendParameterProblem,
    SendProxyBindingAcknowledgement,
    SetForwarding,
)
from controller.events import Event, PacketNotForwarded
from southbound.codec.binding import ProxyBindingAcknowledgement
from southbound.codec.binding_error import BindingError
from southbound.fact_log import log_fact
from southbound.mobility_authentication import MobilityAuthentication
from southbound.openflow.counters import SwitchCounters
from southbound.openflow.intents import SwitchRole
from southbound.openflow.pipeline import REPLICATION, UNFORWARDED
from southbound.openflow.ports import port_name
from southbound.openflow.reconciler import Reconciler
from topology.model import MAG_ACCESS_MAC, Domain
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_MAG_PORT, SwitchNames

_log = logging.getLogger("castover.switches")


class Datapaths:
    """All switches of the domain. `post` takes the events that come of them."""

    def __init__(
        self, domain: Domain, post: Callable[[Event], None], authentication: MobilityAuthentication | None = None
    ) -> None:
        self._domain, self._authentication = domain, authentication
        self._post = post
        self._by_id: dict[int, SwitchConnection] = {}
        self._by_name: dict[str, SwitchConnection] = {}
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
        reconciler = Reconciler(role, confirmation_timeout_s=timeout_s)
        switch = SwitchConnection(name, reconciler, names, self._post, metered=kind != "lma-transport")
        self._by_id[datapath_id] = self._by_name[name] = switch

    # --- commands of the core ---------------------------------------------------------------------------------------

    def set_forwarding(self, command: SetForwarding) -> None:
        """Carry out a SetForwarding."""
        switch = self._by_name[command.switch]
        switch.carry_out(switch.reconciler.want(command.intent, command.generation, time.monotonic()))

    def send_acknowledgement(self, command: SendProxyBindingAcknowledgement) -> None:
        """Packet-out of a PBA on the port that the PBU came in by."""
        self._answer(command.acknowledgement, command.destination, command.reply_to)

    def send_binding_error(self, command: SendBindingError) -> None:
        """The same of a Binding Error."""
        self._answer(command.error, command.destination, command.reply_to)

    def _answer(
        self, answer: ProxyBindingAcknowledgement | BindingError, destination: IPv6Address, reply_to: Any
    ) -> None:
        self._back(answer_frame(answer, self._domain.lma.address, destination, reply_to, self._authentication), reply_to)

    def send_parameter_problem(self, command: SendParameterProblem) -> None:
        """The same of an ICMPv6 error."""
        reply_to: Any = command.reply_to
        self._back(frame_back(command.packet, reply_to), reply_to)

    def _back(self, frame: bytes, reply_to: Any) -> None:
        datapath = reply_to.datapath
        packet_out(datapath, frame, [datapath.ofproto_parser.OFPActionOutput(reply_to.port)])

    def send_listener_packet(self, command: SendListenerPacket) -> None:
        """Packet-out of MLD; lost while the switch is away, as on a link that is down."""
        self._send_by_lma(listener_frame(command), command.tunnel)

    def send_to_source_network(self, frame: bytes) -> None:
        """Packet-out of a frame on the LMA's port to the sources; lost likewise."""
        self._send_by_lma(frame, None)

    def send_packet(self, command: SendPacket) -> None:
        """Packet-out of what a router says by itself; lost likewise."""
        switch = self._by_name[command.switch]
        send_by(switch, command.port, command.frame, command.tunnel, self._domain.lma_gre_key)

    def _send_by_lma(self, frame: bytes, tunnel: IPv6Address | None) -> None:
        port = LMA_SOURCE_PORT if tunnel is None else LMA_MAG_PORT
        send_by(self._by_name[self._domain.lma.id], port, frame, tunnel, self._domain.lma_gre_key)

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
                switch.carry_out(switch.reconciler.tick(now))

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
        switch.connected(datapath)

    def disconnected(self, datapath: Any) -> None:
        """A connection is gone; an older connection of a switch that has come back does not count."""
        switch = self._by_id.get(datapath.id) if datapath.id is not None else None
        if switch is not None and switch.datapath is datapath:
            switch.lost()

    def stats_reply(self, kind: str, message: Any) -> None:
        """A part of a switch's answer; `kind` is 'ports', 'flows', 'groups', 'group_stats' or 'port_stats'."""
        switch = self._of(message)
        if switch is not None and not switch.stats_reply(kind, message):
            self._counters.take(switch.name, kind, message)

    def barrier_reply(self, message: Any) -> None:
        """Everything up to this barrier has been done."""
        switch = self._of(message)
        if switch is not None:
            switch.barrier_reply(message.xid)

    def error(self, message: Any) -> None:
        """A message was refused; if it was one of a batch, the batch has failed."""
        switch = self._of(message)
        if switch is not None:
            switch.error(message)

    def ports_changed(self, datapath: Any) -> None:
        """A port has come, gone or been renumbered: read the switch again."""
        switch = self._by_id.get(datapath.id)
        if switch is not None and switch.datapath is datapath:
            switch.read()

    def _of(self, message: Any) -> SwitchConnection | None:
        switch = self._by_id.get(message.datapath.id)
        return switch if switch is not None and switch.datapath is message.datapath else None

    def _connected(self) -> list[ConnectedSwitch]:
        return [
            ConnectedSwitch(switch.name, switch.datapath, switch.reconciler.ports)
            for switch in self._by_name.values()
            if switch.datapath is not None and switch.announced
        ]

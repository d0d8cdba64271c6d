# SPDX-License-Identifier: Apache-2.0
"""The MAG agent as a process: sockets into events, commands into sockets. Nothing is decided here."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import Any

from southbound.agent.adapters.buffer_owner import BufferOwner
from southbound.agent.adapters.controller_calls import ControllerCalls
from southbound.agent.adapters.drop_reports import DropReports
from southbound.agent.adapters.fault_log import FaultLog
from southbound.agent.adapters.mag_sockets import MagSockets
from southbound.agent.adapters.retained_owner import RetainedOwner
from southbound.agent.adapters.rpc_client import RpcClient
from southbound.agent.adapters.sent_records import SentRecords
from southbound.agent.adapters.storyteller import Storyteller
from southbound.agent.adapters.uplink_gate import UplinkGate
from southbound.agent.commands import (
    PACKET_DROPPED,
    AnswerController,
    CallController,
    Command,
    CutBuffer,
    DeliverBuffer,
    DropRetained,
    ExpectMobileNode,
    NativeConfirmed,
    NoForwarding,
    NotifyController,
    RecordFact,
    RelayPackets,
    ReleaseBuffer,
    ReportFault,
    RetainPackets,
    SendAccessFrame,
    SendContextTransfer,
    SendMobilityHeader,
    SendToLma,
    SetAside,
    UnwatchSent,
    WatchSent,
)
from southbound.agent.events import (
    AccessFrameReceived,
    ContextTransferReceived,
    ControllerCalled,
    ControllerConnected,
    ControllerDisconnected,
    Event,
    LinkDown,
    LinkUp,
    MobilityHeaderReceived,
    TunnelQueryReceived,
)
from southbound.agent.journal import Journal
from southbound.agent.mag import MagCore
from southbound.codec.listener_packet import is_query
from southbound.fact_log import log_fact
from southbound.mobility_authentication import MobilityAuthentication
from southbound.path_mark import NATIVE_PATH
from southbound.quiet_collector import QuietCollector
from southbound.rpc.errors import ErrorCode, RpcError
from southbound.rpc.methods import BufferReport, Hello, TraceHandover
from southbound.rpc.session import SessionLimits
from topology.model import Domain, Mag
from topology.switch_names import MAG_BUFFER_PORT

_log = logging.getLogger("castover.mag")
_COLLECT_EVERY_S = 1.0
"""How often it is asked whether there is time for a collection."""


class MagProcess:
    """All of one agent. `start`, then `close`; everything runs in the loop that `start` was called in."""

    def __init__(
        self, domain: Domain, mag: Mag, *, version: str, authentication: MobilityAuthentication | None = None
    ) -> None:
        self._mag, self._is_authenticated = mag, authentication is not None
        self._lma_address, self._lma_gre_key = domain.lma.address, domain.lma_gre_key
        self._core = MagCore(
            domain,
            mag,
            new_handover_id=lambda: f"ho-{secrets.token_hex(6)}",
            wall_offset=time.time() - time.monotonic(),
            held_bytes=lambda: self._buffer.held_bytes + self._retained.held_bytes,
            uplink_waits=lambda peer: self._uplink.is_worth_it(peer),
            uniform=secrets.SystemRandom().uniform,
            authentication=authentication,
        )
        self._sockets = MagSockets(
            domain,
            mag,
            on_frame=self._frame_handler,
            on_link=self._link_changed,
            on_buffered_packet=self._buffered_packet,
            on_mobility_header=self._mobility_header,
            on_context_transfer=self._context_transfer,
        )
        self._ports = self._sockets.access
        self._retained = RetainedOwner(domain, self._sockets.tunnel)
        self._sent = SentRecords(self._ports)
        self._uplink = UplinkGate(
            domain, mag.switch.on_host(MAG_BUFFER_PORT), self._sockets.tunnel.send,
            on_drained=lambda: self._buffer.uplink_drained(),
        )
        self._buffer = BufferOwner(
            domain, self._ports, self._handle,
            uplink=self._uplink,
            drain=self._sockets.buffer.drain,
            on_delivery=lambda mn_id, handover_id, packet: self._retained.delivery(
                mn_id, handover_id, packet, time.monotonic()
            ),
            on_sent=self._sent.sent,
        )
        self._rpc = RpcClient(
            host=str(domain.controller.address),
            port=domain.controller.rpc_port,
            hello=Hello(mag_id=mag.id, version=version, process_id=os.getpid()),
            on_request=self._controller_called,
            on_connected=self._controller_there,
            on_disconnected=self._controller_gone,
            limits=SessionLimits(
                memberships_max=domain.limits.groups_per_mobile_node, sources_max=domain.limits.sources_per_group
            ),
        )
        self._calls = ControllerCalls(self._rpc, self._buffer, self._handle)
        self._timer: asyncio.TimerHandle | None = None
        self._faults = FaultLog(_log)
        self._story = Storyteller(Journal(domain, mag, authentication), _log)
        self._drops = DropReports(self._rpc, self._counters, lambda: self._story.journal.messages)
        self._collector = QuietCollector(self._is_quiet)
        self._collection: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Open everything. Raises AdapterError when a socket cannot be had."""
        self._sockets.open()
        self._buffer.takeovers.start()
        self._uplink.start()
        # Last: it reports at once who is there already.
        self._sockets.links.open()
        self._rpc.start()
        self._drops.start()
        self._collect()
        fields = {
            "mag_id": self._mag.id, "address": self._mag.address, "process_id": os.getpid(),
            "mobility_authentication": "on" if self._is_authenticated else "off",
        }
        log_fact(_log, "agent_started", fields)

    async def close(self) -> None:
        """Close everything; rules stay, so MNs that are here go on receiving."""
        for timer in (self._timer, self._collection):
            if timer is not None:
                timer.cancel()
        self._story.close()
        self._drops.close()
        await self._rpc.close()
        self._buffer.takeovers.close()
        self._uplink.close()
        self._sockets.close()
        counters = self._core.counters | self._buffer.takeovers.counters | self._uplink.counters
        log_fact(_log, "agent_stopped", {"mag_id": self._mag.id, "counters": dict(counters)})

    # --- events in ------------------------------------------------------------------------------------------------

    def _handle(self, event: Event, now: float | None = None) -> None:
        """`now` when the event's own time is known better than by looking at the clock."""
        clock = time.monotonic()
        self._core.set_clock(time.time() - clock)
        self._story.note(event)
        self._execute(self._react(event, clock if now is None else now))

    def _react(self, event: Event, now: float) -> list[Command]:
        """What the core says; a fault that it could not contain ends the process."""
        try:
            return self._core.handle(event, now)
        except Exception as fault:  # the guard
            self._faults.fatal(fault)

    def _link_changed(self, name: str, up: bool, now: float) -> None:
        if up:
            self._ports[name].open()
            self._handle(LinkUp(port=name), now)
            return
        last = self._sent.left(name)
        self._buffer.gone(name)
        self._handle(LinkDown(port=name, last_delivered=last), now)

    def _frame_handler(self, name: str) -> Any:
        return lambda frame, now: self._execute(self._react(AccessFrameReceived(port=name, frame=frame), now))

    def _mobility_header(self, header: bytes, source: IPv6Address) -> None:
        self._handle(MobilityHeaderReceived(header=header, source=source))

    def _context_transfer(self, datagram: bytes, source: IPv6Address) -> None:
        self._handle(ContextTransferReceived(datagram=datagram, source=source))

    def _buffered_packet(self, path_index: int, packet: bytes, now: float) -> None:
        if path_index == NATIVE_PATH and is_query(packet):
            self._execute(self._react(TunnelQueryReceived(packet=packet), now))
            return
        if self._uplink.takes(path_index, packet, now):
            self._arm()
            return
        self._buffer.packet(path_index, packet, now)
        self._retained.packet(path_index, packet, now)
        self._arm()

    def _controller_there(self) -> None:
        self._handle(ControllerConnected())
        self._drops.connected()

    def _controller_gone(self, reason: str) -> None:
        log_fact(_log, "controller_away", {"reason": reason}, level=logging.WARNING)
        self._handle(ControllerDisconnected())

    async def _controller_called(self, call: Any) -> dict[str, Any]:
        if isinstance(call, TraceHandover):
            return await self._story.trace(call.handover_id)
        event = ControllerCalled(call=call)
        self._story.note(event)
        commands = self._react(event, time.monotonic())
        self._execute(commands)
        for command in commands:
            if isinstance(command, AnswerController) and command.error is not None:
                raise RpcError(ErrorCode.REFUSED, command.error)
        return {}

    # --- commands out ---------------------------------------------------------------------------------------------

    def _execute(self, commands: list[Command]) -> None:
        for command in commands:
            try:
                self._carry_out(command)
            except Exception as fault:  # the guard
                self._end_what_failed(command, fault)
        self._arm()

    def _end_what_failed(self, command: Command, fault: Exception) -> None:
        try:
            for ending in self._core.failed(command, fault, time.monotonic()):
                self._carry_out(ending)
        except Exception as another:  # the guard
            self._faults.fatal(another)

    def _carry_out(self, command: Command) -> None:
        self._story.note(command)
        match command:
            case SendMobilityHeader(header=header, destination=destination):
                reason = self._sockets.mobility.send(header, destination)
                if reason is not None:
                    fields = {"destination": destination, "reason": reason}
                    log_fact(_log, "send_failed", fields, level=logging.WARNING)
            case SendContextTransfer(datagram=datagram, destination=destination):
                if not self._sockets.transfer.send(datagram, destination):
                    log_fact(_log, "context_transfer_not_sent", {"destination": destination}, level=logging.WARNING)
            case SendToLma(packet=packet):
                self._sockets.tunnel.send(packet, self._lma_address, self._lma_gre_key)
            case SendAccessFrame(port=port, frame=frame):
                self._ports[port].send(frame)
            case CallController():
                self._calls.make(command)
            case NotifyController(call=call):
                self._rpc.notify(call)
            case WatchSent():
                self._sent.watch(command)
            case UnwatchSent(port=port):
                for counts in self._sent.unwatch(port):
                    self._rpc.notify(counts)
            case ExpectMobileNode() | SetAside() | CutBuffer() | DeliverBuffer() | NativeConfirmed() | NoForwarding():
                self._buffer.carry_out(command, time.monotonic())
            case RetainPackets(mn_id=mn_id):
                self._retained.carry_out(command, time.monotonic(), self._buffer.undelivered(mn_id))
            case RelayPackets() | DropRetained():
                self._retained.carry_out(command, time.monotonic())
            case ReleaseBuffer(mn_id=mn_id) if self._buffer.takeovers.is_running(mn_id):
                # The barrier that the release has waited for says nothing of what is still on its way to the buffer.
                self._buffer.takeovers.when_over(mn_id, lambda: self._carry_out(command))
            case ReleaseBuffer(mn_id=mn_id, handover_id=handover_id):
                now = time.monotonic()
                for report in self._buffer.release(mn_id, handover_id, now, time.time() - now):
                    if isinstance(report, BufferReport):
                        self._story.note(report)
                    self._rpc.notify(report)
            case RecordFact(name=name):
                if name == PACKET_DROPPED:
                    self._drops.dropped(command)
            case ReportFault():
                self._faults.contained(command)
            case AnswerController():
                pass  # the return of _controller_called

    # --- time -----------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        deadlines = [at for at in (
            self._core.next_deadline(), self._buffer.next_deadline(), self._uplink.next_deadline()
        ) if at is not None]
        if self._timer is not None:
            if deadlines and self._timer.when() <= min(deadlines):
                return  # it fires early and arms itself anew, which is cheaper than to move it for every packet
            self._timer.cancel()
            self._timer = None
        if deadlines:
            self._timer = asyncio.get_running_loop().call_at(min(deadlines), self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = time.monotonic()
        due = self._core.next_deadline()
        try:
            commands = self._core.tick(now) if due is not None and due <= now else []
        except Exception as fault:  # the guard
            self._faults.fatal(fault)
        self._buffer.tick(now)
        self._uplink.tick(now)
        self._execute(commands)

    # --- meanwhile ------------------------------------------------------------------------------------------------

    def _counters(self) -> dict[str, Mapping[str, int]]:
        return {
            "": self._core.counters,
            **self._sockets.counters(),
            "buffer": self._buffer.counters,
            "retained": self._retained.counters(),
            "switch": self._buffer.takeovers.counters,
            "uplink": self._uplink.counters,
            "rpc": self._rpc.discarded(),
            "journal": {"left_out": self._story.journal.left_out},
        }

    def _collect(self) -> None:
        self._collection = asyncio.get_running_loop().call_later(_COLLECT_EVERY_S, self._collect)
        self._collector.look()

    def _is_quiet(self) -> bool:
        """Whether no packet of any mobile node passes through this process: the switch forwards alone."""
        return self._sent.is_empty and self._buffer.is_empty and self._retained.is_empty

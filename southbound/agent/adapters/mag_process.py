# SPDX-License-Identifier: Apache-2.0
"""The MAG agent as a process: sockets into events, commands into sockets. Nothing is decided here."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections import Counter
from ipaddress import IPv6Address
from typing import Any

from southbound.agent.adapters.access_port import AccessPort
from southbound.agent.adapters.buffer_owner import BufferOwner
from southbound.agent.adapters.buffer_port import BufferPort
from southbound.agent.adapters.context_transfer_socket import ContextTransferSocket
from southbound.agent.adapters.link_monitor import LinkMonitor
from southbound.agent.adapters.mobility_socket import MobilitySocket
from southbound.agent.adapters.retained_owner import RetainedOwner
from southbound.agent.adapters.rpc_client import RpcClient
from southbound.agent.adapters.sent_record import SentRecord
from southbound.agent.adapters.storyteller import Storyteller
from southbound.agent.adapters.tunnel_socket import TunnelSocket
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
    RetainPackets,
    SendAccessFrame,
    SendContextTransfer,
    SendMobilityHeader,
    SendToLma,
    SetAside,
    UnwatchSent,
    WatchSent,
)
from southbound.agent.counter_report import CounterReport
from southbound.agent.events import (
    AccessFrameReceived,
    ContextTransferReceived,
    ControllerAnswered,
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
from southbound.drop_log import DropLog, DropSummary
from southbound.fact_log import log_fact
from southbound.mobility_authentication import MobilityAuthentication
from southbound.path_mark import NATIVE_PATH
from southbound.quiet_collector import QuietCollector
from southbound.rpc.errors import ConnectionLostError, ErrorCode, RpcError
from southbound.rpc.methods import (
    BufferReport,
    CloneGroups,
    DeliverDirectly,
    Hello,
    PrepareForwarding,
    ReleaseForwarding,
    TraceHandover,
)
from southbound.rpc.session import SessionLimits
from topology.model import Domain, Mag
from topology.switch_names import MAG_BUFFER_PORT

_log = logging.getLogger("castover.mag")
_REPORT_EVERY_S = 1.0
"""Of drops: to the controller when they have changed, and to the log what is due."""


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
            uniform=secrets.SystemRandom().uniform,
            authentication=authentication,
        )
        names = mag.switch
        ours = [node.access_port() for node in domain.mobile_nodes]
        self._ports = {name: AccessPort(name, self._frame_handler(name), interface=names.on_host(name)) for name in ours}
        self._links = LinkMonitor(
            [names.on_host(name) for name in ours],
            lambda name, up, now: self._link_changed(names.of_host(name), up, now),
        )
        self._mobility = MobilitySocket(mag.address, self._mobility_header)
        self._buffer_port = BufferPort(names.on_host(MAG_BUFFER_PORT), self._buffered_packet)
        self._transfer = ContextTransferSocket(mag.address, self._context_transfer)
        self._tunnel = TunnelSocket(mag.address, domain.mag_gre_key)
        self._retained = RetainedOwner(domain, self._tunnel)
        self._buffer = BufferOwner(
            domain, self._ports, self._handle,
            drain=self._buffer_port.drain,
            are_others=lambda: not self._retained.is_empty,
            on_delivery=lambda mn_id, handover_id, packet: self._retained.delivery(
                mn_id, handover_id, packet, time.monotonic()
            ),
            on_sent=self._agent_sent,
        )
        self._sent: dict[str, SentRecord] = {}
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
        self._timer: asyncio.TimerHandle | None = None
        self._drops, self._report = DropLog(), CounterReport()
        self._collector = QuietCollector(self._is_quiet)
        self._story = Storyteller(Journal(domain, mag, authentication), _log)
        self._reporter: asyncio.TimerHandle | None = None
        self._calls: set[asyncio.Future[Any]] = set()

    def start(self) -> None:
        """Open everything. Raises AdapterError when a socket cannot be had."""
        self._mobility.open()
        self._transfer.open()
        self._tunnel.open()
        if not self._buffer_port.open():
            name = self._mag.switch.on_host(MAG_BUFFER_PORT)
            log_fact(_log, "no_buffer_port", {"name": name}, level=logging.WARNING)
        for port in self._ports.values():
            port.open()
        self._buffer.takeovers.start()
        # Last: it reports at once who is there already.
        self._links.open()
        self._rpc.start()
        self._report_drops()
        fields = {
            "mag_id": self._mag.id, "address": self._mag.address, "process_id": os.getpid(),
            "mobility_authentication": "on" if self._is_authenticated else "off",
        }
        log_fact(_log, "agent_started", fields)

    async def close(self) -> None:
        """Close everything; rules stay, so MNs that are here go on receiving."""
        if self._timer is not None:
            self._timer.cancel()
        if self._reporter is not None:
            self._reporter.cancel()
        self._story.close()
        self._log_drops(self._drops.rest())
        await self._rpc.close()
        self._links.close()
        self._buffer.takeovers.close()
        self._buffer_port.close()
        self._mobility.close()
        self._transfer.close()
        self._tunnel.close()
        for port in self._ports.values():
            port.close()
        counters = self._core.counters | self._buffer.takeovers.counters
        log_fact(_log, "agent_stopped", {"mag_id": self._mag.id, "counters": dict(counters)})

    # --- events in ------------------------------------------------------------------------------------------------

    def _handle(self, event: Event, now: float | None = None) -> None:
        """`now` when the event's own time is known better than by looking at the clock."""
        clock = time.monotonic()
        self._core.set_clock(time.time() - clock)
        self._story.note(event)
        self._execute(self._core.handle(event, clock if now is None else now))

    def _link_changed(self, name: str, up: bool, now: float) -> None:
        port = self._ports[name]
        if up:
            port.open()
            self._handle(LinkUp(port=name), now)
            return
        record = self._sent.get(name)
        last = record.left(port.settle_sent()) if record is not None else {}
        self._buffer.gone(name)
        self._handle(LinkDown(port=name, last_delivered=last), now)

    def _frame_handler(self, name: str) -> Any:
        return lambda frame, now: self._execute(self._core.handle(AccessFrameReceived(port=name, frame=frame), now))

    def _mobility_header(self, header: bytes, source: IPv6Address) -> None:
        self._handle(MobilityHeaderReceived(header=header, source=source))

    def _context_transfer(self, datagram: bytes, source: IPv6Address) -> None:
        self._handle(ContextTransferReceived(datagram=datagram, source=source))

    def _buffered_packet(self, path_index: int, packet: bytes, now: float) -> None:
        if path_index == NATIVE_PATH and is_query(packet):
            self._execute(self._core.handle(TunnelQueryReceived(packet=packet), now))
            return
        self._buffer.packet(path_index, packet, now)
        self._retained.packet(path_index, packet, now)
        self._arm()

    def _controller_there(self) -> None:
        self._handle(ControllerConnected())
        self._report.connected()
        self._tell_counters()

    def _controller_gone(self, reason: str) -> None:
        log_fact(_log, "controller_away", {"reason": reason}, level=logging.WARNING)
        self._handle(ControllerDisconnected())

    async def _controller_called(self, call: Any) -> dict[str, Any]:
        if isinstance(call, TraceHandover):
            return await self._story.trace(call.handover_id)
        event = ControllerCalled(call=call)
        self._story.note(event)
        commands = self._core.handle(event, time.monotonic())
        self._execute(commands)
        for command in commands:
            if isinstance(command, AnswerController) and command.error is not None:
                raise RpcError(ErrorCode.REFUSED, command.error)
        return {}

    # --- commands out ---------------------------------------------------------------------------------------------

    def _execute(self, commands: list[Command]) -> None:
        for command in commands:
            self._carry_out(command)
        self._arm()

    def _carry_out(self, command: Command) -> None:
        self._story.note(command)
        match command:
            case SendMobilityHeader(header=header, destination=destination):
                reason = self._mobility.send(header, destination)
                if reason is not None:
                    fields = {"destination": destination, "reason": reason}
                    log_fact(_log, "send_failed", fields, level=logging.WARNING)
            case SendContextTransfer(datagram=datagram, destination=destination):
                if not self._transfer.send(datagram, destination):
                    log_fact(_log, "context_transfer_not_sent", {"destination": destination}, level=logging.WARNING)
            case SendToLma(packet=packet):
                self._tunnel.send(packet, self._lma_address, self._lma_gre_key)
            case SendAccessFrame(port=port, frame=frame):
                self._ports[port].send(frame)
            case CallController(call=PrepareForwarding() | CloneGroups()):
                # A clone that began in the middle of a takeover would miss what waits in front of the gate.
                self._buffer.takeovers.when_settled(lambda: self._call(command))
            case CallController():
                self._call(command)
            case NotifyController(call=call):
                self._rpc.notify(call)
            case WatchSent():
                self._watch(command)
            case UnwatchSent(port=port):
                self._unwatch(port)
            case ExpectMobileNode() | SetAside() | CutBuffer() | DeliverBuffer() | NativeConfirmed() | NoForwarding():
                self._buffer.carry_out(command, time.monotonic())
            case RetainPackets(mn_id=mn_id):
                self._buffer.others_listen()
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
            case RecordFact(name=name, fields=fields):
                if name == PACKET_DROPPED and self._drops.drop(str(fields["reason"]), time.monotonic()):
                    log_fact(_log, name, fields, time.time())
            case AnswerController():
                pass  # the return of _controller_called

    def _call(self, command: CallController) -> None:
        """Sent at once, before what is told after it; the answer comes as an event."""
        if isinstance(command.call, DeliverDirectly | ReleaseForwarding):
            self._buffer.change_asked(command.call, time.monotonic())
        answer = self._rpc.request(command.call)
        self._calls.add(answer)
        answer.add_done_callback(lambda done: self._called(command, done))

    def _called(self, command: CallController, answer: asyncio.Future[Any]) -> None:
        self._calls.discard(answer)
        if answer.cancelled():
            return
        failure = answer.exception()
        error = str(failure) if failure is not None else None
        if error is not None:
            fields = {"method": command.call.method, "reason": error}
            log_fact(_log, "call_failed", fields, level=logging.WARNING)
        if isinstance(command.call, DeliverDirectly):
            self._buffer.takeovers.answered(command.call.mn_id, error)
        result = None if failure is not None else answer.result()
        lost = isinstance(failure, ConnectionLostError)
        self._handle(ControllerAnswered(token=command.token, error=error, lost=lost, result=result))

    def _watch(self, command: WatchSent) -> None:
        record = self._sent.get(command.port)
        if record is None:
            record = self._sent[command.port] = SentRecord(command.mn_id)
            if not self._ports[command.port].watch_sent(record.frame):
                log_fact(_log, "watch_failed", {"port": command.port}, level=logging.WARNING)
        record.watched_for(command.handover_id)

    def _unwatch(self, name: str) -> None:
        self._ports[name].unwatch_sent()
        record = self._sent.pop(name, None)
        if record is not None:
            for report in record.reports(time.time() - time.monotonic()):
                self._rpc.notify(report)

    def _agent_sent(self, port: str, frame: bytes) -> None:
        """What the agent sends goes past the watch."""
        record = self._sent.get(port)
        if record is not None:
            record.frame(frame, time.monotonic())

    # --- drops ----------------------------------------------------------------------------------------------------

    def _report_drops(self) -> None:
        self._reporter = asyncio.get_running_loop().call_later(_REPORT_EVERY_S, self._report_drops)
        self._log_drops(self._drops.tick(time.monotonic()))
        if self._rpc.connected:
            self._tell_counters()
        self._collector.look()

    def _is_quiet(self) -> bool:
        """Whether no packet of any mobile node passes through this process: the switch forwards alone."""
        return not self._sent and self._buffer.is_empty and self._retained.is_empty

    def _log_drops(self, summaries: list[DropSummary]) -> None:
        for summary in summaries:
            log_fact(_log, PACKET_DROPPED, summary.fields(time.time() - time.monotonic()))

    def _tell_counters(self) -> None:
        self._buffer_port.count_overflow()
        access: Counter[str] = Counter()
        for port in self._ports.values():
            port.count_overflow()
            access.update(port.counters)
        report = self._report.due({
            "": self._core.counters,
            "access_port": access,
            "mobility_socket": self._mobility.counters,
            "context_transfer_socket": self._transfer.counters,
            "buffer_port": self._buffer_port.counters,
            "retained": self._retained.counters(),
            "switch": self._buffer.takeovers.counters,
            "links": self._links.counters,
            "rpc": self._rpc.discarded(),
            "journal": {"left_out": self._story.journal.left_out},
        }, self._story.journal.messages)
        if report is not None:
            self._rpc.notify(report)

    # --- time -----------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        deadlines = [at for at in (self._core.next_deadline(), self._buffer.next_deadline()) if at is not None]
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
        commands = self._core.tick(now) if due is not None and due <= now else []
        self._buffer.tick(now)
        self._execute(commands)

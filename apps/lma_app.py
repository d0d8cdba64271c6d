# SPDX-License-Identifier: Apache-2.0
"""The Ryu application: OpenFlow events in, nothing decided here."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import apps.ryu_compat  # noqa: F401  (before Ryu)

from ryu.base import app_manager  # isort: skip
from ryu.controller import ofp_event  # isort: skip
from ryu.controller.handler import CONFIG_DISPATCHER, DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls  # isort: skip
from ryu.ofproto import ofproto_v1_5  # isort: skip

from apps.agent_events import (
    AgentConnected,
    AgentDisconnected,
    AgentEvent,
    AgentNotification,
    AgentRequest,
    AgentResponse,
)
from apps.agent_inquiries import AgentInquiries
from apps.agent_server import AgentServer
from apps.datapaths import Datapaths
from apps.executor import Executor
from apps.listener_packets import listener_event
from apps.mobility_packets import frame_event
from apps.neighbor_packets import is_neighbor_frame, neighbor_event
from controller import events
from southbound.mobility_authentication import MobilityAuthentication
from topology.model import Domain

_log = logging.getLogger("castover.app")


def _stop_on_fault(handler: Callable[..., None]) -> Callable[..., None]:
    """Ryu logs a handler's exception and goes on half-changed. A fault of ours stops the process; switches forward on."""

    @wraps(handler)
    def guarded(self: Any, event: Any) -> None:
        try:
            handler(self, event)
        except Exception:
            _log.critical("%s failed; the controller stops", handler.__name__, exc_info=True)
            os._exit(70)

    return guarded


class LmaApp(app_manager.RyuApp):  # type: ignore[misc]
    """Owns executor, switches and agent server of one domain."""

    OFP_VERSIONS = (ofproto_v1_5.OFP_VERSION,)

    def __init__(
        self, *args: Any, domain: Domain, executor: Executor, authentication: MobilityAuthentication | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.domain, self.authentication = domain, authentication
        self.executor = executor
        self.datapaths = Datapaths(domain, executor.post, authentication)
        self.agents = AgentServer(
            host=str(domain.controller.address),
            port=domain.controller.rpc_port,
            accepts=lambda mag_id: domain.mag(mag_id) is not None,
            on_event=self._agent_event,
        )
        self.inquiries = AgentInquiries(self.agents.call)
        executor.connect(self.agents, self.datapaths)

    def start(self) -> Any:
        """Called by Ryu when all applications are loaded."""
        self.agents.start()
        return super().start()

    def _agent_event(self, event: AgentEvent) -> None:
        post = self.executor.post
        match event:
            case AgentConnected(mag_id=mag_id):
                post(events.AgentConnected(mag_id=mag_id))
            case AgentDisconnected(mag_id=mag_id):
                post(events.AgentDisconnected(mag_id=mag_id))
            case AgentRequest(mag_id=mag_id, msgid=msgid, call=call):
                post(events.AgentRequested(mag_id=mag_id, token=msgid, call=call))
            case AgentNotification(mag_id=mag_id, call=call):
                post(events.AgentNotified(mag_id=mag_id, call=call))
            case AgentResponse() if self.inquiries.answered(event):
                pass
            case AgentResponse(mag_id=mag_id, token=token, error=error):
                reason = None if error is None else error.message
                post(events.AgentAnswered(mag_id=mag_id, token=str(token), error=reason))

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])
    @_stop_on_fault
    def _state_change(self, event: Any) -> None:
        if event.state == MAIN_DISPATCHER:
            self.datapaths.connected(event.datapath)
        else:
            self.datapaths.disconnected(event.datapath)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    @_stop_on_fault
    def _packet_in(self, event: Any) -> None:
        message = event.msg
        if not self.datapaths.knows(message.datapath.id):
            return
        unforwarded = self.datapaths.unforwarded(message)
        if unforwarded is not None:
            self.executor.post(unforwarded)
            return
        port = message.match["in_port"]
        frame = bytes(message.data)
        if message.datapath.id == self.domain.lma.datapath_id:
            tunnel = message.match.get("tun_ipv6_src")
            heard = tunnel is None and is_neighbor_frame(frame)
            self.executor.post(neighbor_event(frame) if heard else listener_event(frame, tunnel))
            return
        lma = self.domain.lma.address
        self.executor.post(frame_event(frame, lma, message.datapath, port, time.time(), self.authentication))

    @set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)
    @_stop_on_fault
    def _barrier_reply(self, event: Any) -> None:
        self.datapaths.barrier_reply(event.msg)

    @set_ev_cls(ofp_event.EventOFPErrorMsg, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    @_stop_on_fault
    def _error(self, event: Any) -> None:
        self.datapaths.error(event.msg)

    @set_ev_cls(ofp_event.EventOFPPortDescStatsReply, MAIN_DISPATCHER)
    @_stop_on_fault
    def _ports(self, event: Any) -> None:
        self.datapaths.stats_reply("ports", event.msg)

    @set_ev_cls(ofp_event.EventOFPFlowDescStatsReply, MAIN_DISPATCHER)
    @_stop_on_fault
    def _flows(self, event: Any) -> None:
        self.datapaths.stats_reply("flows", event.msg)

    @set_ev_cls(ofp_event.EventOFPGroupDescStatsReply, MAIN_DISPATCHER)
    @_stop_on_fault
    def _groups(self, event: Any) -> None:
        self.datapaths.stats_reply("groups", event.msg)

    @set_ev_cls(ofp_event.EventOFPGroupStatsReply, MAIN_DISPATCHER)
    @_stop_on_fault
    def _group_counters(self, event: Any) -> None:
        self.datapaths.stats_reply("group_stats", event.msg)

    @set_ev_cls(ofp_event.EventOFPPortStatsReply, MAIN_DISPATCHER)
    @_stop_on_fault
    def _port_counters(self, event: Any) -> None:
        self.datapaths.stats_reply("port_stats", event.msg)

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)
    @_stop_on_fault
    def _port_status(self, event: Any) -> None:
        ofproto = event.msg.datapath.ofproto
        if event.msg.reason != ofproto.OFPPR_MODIFY:
            self.datapaths.ports_changed(event.msg.datapath)

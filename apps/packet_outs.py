# SPDX-License-Identifier: Apache-2.0
"""What the core sends itself, as packet-outs: lost while the switch is away, as on a link that is down."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

from apps.switch_connection import SwitchConnection
from topology.switch_names import MAG_LMA_PORT


def send_by(switch: SwitchConnection, port: str, frame: bytes, tunnel: IPv6Address | None, lma_gre_key: int) -> None:
    """Out of a port of ours; `tunnel`: the node at the other end, where the port has many."""
    number = switch.reconciler.ports.get(port)
    if switch.datapath is None or number is None:
        return
    parser = switch.datapath.ofproto_parser
    actions = [parser.OFPActionOutput(number)]
    if tunnel is not None:
        actions = [parser.OFPActionSetField(tun_ipv6_dst=str(tunnel)), *actions]
    if tunnel is not None or port == MAG_LMA_PORT:
        actions = [parser.OFPActionSetField(tunnel_id=lma_gre_key), *actions]
    packet_out(switch.datapath, frame, actions)


def packet_out(datapath: Any, frame: bytes, actions: list[Any]) -> None:
    """One frame, as if the controller were a port."""
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

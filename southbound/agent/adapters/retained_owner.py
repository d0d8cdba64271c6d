# SPDX-License-Identifier: Apache-2.0
"""Kept packets of a reactive handover between the buffer port and the tunnel to the n-MAG: commands into sending."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv6Address

from southbound.agent.adapters.paced_egress import PacedEgress
from southbound.agent.adapters.tunnel_socket import TunnelSocket
from southbound.agent.commands import DropRetained, RelayPackets, RetainCommand, RetainPackets
from southbound.agent.retained_packets import Relayed, RetainedPackets
from southbound.path_mark import NATIVE_PATH
from topology.model import Domain


class RetainedOwner:
    """Owns the RetainedPackets of one agent. One paced queue a MAG: the tunnel is shared, and its order kept."""

    def __init__(self, domain: Domain, tunnel: TunnelSocket) -> None:
        self._retained = RetainedPackets(domain.limits)
        self._tunnel = tunnel
        self._egress: dict[IPv6Address, PacedEgress] = {}

    def carry_out(self, command: RetainCommand, now: float) -> None:
        """One of the core's commands."""
        match command:
            case RetainPackets(mn_id=mn_id, memberships=memberships):
                self._retained.retain(mn_id, memberships)
            case RelayPackets(mn_id=mn_id, destination=destination):
                self._send(self._retained.relay(mn_id, destination, now))
            case DropRetained(mn_id=mn_id):
                self._retained.drop(mn_id)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept for anybody."""
        return self._retained.is_empty

    def packet(self, path_index: int, packet: bytes, now: float) -> None:
        """A packet from the buffer port."""
        if path_index == NATIVE_PATH and not self._retained.is_empty:
            self._send(self._retained.on_packet(packet, now))

    def counters(self) -> dict[str, int]:
        """What has been done so far."""
        failed = sum(egress.failed for egress in self._egress.values())
        return {**self._retained.counters, **self._tunnel.counters, "relay_failed": failed}

    def _send(self, relayed: Relayed) -> None:
        for destination, packet in relayed:
            egress = self._egress.get(destination)
            if egress is None:
                egress = self._egress[destination] = PacedEgress(partial(self._put, destination), lambda: None)
            egress.put(packet)

    def _put(self, destination: IPv6Address, packet: bytes) -> bool:
        return self._tunnel.send(packet, destination)

# SPDX-License-Identifier: Apache-2.0
"""What this MAG's agent relays, between buffer port or handover buffer and the tunnel: commands into sending."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from southbound.agent.adapters.paced_egress import PacedEgress
from southbound.agent.adapters.tunnel_socket import TunnelSocket
from southbound.agent.commands import DropRetained, RelayPackets, RetainCommand, RetainPackets
from southbound.agent.retained_packets import Relayed, RetainedPackets, Tunnel
from southbound.path_mark import native_place
from topology.model import Domain


class RetainedOwner:
    """Owns the RetainedPackets of one agent. One paced queue a tunnel, so that its order is kept."""

    def __init__(self, domain: Domain, tunnel: TunnelSocket) -> None:
        self._retained = RetainedPackets(domain.limits)
        self._mobile_nodes = [node.id for node in domain.mobile_nodes]
        self._tunnel = tunnel
        self._egress: dict[Tunnel, PacedEgress] = {}
        self._failed = 0

    def carry_out(self, command: RetainCommand, now: float, undelivered: Iterable[bytes] = ()) -> None:
        """One of the core's commands. `undelivered`: what the buffer has delivered and what has not gone out yet."""
        match command:
            case RetainPackets(mn_id=mn_id, memberships=memberships, prefixes=prefixes, fed_by=""):
                self._retained.retain(mn_id, memberships, prefixes)
            case RetainPackets(mn_id=mn_id, fed_by=fed_by):
                self._retained.retain_deliveries(mn_id, fed_by)
                for packet in undelivered:
                    self.delivery(mn_id, fed_by, packet, now)
            case RelayPackets(mn_id=mn_id, fed_by=fed_by, destination=destination, key=key):
                self._send(self._retained.relay(mn_id, destination, key, now, fed_by=fed_by))
            case DropRetained(mn_id=mn_id, fed_by=fed_by, destination=destination):
                self._retained.drop(mn_id, fed_by, destination)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept or relayed for anybody."""
        return self._retained.is_empty

    @property
    def held_bytes(self) -> int:
        """Octets of the packets that are kept."""
        return self._retained.held_bytes

    def packet(self, path_index: int, packet: bytes, now: float) -> None:
        """A packet from the buffer port."""
        place = native_place(path_index)
        if place is not None and place < len(self._mobile_nodes) and self._retained.takes_native:
            self._send(self._retained.on_packet(self._mobile_nodes[place], packet, now))

    def delivery(self, mn_id: str, handover_id: str, packet: bytes, now: float) -> None:
        """The handover buffer delivers this packet to the MN that this handover has brought."""
        self._send(self._retained.on_delivery(mn_id, handover_id, packet, now))

    def counters(self) -> dict[str, int]:
        """What has been done so far."""
        failed = self._failed + sum(egress.failed for egress in self._egress.values())
        return {**self._retained.counters, **self._tunnel.counters, "relay_failed": failed}

    def _send(self, relayed: Relayed) -> None:
        for tunnel, packet in relayed:
            egress = self._egress.get(tunnel)
            if egress is None:
                self._forget_idle()
                egress = self._egress[tunnel] = PacedEgress(partial(self._put, tunnel), lambda: None)
            egress.put(packet)

    def _forget_idle(self) -> None:
        """There is a tunnel for each MN and MAG; those through which nothing waits to go need no queue."""
        for tunnel, egress in list(self._egress.items()):
            if egress.empty:
                self._failed += egress.failed
                del self._egress[tunnel]

    def _put(self, tunnel: Tunnel, packet: bytes) -> bool:
        destination, key = tunnel
        return self._tunnel.send(packet, destination, key)

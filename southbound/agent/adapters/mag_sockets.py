# SPDX-License-Identifier: Apache-2.0
"""Everything by which one agent hears and speaks, but for its connection to the controller."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address

from southbound.agent.adapters.access_port import AccessPort, OnFrame
from southbound.agent.adapters.buffer_port import BufferPort
from southbound.agent.adapters.context_transfer_socket import ContextTransferSocket
from southbound.agent.adapters.link_monitor import LinkMonitor
from southbound.agent.adapters.mobility_socket import MobilitySocket
from southbound.agent.adapters.tunnel_socket import TunnelSocket
from southbound.fact_log import log_fact
from topology.model import Domain, Mag
from topology.switch_names import MAG_BUFFER_PORT

_log = logging.getLogger("castover.mag")

OnMessage = Callable[[bytes, IPv6Address], None]


class MagSockets:
    """Access ports by our names of them, their links, the buffer port, and the sockets to LMA and MAGs."""

    def __init__(
        self,
        domain: Domain,
        mag: Mag,
        *,
        on_frame: Callable[[str], OnFrame],
        on_link: Callable[[str, bool, float], None],
        on_buffered_packet: Callable[[int, bytes, float], None],
        on_mobility_header: OnMessage,
        on_context_transfer: OnMessage,
    ) -> None:
        """`on_frame(port)` makes what takes this port's frames."""
        names = mag.switch
        ours = [node.access_port() for node in domain.mobile_nodes]
        self.access = {name: AccessPort(name, on_frame(name), interface=names.on_host(name)) for name in ours}
        self.links = LinkMonitor(
            [names.on_host(name) for name in ours], lambda name, up, now: on_link(names.of_host(name), up, now)
        )
        self._buffer_port = names.on_host(MAG_BUFFER_PORT)
        self.buffer = BufferPort(self._buffer_port, on_buffered_packet)
        self.mobility = MobilitySocket(mag.address, on_mobility_header)
        self.transfer = ContextTransferSocket(mag.address, on_context_transfer)
        self.tunnel = TunnelSocket(mag.address, domain.mag_gre_key)

    def open(self) -> None:
        """All but the links, which report at once who is there already. Raises AdapterError when a socket cannot be had."""
        self.mobility.open()
        self.transfer.open()
        self.tunnel.open()
        if not self.buffer.open():
            log_fact(_log, "no_buffer_port", {"name": self._buffer_port}, level=logging.WARNING)
        for port in self.access.values():
            port.open()

    def close(self) -> None:
        """All."""
        self.links.close()
        self.buffer.close()
        self.mobility.close()
        self.transfer.close()
        self.tunnel.close()
        for port in self.access.values():
            port.close()

    def counters(self) -> dict[str, Mapping[str, int]]:
        """Since the start, by part."""
        self.buffer.count_overflow()
        access: Counter[str] = Counter()
        for port in self.access.values():
            port.count_overflow()
            access.update(port.counters)
        return {
            "access_port": access,
            "mobility_socket": self.mobility.counters,
            "context_transfer_socket": self.transfer.counters,
            "buffer_port": self.buffer.counters,
            "links": self.links.counters,
        }

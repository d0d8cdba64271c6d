# SPDX-License-Identifier: Apache-2.0
"""The handover-buffer port: what a MAG switch gives its agent to keep until the mobile node is there.

`hob0` is an internal port of the integration bridge, in Open vSwitch's userspace datapath a tap device. It must be up
to receive, and IPv6 should be disabled on it so that this node's own stack neither answers nor joins anything there.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from southbound.agent.adapters.errors import AdapterError
from southbound.agent.adapters.packet_socket import PacketSocket
from southbound.path_mark import path_index

_ETHERNET_HEADER = 14
_IPV6_HEADER = 40
_ETHERTYPE_IPV6 = b"\x86\xdd"
_ETHERTYPE_IPV4 = b"\x08\x00"
_IPV4_HEADER = 20
_FRAMES_PER_WAKEUP = 64
FRAMES_DRAINED_MAX = 4_096
"""In one `drain`, so that a flood cannot keep the event loop in it."""
_RECEIVE_BUFFER_BYTES = 32 << 20
"""About 25,000 small frames (the kernel charges some 1.3 KiB each): several loop stalls at any rate of this design."""

OnPacket = Callable[[int, bytes, float], None]


def parse_buffered_frame(frame: bytes) -> tuple[int, bytes] | str:
    """(path index, IP packet) of a frame on the buffer port, or the reason why it is discarded:

    short, not_ip, no_path_mark, cut. Octets behind the packet's own length (Ethernet padding) are taken off: the
    packet's identity is its content.
    """
    if len(frame) < _ETHERNET_HEADER + _IPV4_HEADER:
        return "short"
    kind, version = frame[12:14], frame[14] >> 4
    if kind == _ETHERTYPE_IPV6 and version == 6:
        if len(frame) < _ETHERNET_HEADER + _IPV6_HEADER:
            return "short"
        end = _ETHERNET_HEADER + _IPV6_HEADER + int.from_bytes(frame[18:20], "big")
    elif kind == _ETHERTYPE_IPV4 and version == 4:
        end = _ETHERNET_HEADER + max(_IPV4_HEADER, int.from_bytes(frame[16:18], "big"))
    else:
        return "not_ip"
    index = path_index(frame[6:12])
    if index is None:
        return "no_path_mark"
    if len(frame) < end:
        return "cut"
    return index, frame[_ETHERNET_HEADER:end]


class BufferPort:
    """Reads the buffer port; `on_packet(path_index, ip_packet, now)` is called in the event loop, in order.

    Counts: received, discarded_<reason of parse_buffered_frame>, receive_overflow, receive_interface_down.
    """

    def __init__(self, name: str, on_packet: OnPacket, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.counters: Counter[str] = Counter()
        self._name = name
        self._on_packet = on_packet
        self._clock = clock
        self._port: PacketSocket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> bool:
        """Listen on the port in the current network namespace; does nothing when it listens already.

        Call it again when the interface was made anew. False (counted as open_no_interface) when there is none.
        Raises AdapterError without privilege.
        """
        if self._port is not None:
            if self._port.is_on(self._name):
                return True
            self.close()
        self._loop = asyncio.get_running_loop()
        try:
            port = PacketSocket(
                self._name, counters=self.counters, prefix="receive", receive_buffer_bytes=_RECEIVE_BUFFER_BYTES
            )
        except AdapterError:
            raise
        except OSError:
            self.counters["open_no_interface"] += 1
            return False
        self._loop.add_reader(port.socket, self._receive, port)
        self._port = port
        return True

    def drain(self, limit: int = FRAMES_DRAINED_MAX) -> bool:
        """Hand on everything that the switch has sent there before the call; False when `limit` frames were not all."""
        port = self._port
        return port is None or self._receive(port, limit)

    def _receive(self, port: PacketSocket, limit: int = _FRAMES_PER_WAKEUP) -> bool:
        for _ in range(limit):
            if port is not self._port:  # closed by a callback
                return True
            frame = port.receive()
            if frame is None:
                return True
            parsed = parse_buffered_frame(frame)
            if isinstance(parsed, str):
                self.counters[f"discarded_{parsed}"] += 1
                continue
            self.counters["received"] += 1
            self._on_packet(parsed[0], parsed[1], self._clock())
        return False

    def count_overflow(self) -> int:
        """Frames lost so far because the receive buffer was full; also brings the counter up to date."""
        if self._port is not None:
            self._port.statistics()
        return self.counters["receive_overflow"]

    def close(self) -> None:
        """Idempotent; `open` may follow."""
        if self._port is not None and self._loop is not None:
            self._loop.remove_reader(self._port.socket)
            self._port.close()
            self._port = None

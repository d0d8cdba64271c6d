# SPDX-License-Identifier: Apache-2.0
"""One AF_PACKET socket on one interface: opening it with its filter, reading it in batches, its drop counter.

Nothing that arrived before the socket was bound is ever seen: it is created for no protocol and gets filter and options
first. packet(7) and linux/if_packet.h are the source of the option numbers, which Python's socket module does not have.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import threading
from collections import Counter

from southbound.agent.adapters.errors import AdapterError

_ETH_P_ALL = 0x0003
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_PACKET_QDISC_BYPASS = 20
_PACKET_IGNORE_OUTGOING = 23
_SOCK_FILTER_OCTETS = 8
_LONGEST_FRAME = 65_536 + 18
_ERRORS_PER_READ = 3


def attach_filter(sock: socket.socket, program: bytes) -> None:
    """Attach a classic BPF program (`packet_filter`). Raises OSError when the kernel finds it not valid."""
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HL", len(program) // _SOCK_FILTER_OCTETS, ctypes.addressof(instructions))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)


class PacketSocket:
    """AF_PACKET, SOCK_RAW, non-blocking, bound to `name` in the current network namespace.

    Raises AdapterError without CAP_NET_RAW, OSError (ENODEV) when there is no such interface.
    Counts in `counters`: `<prefix>_overflow` (the receive buffer was full; known after `statistics`),
    `<prefix>_interface_down` (the kernel said so on a read; the socket goes on when the interface is up again).
    """

    def __init__(
        self,
        name: str,
        *,
        counters: Counter[str],
        prefix: str,
        receive_buffer_bytes: int,
        program: bytes | None = None,
        incoming_only: bool = True,
        bypass_queue: bool = False,
    ) -> None:
        self._counters = counters
        self._overflow = f"{prefix}_overflow"
        self._interface_down = f"{prefix}_interface_down"
        self._buffer = memoryview(bytearray(_LONGEST_FRAME))
        self._passed = 0
        self._closed = False
        try:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        except PermissionError as error:
            raise AdapterError(error.errno, f"{name}: packet sockets need CAP_NET_RAW") from error
        try:
            if program is not None:
                attach_filter(self.socket, program)
            if incoming_only:
                self.socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            if bypass_queue:
                self.socket.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
            self._enlarge(receive_buffer_bytes)
            self.socket.bind((name, _ETH_P_ALL))
            self._interface_index = socket.if_nametoindex(name)
        except BaseException:
            self.socket.close()
            raise

    def _enlarge(self, receive_buffer_bytes: int) -> None:
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, receive_buffer_bytes)
        except PermissionError:
            # Without CAP_NET_ADMIN the kernel cuts this to net.core.rmem_max: less, but never a reason to stop.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)

    def receive(self) -> bytes | None:
        """The next frame, or None when there is none now. A frame that the filter has cut comes cut."""
        for _ in range(_ERRORS_PER_READ):
            try:
                octets = self.socket.recv_into(self._buffer)
            except (BlockingIOError, InterruptedError):
                return None
            except OSError:  # ENETDOWN, once for each time that the interface goes down or away; frames may wait behind
                self._counters[self._interface_down] += 1
                continue
            return bytes(self._buffer[:octets])
        return None

    @property
    def interface_index(self) -> int:
        """Of the interface that the socket was bound to."""
        return self._interface_index

    def is_on(self, name: str) -> bool:
        """Whether the interface of this name is still the one that the socket was bound to."""
        try:
            return not self._closed and socket.if_nametoindex(name) == self._interface_index
        except OSError:
            return False

    def statistics(self) -> int:
        """How many frames the filter has passed since the socket was opened, with those that found no room."""
        passed, overflowed = struct.unpack(
            "=II", self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        )  # the kernel resets both at each read
        self._passed += passed
        if overflowed:
            self._counters[self._overflow] += overflowed
        return self._passed

    def close(self) -> None:
        """Idempotent; counts what was lost up to now. Take the socket out of the event loop first."""
        if not self._closed:
            self._closed = True
            self.statistics()
            # The kernel waits for an RCU grace period in there, up to 20 ms in which the event loop would stand still.
            threading.Thread(target=self.socket.close, name="close-packet-socket").start()

# SPDX-License-Identifier: Apache-2.0
"""Packet sockets of the delay forwarder: one that takes a node's frames to delay, one that gives them back."""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from collections.abc import Mapping
from ipaddress import IPv6Address

from lab.packet_filter import as_octets, pair_filter

_ETH_P_ALL = 0x0003
_SO_RCVBUFFORCE, _SO_SNDBUFFORCE, _SO_ATTACH_FILTER, _SO_TIMESTAMPNS = 33, 32, 26, 35
_SOL_PACKET, _PACKET_STATISTICS, _PACKET_IGNORE_OUTGOING = 263, 6, 23
_BUFFER_OCTETS = 64 * 1024 * 1024
_FRAME_OCTETS_MAX = 4096
"""More than any frame of the transport network; what is longer was not cut to its MTU."""
_CONTROL_OCTETS = 64
_TIMESPEC = struct.Struct("@qq")
_DESTINATION = slice(14 + 24, 14 + 40)
"""Of the IPv6 header in an Ethernet frame (RFC 8200 section 3)."""
_WHOLE_FRAME = 0xFFFFFFFF


class Tap:
    """Takes what one node sends on its delayed paths, with the kernel's time of arrival.

    A packet socket for all protocols sees a frame before traffic control does, which then drops it.
    """

    def __init__(self, interface: str, source: IPv6Address, paths: Mapping[IPv6Address, int]) -> None:
        """`paths`: number of the path to each destination. Raises OSError."""
        self.interface = interface
        self._paths = {destination.packed: number for destination, number in paths.items()}
        self._empty_ns = 0
        self.too_long = 0
        self.not_expected = 0
        self.missed = 0
        # Protocol 0: nothing is received before the filter is in place and the socket is bound.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            program = as_octets(pair_filter(source, paths, _WHOLE_FRAME))
            instructions = ctypes.create_string_buffer(program, len(program))
            self.socket.setsockopt(
                socket.SOL_SOCKET, _SO_ATTACH_FILTER,
                struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions)),
            )
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_OCTETS)
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self.socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            self.socket.setblocking(False)
            self.socket.bind((interface, _ETH_P_ALL))
        except BaseException:
            self.socket.close()
            raise

    def read(self, most: int) -> tuple[list[tuple[int, bytes, int]], bool]:
        """At most `most` frames as (path, frame, arrival in ns of CLOCK_MONOTONIC), and whether there may be more."""
        frames: list[tuple[int, bytes, int]] = []
        # Receive timestamps are of the clock that can be set; the frames are waited for on the one that cannot. In this
        # order: whatever comes between the two readings makes a frame late, never early.
        set_ns = time.time_ns()
        now_ns = time.monotonic_ns()
        offset_ns = now_ns - set_ns
        for _ in range(most):
            try:
                frame, control, flags, _ = self.socket.recvmsg(_FRAME_OCTETS_MAX, _CONTROL_OCTETS)
            except (BlockingIOError, InterruptedError):
                self._empty_ns = now_ns
                return frames, False
            if flags & socket.MSG_TRUNC:
                self.too_long += 1
                continue
            path = self._paths.get(frame[_DESTINATION])
            if path is None:
                self.not_expected += 1
                continue
            arrived_ns = now_ns
            if control:
                seconds, nanoseconds = _TIMESPEC.unpack_from(control[0][2])
                # It was not there when the socket was found empty, and is not from the future.
                arrived_ns = seconds * 1_000_000_000 + nanoseconds + offset_ns
                arrived_ns = min(max(arrived_ns, self._empty_ns), time.monotonic_ns())
            frames.append((path, frame, arrived_ns))
        return frames, True

    def count_missed(self) -> int:
        """Frames for which the socket had no room, since it was opened."""
        # struct tpacket_stats: packets, drops; reading sets both to zero.
        self.missed += struct.unpack("@II", self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]
        return self.missed


def open_injector(interface: str) -> socket.socket:
    """A packet socket that only sends, out of this interface. Raises OSError."""
    injector = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        injector.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER_OCTETS)
        injector.setblocking(False)
        injector.bind((interface, 0))
    except BaseException:
        injector.close()
        raise
    return injector

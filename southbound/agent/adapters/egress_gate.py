# SPDX-License-Identifier: Apache-2.0
"""A gate in the egress of one access port: shut, what the switch sends waits; what the agent sends goes past it.

The gate is a token bucket filter as the port's root queueing discipline. Open vSwitch's frames go through it, those of
AccessPort.send do not (PACKET_QDISC_BYPASS). Shut, a frame costs at least 65,535 octets (`mpu`) while the bucket holds a
little less: no frame ever gets through, and 0.2 ms after each look at the queue the kernel looks again. So a change
of the parameters opens the gate within that time, in order, and no frame of ours is needed to set it going.

What waits is let through one frame each 0.05 ms, and what is sent meanwhile waits behind it. The kernel takes frames
out of the queue on one processor while the switch runs on another, and hands what a veth carries on per processor: two
frames at once could overtake each other. When nothing waits any more, `open_wide` ends that.

Making or removing a queueing discipline on a running interface loses what is sent at that moment (the kernel puts
noop_qdisc there meanwhile); changing one loses nothing. So the gate is made while the MN is still expected, shut and
opened by changes, and removed only when the link is down. Left open it lets everything pass. The node's own stack should
not use IPv6 on an access port: what it sends there waits as well, and would be taken for the switch's first frame.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import socket
import struct
from collections import Counter

from southbound.agent.adapters.queueing_discipline import NLM_F_CREATE, NLM_F_EXCL, QueueingDisciplines
from southbound.fact_log import log_fact

_log = logging.getLogger("castover.mag")

HANDLE = 0xCA57_0000
"""`ca57:`, by which our queueing discipline is known again."""
_DEAREST = 0xFFFF
_NS = 1_000_000_000
_LOOK_AGAIN_NS = 200_000
_LIMIT_OCTETS = 4 << 20
_OPEN_RATE = 1 << 31
_SPACING_NS = 50_000
_SIOCGIFFLAGS = 0x8913
_IFF_RUNNING = 0x40
_NOT_OURS = frozenset({errno.EEXIST})


class EgressGate:
    """The gate of the interface `name`; `open`, `shut` and `prepare` may be called in any order and repeatedly.

    Counts in `counters`: gate_unavailable (not permitted, or no such queueing discipline in this kernel),
    gate_taken (the interface has a root queueing discipline of somebody else's), gate_no_interface.
    """

    def __init__(self, name: str, disciplines: QueueingDisciplines, counters: Counter[str]) -> None:
        self._name = name
        self._disciplines = disciplines
        self._counters = counters
        self._logged = False

    def clear_leftover(self) -> None:
        """After a start: open a gate that an earlier process left, and remove it when the link is down.

        On a link that is up it stays, open: removing it would lose packets.
        """
        index = self._index()
        if index is not None and self._disciplines.waiting(index, HANDLE) is not None:
            self._open(index, 0)
            self.remove_when_down()

    def prepare(self) -> bool:
        """Have an open gate, so that `shut` need not make one. False, counted, when there can be none.

        Nothing (False) on a link that is up: `shut` will make it, when nothing is on its way.
        """
        index = self._index()
        if index is None:
            self._counters["gate_no_interface"] += 1
            return False
        if self._open(index, 0) == 0:
            return True
        if self._is_running():
            return False
        return self._made(self._open(index, NLM_F_CREATE | NLM_F_EXCL))

    def shut(self) -> bool:
        """Let nothing of the switch's through from now on. False, counted, when there can be no gate."""
        index = self._index()
        if index is None:
            self._counters["gate_no_interface"] += 1
            return False
        if self._shut(index, 0) == 0:
            return True
        # Gone (Open vSwitch removes what it does not know when it starts): nothing is on its way that could be lost.
        return self._made(self._shut(index, NLM_F_CREATE | NLM_F_EXCL))

    def held(self) -> int | None:
        """How many frames wait; None when there is no gate."""
        index = self._index()
        return None if index is None else self._disciplines.waiting(index, HANDLE)

    def open(self) -> None:
        """Let everything pass in order, what waits first. `open_wide` must follow. Nothing when there is no gate."""
        index = self._index()
        if index is not None:
            self._disciplines.token_bucket(
                index, HANDLE, 0, rate=_DEAREST * (_NS // _SPACING_NS), burst_ns=_SPACING_NS + _SPACING_NS // 10,
                limit=_LIMIT_OCTETS, least_octets=_DEAREST,
            )

    def open_wide(self) -> None:
        """Let everything pass at any rate; when nothing waits. Nothing when there is no gate."""
        index = self._index()
        if index is not None:
            self._open(index, 0)

    def remove_when_down(self) -> bool:
        """Remove the gate if the link is down and nothing waits; whether there is none now."""
        index = self._index()
        waiting = None if index is None else self._disciplines.waiting(index, HANDLE)
        if index is None or waiting is None:
            return True
        if waiting or self._is_running():
            return False
        return self._disciplines.remove(index, HANDLE) == 0

    def _open(self, index: int, flags: int) -> int:
        return self._disciplines.token_bucket(
            index, HANDLE, flags, rate=_OPEN_RATE, burst_ns=_NS, limit=_LIMIT_OCTETS, least_octets=0
        )

    def _shut(self, index: int, flags: int) -> int:
        # One frame would cost one second; the bucket is full after a little less.
        return self._disciplines.token_bucket(
            index, HANDLE, flags, rate=_DEAREST, burst_ns=_NS - _LOOK_AGAIN_NS, limit=_LIMIT_OCTETS,
            least_octets=_DEAREST,
        )

    def _made(self, error: int) -> bool:
        if error == 0:
            return True
        self._counters["gate_taken" if error in _NOT_OURS else "gate_unavailable"] += 1
        if not self._logged:
            self._logged = True
            reason = errno.errorcode.get(error, str(error))
            log_fact(_log, "no_egress_gate", {"port": self._name, "reason": reason}, level=logging.WARNING)
        return False

    def _index(self) -> int | None:
        try:
            return socket.if_nametoindex(self._name)
        except OSError:
            return None

    def _is_running(self) -> bool:
        request = struct.pack("16sH22x", self._name.encode(), 0)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asked:
            try:
                flags = struct.unpack_from("H", fcntl.ioctl(asked, _SIOCGIFFLAGS, request), 16)[0]
            except OSError:
                return False
        return bool(flags & _IFF_RUNNING)

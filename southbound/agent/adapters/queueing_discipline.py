# SPDX-License-Identifier: Apache-2.0
"""A token bucket filter as an interface's root queueing discipline, and a way back for what comes in by it, by rtnetlink:
about 10 microseconds a request.

linux/rtnetlink.h and linux/pkt_sched.h are the source of the numbers. The netlink socket stays in the network namespace
where it was opened.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence

NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_ECHO = 1, 4, 8
_NLMSG_ERROR = 2
_RTM_NEWQDISC, _RTM_DELQDISC, _RTM_GETQDISC = 36, 37, 38
_RTM_NEWTFILTER = 44
_TC_H_ROOT = 0xFFFF_FFFF
_TC_H_CLSACT, _CLSACT_HANDLE, _INGRESS = 0xFFFF_FFF1, 0xFFFF_0000, 0xFFFF_FFF2
_TCA_U32_SEL, _TCA_U32_ACT, _U32_TERMINAL = 5, 7, 1
_TCA_ACT_KIND, _TCA_ACT_OPTIONS, _TCA_MIRRED_PARMS = 1, 2, 2
_TCA_EGRESS_REDIR, _TC_ACT_STOLEN = 1, 4
_ETH_P_IPV6, _FIRST_FILTER = 0x86DD, 1
_TCA_KIND, _TCA_OPTIONS, _TCA_STATS2 = 1, 2, 7
_TCA_STATS_QUEUE = 3
_TCA_TBF_PARMS, _TCA_TBF_RTAB = 1, 2
_ATTRIBUTE_TYPE = 0x3FFF
_LINKLAYER_ETHERNET = 1
_NS_PER_TICK = 64
_MESSAGE_HEADER = struct.Struct("=IHHII")
_TRAFFIC_CONTROL = struct.Struct("=BBHiIII")
_RATE_TABLE = bytes(1024)
"""The kernel has computed by itself since 3.8, but wants it there."""


class QueueingDisciplines:
    """Makes, changes, asks for and removes them; errors are given back as the kernel's errno, 0 when it went well."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._sequence = 0

    def token_bucket(
        self, interface_index: int, handle: int, flags: int, *, rate: int, burst_ns: int, limit: int, least_octets: int
    ) -> int:
        """Set it as root: `rate` octets/s, a bucket that fills in `burst_ns`, `limit` octets that wait,
        `least_octets` what a frame costs at least. Without NLM_F_CREATE in `flags` it only changes one that is there.
        """
        committed = struct.pack("=BBHhHI", 0, _LINKLAYER_ETHERNET, 0, -1, least_octets, rate)
        no_peak = bytes(12)
        parameters = committed + no_peak + struct.pack("=III", limit, burst_ns // _NS_PER_TICK, 0)
        options = _attribute(_TCA_TBF_PARMS, parameters) + _attribute(_TCA_TBF_RTAB, _RATE_TABLE)
        attributes = _attribute(_TCA_KIND, b"tbf\0") + _attribute(_TCA_OPTIONS, options)
        return self._acknowledged(_RTM_NEWQDISC, _NLM_F_ACK | flags, interface_index, handle, attributes)

    def remove(self, interface_index: int, handle: int) -> int:
        """Remove the root discipline with this handle, with all that waits in it."""
        return self._acknowledged(_RTM_DELQDISC, _NLM_F_ACK, interface_index, handle, b"")

    def reflect(self, interface_index: int, words: Sequence[tuple[int, int, int]]) -> int:
        """Send what comes in by the interface out by it again, through its queueing discipline, if it is IPv6 and has these
        words: each an offset from the IPv6 header (the Ethernet header has negative ones), a value and a mask, of 32 bits.

        It replaces what an earlier process has left there for what comes in.
        """
        kind = _attribute(_TCA_KIND, b"clsact\0")
        where = {"handle": _CLSACT_HANDLE, "parent": _TC_H_CLSACT}
        make = _NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
        error = self._acknowledged(_RTM_NEWQDISC, make, interface_index, attributes=kind, **where)
        if error == errno.EEXIST:
            self._acknowledged(_RTM_DELQDISC, _NLM_F_ACK, interface_index, attributes=b"", **where)
            error = self._acknowledged(_RTM_NEWQDISC, make, interface_index, attributes=kind, **where)
        if error:
            return error
        keys = b"".join(struct.pack("!II", mask, value) + struct.pack("=ii", at, 0) for at, value, mask in words)
        selector = struct.pack("=BBBxHHhhI", _U32_TERMINAL, 0, len(words), 0, 0, 0, 0, 0) + keys
        redirect = struct.pack("=IIiiiiI", 0, 0, _TC_ACT_STOLEN, 0, 0, _TCA_EGRESS_REDIR, interface_index)
        action = _attribute(_TCA_ACT_KIND, b"mirred\0") + _attribute(
            _TCA_ACT_OPTIONS, _attribute(_TCA_MIRRED_PARMS, redirect)
        )
        options = _attribute(_TCA_U32_SEL, selector) + _attribute(_TCA_U32_ACT, _attribute(1, action))
        return self._acknowledged(
            _RTM_NEWTFILTER, make, interface_index, 0,
            _attribute(_TCA_KIND, b"u32\0") + _attribute(_TCA_OPTIONS, options),
            parent=_INGRESS, info=_FIRST_FILTER << 16 | socket.htons(_ETH_P_IPV6),
        )

    def reflects(self, interface_index: int) -> bool:
        """Whether there is what `reflect` has made (Open vSwitch removes what it does not know when it starts)."""
        answer = self._request(
            _RTM_GETQDISC, _NLM_F_ECHO, interface_index, _CLSACT_HANDLE, b"", parent=_TC_H_CLSACT
        )
        return answer is not None and answer[0] == _RTM_NEWQDISC

    def waiting(self, interface_index: int, handle: int) -> int | None:
        """How many frames wait in it; None when there is none with this handle."""
        # Only with ECHO does the kernel answer the one who asks.
        answer = self._request(_RTM_GETQDISC, _NLM_F_ECHO, interface_index, handle, b"")
        if answer is None or answer[0] != _RTM_NEWQDISC or len(answer[1]) < _TRAFFIC_CONTROL.size:
            return None
        if _TRAFFIC_CONTROL.unpack_from(answer[1])[4] != handle:
            return None
        statistics = _find(answer[1], _TRAFFIC_CONTROL.size, _TCA_STATS2)
        queue = None if statistics is None else _find(statistics, 0, _TCA_STATS_QUEUE)
        return None if queue is None or len(queue) < 4 else int(struct.unpack_from("=I", queue)[0])

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()

    def _acknowledged(
        self, kind: int, flags: int, interface_index: int, handle: int, attributes: bytes, parent: int = _TC_H_ROOT,
        info: int = 0,
    ) -> int:
        answer = self._request(kind, flags, interface_index, handle, attributes, parent, info)
        if answer is None or answer[0] != _NLMSG_ERROR or len(answer[1]) < 4:
            return -1
        return -int(struct.unpack_from("=i", answer[1])[0])

    def _request(
        self, kind: int, flags: int, interface_index: int, handle: int, attributes: bytes, parent: int = _TC_H_ROOT,
        info: int = 0,
    ) -> tuple[int, bytes] | None:
        self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
        body = _TRAFFIC_CONTROL.pack(socket.AF_UNSPEC, 0, 0, interface_index, handle, parent, info) + attributes
        size = _MESSAGE_HEADER.size + len(body)
        try:
            self._socket.send(_MESSAGE_HEADER.pack(size, kind, _NLM_F_REQUEST | flags, self._sequence, 0) + body)
            while True:  # an answer is queued before send returns; a sequence that is not ours is an old one
                answer = self._socket.recv(16_384)
                _, answered, _, sequence, _ = _MESSAGE_HEADER.unpack_from(answer)
                if sequence == self._sequence:
                    return answered, answer[_MESSAGE_HEADER.size:]
        except OSError:
            return None


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _find(attributes: bytes, position: int, wanted: int) -> bytes | None:
    while position + 4 <= len(attributes):
        size, kind = struct.unpack_from("=HH", attributes, position)
        if size < 4:
            return None
        if kind & _ATTRIBUTE_TYPE == wanted:
            return attributes[position + 4:position + size]
        position += (size + 3) & ~3
    return None

# SPDX-License-Identifier: Apache-2.0
"""Packets into the tunnel to another MAG from the agent itself: keyed GRE over IPv6 (RFC 2890, RFC 5845), as the switch
makes it. The n-MAG's switch cannot tell the two apart.

    |C| |K|S| Reserved0 | Ver |  Protocol Type = 0x86DD or 0x0800 |  Key (32)  |  IPv6 or IPv4 packet

The ECN field of the outer header is that of the inner one, as the switch makes it (RFC 3168 section 9.1.1).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections import Counter
from ipaddress import IPv6Address

from southbound.agent.adapters.errors import AdapterError

_IPPROTO_GRE = 47
_KEY_PRESENT_IPV6 = b"\x20\x00\x86\xdd"
_KEY_PRESENT_IPV4 = b"\x20\x00\x08\x00"
_IPV6_DONTFRAG = 62
"""linux/in6.h. The switch at the other end takes no fragments, so a packet that is too long is better refused here."""
_SEND_BUFFER_BYTES = 4 << 20
_ECT_0, _CE = 2, 3
"""RFC 3168 section 5."""


def outer_ecn(packet: bytes) -> int:
    """The ECN field of the header around this packet: its own; ECT(0) where it says that it has met congestion already, so
    that what comes on the way through the tunnel can be told from that."""
    if len(packet) < 2:
        return 0
    own = packet[1] & 3 if packet[0] >> 4 == 4 else packet[1] >> 4 & 3
    return _ECT_0 if own == _CE else own


def gre_packet(key: int, packet: bytes) -> bytes:
    """The GRE packet that carries an IP packet under this key."""
    ipv4 = packet[:1] and packet[0] >> 4 == 4
    return (_KEY_PRESENT_IPV4 if ipv4 else _KEY_PRESENT_IPV6) + key.to_bytes(4, "big") + packet


class TunnelSocket:
    """Sends only. Counts: tunnel_sent, tunnel_too_long, tunnel_failed."""

    def __init__(self, local: IPv6Address, key: int) -> None:
        self.counters: Counter[str] = Counter()
        self._local, self._key = local, key
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Open in the current network namespace; does nothing when open. Raises AdapterError."""
        if self._socket is not None:
            return
        try:
            sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _IPPROTO_GRE)
        except OSError as error:
            raise AdapterError(error.errno, f"raw socket for GRE: {error.strerror}") from error
        try:
            # What comes in is the switch's: nobody reads it here, so it shall take no memory.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_DONTFRAG, 1)
            sock.bind((str(self._local), 0))
        except OSError as error:
            sock.close()
            raise AdapterError(error.errno, f"{self._local}: {error.strerror}") from error
        self._socket = sock

    def send(self, packet: bytes, destination: IPv6Address, key: int | None = None) -> bool:
        """Send one IP packet through the tunnel, under the domain's key if none is given; whether it has gone."""
        reason = "sent"
        if self._socket is None:
            reason = "failed"
        else:
            try:
                around = gre_packet(self._key if key is None else key, packet)
                ecn = outer_ecn(packet)
                traffic_class = [(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, struct.pack("i", ecn))] if ecn else []
                self._socket.sendmsg([around], traffic_class, 0, (str(destination), 0))
            except OSError as error:
                reason = "too_long" if error.errno == errno.EMSGSIZE else "failed"
        self.counters[f"tunnel_{reason}"] += 1
        return reason == "sent"

    def close(self) -> None:
        """Idempotent; `open` may follow."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

# SPDX-License-Identifier: Apache-2.0
"""An ordinary receiver that keeps what arrives and when: `python -m lab.traffic_sink GROUP PORT`.

It joins (*,G), or (S,G) with --source, and leaves the rest to the kernel, as any player does; GROUP may also be an address
of the host itself. Receive times are the kernel's. Whoever connects to its Unix socket gets the present count as one
JSON object.
"""

from __future__ import annotations

import argparse
import gc
import json
import select
import signal
import socket
import struct
import sys
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from lab.sequence_account import SequenceAccount
from lab.status_socket import ask, listen_at
from lab.stream_format import PAYLOAD_HEADER, RECORDS_MAX, RecordList
from lab.traffic_output import write_output

# linux/in6.h, linux/in.h, asm-generic/socket.h: numbers that the socket module does not name.
_IPV6_MULTICAST_ALL = 29
_IP_MULTICAST_ALL = 49
_MCAST_JOIN_SOURCE_GROUP = 46
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_SO_RXQ_OVFL = 40
_TIMESPEC = struct.Struct("@ll")
_RECEIVE_BUFFER_OCTETS = 16 * 1024 * 1024
_BATCH = 256
Address = IPv4Address | IPv6Address
_POLL_MS = 100


@dataclass(slots=True, kw_only=True)
class SinkStatus:
    """Counts of this moment."""

    received: int = 0
    """Datagrams of the stream, copies included."""
    last_sequence: int | None = None
    last_time_ns: int | None = None
    """When the kernel received the latest one, ns since 1970."""
    too_short: int = 0
    """Datagrams that are no packet of the stream: without room for sequence and time."""
    socket_overflow: int = 0
    """Datagrams that this program was too slow for: losses of the measurement, not of the network."""
    not_recorded: int = 0
    """Received after the records were full."""
    missing: int = 0
    """Sequence numbers between the first and the highest received that have not come, so far."""
    duplicated: int = 0
    reordered: int = 0
    """Received after one with a higher number."""


class TrafficSink:
    """Receives one stream; `stop` may be called from a signal handler."""

    def __init__(self, receiver: socket.socket, control: socket.socket | None, maximum: int = RECORDS_MAX) -> None:
        self.status = SinkStatus()
        self.records = RecordList(maximum)
        self._account = SequenceAccount()
        self._receiver, self._control = receiver, control
        self._stopped = False

    def stop(self, *_: object) -> None:
        """End when everything that has arrived is taken."""
        self._stopped = True

    def run(self) -> SinkStatus:
        """Receive until `stop` is called."""
        poll = select.poll()
        poll.register(self._receiver, select.POLLIN)
        if self._control is not None:
            poll.register(self._control, select.POLLIN)
        while not self._stopped:
            for descriptor, _ in poll.poll(_POLL_MS):
                if descriptor == self._receiver.fileno():
                    self._take()
                elif self._control is not None:
                    self._answer(self._control)
        while self._take():
            pass
        return self._counted()

    def _take(self) -> int:
        """Take what is there, at most a batch of it; how many."""
        for taken in range(_BATCH):
            try:
                data, ancillary, _, _ = self._receiver.recvmsg(2048, 128)
            except BlockingIOError:
                return taken
            time_ns = 0
            for _, kind, value in ancillary:
                if kind == _SO_TIMESTAMPNS:
                    seconds, nanoseconds = _TIMESPEC.unpack(value[: _TIMESPEC.size])
                    time_ns = seconds * 1_000_000_000 + nanoseconds
                elif kind == _SO_RXQ_OVFL:
                    self.status.socket_overflow = int.from_bytes(value[:4], sys.byteorder)
            self._packet(data, time_ns)
        return _BATCH

    def _packet(self, data: bytes, time_ns: int) -> None:
        if len(data) < PAYLOAD_HEADER.size:
            self.status.too_short += 1
            return
        sequence, _ = PAYLOAD_HEADER.unpack_from(data)
        self.status.received += 1
        self.status.last_sequence, self.status.last_time_ns = sequence, time_ns
        self.records.add(sequence, time_ns)
        self._account.take(sequence)
        self.status.not_recorded = self.records.not_recorded

    def _counted(self) -> SinkStatus:
        account, status = self._account, self.status
        status.missing, status.duplicated, status.reordered = account.missing, account.duplicated, account.reordered
        return status

    def _answer(self, control: socket.socket) -> None:
        try:
            connection, _ = control.accept()
            with connection:
                connection.sendall(json.dumps(asdict(self._counted())).encode())
        except OSError:
            return  # whoever asked has gone


def open_receiver(group: Address, port: int, interface: str, source: Address | None = None) -> socket.socket:
    """A non-blocking UDP socket that has joined, with receive timestamps; nothing is joined where `group` is the host's own
    address. Raises OSError."""
    ipv4 = isinstance(group, IPv4Address)
    level = socket.IPPROTO_IP if ipv4 else socket.IPPROTO_IPV6
    receiver = socket.socket(socket.AF_INET if ipv4 else socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
            try:
                receiver.setsockopt(socket.SOL_SOCKET, option, _RECEIVE_BUFFER_OCTETS)
                break
            except PermissionError:
                continue  # beyond net.core.rmem_max only with CAP_NET_ADMIN
        receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        # Only what this socket has joined, not what any program of the host has.
        receiver.setsockopt(level, _IP_MULTICAST_ALL if ipv4 else _IPV6_MULTICAST_ALL, 0)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        receiver.bind((str(group), port))
        index = socket.if_nametoindex(interface)
        if not group.is_multicast:
            pass
        elif source is not None:
            receiver.setsockopt(level, _MCAST_JOIN_SOURCE_GROUP, group_source_request(index, group, source))
        elif ipv4:
            request = struct.pack("@4s4si", group.packed, bytes(4), index)
            receiver.setsockopt(level, socket.IP_ADD_MEMBERSHIP, request)
        else:
            receiver.setsockopt(level, socket.IPV6_JOIN_GROUP, group.packed + struct.pack("@I", index))
        receiver.setblocking(False)
    except BaseException:
        receiver.close()
        raise
    return receiver


def group_source_request(index: int, group: Address, source: Address) -> bytes:
    """`struct group_source_req` (RFC 3678 section 5): interface index and two sockaddr_storage of 128 octets."""

    def storage(address: Address) -> bytes:
        if isinstance(address, IPv4Address):
            return struct.pack("@HH4s", socket.AF_INET, 0, address.packed).ljust(128, b"\0")
        return struct.pack("@HHI16sI", socket.AF_INET6, 0, 0, address.packed, 0).ljust(128, b"\0")

    # The addresses are aligned to 8 octets.
    return struct.pack("@II", index, 0) + storage(group) + storage(source)


def ask_status(path: Path, timeout_s: float = 5.0) -> SinkStatus:
    """The status of a running sink. Raises OSError when there is none."""
    return SinkStatus(**ask(path, timeout_s))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.traffic_sink", description="A receiver of one stream.")
    parser.add_argument("group", type=ip_address, help="multicast group, or an address of this host")
    parser.add_argument("port", type=int)
    parser.add_argument("--interface", default="wlan0")
    parser.add_argument("--source", type=ip_address, help="join (S,G) with this source instead of (*,G)")
    parser.add_argument("--control", type=Path, help="Unix socket that tells the present count")
    parser.add_argument("--records", type=Path, help="write (sequence, receive time) of every packet here at the end")
    parser.add_argument("--report", type=Path, help="write the JSON report here instead of to standard output")
    known = parser.parse_args()
    if known.source is not None and not known.group.is_multicast:
        parser.error(f"--source: {known.group} is no multicast address")
    return known


def main() -> int:
    """Receive until SIGTERM or SIGINT, report."""
    known = _arguments()
    try:
        receiver = open_receiver(known.group, known.port, known.interface, known.source)
        control = listen_at(known.control) if known.control is not None else None
    except OSError as error:
        print(f"cannot join {known.group} on {known.interface}: {error.strerror or error}", file=sys.stderr)
        return 1
    sink = TrafficSink(receiver, control)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, sink.stop)
    gc.disable()
    with receiver:
        status = sink.run()
    if control is not None:
        control.close()
        known.control.unlink(missing_ok=True)
    write_output(sink.records, known.records, status, known.report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

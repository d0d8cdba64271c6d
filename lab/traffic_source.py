# SPDX-License-Identifier: Apache-2.0
"""A source of numbered datagrams at a steady rate, to a group or to one host: `python -m lab.traffic_source GROUP PORT`.

The schedule is absolute: packet n is due at start + n / rate. A packet that is late goes out at once; when the machine
stalled for longer (`CATCH_UP_NS`) the schedule is moved instead of sending a burst that no real source sends.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import signal
import socket
import struct
import sys
import time
from array import array
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from lab.stream_format import PAYLOAD_HEADER, PAYLOAD_OCTETS_MAX, RecordList
from lab.traffic_output import write_output

CATCH_UP_PACKETS = 4
CATCH_UP_NS = 4_000_000
"""How far behind its schedule the source may be and still catch up: the longer of the two. Many packets a second need the
time: at 10,000 a second four packets are shorter than a busy machine takes to wake a process."""
HOP_LIMIT = 16
_SPIN_NS = 60_000
"""Waiting that is left to a loop: below what a sleep is exact to."""
_LATENESS_KEPT = 1_000_000
_PR_SET_TIMERSLACK = 29


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What to send."""

    group: IPv4Address | IPv6Address
    port: int
    interface: str
    rate_pps: float
    size: int
    """Octets of UDP payload."""
    count: int | None = None
    """Packets to send; None: until SIGTERM or SIGINT."""
    hop_limit: int = HOP_LIMIT


@dataclass(slots=True, kw_only=True)
class SourceReport:
    """What was sent, and how exactly."""

    first_sequence: int | None = None
    last_sequence: int | None = None
    sent: int = 0
    not_sent: int = 0
    """Send calls that failed (no route, full queue); their sequence numbers are not used up."""
    schedule_moved: int = 0
    """How often the source was further behind than it may catch up."""
    late_p50_us: float = 0.0
    late_p99_us: float = 0.0
    late_max_us: float = 0.0


class TrafficSource:
    """Sends one stream; `stop` may be called from a signal handler."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.records = RecordList()
        self._stopped = False

    def stop(self, *_: object) -> None:
        """End after the present packet."""
        self._stopped = True

    def run(self) -> SourceReport:
        """Send until the count is reached or `stop` is called. Raises OSError when the socket cannot be set up."""
        with _open(self.stream) as sock:
            return self._send(sock)

    def _send(self, sock: socket.socket) -> SourceReport:
        report = SourceReport()
        lateness = array("q")
        packet = bytearray(self.stream.size)
        interval_ns = round(1e9 / self.stream.rate_pps)
        catch_up_ns = max(CATCH_UP_PACKETS * interval_ns, CATCH_UP_NS)
        due = time.monotonic_ns() + interval_ns
        sequence = 0
        while not self._stopped and sequence != self.stream.count:
            late = _wait_until(due)
            if late > catch_up_ns:
                report.schedule_moved += 1
                due += late
            now = time.time_ns()
            PAYLOAD_HEADER.pack_into(packet, 0, sequence, now)
            due += interval_ns
            try:
                sock.send(packet)
            except OSError:
                report.not_sent += 1
                continue
            self.records.add(sequence, now)
            if len(lateness) < _LATENESS_KEPT:
                lateness.append(late)
            sequence += 1
        if sequence:
            report.first_sequence, report.last_sequence, report.sent = 0, sequence - 1, sequence
            ordered = sorted(lateness)
            report.late_p50_us = ordered[len(ordered) // 2] / 1000
            report.late_p99_us = ordered[len(ordered) * 99 // 100] / 1000
            report.late_max_us = ordered[-1] / 1000
        return report


def _wait_until(due_ns: int) -> int:
    """Wait for a moment of CLOCK_MONOTONIC; how many ns after it we are."""
    remaining = due_ns - time.monotonic_ns()
    while remaining > 0:
        if remaining > _SPIN_NS:
            time.sleep((remaining - _SPIN_NS) / 1e9)
        remaining = due_ns - time.monotonic_ns()
    return -remaining


def _open(stream: Stream) -> socket.socket:
    index = socket.if_nametoindex(stream.interface)
    if isinstance(stream.group, IPv4Address):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, stream.hop_limit)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("@4s4si", bytes(4), bytes(4), index))
    else:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, stream.hop_limit)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, stream.hop_limit)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    sock.connect((str(stream.group), stream.port))
    return sock


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.traffic_source", description="A steady source.")
    parser.add_argument("group", type=ip_address, help="multicast group, or the address of one host")
    parser.add_argument("port", type=int)
    parser.add_argument("--interface", default="eth0")
    parser.add_argument("--rate-pps", type=float, default=1000.0)
    parser.add_argument("--size", type=int, default=200, help="octets of UDP payload (default: %(default)s)")
    parser.add_argument("--count", type=int, help="packets to send; without: until SIGTERM")
    parser.add_argument("--records", type=Path, help="write (sequence, send time) of every packet here at the end")
    parser.add_argument("--report", type=Path, help="write the JSON report here instead of to standard output")
    known = parser.parse_args()
    if not PAYLOAD_HEADER.size <= known.size <= PAYLOAD_OCTETS_MAX:
        parser.error(f"--size {known.size}: allowed: {PAYLOAD_HEADER.size}..{PAYLOAD_OCTETS_MAX}")
    if not 0 < known.rate_pps <= 100_000:
        parser.error(f"--rate-pps {known.rate_pps}: allowed: above 0, at most 100000")
    return known


def main() -> int:
    """Send, report."""
    known = _arguments()
    source = TrafficSource(Stream(
        group=known.group, port=known.port, interface=known.interface, rate_pps=known.rate_pps, size=known.size,
        count=known.count,
    ))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, source.stop)
    # Sleeps end within microseconds instead of the usual 50 us after they are due (prctl(2)).
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    gc.disable()
    try:
        report = source.run()
    except OSError as error:
        print(f"cannot send to {known.group} on {known.interface}: {error.strerror or error}", file=sys.stderr)
        return 1
    write_output(source.records, known.records, report, known.report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Hold back what goes over the slow paths of a lab: `python -m lab.delay_forwarder FILE`, one process a lab.

Runs inside the transport namespace. It takes the frames of each delayed path where their node's link enters the bridge
(traffic control drops them there, see lab.delay_install) and gives them back to the bridge when the path's delay is
over. The delay is counted from the kernel's time of arrival: reading late costs nothing as long as it is before the
frame is due, so frames are read in batches and only sending has to be on time.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv6Address
from pathlib import Path

from lab.delay_queue import DelayQueue
from lab.delay_tap import Tap, open_injector
from lab.status_socket import ask

_READ_MOST = 8
"""Frames read before looking again whether one is due: about 30 us."""
_READ_INTERVAL_MAX_NS = 2_000_000
"""How long reading may rest: what has come meanwhile keeps the next due frame waiting while it is read."""
_REST_NS = 100_000
"""The shortest sleep: frames that are due within it leave together. A sleep costs about as much as sending a frame."""
_LATE_NS = 1_000_000
_CONTROL_INTERVAL_NS = 100_000_000
_PRIORITY = 10
_PR_SET_TIMERSLACK, _MCL_CURRENT = 29, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayStatus:
    """What the forwarder has done so far; every frame that it dropped is in one of the counts named for the reason."""

    forwarded: int
    waiting: int
    """Frames in the queue now."""
    longest_queue: int
    queue_full: int
    not_sent: int
    """The interface refused the frame."""
    too_long: int
    """Longer than any frame of the transport network."""
    not_expected: int
    """Passed the socket's filter, but no path of ours."""
    missed: int
    """The receive buffer was full."""
    late: int
    """Sent, but more than 1 ms after it was due."""
    latest_us: float
    """How long after it was due a frame was sent, at most."""
    real_time: bool
    """Whether the kernel lets the process run before ordinary ones; without, delays are less exact under load."""

    @property
    def dropped(self) -> int:
        """Frames lost here, for whatever reason."""
        return self.queue_full + self.not_sent + self.too_long + self.not_expected + self.missed


class DelayForwarder:
    """The loop; `stop` may be called from a signal handler."""

    def __init__(
        self, taps: Sequence[Tap], injector: socket.socket, delays_ns: Sequence[int], control: socket.socket,
        *, real_time: bool = False,
    ) -> None:
        """`delays_ns`: of the paths by number. `control` listens, non-blocking; who connects gets the status."""
        self._taps = tuple(taps)
        self._injector = injector
        self._queue = DelayQueue(delays_ns)
        self._control = control
        self._real_time = real_time
        # What arrives after a reading is due one shortest delay later at the earliest.
        self._read_interval_ns = max(min(min(delays_ns) // 2, _READ_INTERVAL_MAX_NS), _REST_NS)
        self._forwarded = self._not_sent = self._late = self._latest_ns = 0
        self._stopped = False
        # A signal's octet ends the poll even when it comes just before it.
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)

    @property
    def wakeup_descriptor(self) -> int:
        """For signal.set_wakeup_fd."""
        return self._waker.fileno()

    def stop(self, *_: object) -> None:
        """End soon; what waits is dropped."""
        self._stopped = True

    def run(self) -> None:
        """Forward until `stop` is called."""
        idle = select.poll()
        for descriptor in (self._woken, self._control, *(tap.socket for tap in self._taps)):
            idle.register(descriptor, select.POLLIN)
        next_control_ns = next_read_ns = 0
        while not self._stopped:
            now_ns = time.monotonic_ns()
            if now_ns >= next_control_ns:
                self._answer()
                next_control_ns = now_ns + _CONTROL_INTERVAL_NS
            if now_ns >= next_read_ns and not self._read():
                next_read_ns = now_ns + self._read_interval_ns
            self._send_due()
            due_ns = self._queue.next_due_ns()
            if due_ns is not None:
                self._wait_until(min(due_ns, next_read_ns))
            elif now_ns < next_read_ns:
                idle.poll()
                next_control_ns = next_read_ns = 0

    def status(self) -> DelayStatus:
        """The present counts."""
        return DelayStatus(
            forwarded=self._forwarded, waiting=len(self._queue), longest_queue=self._queue.longest,
            queue_full=self._queue.refused, not_sent=self._not_sent,
            too_long=sum(tap.too_long for tap in self._taps),
            not_expected=sum(tap.not_expected for tap in self._taps),
            missed=sum(tap.count_missed() for tap in self._taps),
            late=self._late, latest_us=self._latest_ns / 1000, real_time=self._real_time,
        )

    def _read(self) -> bool:
        """A few frames of every tap into the queue; whether there may be more."""
        more = False
        for tap in self._taps:
            frames, full = tap.read(_READ_MOST)
            more = more or full
            for path, frame, arrived_ns in frames:
                self._queue.add(path, frame, arrived_ns)
            if frames:
                self._send_due()
        return more

    def _send_due(self) -> None:
        while (taken := self._queue.take(now_ns := time.monotonic_ns())) is not None:
            due_ns, frame = taken
            try:
                self._injector.send(frame)
            except OSError:
                self._not_sent += 1
                continue
            self._forwarded += 1
            late_ns = now_ns - due_ns
            if late_ns > self._latest_ns:
                self._latest_ns = late_ns
            if late_ns > _LATE_NS:
                self._late += 1

    def _wait_until(self, moment_ns: int) -> None:
        # Never past the next reading: in between a signal only sets a flag.
        remaining_ns = moment_ns - time.monotonic_ns()
        if remaining_ns > 0:
            time.sleep(max(remaining_ns, _REST_NS) / 1e9)

    def _answer(self) -> None:
        with contextlib.suppress(OSError):  # nobody asks, or whoever asked has gone
            connection, _ = self._control.accept()
            with connection:
                connection.setblocking(False)
                connection.send(json.dumps(asdict(self.status())).encode())


def ask_delay_status(path: Path, timeout_s: float = 5.0) -> DelayStatus:
    """The status of the forwarder that listens at this Unix socket. Raises OSError when there is none."""
    return DelayStatus(**ask(path, timeout_s))


def _ask_for_real_time() -> bool:
    libc = ctypes.CDLL(None)
    # Sleeps end within microseconds instead of the usual 50 us after they are due (prctl(2)).
    libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    # The program is not to be read from disk again in the middle of a stream (mlockall(2)). Where it may not be locked
    # it runs all the same. What it allocates later is not locked: that could meet a limit.
    libc.mlockall(_MCL_CURRENT)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except PermissionError:
        return False
    return True


def main(arguments: list[str]) -> int:
    """Forward until SIGTERM or SIGINT."""
    wire = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    delays_ns: list[int] = []
    taps = []
    try:
        for interface, port in wire["ports"].items():
            paths = {}
            for address, delay_ns in port["delays_ns"].items():
                paths[IPv6Address(address)] = len(delays_ns)
                delays_ns.append(delay_ns)
            taps.append(Tap(interface, IPv6Address(port["source"]), paths))
        injector = open_injector(wire["injector"])
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        Path(wire["control"]).unlink(missing_ok=True)
        control.bind(wire["control"])
    except OSError as error:
        print(f"cannot take the frames of the delayed paths: {error}", flush=True)
        return 1
    real_time = _ask_for_real_time()
    if not real_time:
        print("no real-time priority: delays are less exact under load", flush=True)
    control.setblocking(False)
    forwarder = DelayForwarder(taps, injector, delays_ns, control, real_time=real_time)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forwarder.stop)
    signal.set_wakeup_fd(forwarder.wakeup_descriptor, warn_on_full_buffer=False)
    gc.disable()
    control.listen(8)  # from now on it answers: this is the sign that it takes frames
    forwarder.run()
    print(json.dumps(asdict(forwarder.status())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# SPDX-License-Identifier: Apache-2.0
"""One mobile node's access port: the MAG's end of the link, a veth whose other end is the mobile node's.

What the node signals is read here, what the handover buffer kept for it is sent here, and while the node is about to
leave, what the switch sends to it is watched here.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from southbound.agent.adapters.errors import AdapterError
from southbound.agent.adapters.link_statistics import LinkStatistics
from southbound.agent.adapters.packet_filter import SIGNALLING_FROM_MOBILE_NODE
from southbound.agent.adapters.packet_socket import PacketSocket
from southbound.agent.adapters.sent_watch import OnSent, SentWatch

_FRAMES_PER_WAKEUP = 64
_RECEIVE_BUFFER_BYTES = 1 << 20

OnFrame = Callable[[bytes, float], None]


class AccessPort:
    """`on_frame(frame, now)` is called in the event loop for each signalling frame from the mobile node.

    With `every_frame` the kernel's filter is left out and each frame from the node comes.
    Counts: received, receive_overflow, receive_interface_down, open_no_interface, sent, send_not_open, send_refused,
    and those of SentWatch.
    """

    def __init__(
        self,
        name: str,
        on_frame: OnFrame,
        *,
        interface: str | None = None,
        every_frame: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.name = name
        self.interface = interface or name
        """What this host calls the port."""
        self._on_frame = on_frame
        self._program = None if every_frame else SIGNALLING_FROM_MOBILE_NODE
        self._clock = clock
        self._port: PacketSocket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._statistics: LinkStatistics | None = None
        self._watch: SentWatch | None = None
        self._on_sent: OnSent | None = None

    def open(self) -> bool:
        """Open in the current network namespace; does nothing when open. Raises AdapterError without privilege.

        Call it again when the interface was made anew (a watch that was on ends). False, counted as
        open_no_interface, when there is no such interface.
        """
        if self._port is not None:
            if self._port.is_on(self.interface):
                return True
            self.close()
        self._loop = asyncio.get_running_loop()
        try:
            port = PacketSocket(
                self.interface,
                counters=self.counters,
                prefix="receive",
                receive_buffer_bytes=_RECEIVE_BUFFER_BYTES,
                program=self._program,
                # Past the queueing layer: `send` then tells the truth at once when the link is down, where the queueing
                # layer would take the frame and throw it away; and no packet tap, so no watch, sees the agent's frames.
                bypass_queue=True,
            )
        except AdapterError:
            raise
        except OSError:
            self.counters["open_no_interface"] += 1
            return False
        self._statistics = LinkStatistics()
        self._loop.add_reader(port.socket, self._receive, port)
        self._port = port
        return True

    def _receive(self, port: PacketSocket) -> None:
        for _ in range(_FRAMES_PER_WAKEUP):
            if port is not self._port:  # closed by a callback
                return
            frame = port.receive()
            if frame is None:
                return
            self.counters["received"] += 1
            self._on_frame(frame, self._clock())

    def count_overflow(self) -> int:
        """Frames lost so far because the receive buffer was full; also brings the counter up to date."""
        if self._port is not None:
            self._port.statistics()
        return self.counters["receive_overflow"]

    def send(self, frame: bytes) -> bool:
        """Send one whole Ethernet frame to the mobile node: True when its end of the link has taken the frame.

        False (counted: send_refused) when the link is down at either end or the kernel is short of memory.
        """
        if self._port is None:
            self.counters["send_not_open"] += 1
            return False
        try:
            self._port.socket.send(frame)
        except OSError:
            self.counters["send_refused"] += 1
            return False
        self.counters["sent"] += 1
        return True

    def watch_sent(self, on_sent: OnSent) -> bool:
        """Call `on_sent(frame, now)`, in order, for each frame of a stream, IPv6 and forwarded, that the switch sends out.

        Every frame sent after the return is seen; those that the agent sends are not. A second call changes the
        callback. False when the port is not open or its interface has gone.
        """
        if self._port is None or self._statistics is None or self._loop is None:
            return False
        if self._watch is None:
            try:
                watch = SentWatch(
                    self.interface,
                    counters=self.counters,
                    own_sent=lambda: self.counters["sent"],
                    statistics=self._statistics,
                    clock=self._clock,
                )
            except AdapterError:
                raise
            except OSError:
                self.counters["open_no_interface"] += 1
                return False
            self._loop.add_reader(watch.port.socket, self._receive_sent, watch)
            self._watch = watch
        self._on_sent = on_sent
        return True

    def _receive_sent(self, watch: SentWatch) -> None:
        if watch is self._watch and self._on_sent is not None:
            watch.drain(self._on_sent)

    def settle_sent(self) -> int | None:
        """Hand on everything seen up to now, then say how many of the last frames handed on did not arrive.

        Call it when the link monitor has reported the port down; the frame before those is the last that the mobile
        node got. None: unknown (no watch, interface gone).
        """
        if self._watch is None or self._on_sent is None:
            return None
        while self._watch is not None and self._watch.drain(self._on_sent):
            pass
        return None if self._watch is None else self._watch.undelivered()

    def unwatch_sent(self) -> None:
        """End the watch; does nothing when there is none."""
        if self._watch is not None and self._loop is not None:
            self._loop.remove_reader(self._watch.port.socket)
            self._watch.close()
            self._watch = None
        self._on_sent = None

    def transmit_dropped(self) -> int:
        """The interface's tx_dropped, 0 when there is no interface. For operators; see TransmitCounters for why
        `settle_sent` does not use it."""
        if self._port is None or self._statistics is None:
            return 0
        counters = self._statistics.read(self._port.interface_index)
        return 0 if counters is None else counters.dropped

    def close(self) -> None:
        """Idempotent; `open` may follow."""
        self.unwatch_sent()
        if self._port is not None and self._loop is not None:
            self._loop.remove_reader(self._port.socket)
            self._port.close()
            self._port = None
        if self._statistics is not None:
            self._statistics.close()
            self._statistics = None

# SPDX-License-Identifier: Apache-2.0
"""Reads the counters of the switches again and again, as long as somebody looks at them and no longer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import eventlet

from apps.counter_messages import counter_requests, switch_counters
from apps.multipart_reading import MultipartReading
from southbound.openflow.counters import SwitchCounters

INTERVAL_S = 0.5
"""Open vSwitch brings the counters of groups and tunnels up to date about as often, by its default of max-revalidator."""
READINGS_KEPT = 5
"""Rates are over the time of these: two seconds, so that what comes in lumps of half a second is no zigzag."""
INTEREST_S = 10.0
"""How long after the last look the reading goes on."""


@dataclass(frozen=True, slots=True)
class ConnectedSwitch:
    """A switch that can be asked."""

    name: str
    datapath: Any
    ports: Mapping[str, int]


class CounterReader:
    """`connected` tells who can be asked now."""

    def __init__(
        self, connected: Callable[[], Iterable[ConnectedSwitch]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connected = connected
        self._clock = clock
        self._wanted_until = 0.0
        self._running = False
        self._under_way: dict[str, tuple[MultipartReading, Mapping[str, int]]] = {}
        self._kept: dict[str, deque[SwitchCounters]] = {}

    def look(self) -> Mapping[str, Sequence[SwitchCounters]]:
        """The latest readings by switch, oldest first; the first look only begins the reading."""
        self._wanted_until = self._clock() + INTEREST_S
        if not self._running:
            self._running = True
            eventlet.spawn(self._run)
        return self._kept

    def take(self, switch: str, kind: str, message: Any) -> None:
        """A part of a switch's answer; `kind` is 'groups' (descriptions), 'group_stats' or 'port_stats'."""
        reading, ports = self._under_way.get(switch, (None, {}))
        if reading is not None and reading.take(kind, message) and reading.complete:
            del self._under_way[switch]
            counters = switch_counters(
                reading.of("groups"), reading.of("group_stats"), reading.of("port_stats"), ports, self._clock()
            )
            self._kept.setdefault(switch, deque(maxlen=READINGS_KEPT)).append(counters)

    def _run(self) -> None:
        while self._clock() < self._wanted_until:
            self.read()
            eventlet.sleep(INTERVAL_S)
        # What is old by the next look would be taken for what is.
        self._running = False
        self._kept.clear()
        self._under_way.clear()

    def read(self) -> None:
        """Ask every switch that is there; what one has not answered by now is given up."""
        switches = list(self._connected())
        for name in self._kept.keys() - {switch.name for switch in switches}:
            del self._kept[name]
        self._under_way.clear()
        for switch in switches:
            reading = MultipartReading(switch.datapath, counter_requests(switch.datapath))
            self._under_way[switch.name] = reading, switch.ports
            reading.ask()

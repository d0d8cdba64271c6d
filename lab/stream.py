# SPDX-License-Identifier: Apache-2.0
"""One measured stream in a running lab: a source, a sink at each mobile node, and what they recorded."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.ground import Ground, Program
from lab.processes import last_log_lines
from lab.stream_format import Record, StreamFormatError, decode_records
from lab.traffic_sink import SinkStatus, ask_status

_START_TIMEOUT_S = 10.0
_POLL_S = 0.01
_QUIET_S = 0.3
"""Silence after the source's end after which nothing more is expected on the way."""
_DRAIN_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """What is sent, and by whom."""

    source: str
    """Node of the source."""
    group: IPv4Address | IPv6Address
    """A multicast group, or the address of the one mobile node that it is for."""
    port: int
    rate_pps: float
    size: int
    from_source: IPv4Address | IPv6Address | None = None
    """Join only this source of the group (S,G); None: any source (*,G)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRecords:
    """What was sent and what arrived."""

    sent: list[Record]
    received: Mapping[str, list[Record]]
    """By mobile node."""
    source_report: Mapping[str, Any]
    sink_reports: Mapping[str, Mapping[str, Any]]


class MeasuredStream:
    """Source and sinks of one stream, started by `start`, ended by `stop`. The lab's own teardown ends them, too.

    `name`: another one for each stream that runs at the same time.
    """

    def __init__(
        self, lab: Ground, settings: StreamSettings, mobile_nodes: Iterable[str], *, name: str = "traffic"
    ) -> None:
        self.settings = settings
        self._name = name
        self._lab = lab
        self._sinks: dict[str, Program] = {}
        self._source: Program | None = None
        self._mobile_nodes = tuple(mobile_nodes)

    def start(self, check: Callable[[], None] = lambda: None) -> None:
        """Start the sinks, then the source; returns when all of them run. Raises LabError."""
        where = [str(self.settings.group), str(self.settings.port)]
        only = [] if self.settings.from_source is None else ["--source", str(self.settings.from_source)]
        for name in self._mobile_nodes:
            control = str(self._path(name, "control"))
            command = [sys.executable, "-m", "lab.traffic_sink", *where, *only, "--control", control]
            self._sinks[name] = self._program(name, f"{self._name}-sink", command)
        self._wait(lambda: all(self._answers(name) for name in self._mobile_nodes), "the sinks to start", check)
        command = [
            sys.executable, "-m", "lab.traffic_source", *where,
            "--rate-pps", str(self.settings.rate_pps), "--size", str(self.settings.size),
        ]
        self._source = self._program(self.settings.source, f"{self._name}-source", command)

    def status(self, mobile_node: str) -> SinkStatus:
        """What this sink has got so far. Raises LabError when it has ended."""
        try:
            return ask_status(self._path(mobile_node, "control"))
        except (OSError, ValueError) as error:
            words = last_log_lines(self._sinks[mobile_node])
            raise LabError(f"the sink at {mobile_node} does not answer: {words or error}") from error

    def await_reception(
        self, mobile_node: str, packets: int, timeout_s: float, check: Callable[[], None] = lambda: None
    ) -> None:
        """Wait until the sink has got this many more packets than it has now. Raises LabError."""
        wanted = self.status(mobile_node).received + packets

        def reached() -> bool:
            return self.status(mobile_node).received >= wanted

        self._wait(reached, f"{mobile_node} to receive", check, timeout_s)

    def stop(self, check: Callable[[], None] = lambda: None) -> StreamRecords:
        """End the source, let arrive what is on the way, end the sinks, read the records. Raises LabError."""
        if self._source is None:
            raise LabError("the stream was never started")
        self._lab.stop([self._source])
        deadline = time.monotonic() + _DRAIN_TIMEOUT_S
        counts, quiet_since = self._counts(), time.monotonic()
        while time.monotonic() < min(quiet_since + _QUIET_S, deadline):
            check()
            time.sleep(_POLL_S)
            if (now := self._counts()) != counts:
                counts, quiet_since = now, time.monotonic()
        self._lab.stop(self._sinks.values())
        return StreamRecords(
            sent=self._records(self.settings.source, self._source),
            received={name: self._records(name, process) for name, process in self._sinks.items()},
            source_report=self._report(self.settings.source, self._source),
            sink_reports={name: self._report(name, process) for name, process in self._sinks.items()},
        )

    def end(self) -> None:
        """End source and sinks, and leave what they recorded where it is. Nothing when the stream was never started."""
        self._lab.stop([*self._sinks.values(), *([] if self._source is None else [self._source])])

    def _program(self, node: str, name: str, command: list[str]) -> Program:
        self._path(node, "records").parent.mkdir(parents=True, exist_ok=True)
        for kind in ("records", "report"):
            self._path(node, kind).unlink(missing_ok=True)
            command += [f"--{kind}", str(self._path(node, kind))]
        return self._lab.start_process(node, command, name=name)

    def _path(self, node: str, kind: str) -> Path:
        return self._lab.folder / node / "stream" / self._name / kind

    def _answers(self, mobile_node: str) -> bool:
        if not self._sinks[mobile_node].alive:
            raise LabError(f"the sink at {mobile_node} ended at once: {last_log_lines(self._sinks[mobile_node])}")
        try:
            ask_status(self._path(mobile_node, "control"))
        except (OSError, ValueError):
            return False
        return True

    def _counts(self) -> list[int]:
        return [self.status(name).received for name in self._mobile_nodes]

    def _wait(
        self, condition: Callable[[], bool], what: str, check: Callable[[], None], timeout_s: float = _START_TIMEOUT_S
    ) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            check()
            if self._source is not None and not self._source.alive:
                raise LabError(f"the source ended: {last_log_lines(self._source)}")
            if time.monotonic() > deadline:
                raise LabError(f"waited {timeout_s:g} s in vain for {what}")
            time.sleep(_POLL_S)

    def _records(self, node: str, process: Program) -> list[Record]:
        try:
            return decode_records(self._path(node, "records").read_bytes())
        except (FileNotFoundError, StreamFormatError) as error:
            raise LabError(f"{process.name} on {node} left no records: {last_log_lines(process) or error}") from error

    def _report(self, node: str, process: Program) -> dict[str, Any]:
        try:
            report: dict[str, Any] = json.loads(self._path(node, "report").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError) as error:
            raise LabError(f"{process.name} on {node} left no report: {last_log_lines(process) or error}") from error
        return report

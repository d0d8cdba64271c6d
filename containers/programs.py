# SPDX-License-Identifier: Apache-2.0
"""Programs that others have started on this node: traffic, captures, what a measurement needs."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from containers.server import Handler
from containers.wire import Answer
from lab.errors import LabError
from lab.plan import Node
from lab.processes import REPOSITORY, LabProcess, start_process, stop_processes

_SHORT_PROGRAM_S = 10
_PROGRAMS_MAX = 32
"""That run at once: a demo has a sink for each stream, a source, and captures."""


class Programs:
    """By name; one of each name runs."""

    def __init__(self, domain_name: str, node: Node) -> None:
        self._domain_name, self._node = domain_name, node
        self._started: dict[str, LabProcess] = {}
        self._lock = threading.Lock()

    def handlers(self) -> Mapping[str, Handler]:
        """The requests that this answers."""
        return {"start": self._start, "alive": self._alive, "stop": self._stop, "run": self._run, "namespace": _namespace}

    def end_all(self) -> None:
        """End everything."""
        with self._lock:
            stop_processes(self._domain_name, self._started.values())
            self._started.clear()

    def _start(self, request: Mapping[str, Any]) -> Answer:
        name, argv = str(request["name"]), _words(request["argv"])
        if "/" in name or name.startswith("."):
            raise LabError(f"{name!r} cannot name a program")
        with self._lock:
            self._started = {known: program for known, program in self._started.items() if program.alive}
            if len(self._started) >= _PROGRAMS_MAX:
                raise LabError(f"{len(self._started)} programs run already", f"allowed: {_PROGRAMS_MAX}")
            started = start_process(self._domain_name, self._node, name, argv)
            self._started[name] = started
        stays = request.get("while_connected") is True
        return Answer(value={"log": started.log}, hung_up=partial(self._abandoned, name, started) if stays else None)

    def _abandoned(self, name: str, program: LabProcess) -> None:
        """Whoever has started it has gone, and will not end it: nor could the next one start its own."""
        with self._lock:
            if self._started.get(name) is program:
                del self._started[name]
                stop_processes(self._domain_name, [program])

    def _alive(self, request: Mapping[str, Any]) -> Answer:
        with self._lock:
            program = self._started.get(str(request["name"]))
            return Answer(value={"alive": program is not None and program.alive})

    def _stop(self, request: Mapping[str, Any]) -> Answer:
        with self._lock:
            known = [self._started.pop(name) for name in _words(request["names"]) if name in self._started]
            return Answer(value={"stopped": stop_processes(self._domain_name, known)})

    def _run(self, request: Mapping[str, Any]) -> Answer:
        argv = _words(request["argv"])
        try:
            done = subprocess.run(
                argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=_SHORT_PROGRAM_S, check=False,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{argv[0]} on {self._node.name} did not end within {_SHORT_PROGRAM_S} s") from None
        if done.returncode != 0:
            raise LabError(
                done.stderr.strip() or f"{argv[0]} on {self._node.name} failed with exit code {done.returncode}"
            )
        return Answer(value={"printed": done.stdout})


def _namespace(_: Mapping[str, Any]) -> Answer:
    return Answer(value={}, descriptor=os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC))


def _words(found: Any) -> list[str]:
    if not isinstance(found, list) or not found or not all(isinstance(word, str) for word in found):
        raise LabError("a request without words", 'allowed: ["word", ...]')
    return list(found)

# SPDX-License-Identifier: Apache-2.0
"""A controller's agent server in a process of its own (tests/integration/rpc_server_process.py), and what it prints."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROCESS = ROOT / "tests" / "integration" / "rpc_server_process.py"
WAIT_S = 10.0


class RpcServer:
    """The process of rpc_server_process.py, and the events that it prints."""

    def __init__(self, port: int = 0, hello_timeout_s: float = 5.0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROCESS), str(port), str(hello_timeout_s)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._lines.put)),
            threading.Thread(target=self._read, args=(self.process.stderr, self._errors.append)),
        ]
        for reader in self._readers:
            reader.start()
        self.port: int = self.wait_for("listening")["port"]

    @staticmethod
    def _read(pipe: Any, use: Callable[[str], None]) -> None:
        with pipe:
            for line in pipe:
                use(line)

    def next(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._lines.get(timeout=WAIT_S)))
        except queue.Empty:
            raise AssertionError(f"no event; the server said: {''.join(self._errors)}") from None

    def wait_for(self, name: str) -> dict[str, Any]:
        while (event := self.next())["event"] != name:
            pass
        return event

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(WAIT_S)
        for reader in self._readers:
            reader.join(WAIT_S)

    def errors(self) -> str:
        return "".join(self._errors)

    def __enter__(self) -> RpcServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        assert "Traceback" not in self.errors()

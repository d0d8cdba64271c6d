# SPDX-License-Identifier: Apache-2.0
"""REST of a controller in a process of its own, with no agents and no switches (tests/integration/rest_server_process)."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
PROCESS = ROOT / "tests" / "integration" / "rest_server_process.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
WAIT_S = 10.0


class Server:
    """The process of rest_server_process.py. `tell` has it call one of its methods."""

    def __init__(
        self, descriptor: int | None = None, prefix: Sequence[str] = (), topology: Path | None = None
    ) -> None:
        arguments = [] if descriptor is None else ["--fd", str(descriptor)]
        arguments += [] if topology is None else ["--topology", str(topology)]
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(PROCESS), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=ENVIRONMENT,
            pass_fds=[] if descriptor is None else [descriptor],
        )
        self.url = self._answer()
        self.token = ""

    def tell(self, do: str, **arguments: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.end())
        return json.loads(line)

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 0)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.address, timeout=WAIT_S)

    def get(self, path: str) -> tuple[int, Any]:
        with contextlib.closing(self.connect()) as client:
            client.request("GET", path, headers={"Authorization": f"Bearer {self.token}"} if self.token else {})
            response = client.getresponse()
            return response.status, json.loads(response.read())

    def send(self, octets: bytes) -> bytes:
        """Everything that comes back for these octets until the server closes."""
        with socket.create_connection(self.address, timeout=WAIT_S) as sock:
            sock.sendall(octets)
            received = b""
            while data := sock.recv(65536):
                received += data
            return received

    def end(self) -> str:
        """What it wrote to standard error."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(WAIT_S)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        with self.process.stderr as stream:
            return stream.read()

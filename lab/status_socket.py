# SPDX-License-Identifier: Apache-2.0
"""Where a program of the lab can be asked: who connects to its Unix socket gets the present counts as one JSON object."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any


def listen_at(path: Path) -> socket.socket:
    """The program's end. Its folder must exist; an old socket there is replaced. Raises OSError."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    os.chmod(path, 0o600)
    listener.listen(8)
    return listener


def ask(path: Path, timeout_s: float = 5.0) -> dict[str, Any]:
    """The counts of the program that listens there. Raises OSError when there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout_s)
        client.connect(str(path))
        answer = b""
        while part := client.recv(4096):
            answer += part
    if not answer:
        raise ConnectionError(f"{path} gave no answer")
    counts: dict[str, Any] = json.loads(answer)
    return counts

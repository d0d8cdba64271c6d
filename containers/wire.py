# SPDX-License-Identifier: Apache-2.0
"""What the nodes' containers say to each other: one request and one answer on a Unix socket in a shared folder.

Messages are JSON objects of at most 64 KiB on a SOCK_SEQPACKET socket, which keeps them apart. An answer may carry an
open file: a network namespace cannot be named across containers, but it can be handed over.

Only containers of the same project share the folder, and whoever reaches a socket there may do everything on the node.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.state import node_folder

MESSAGE_OCTETS_MAX = 65_536
_POLL_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`value` and, where one was asked for, an open file that now belongs to the receiver."""

    value: Mapping[str, Any]
    descriptor: int | None = None
    hung_up: Callable[[], None] | None = None
    """At the node: what is to be done when whoever asked has closed the connection, or has ended."""


def control_path(domain_name: str, node: str) -> Path:
    """Where a node listens."""
    return node_folder(domain_name, node) / "control"


def ask(domain_name: str, node: str, what: str, *, timeout_s: float = 10.0, **arguments: Any) -> Answer:
    """One request; its answer. Raises LabError: nobody there, no answer in time, or what the node says is wrong."""
    answer, connection = ask_and_stay(domain_name, node, what, timeout_s=timeout_s, **arguments)
    connection.close()
    return answer


def ask_and_stay(
    domain_name: str, node: str, what: str, *, timeout_s: float = 10.0, **arguments: Any
) -> tuple[Answer, socket.socket]:
    """The same, and the connection, still open: the node may do something when it is closed. Raises LabError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        return _exchange(connection, domain_name, node, encode({"do": what, **arguments}), timeout_s), connection
    except BaseException:
        connection.close()
        raise


def _exchange(connection: socket.socket, domain_name: str, node: str, request: bytes, timeout_s: float) -> Answer:
    try:
        connection.settimeout(timeout_s)
        _connect(connection, control_path(domain_name, node), time.monotonic() + timeout_s)
        connection.sendall(request)
        message, descriptors, _, _ = socket.recv_fds(connection, MESSAGE_OCTETS_MAX, 1)
    except TimeoutError:
        raise LabError(f"{node} does not answer within {timeout_s:g} s") from None
    except OSError as error:
        raise LabError(f"{node} cannot be reached: {error.strerror}", "is its container running?") from None
    answer = Answer(value=_object(message, f"{node} gave an answer"), descriptor=descriptors[0] if descriptors else None)
    if "error" in answer.value:
        if answer.descriptor is not None:
            os.close(answer.descriptor)
        raise LabError(str(answer.value["error"]))
    return answer


def _connect(connection: socket.socket, path: Path, deadline: float) -> None:
    while True:
        try:
            connection.connect(str(path))
            return
        except BlockingIOError:  # more are waiting than the node lets in at once
            if time.monotonic() > deadline:
                raise TimeoutError from None
            time.sleep(_POLL_S)


@contextlib.contextmanager
def network_namespace(domain_name: str, node: str) -> Iterator[Path]:
    """A path that is another node's network namespace for the length of a `with`. Raises LabError."""
    descriptor = ask(domain_name, node, "namespace").descriptor
    if descriptor is None:
        raise LabError(f"{node} handed no network namespace over")
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def encode(message: Mapping[str, Any]) -> bytes:
    """One message. Raises LabError when it is too long."""
    octets = json.dumps(message).encode()
    if len(octets) > MESSAGE_OCTETS_MAX:
        raise LabError(f"a message of {len(octets)} octets is too long", f"allowed: {MESSAGE_OCTETS_MAX}")
    return octets


def decode_request(message: bytes) -> Mapping[str, Any]:
    """Raises LabError saying what is wrong with it."""
    request = _object(message, "a request")
    if not isinstance(request.get("do"), str):
        raise LabError("a request that says not what to do", 'allowed: {"do": NAME, ...}')
    return request


def _object(message: bytes, what: str) -> Mapping[str, Any]:
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        raise LabError(f"{what} that is no JSON") from None
    if not isinstance(found, dict):
        raise LabError(f"{what} that is no JSON object")
    return found

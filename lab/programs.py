# SPDX-License-Identifier: Apache-2.0
"""Castover's own programs in a lab: the controller and one agent a MAG."""

from __future__ import annotations

import dataclasses
import errno
import socket
import sys
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from lab.errors import LabError
from lab.namespaces import run_inside
from lab.network import Lab
from lab.plan import CONTROLLER_NODE
from lab.processes import LabProcess, last_log_lines
from lab.state import save_state

REST_SOCKET_VARIABLE = "CASTOVER_REST_FD"
"""Environment variable: number of an inherited listening TCP socket on which the controller serves REST."""
_CONNECT_TIMEOUT_S = 20.0
_POLL_S = 0.05


def start_controller(lab: Lab, topology: Path, say: Callable[[str], None] = lambda _: None) -> LabProcess:
    """Start the controller in its namespace, with a REST socket that was opened outside, on the machine itself.

    The controller's host is on the management network only; the socket brings REST to the machine's own loopback.
    When the configured port is taken a free one is used, said, and recorded in state.json.
    """
    rest = lab.domain.controller
    with open_rest_socket(rest.rest_host, rest.rest_port) as listener:
        port = int(listener.getsockname()[1])
        if rest.rest_port not in (0, port):
            say(f"port {rest.rest_port} is taken: the REST API is on port {port}")
        process = lab.start_process(
            CONTROLLER_NODE, [sys.executable, "-m", "apps", "--topology", str(topology.resolve())],
            env={REST_SOCKET_VARIABLE: str(listener.fileno())}, pass_fds=[listener.fileno()], name="controller",
        )
    host = f"[{rest.rest_host}]" if ":" in rest.rest_host else rest.rest_host
    scheme = "http" if lab.domain.rest.tls is None else "https"
    save_state(dataclasses.replace(lab.state, rest_url=f"{scheme}://{host}:{port}"))
    return process


def start_agent(lab: Lab, mag_id: str, topology: Path) -> LabProcess:
    """Start one MAG's agent in the MAG's namespace."""
    command = [sys.executable, "-m", "southbound.agent", "--topology", str(topology.resolve()), "--mag", mag_id]
    return lab.start_process(mag_id, command, name="agent")


def start_programs(
    lab: Lab, topology: Path, say: Callable[[str], None] = lambda _: None, check: Callable[[], None] = lambda: None
) -> list[LabProcess]:
    """Start controller and agents; returns when every switch is connected. Raises LabError with the log's end.

    `check` is called while waiting and may raise (`lab.interruption.Interruption.check`).
    """
    say("starting the controller and the agents")
    processes = [start_controller(lab, topology, say)]
    processes += [start_agent(lab, mag.id, topology) for mag in lab.domain.mags]
    say("waiting for the switches to connect")
    await_controller(lab, processes[0], check)
    for name in lab.switch_names():
        lab.switch(name).reconnect_controllers()
    await_switches(lab, processes, check)
    return processes


def await_controller(
    lab: Lab, controller: LabProcess, check: Callable[[], None] = lambda: None, timeout_s: float = _CONNECT_TIMEOUT_S
) -> None:
    """Wait until the controller takes OpenFlow connections. LabError when it does not, or ends."""
    where = (str(lab.domain.controller.address), lab.domain.controller.openflow_port)
    deadline = time.monotonic() + timeout_s

    def probe() -> bool:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as connection:
            return connection.connect_ex(where) == 0

    while not run_inside(lab.node(CONTROLLER_NODE).namespace, probe):
        check()
        if not controller.alive:
            raise LabError(f"{controller.name} ended at once: {last_log_lines(controller)}")
        if time.monotonic() > deadline:
            raise LabError(f"the controller does not listen on {where[0]} port {where[1]} after {timeout_s:.0f} s")
        time.sleep(_POLL_S)


def await_switches(
    lab: Lab, processes: list[LabProcess], check: Callable[[], None] = lambda: None,
    timeout_s: float = _CONNECT_TIMEOUT_S,
) -> None:
    """Wait until every switch has its controller. LabError when one does not, or one of the processes ends."""
    deadline = time.monotonic() + timeout_s
    waiting = lab.switch_names()
    while True:
        check()
        for process in processes:
            if not process.alive:
                raise LabError(f"{process.name} on {process.node} ended at once: {last_log_lines(process)}")
        waiting = [name for name in waiting if not all(lab.switch(name).controller_connections().values())]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise LabError(f"not connected to the controller after {timeout_s:.0f} s: {', '.join(waiting)}")
        time.sleep(_POLL_S)


def open_rest_socket(host: str, port: int) -> socket.socket:
    """A listening TCP socket in the calling process's namespace: on `port`, or on a free one when that is taken."""
    try:
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    except ValueError:
        family = socket.AF_INET  # a host name
    for candidate in (port, 0):
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, candidate))
            listener.listen(128)
            return listener
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                problem = f"REST cannot listen on {host}:{port}: {error.strerror}"
                raise LabError(problem, "correct controller.rest") from error
    raise LabError(f"REST finds no free port on {host}")

# SPDX-License-Identifier: Apache-2.0
"""What a lab looks like at this moment, as plain data (for --json) and as tables."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from lab.delay_forwarder import ask_delay_status
from lab.delay_install import delay_socket
from lab.delay_plan import delayed_paths
from lab.errors import LabError
from lab.namespaces import namespace_exists
from lab.network import Lab
from lab.plan import CONTROLLER_NODE
from lab.processes import recorded_processes

_PATHS_SHOWN_MAX = 40
"""Of the table; --json has all of them."""


def collect_status(lab: Lab) -> dict[str, Any]:
    """Nodes, processes, switches and mobile nodes; what cannot be read is null, with the reason in `error`."""
    state = lab.state
    processes = recorded_processes(lab.domain.name)
    controllers = [process.alive for process in processes if process.node == CONTROLLER_NODE]
    controller_dead = bool(controllers) and not any(controllers)
    return {
        "name": lab.domain.name,
        "topology": state.topology,
        "rest_url": state.rest_url or None,
        "folder": str(lab.folder),
        "nodes": [
            {
                "name": node.name, "kind": node.kind, "namespace": node.namespace,
                "exists": namespace_exists(node.namespace),
            }
            for node in lab.nodes.values()
        ],
        "processes": [
            {"node": process.node, "name": process.name, "pid": process.pid, "alive": process.alive, "log": process.log}
            for process in processes
        ],
        "delays": _delays(lab),
        "switches": [_switch(lab, name, controller_dead) for name in lab.switch_names()],
        "mobile_nodes": [_mobile_node(lab, mobile_node.name) for mobile_node in lab.domain.mobile_nodes],
    }


def _delays(lab: Lab) -> dict[str, Any] | None:
    paths = delayed_paths(lab.domain)
    if not paths:
        return None
    try:
        status: dict[str, Any] | None = asdict(ask_delay_status(delay_socket(lab.domain.name)))
        error = None
    except OSError as problem:
        status, error = None, f"the delay forwarder does not answer, these paths carry nothing: {problem.strerror}"
    return {
        "paths": [
            {"source": path.source, "destination": path.destination, "delay_ms": path.delay_ms} for path in paths
        ],
        "forwarder": status,
        "error": error,
    }


def _switch(lab: Lab, name: str, controller_dead: bool) -> dict[str, Any]:
    try:
        connections: dict[str, bool] | None = lab.switch(name).controller_connections()
        if connections is not None and controller_dead:
            # The switch itself writes down only every few seconds that a connection is gone.
            connections = dict.fromkeys(connections, False)
        error = None
    except LabError as problem:
        connections, error = None, str(problem)
    return {"node": name, "connected": connections, "error": error}


def _mobile_node(lab: Lab, name: str) -> dict[str, Any]:
    try:
        with lab.mobile_node(name) as host:
            return {"name": name, "attached_to": host.attached_to(), "error": None}
    except (LabError, OSError) as problem:
        return {"name": name, "attached_to": None, "error": str(problem)}


def print_status(status: dict[str, Any], console: Console) -> None:
    """The same as tables."""
    rest = status["rest_url"] or "not started"
    console.print(f"lab [bold]{status['name']}[/], REST {rest}, files in {status['folder']}")
    switches = {switch["node"]: switch for switch in status["switches"]}
    located = {mobile_node["name"]: mobile_node for mobile_node in status["mobile_nodes"]}
    table = Table("node", "kind", "namespace", "state")
    for node in status["nodes"]:
        if not node["exists"]:
            said = "[red]namespace is gone[/]"
        elif node["name"] in switches:
            said = _switch_words(switches[node["name"]])
        elif node["name"] in located:
            mobile_node = located[node["name"]]
            mag = mobile_node["attached_to"]
            said = mobile_node["error"] or (f"at {mag}" if mag else "nowhere")
        else:
            said = ""
        table.add_row(node["name"], node["kind"], node["namespace"], said)
    console.print(table)
    if status["delays"] is not None:
        _print_delays(status["delays"], console)
    table = Table("process", "node", "pid", "state")
    # Not wrapped and not cut, however narrow the terminal is: it is there to be copied.
    table.add_column("log, in that folder", no_wrap=True)
    for process in status["processes"]:
        alive = "[green]runs[/]" if process["alive"] else "[red]ended[/]"
        log = process["log"].removeprefix(f"{status['folder']}/")
        table.add_row(process["name"], process["node"], str(process["pid"]), alive, log)
    console.print(table)


def _print_delays(delays: dict[str, Any], console: Console) -> None:
    # A path and its way back always have the same delay.
    words = [
        f"{path['source']} - {path['destination']} {path['delay_ms']:g} ms"
        for path in delays["paths"][:_PATHS_SHOWN_MAX] if path["source"] < path["destination"]
    ]
    more = ", ..." if len(delays["paths"]) > _PATHS_SHOWN_MAX else ""
    console.print(f"one-way delays: {', '.join(words)}{more}", highlight=False)
    if delays["error"] is not None:
        console.print(delays["error"], style="red", markup=False)


def _switch_words(switch: dict[str, Any]) -> str:
    if switch["connected"] is None:
        return f"[red]{switch['error']}[/]"
    return ", ".join(
        f"{bridge} {'[green]connected[/]' if connected else '[yellow]no controller[/]'}"
        for bridge, connected in sorted(switch["connected"].items())
    )

# SPDX-License-Identifier: Apache-2.0
"""Keep every switch's tunnel neighbour table full: `python -m lab.neighbours LAB`, one process a lab.

Open vSwitch resolves a tunnel's remote address when the first packet asks for it, drops that packet, and forgets an
answer after at most one hour (`tnl/neigh/aging`). An inter-MAG tunnel may rest for longer than that and must then carry
the very first packet of a handover.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address

from lab.errors import LabError
from lab.plan import transport_neighbours
from lab.state import lab_folder, load_state, write_json
from lab.switch import Switch
from topology.model import Domain

KEEPER = "neighbour-keeper"
_REFRESH_S = 300.0
_AGING_S = 3600
"""The most that Open vSwitch allows."""


def write_neighbours(domain: Domain) -> None:
    """Leave what the keeper needs in the run directory."""
    write_json(lab_folder(domain.name) / "neighbours.json", {
        node: {
            "bridge": domain.switch_names(node).transport_bridge,
            "macs": {str(address): mac for address, mac in entries.items()},
        }
        for node, entries in transport_neighbours(domain).items()
    })


def fill(switch: Switch, bridge: str, entries: Mapping[IPv6Address, str]) -> None:
    """Enter (or renew) these neighbours in one switch. Raises LabError."""
    switch.appctl("tnl/neigh/aging", str(_AGING_S))
    for address, mac in entries.items():
        switch.appctl("tnl/neigh/set", bridge, str(address), mac)


def refresh(lab_name: str) -> Iterable[LabError]:
    """Renew every entry of the lab; yields what went wrong (a switch that is restarting) and goes on."""
    state = load_state(lab_name)
    if state is None:
        return
    table = json.loads((lab_folder(lab_name) / "neighbours.json").read_text(encoding="utf-8"))
    for node in state.nodes:
        if node.name in table:
            entries = {IPv6Address(address): mac for address, mac in table[node.name]["macs"].items()}
            try:
                fill(Switch(lab_name, node), table[node.name]["bridge"], entries)
            except LabError as error:
                yield error


def main(arguments: list[str]) -> int:
    """Refresh until told to stop."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    while not stop.wait(_REFRESH_S):
        for error in refresh(arguments[0]):
            print(error, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

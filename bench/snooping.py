# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch multicast snooping: the LMA and the MAGs as snooping switches, the mobile node's reports build the tree.

There is no querier, as is usual where only switches are configured; one would help a silent listener after at most its
query interval (125 s by default, RFC 3810 section 9.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.lanes import Lane
from bench.listeners import Listener
from bench.system import Outcome, System
from bench.tunnels import add_mag_tunnels, add_tunnel, lma_tunnel, without_castover
from lab.network import Lab
from topology.switch_names import INTEGRATION_BRIDGE, MAG_LMA_PORT


class SnoopingSystem:
    """Nothing is announced; only the new MAG is made cold before each move."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def before_move(self, new_mag: str, outcome: Outcome) -> None:
        """Let the tree forget the MAG that is moved to: what an earlier visit left would make it look quick."""
        del outcome
        mag = self._lab.domain.mag(new_mag)
        if mag is None:
            return
        self._lab.switch(new_mag).appctl("mdb/flush", INTEGRATION_BRIDGE)
        lma, port = self._lab.switch(self._lab.domain.lma.id), lma_tunnel(mag)
        # There is no command to forget one port's groups; a port that goes takes them with it.
        lma.vsctl("del-port", INTEGRATION_BRIDGE, port)
        lma.vsctl(*add_tunnel(self._lab.domain, INTEGRATION_BRIDGE, port, str(mag.address)))

    def after_move(self, new_mag: str, outcome: Outcome) -> None:
        """Nobody reports an end."""


@contextmanager
def snooping_system(
    lab: Lab, topology: Path, lane: Lane, listener: Listener, say: Callable[[str], None]
) -> Iterator[System]:
    """Configure the switches, attach the mobile node."""
    del topology, lane, listener
    say("configuring multicast snooping")
    without_castover(lab)
    lma = lab.switch(lab.domain.lma.id)
    for mag in lab.domain.mags:
        lma.vsctl(*add_tunnel(lab.domain, INTEGRATION_BRIDGE, lma_tunnel(mag), str(mag.address)))
    add_mag_tunnels(lab)
    for name in lab.switch_names():
        lab.switch(name).vsctl(
            "set", "Bridge", INTEGRATION_BRIDGE, "mcast_snooping_enable=true",
            "other_config:mcast-snooping-disable-flood-unregistered=true",
        )
    for mag in lab.domain.mags:
        # Without a querier a snooping switch knows no multicast router: reports must go up by configuration.
        lab.switch(mag.id).vsctl("set", "Port", MAG_LMA_PORT, "other_config:mcast-snooping-flood-reports=true")
    lab.attach_mobile_nodes()
    yield SnoopingSystem(lab)

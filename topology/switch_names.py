# SPDX-License-Identifier: Apache-2.0
"""How the bridges and ports of one node are called on its host.

Inside Castover every port has the name of its part in the domain: `lma0`, `mag0`, `hob0`, `src0`, and an access port
that of its mobile node. Where a host calls one differently, topology.yaml says so, and the names are exchanged at the
edge: when the controller reads a switch's ports, and when an agent opens them.
"""

from __future__ import annotations

from dataclasses import dataclass

INTEGRATION_BRIDGE = "br-int"
TRANSPORT_BRIDGE = "br-phy"
TRANSPORT_PORT = "phy0"
"""The network interface by which the transport bridge reaches the other nodes."""
LMA_SOURCE_PORT = "src0"
"""Port of the LMA's integration switch towards the multicast network."""
LMA_MAG_PORT = "mag0"
"""GRE port of the LMA towards every MAG (remote address set per bucket)."""
MAG_LMA_PORT = "lma0"
"""GRE port of a MAG towards the LMA."""
MAG_MAG_PORT = "mag0"
"""GRE port of a MAG towards other MAGs (remote address set per bucket)."""
MAG_BUFFER_PORT = "hob0"
"""Internal port of a MAG switch where its agent reads what is to be buffered and joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchNames:
    """Of the LMA's or a MAG's switch."""

    integration_bridge: str = INTEGRATION_BRIDGE
    transport_bridge: str = TRANSPORT_BRIDGE
    transport_port: str = TRANSPORT_PORT
    ports: tuple[tuple[str, str], ...] = ()
    """(our name of a port, the host's), for those that differ."""
    shared: bool = False
    """Whether the integration bridge also forwards by flows of somebody else's."""

    def on_host(self, port: str) -> str:
        """What the host calls a port of ours."""
        return dict(self.ports).get(port, port)

    def of_host(self, name: str) -> str:
        """What we call a port of the host; a name of ours that means another port there is no name."""
        for ours, theirs in self.ports:
            if theirs == name:
                return ours
        return f"{name} (not ours)" if name in dict(self.ports) else name

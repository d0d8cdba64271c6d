# SPDX-License-Identifier: Apache-2.0
"""The nodes of a lab without Castover: no controller, Ethernet-in-GRE tunnels between LMA and MAGs on the same links.

The tunnels have the same outer headers as Castover's, so that bytes and delays compare; 14 octets of inner Ethernet
header come on top.
"""

from __future__ import annotations

from pathlib import Path

from lab.network import Lab
from topology.model import Domain, Mag
from topology.switch_names import INTEGRATION_BRIDGE, LMA_MAG_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT, MAG_MAG_PORT

LMA_TUNNEL_PREFIX = "tun"


def without_castover(lab: Lab) -> None:
    """Turn every integration bridge into an ordinary learning switch without Castover's tunnel ports."""
    for name in lab.switch_names():
        ports = [LMA_MAG_PORT] if name == lab.domain.lma.id else [MAG_LMA_PORT, MAG_MAG_PORT, MAG_BUFFER_PORT]
        removal: list[str] = []
        for port in ports:
            removal += ["--", "del-port", INTEGRATION_BRIDGE, port]
        lab.switch(name).vsctl(
            "del-controller", INTEGRATION_BRIDGE, *removal, "--", "set-fail-mode", INTEGRATION_BRIDGE, "standalone",
        )


def add_tunnel(domain: Domain, bridge: str, port: str, remote: str) -> list[str]:
    """The ovs-vsctl command for one Ethernet-in-GRE port."""
    return [
        "add-port", bridge, port, "--", "set", "Interface", port, "type=gre", f"options:key={domain.lma_gre_key}",
        f'options:remote_ip="{remote}"',
    ]


def lma_tunnel(mag: Mag) -> str:
    """Name of the LMA's tunnel port to this MAG (a MAG's id may be too long for an interface)."""
    return f"{LMA_TUNNEL_PREFIX}{mag.index}"


def add_mag_tunnels(lab: Lab) -> None:
    """Every MAG's tunnel to the LMA, on its integration bridge."""
    for mag in lab.domain.mags:
        lab.switch(mag.id).vsctl(
            *add_tunnel(lab.domain, INTEGRATION_BRIDGE, MAG_LMA_PORT, str(lab.domain.lma.address))
        )


def log_folder(lab: Lab, node: str) -> Path:
    """Where a node's own files may lie; gone with the lab."""
    folder = lab.folder / node / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder

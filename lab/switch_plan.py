# SPDX-License-Identifier: Apache-2.0
"""What the Open vSwitch of the LMA or of a MAG has to have: bridges, ports, tunnels, controllers. Pure.

One description for all who need it: a lab makes it in an empty switch in one go (`switch_configuration`), `castover
switch setup` finds what an existing one lacks (`node.switch_changes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.plan import switch_mac
from topology.model import Domain, Mag
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT, MAG_MAG_PORT, SwitchNames

TRANSPORT_MTU = 2000
"""Room for a 1500-octet packet in GRE over IPv6 (40 + 8 octets, RFC 2784 and 2890), with some left over."""
CONTROLLER_SETTINGS = {"connection_mode": "out-of-band", "inactivity_probe": "5000", "max_backoff": "1000"}
"""The controller is on the management network: the switch shall not open hidden paths to it through its data ports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedBridge:
    """One bridge; what is None is left to Open vSwitch."""

    name: str
    datapath_id: int | None = None
    mac: str | None = None
    mtu: int | None = None
    controller: str | None = None
    """Target as ovs-vsctl takes it; None: the bridge is not under the controller."""

    def settings(self) -> dict[str, str]:
        """Columns of its Bridge record."""
        settings = {
            "datapath_type": "netdev", "fail_mode": "secure", "protocols": "OpenFlow15",
            "other_config:disable-in-band": "true",
        }
        if self.datapath_id is not None:
            settings["other_config:datapath-id"] = f"{self.datapath_id:016x}"
        if self.mac is not None:
            settings["other_config:hwaddr"] = self.mac
        return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPort:
    """One port of a bridge."""

    bridge: str
    name: str
    interface: Mapping[str, str] = field(default_factory=dict)
    """Columns of its Interface record; none for a network interface that is there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchPlan:
    """Everything of one switch, in the order in which it is made."""

    bridges: tuple[WantedBridge, ...]
    ports: tuple[WantedPort, ...]


def lma_switch(domain: Domain) -> SwitchPlan:
    """Both bridges of the LMA, both under the controller."""
    lma, names = domain.lma, domain.lma.switch
    controller = controller_target(domain)
    return SwitchPlan(
        bridges=(
            WantedBridge(
                name=names.transport_bridge, datapath_id=lma.transport_datapath_id, mac=switch_mac(0), mtu=TRANSPORT_MTU,
                controller=controller,
            ),
            WantedBridge(name=names.integration_bridge, datapath_id=lma.datapath_id, controller=controller),
        ),
        ports=(
            WantedPort(bridge=names.transport_bridge, name=names.transport_port),
            WantedPort(bridge=names.integration_bridge, name=names.on_host(LMA_SOURCE_PORT)),
            _tunnel(names, LMA_MAG_PORT, "flow"),
        ),
    )


def mag_switch(domain: Domain, mag: Mag) -> SwitchPlan:
    """Both bridges of a MAG; only the integration bridge is under the controller."""
    names = mag.switch
    access = [names.on_host(node.access_port()) for node in domain.mobile_nodes]
    return SwitchPlan(
        bridges=(
            WantedBridge(name=names.transport_bridge, mac=switch_mac(mag.index), mtu=TRANSPORT_MTU),
            WantedBridge(
                name=names.integration_bridge, datapath_id=mag.datapath_id, controller=controller_target(domain)
            ),
        ),
        ports=(
            WantedPort(bridge=names.transport_bridge, name=names.transport_port),
            _tunnel(names, MAG_LMA_PORT, str(domain.lma.address)),
            _tunnel(names, MAG_MAG_PORT, "flow"),
            WantedPort(
                bridge=names.integration_bridge, name=names.on_host(MAG_BUFFER_PORT), interface={"type": "internal"}
            ),
            *(WantedPort(bridge=names.integration_bridge, name=port) for port in access),
        ),
    )


def controller_target(domain: Domain) -> str:
    """Where the switches find the controller, as ovs-vsctl takes it."""
    return f"tcp:[{domain.controller.address}]:{domain.controller.openflow_port}"


def _tunnel(names: SwitchNames, port: str, remote: str) -> WantedPort:
    # legacy_l3: bare IPv6 in keyed GRE over IPv6, as RFC 5845 wants it (no inner Ethernet header).
    return WantedPort(bridge=names.integration_bridge, name=names.on_host(port), interface={
        "type": "gre", "options:packet_type": "legacy_l3", "options:key": "flow", "options:remote_ip": remote,
    })

# SPDX-License-Identifier: Apache-2.0
"""The ovs-vsctl transaction that makes an empty Open vSwitch the LMA's or a MAG's switch. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lab.plan import TRANSPORT_PORT, switch_mac
from topology.model import (
    INTEGRATION_BRIDGE,
    LMA_MAG_PORT,
    LMA_SOURCE_PORT,
    MAG_BUFFER_PORT,
    MAG_LMA_PORT,
    MAG_MAG_PORT,
    TRANSPORT_BRIDGE,
    Domain,
    Mag,
)

TRANSPORT_MTU = 2000
"""Room for a 1500-octet packet in GRE over IPv6 (40 + 8 octets, RFC 2784 and 2890), with some left over."""


def lma_configuration(domain: Domain) -> list[str]:
    """Both bridges of the LMA, both under the controller."""
    lma = domain.lma
    return _joined([
        *_process_settings(),
        *_bridge(TRANSPORT_BRIDGE, datapath_id=lma.transport_datapath_id, mac=switch_mac(0)),
        _port(TRANSPORT_BRIDGE, TRANSPORT_PORT),
        _transport_mtu(),
        *_bridge(INTEGRATION_BRIDGE, datapath_id=lma.datapath_id),
        _port(INTEGRATION_BRIDGE, LMA_SOURCE_PORT),
        _tunnel(LMA_MAG_PORT, "flow"),
        *_controller(domain, TRANSPORT_BRIDGE),
        *_controller(domain, INTEGRATION_BRIDGE),
    ])


def mag_configuration(domain: Domain, mag: Mag) -> list[str]:
    """Both bridges of a MAG; only the integration bridge is under the controller."""
    return _joined([
        *_process_settings(),
        *_bridge(TRANSPORT_BRIDGE, mac=switch_mac(mag.index)),
        _port(TRANSPORT_BRIDGE, TRANSPORT_PORT),
        _transport_mtu(),
        *_bridge(INTEGRATION_BRIDGE, datapath_id=mag.datapath_id),
        _tunnel(MAG_LMA_PORT, str(domain.lma.address)),
        _tunnel(MAG_MAG_PORT, "flow"),
        [*_port(INTEGRATION_BRIDGE, MAG_BUFFER_PORT), "--", "set", "Interface", MAG_BUFFER_PORT, "type=internal"],
        *(_port(INTEGRATION_BRIDGE, mobile_node.access_port()) for mobile_node in domain.mobile_nodes),
        *_controller(domain, INTEGRATION_BRIDGE),
    ])


def _process_settings() -> list[list[str]]:
    # A lab runs many switches on few cores; in the userspace datapath these threads do little.
    return [["set", "Open_vSwitch", ".", "other_config:n-handler-threads=1", "other_config:n-revalidator-threads=1"]]


def _bridge(name: str, *, datapath_id: int | None = None, mac: str | None = None) -> list[list[str]]:
    settings = ["datapath_type=netdev", "fail_mode=secure", "protocols=OpenFlow15", "other_config:disable-in-band=true"]
    if datapath_id is not None:
        settings.append(f"other_config:datapath-id={datapath_id:016x}")
    if mac is not None:
        settings.append(f'other_config:hwaddr="{mac}"')
    return [["add-br", name], ["set", "Bridge", name, *settings]]


def _port(bridge: str, name: str) -> list[str]:
    return ["add-port", bridge, name]


def _transport_mtu() -> list[str]:
    return ["set", "Interface", TRANSPORT_BRIDGE, f"mtu_request={TRANSPORT_MTU}"]


def _tunnel(name: str, remote: str) -> list[str]:
    # legacy_l3: bare IPv6 in keyed GRE over IPv6, as RFC 5845 wants it (no inner Ethernet header).
    return [
        *_port(INTEGRATION_BRIDGE, name), "--", "set", "Interface", name, "type=gre", "options:packet_type=legacy_l3",
        "options:key=flow", f'options:remote_ip="{remote}"',
    ]


def _controller(domain: Domain, bridge: str) -> list[list[str]]:
    target = f"tcp:[{domain.controller.address}]:{domain.controller.openflow_port}"
    # The controller is on the management network: the switch shall not open hidden paths to it through its data ports.
    return [
        ["set-controller", bridge, target],
        ["set", "Controller", bridge, "connection_mode=out-of-band", "inactivity_probe=5000", "max_backoff=1000"],
    ]


def _joined(commands: Iterable[list[str]]) -> list[str]:
    joined: list[str] = []
    for command in commands:
        joined += ["--", *command] if joined else command
    return joined

# SPDX-License-Identifier: Apache-2.0
"""What a node's own kernel has to be told: switch nodes, the controller's host, the sources."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Interface

from pyroute2 import IPRoute

from lab import links
from lab.namespaces import run_inside, write_setting
from lab.plan import MANAGEMENT_PORT, SOURCE_PORT, Node, on_network
from lab.switch import Switch
from topology.model import LMA_LINK_LOCAL_ADDRESS, Domain, Source
from topology.switch_names import LMA_SOURCE_PORT, MAG_BUFFER_PORT


def prepare_switch_node(node: Node) -> None:
    """Before the node has any interface: its ports will belong to the switch, the kernel shall not speak there."""

    def prepare() -> None:
        write_setting("ipv6/conf/default/disable_ipv6", 1)
        write_setting("ipv6/conf/default/accept_dad", 0)
        with IPRoute() as netlink:
            links.bring_up(netlink, "lo")

    run_inside(node.namespace, prepare)


def bring_up_switch_ports(node: Node, domain: Domain, management: IPv6Address) -> None:
    """Before the switch starts: the veths that become its ports, and the management address."""
    names = domain.switch_names(node.name)
    access = [mobile_node.access_port() for mobile_node in domain.mobile_nodes]
    ours = [LMA_SOURCE_PORT] if node.kind == "lma" else access
    ports = [names.transport_port, *(names.on_host(port) for port in ours)]

    def configure() -> None:
        with links.control_socket() as control, IPRoute() as netlink:
            links.disable_transmit_checksum_offload(control, MANAGEMENT_PORT, *ports)
            write_setting(f"ipv6/conf/{MANAGEMENT_PORT}/disable_ipv6", 0)
            links.bring_up(netlink, *ports, MANAGEMENT_PORT)
            links.add_address(netlink, MANAGEMENT_PORT, on_network(management, domain.management_network))

    run_inside(node.namespace, configure)


def address_transport_bridge(node: Node, domain: Domain, address: IPv6Address) -> None:
    """After the switch has started: its internal interfaces exist and get their addresses, its tunnels their route."""

    names = domain.switch_names(node.name)
    bridge, buffer_port = names.transport_bridge, names.on_host(MAG_BUFFER_PORT)

    def configure() -> None:
        with IPRoute() as netlink:
            write_setting(f"ipv6/conf/{bridge}/disable_ipv6", 0)
            links.bring_up(netlink, bridge)
            links.add_address(netlink, bridge, on_network(address, domain.transport_network))
            if node.kind == "mag":
                links.disable_ipv6(buffer_port)
                links.bring_up(netlink, buffer_port)

    run_inside(node.namespace, configure)
    Switch(domain.name, node).add_route(domain.transport_network, bridge)


def build_controller_host(node: Node, domain: Domain) -> None:
    """The controller's host: on the management network only."""

    def configure() -> None:
        write_setting(f"ipv6/conf/{MANAGEMENT_PORT}/accept_dad", 0)
        with IPRoute() as netlink:
            links.bring_up(netlink, "lo", MANAGEMENT_PORT)
            links.add_address(
                netlink, MANAGEMENT_PORT, on_network(domain.controller.address, domain.management_network)
            )

    run_inside(node.namespace, configure)


def build_source_host(node: Node, source: Source, domain: Domain) -> None:
    """A source: an ordinary host whose router is the LMA. It knows what fits into the LMA's tunnels."""

    def configure() -> None:
        with links.control_socket() as control, IPRoute() as netlink:
            links.disable_transmit_checksum_offload(control, SOURCE_PORT)
            links.bring_up(netlink, "lo", SOURCE_PORT)
            links.add_address(netlink, SOURCE_PORT, IPv6Interface((source.address, source.prefix_length)))
            links.add_default_route(netlink, SOURCE_PORT, gateway=LMA_LINK_LOCAL_ADDRESS, mtu=domain.access_mtu)
            if source.ipv4_address is not None:
                links.add_address(netlink, SOURCE_PORT, source.ipv4_address)
                links.add_ipv4_default_route(netlink, SOURCE_PORT)

    run_inside(node.namespace, configure)

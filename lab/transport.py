# SPDX-License-Identifier: Apache-2.0
"""The networks between the nodes: plain Linux bridges in the `transport` namespace, one veth to each node.

`transport` carries the GRE tunnels and the Mobility Header messages, `management` the controller's connections,
`multicast` joins the LMA's source port with the sources.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyroute2 import IPRoute

from lab import links
from lab.links import VethPair
from lab.namespaces import namespace_path, run_inside, write_setting
from lab.plan import MANAGEMENT_PORT, SOURCE_PORT, Node
from lab.switch_plan import TRANSPORT_MTU
from topology.model import Domain
from topology.switch_names import LMA_SOURCE_PORT

TRANSPORT_NETWORK = "transport"
MANAGEMENT_NETWORK = "management"
MULTICAST_NETWORK = "multicast"


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgePort:
    """One veth between a bridge of the transport namespace and a node."""

    name: str
    """Of the end in the transport namespace."""
    number: int
    node: Node
    network: str
    interface: str
    """The end on the node."""
    mtu: int


def attachments(node: Node, domain: Domain) -> tuple[tuple[str, str, int], ...]:
    """(network, interface on the node, MTU) for every network a node is on; mobile nodes are on none of them."""
    management = (MANAGEMENT_NETWORK, MANAGEMENT_PORT, 1500)
    names = domain.switch_names(node.name)
    transport = (TRANSPORT_NETWORK, names.transport_port, TRANSPORT_MTU)
    match node.kind:
        case "lma":
            return (management, transport, (MULTICAST_NETWORK, names.on_host(LMA_SOURCE_PORT), 1500))
        case "mag":
            return (management, transport)
        case "controller":
            return (management,)
        case "source":
            return ((MULTICAST_NETWORK, SOURCE_PORT, 1500),)
        case _:
            return ()


def ports(nodes: tuple[Node, ...], domain: Domain) -> tuple[BridgePort, ...]:
    """Every port of the bridges in the transport namespace."""
    wanted = [(node, *attachment) for node in nodes for attachment in attachments(node, domain)]
    return tuple(
        BridgePort(name=f"port{number}", number=number, node=node, network=network, interface=interface, mtu=mtu)
        for number, (node, network, interface, mtu) in enumerate(wanted, start=1)
    )


def build_transport(transport: Node, nodes: tuple[Node, ...], domain: Domain) -> None:
    """Build the bridges and the veths to every node's (existing) namespace; this side is up, the nodes' side down."""

    def build() -> None:
        # Nobody lives here: a bridge that spoke IPv6 itself would only add noise to captures.
        write_setting("ipv6/conf/default/disable_ipv6", 1)
        with IPRoute() as netlink:
            bridges = {
                TRANSPORT_NETWORK: links.add_bridge(netlink, TRANSPORT_NETWORK, mtu=TRANSPORT_MTU),
                MANAGEMENT_NETWORK: links.add_bridge(netlink, MANAGEMENT_NETWORK),
                MULTICAST_NETWORK: links.add_bridge(netlink, MULTICAST_NETWORK),
            }
            for port in ports(nodes, domain):
                links.add_veth(netlink, VethPair(
                    name=port.name, peer_name=port.interface, peer_namespace=namespace_path(port.node.namespace),
                    number=port.number, mtu=port.mtu,
                ))
                netlink.link(
                    "set", index=links.interface_index(port.name), master=bridges[port.network], state="up",
                    ifalias=f"{port.network} {port.node.name}",
                )
            links.bring_up(netlink, *bridges)

    run_inside(transport.namespace, build)

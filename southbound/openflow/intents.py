# SPDX-License-Identifier: Apache-2.0
"""What a switch shall do, in words of the domain: the output of `controller.forwarding`, the input of the compiler.

Value objects, comparable and hashable, so that wanted and confirmed state can be told apart by `==`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network

from southbound.codec.addresses import IpAddress
from topology.model import ETHERNET_MTU, LMA_SOURCE_MAC, TUNNEL_OCTETS


@dataclass(frozen=True, slots=True, order=True)
class SourceNetwork:
    """Ingress: the LMA's port towards the multicast network (Ethernet)."""


@dataclass(frozen=True, slots=True, order=True)
class Correspondents:
    """Ingress: what hosts on the network of the sources send to the LMA as their router."""


@dataclass(frozen=True, slots=True, order=True)
class LmaTunnel:
    """Ingress: the GRE tunnel from the LMA, at a MAG (bare IP packets)."""

    lma: IPv6Address


@dataclass(frozen=True, slots=True, order=True)
class PeerTunnel:
    """Ingress: the GRE tunnel from another MAG (bare IP packets)."""

    peer: IPv6Address
    path_index: int
    """`topology.model.Mag.index` of the peer; becomes the path mark towards the handover buffer."""
    key: int | None = field(default=None, repr=False)  # the path tells them apart, and repr is part of a group's id
    """GRE key of what the peer's agent relays for one MN; None: the inter-MAG key, for what its switch clones."""


@dataclass(frozen=True, slots=True, order=True)
class MagTunnels:
    """Ingress: what MNs send through the tunnels from their MAGs, at the LMA, once an `Uplink` has let it in."""


Ingress = SourceNetwork | Correspondents | LmaTunnel | PeerTunnel | MagTunnels


@dataclass(frozen=True, slots=True, order=True)
class FromMag:
    """Uplink ingress: the GRE tunnel from this MAG, at the LMA."""

    mag: IPv6Address


@dataclass(frozen=True, slots=True, order=True)
class AccessLink:
    """Uplink ingress: an access port, and the link-layer address of the one MN behind it."""

    port: str
    link_layer_id: bytes


@dataclass(frozen=True, slots=True, order=True)
class FromPeer:
    """Uplink ingress: what another MAG sends back of an MN that has gone there and is not bound there yet."""

    peer: IPv6Address
    key: int
    """GRE key of the MN between MAGs."""


@dataclass(frozen=True, slots=True, order=True)
class FromHandoverBuffer:
    """Uplink ingress: what has waited at the buffer port for what went by another MAG."""


@dataclass(frozen=True, slots=True, order=True)
class ToAccess:
    """Output: an access port; the packet gets the Ethernet address of its group (RFC 2464, RFC 1112), or of the MN."""

    port: str


@dataclass(frozen=True, slots=True, order=True)
class ToMag:
    """Output: keyed GRE over IPv6 towards a MAG: from the LMA with the LMA key, from a MAG with the inter-MAG key."""

    mag: IPv6Address


@dataclass(frozen=True, slots=True, order=True)
class ToHandoverBuffer:
    """Output: the agent's buffer port; the source MAC becomes the path mark of the ingress, of a copy for one MN, or of an
    uplink."""

    mobile_node: int = 0
    """One more than the place in topology.yaml of the MN that this native copy is for; 0: for all that wait for it."""


@dataclass(frozen=True, slots=True, order=True)
class ToSourceNetwork:
    """Output: the network of the sources, at the LMA; the packet gets the Ethernet address of the host there."""


Output = ToAccess | ToMag | ToHandoverBuffer | ToSourceNetwork


@dataclass(frozen=True, slots=True, order=True)
class ToLma:
    """Uplink output: the tunnel to the LMA."""


@dataclass(frozen=True, slots=True, order=True)
class ToPeer:
    """Uplink output: back to the MAG where the MN is still bound (RFC 5949 section 4.1)."""

    mag: IPv6Address
    key: int


@dataclass(frozen=True, slots=True, order=True)
class ToDestination:
    """Uplink output, at the LMA: on by destination address, as what comes by `MagTunnels`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """One (ingress, source, group): copy to every output. Source None = any source without an entry of its own.

    No outputs = drop, which is how a source that is excluded, or not asked for, is kept out.
    """

    ingress: Ingress
    source: IpAddress | None
    group: IpAddress
    """Of either family, and the source of the same."""
    outputs: frozenset[Output]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unicast:
    """One (ingress, destination prefix): to every output. Several outputs are for an MN between two MAGs."""

    ingress: Ingress
    prefix: IPv6Network
    """A home network prefix; of 128 bits: a host on the network of the sources; else, towards that network: a route."""
    link_layer_id: bytes
    """Of the MN, of that host, or of the next hop."""
    outputs: frozenset[Output]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """What comes by this ingress and has a source address in this home network prefix; nothing else is let in there
    (RFC 5213 sections 5.6.1 and 6.10.5)."""

    ingress: AccessLink | FromPeer | FromMag | FromHandoverBuffer
    prefix: IPv6Network
    output: ToLma | ToPeer | ToDestination | ToHandoverBuffer


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingIntent:
    """Everything wanted of one integration switch."""

    replications: frozenset[Replication] = frozenset()
    unicast: frozenset[Unicast] = frozenset()
    uplinks: frozenset[Uplink] = frozenset()
    takes_mld: bool = False
    """MLD and IGMP are not for everybody's ears: at the LMA what the multicast network asks and what MAGs report in their
    tunnels goes to the controller; at a MAG what the LMA asks in the tunnel goes to the agent."""
    router: IPv6Address | None = None
    """The LMA: ICMPv6 for this address of its own, on the network of the sources, to the controller. What is sent there to
    its link-layer address is for `Correspondents`."""
    home_networks: frozenset[IPv6Network] = frozenset()
    """The LMA: what no route leads to, whether there is a binding or not. Only with routes there is anything to be said."""
    reports_unforwarded: bool = False
    """What the switch, as a router, cannot forward goes to the controller, which may answer with an ICMPv6 error."""
    router_address: IPv6Address | None = None
    """That by which the router answers; so does what is sent there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignallingIntent:
    """Everything wanted of the LMA's transport switch: Mobility Header packets for this address to the controller."""

    lma_address: IPv6Address


Intent = ForwardingIntent | SignallingIntent


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRole:
    """What the compiler must know of one switch besides its intent; never changes while it is connected."""

    name: str
    """'lma', 'lma-transport' or the MAG id; for logs and errors."""
    kind: str
    """'lma' | 'mag' | 'lma-transport'."""
    lma_gre_key: int
    mag_gre_key: int
    access_mac: bytes
    """eth_src of what leaves an access port: the domain's one MAG link-layer address (RFC 5213 section 6.9.3)."""
    source_mac: bytes = LMA_SOURCE_MAC
    """eth_src of what the LMA sends to the network of the sources."""
    tunnel_mtu: int = ETHERNET_MTU - TUNNEL_OCTETS
    """The largest packet, in octets, that fits into a tunnel."""
    shared: bool = False
    """Whether somebody else's flows forward here, too: what comes by ports that are not only ours is left to them."""

    def __hash__(self) -> int:
        """Roles are part of the key under which rules are remembered, and there are few."""
        return hash(self.name)

# SPDX-License-Identifier: Apache-2.0
"""The frozen model of one PMIPv6 domain, as `topology.load` builds it from topology.yaml.

Plain data: no I/O, no clock. Addresses are `ipaddress` objects, times are seconds or milliseconds as the name says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network

from topology.rest_model import Rest
from topology.settings import Limits, Timers
from topology.switch_names import SwitchNames

HOME_NETWORK_PREFIX_LENGTH = 64
"""Of every home network prefix: hosts form their addresses in it (RFC 4862)."""

TUNNEL_OCTETS = 48
"""What keyed GRE over IPv6 adds to a packet: 40 octets of IPv6, 8 of GRE (RFC 2784, RFC 2890)."""
ETHERNET_MTU = 1500
"""Of every access link (RFC 2464 section 2)."""

MAG_ACCESS_MAC = bytes.fromhex("02ca57ffff01")
"""Link-layer address of every MAG on its access links: the MN sees one router everywhere (RFC 5213 section 6.9.3)."""
MAG_LINK_LOCAL_ADDRESS = IPv6Address("fe80::ca:57ff:feff:ff01")
"""Link-local address of every MAG on its access links, formed from MAG_ACCESS_MAC (RFC 4291 appendix A)."""
MAG_IPV4_ADDRESS = IPv4Address("192.0.0.8")
"""What every MAG asks by IGMP from: the dummy address of nodes that have no IPv4 address (RFC 7600 section 4.8)."""
LMA_SOURCE_MAC = bytes.fromhex("02ca57ffff02")
"""Link-layer address of the LMA on the network of the sources, where it is an MLD host, and router to the home networks."""
LMA_LINK_LOCAL_ADDRESS = IPv6Address("fe80::ca:57ff:feff:ff02")
"""Its link-local address there, formed from LMA_SOURCE_MAC, and in its tunnels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """Where the controller listens on the management network, and where its REST API is found."""

    address: IPv6Address
    openflow_port: int = 6653
    rpc_port: int = 6654
    rest_host: str = "127.0.0.1"
    rest_port: int = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What is not in the domain, and who on the network of the sources forwards there."""

    prefix: IPv6Network
    via: IPv6Address
    """On one of their networks, or link-local."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lma:
    """The local mobility anchor's switch node."""

    id: str
    address: IPv6Address
    """LMA address (LMAA) on the transport network."""
    management_address: IPv6Address
    datapath_id: int
    """Integration bridge (br-int)."""
    transport_datapath_id: int
    """Transport bridge (br-phy), where Mobility Header packets for `address` are taken."""
    home_network_prefix_pool: tuple[IPv6Network, ...] = ()
    """Networks that home network prefixes (/64) of MNs without one of their own are taken from."""
    routes: tuple[Route, ...] = ()
    """Beyond the network of the sources; the longest prefix that fits is taken."""
    multicast_signalling: bool = True
    """Whether it takes multicast state in PBUs and answers with the S flag (RFC 7161); without, MAGs join by MLD and IGMP
    in their tunnels alone (RFC 6224)."""
    advertise_home_networks: bool = True
    """Whether it tells the network of the sources that it is the way to the home networks (RFC 4191)."""
    switch: SwitchNames = field(default_factory=SwitchNames)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mag:
    """One mobile access gateway: a switch and an agent."""

    id: str
    index: int
    """1-based position in topology.yaml; names the path in buffered frames (southbound.path_mark)."""
    address: IPv6Address
    """Proxy care-of address on the transport network."""
    management_address: IPv6Address
    datapath_id: int
    dialect: str | None = None
    """Overrides Domain.dialect towards this peer."""
    option_length_unit: str | None = None
    """Overrides Domain.option_length_unit towards this peer."""
    multicast_context: bool = True
    """Whether it knows options 60 and 61 (RFC 7411); one that does not is sent none, and its MNs' groups come by MLD."""
    binding_order: str | None = None
    """Overrides Domain.binding_order for this MAG's PBUs."""
    mobility_authentication: bool = True
    """Whether its Mobility Header messages have an authenticator where Domain.mobility_key_file is given; one of another
    make has none."""
    allowed_prefixes: tuple[IPv6Network, ...] = (IPv6Network("::/0"),)
    """Home network prefixes that it may register (RFC 5213 section 4: MAG and prefix combinations)."""
    switch: SwitchNames = field(default_factory=SwitchNames)

    def may_host(self, prefixes: Iterable[IPv6Network]) -> bool:
        """Whether it may register all these home network prefixes."""
        return all(any(prefix.subnet_of(network) for network in self.allowed_prefixes) for prefix in prefixes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One group of a policy-store profile: INCLUDE(sources), or any source (EXCLUDE{}) when there are none."""

    group: IPv4Address | IPv6Address
    sources: frozenset[IPv4Address | IPv6Address] = frozenset()
    """Of the group's family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNode:
    """Policy-store profile of one mobile node."""

    id: str
    """MN-ID, a NAI (RFC 4283)."""
    name: str
    """Short name: the part before '@'; namespace and access-port name in the lab."""
    link_layer_id: bytes
    """MN-LLI: the six octets of its MAC address."""
    home_network_prefixes: tuple[IPv6Network, ...]
    """Its own, assigned for good; empty: the LMA assigns one from Lma.home_network_prefix_pool (RFC 5213 section 5.3.2)."""
    ipv4_home_address: IPv4Interface | None = None
    """What the lab gives a dual-stack MN; it is not registered (RFC 5844), and not needed for listening."""
    attached_to: str
    """MAG id where the lab first attaches it."""
    mags: tuple[str, ...]
    """MAG ids it may register from."""
    mobility_service: bool = True
    """Whether it is authorised for network-based mobility management; without, it is refused with 152."""
    allowed_groups: tuple[IPv4Network | IPv6Network, ...]
    subscriptions: tuple[Subscription, ...] = ()

    def access_port(self) -> str:
        """Name of this node's access port on every MAG switch."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A host that sends multicast into the domain through the LMA's source port."""

    name: str
    address: IPv6Address
    prefix_length: int = 64
    ipv4_address: IPv4Interface | None = None
    """What it sends to IPv4 groups from; None: it sends to none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A one-way delay on the transport network, the same in both directions.

    Exactly one of `node` and `between` is given. Delays on the way from one node to another add up: of the links of
    both, and of what is between them.
    """

    node: str | None = None
    """The transport link of this node: all that it sends and receives."""
    between: tuple[str, str] | None = None
    """Only what these two nodes send to each other."""
    delay_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Everything: what `topology.load.load_topology(path)` returns."""

    name: str
    dialect: str
    """'draft' or 'rfc'; per-peer override in Mag.dialect."""
    option_length_unit: str
    """Unit of the Length of options 60/61: 'words' (RFC 7411) or 'octets'."""
    lma_gre_key: int
    mag_gre_key: int
    transport_network: IPv6Network
    management_network: IPv6Network
    controller: Controller
    lma: Lma
    mags: tuple[Mag, ...]
    mobile_nodes: tuple[MobileNode, ...]
    sources: tuple[Source, ...]
    links: tuple[Link, ...] = ()
    timers: Timers = field(default_factory=Timers)
    limits: Limits = field(default_factory=Limits)
    rest: Rest = field(default_factory=Rest)
    transport_mtu: int = ETHERNET_MTU
    """MTU of the transport network, for what is said of the tunnels through it."""
    attach_mode: str = "policy-store"
    """How a MAG learns the multicast state of an MN that attaches without a context: 'policy-store', 'query' (its own
    MLD answer), 'context-transfer' (CXTP, RFC 4067) or 'reactive' (RFC 5949)."""

    mld_fast_leave: bool = False
    """Whether a MAG stops a group as soon as its MN reports that it has left, without a last-listener query."""

    binding_order: str = "timestamps"
    """How a MAG has the LMA order its PBUs: 'timestamps' or 'sequence-numbers' (RFC 5213 section 5.5; section 9.3 calls it
    TimestampBasedApproachInUse)."""
    gre_key_option: str = "not-required"
    """Whether a MAG names the GRE key in its PBU (RFC 5845): 'not-required' or 'required'."""
    mobility_key_file: str | None = None
    """File of the keys that authenticate Mobility Header messages; as written in topology.yaml, relative to it. None: they
    are not authenticated."""

    @property
    def access_mtu(self) -> int:
        """What MNs are told of their links: packets of that size fit into the tunnels behind them."""
        return min(self.transport_mtu - TUNNEL_OCTETS, ETHERNET_MTU)

    def switch_names(self, node: str) -> SwitchNames:
        """Of the switch of the LMA, or of the MAG with this id."""
        mag = self.mag(node)
        return self.lma.switch if mag is None else mag.switch

    def mag(self, mag_id: str) -> Mag | None:
        """The MAG with this id, or None."""
        return next((mag for mag in self.mags if mag.id == mag_id), None)

    def mag_by_address(self, address: IPv6Address) -> Mag | None:
        """The MAG with this proxy care-of address, or None."""
        return next((mag for mag in self.mags if mag.address == address), None)

    def place_of(self, mn_id: str) -> int:
        """0-based position of this MN in topology.yaml. Raises KeyError."""
        for place, node in enumerate(self.mobile_nodes):
            if node.id == mn_id:
                return place
        raise KeyError(mn_id)

    def relay_key(self, mn_id: str) -> int:
        """GRE key of what one MAG's agent relays to another for this MN alone (RFC 5845; the receiver chooses it)."""
        return (self.mag_gre_key + self.place_of(mn_id)) % 0xFFFF_FFFF + 1

    def dialect_between(self, one: Mag, other: Mag) -> str:
        """The HI/HAck dialect of two MAGs, the same seen from both: of the first in topology.yaml that has its own."""
        first, second = sorted((one, other), key=lambda mag: mag.index)
        return first.dialect or second.dialect or self.dialect

    def option_length_unit_between(self, one: Mag, other: Mag) -> str:
        """The unit of the Length of options 60 and 61 between two MAGs, chosen in the same way."""
        first, second = sorted((one, other), key=lambda mag: mag.index)
        return first.option_length_unit or second.option_length_unit or self.option_length_unit

    def dialect_towards(self, mag: Mag) -> str:
        """The HI/HAck dialect to speak with this peer."""
        return mag.dialect or self.dialect

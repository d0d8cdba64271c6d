# SPDX-License-Identifier: Apache-2.0
"""The sections of topology.yaml as pydantic models: which keys there are, what each may hold, which must be there.

Every field may be None: absent, or refused and already reported. That lets the cross-checks run over what is good
in a file with faults, so that the operator sees everything at once. `required` is looked at in `topology.validate`.
Defaults are those of the dataclasses in `topology.model`; the few that have none there stand in `topology.derive`.
Timers and limits are in `topology.settings_schema`, the REST API's sections in `topology.rest_schema`.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated

from pydantic import Field

from topology import address_values, rest_values, values
from topology.model import TUNNEL_OCTETS
from topology.rest_schema import RestSection
from topology.rule import TRUTH, Shape, number, one_of, whole_number
from topology.section import Section
from topology.settings_schema import LimitsSection, TimersSection
from topology.sizes import (
    ALLOWED_GROUPS_MAX,
    ALLOWED_PREFIXES_MAX,
    HOME_NETWORK_PREFIXES_MAX,
    LINKS_MAX,
    MAGS_MAX,
    MAGS_MIN,
    MOBILE_NODES_MAX,
    POOL_NETWORKS_MAX,
    ROUTES_MAX,
    SOURCES_MAX,
    SUBSCRIPTION_SOURCES_MAX,
    SUBSCRIPTIONS_MAX,
)

DIALECTS = ("draft", "rfc")
OPTION_LENGTH_UNITS = ("words", "octets")
BINDING_ORDERS = ("timestamps", "sequence-numbers")
GRE_KEY_OPTIONS = ("not-required", "required")
ATTACH_MODES = ("policy-store", "query", "context-transfer", "reactive")


class DomainSection(Section):
    """`domain`: what all nodes share."""

    name: Annotated[str | None, values.DOMAIN_NAME.needed()] = None
    dialect: Annotated[str | None, one_of(*DIALECTS)] = None
    option_length_unit: Annotated[str | None, one_of(*OPTION_LENGTH_UNITS)] = None
    attach_mode: Annotated[str | None, one_of(*ATTACH_MODES)] = None
    mld_fast_leave: Annotated[bool | None, TRUTH] = None
    binding_order: Annotated[str | None, one_of(*BINDING_ORDERS)] = None
    gre_key_option: Annotated[str | None, one_of(*GRE_KEY_OPTIONS)] = None
    mobility_key_file: Annotated[str | None, rest_values.FILE_NAME] = None
    lma_gre_key: Annotated[int | None, whole_number(1, values.GRE_KEY_MAX)] = None
    mag_gre_key: Annotated[int | None, whole_number(1, values.GRE_KEY_MAX)] = None
    transport_network: Annotated[IPv6Network | None, address_values.UNICAST_NETWORK.needed()] = None
    management_network: Annotated[IPv6Network | None, address_values.UNICAST_NETWORK.needed()] = None
    # What is left for an MN is at least the smallest MTU of IPv6 (RFC 8200 section 5).
    transport_mtu: Annotated[int | None, whole_number(1_280 + TUNNEL_OCTETS, 65_535)] = None


class ControllerSection(Section):
    """`controller`: where it listens."""

    address: Annotated[IPv6Address | None, address_values.UNICAST_ADDRESS.needed()] = None
    openflow_port: Annotated[int | None, whole_number(1, 65535)] = None
    rpc_port: Annotated[int | None, whole_number(1, 65535)] = None
    rest: Annotated[tuple[str, int] | None, rest_values.HOST_AND_PORT] = None


PoolItem = Annotated[IPv6Network | None, address_values.POOL_NETWORK]


class LmaSwitchSection(Section):
    """`lma.switch`: how its host calls bridges and ports."""

    integration_bridge: Annotated[str | None, values.INTERFACE_NAME] = None
    transport_bridge: Annotated[str | None, values.INTERFACE_NAME] = None
    transport_port: Annotated[str | None, values.INTERFACE_NAME] = None
    mag_port: Annotated[str | None, values.INTERFACE_NAME] = None
    source_port: Annotated[str | None, values.INTERFACE_NAME] = None
    shared: Annotated[bool | None, TRUTH] = None


class AccessPortSection(Section):
    """One item of `access_ports`: how a MAG's host calls the access port of a mobile node."""

    mobile_node: Annotated[str | None, values.NAME_OF_MOBILE_NODE.needed()] = None
    port: Annotated[str | None, values.INTERFACE_NAME.needed()] = None


class MagSwitchSection(Section):
    """`switch` of a MAG."""

    integration_bridge: Annotated[str | None, values.INTERFACE_NAME] = None
    transport_bridge: Annotated[str | None, values.INTERFACE_NAME] = None
    transport_port: Annotated[str | None, values.INTERFACE_NAME] = None
    lma_port: Annotated[str | None, values.INTERFACE_NAME] = None
    mag_port: Annotated[str | None, values.INTERFACE_NAME] = None
    buffer_port: Annotated[str | None, values.INTERFACE_NAME] = None
    access_ports: Annotated[
        list[AccessPortSection] | None, Shape("a list of mappings with mobile_node and port")
    ] = None
    shared: Annotated[bool | None, TRUTH] = None


class RouteSection(Section):
    """One item of `lma.routes`: what is reached by a router on the network of the sources."""

    prefix: Annotated[IPv6Network | None, address_values.ROUTE_PREFIX.needed()] = None
    via: Annotated[IPv6Address | None, address_values.NEXT_HOP.needed()] = None


class LmaSection(Section):
    """`lma`: the anchor's switch node."""

    id: Annotated[str | None, values.NODE_NAME.needed()] = None
    address: Annotated[IPv6Address | None, address_values.UNICAST_ADDRESS.needed()] = None
    management_address: Annotated[IPv6Address | None, address_values.UNICAST_ADDRESS.needed()] = None
    datapath_id: Annotated[int | None, values.DATAPATH_ID] = None
    transport_datapath_id: Annotated[int | None, values.DATAPATH_ID] = None
    home_network_prefix_pool: Annotated[
        list[PoolItem] | None,
        Field(max_length=POOL_NETWORKS_MAX),
        Shape(f"a list of at most {POOL_NETWORKS_MAX} IPv6 unicast networks of /16 to /64"),
    ] = None
    routes: Annotated[
        list[RouteSection] | None,
        Field(max_length=ROUTES_MAX),
        Shape(f"a list of at most {ROUTES_MAX} mappings with prefix and via"),
    ] = None
    multicast_signalling: Annotated[bool | None, TRUTH] = None
    advertise_home_networks: Annotated[bool | None, TRUTH] = None
    switch: Annotated[LmaSwitchSection | None, Shape("a mapping")] = None


NetworkItem = Annotated[IPv6Network | None, address_values.NETWORK]


class MagSection(Section):
    """One item of `mags`."""

    id: Annotated[str | None, values.NODE_NAME.needed()] = None
    address: Annotated[IPv6Address | None, address_values.UNICAST_ADDRESS.needed()] = None
    management_address: Annotated[IPv6Address | None, address_values.UNICAST_ADDRESS.needed()] = None
    datapath_id: Annotated[int | None, values.DATAPATH_ID] = None
    dialect: Annotated[str | None, one_of(*DIALECTS)] = None
    option_length_unit: Annotated[str | None, one_of(*OPTION_LENGTH_UNITS)] = None
    multicast_context: Annotated[bool | None, TRUTH] = None
    binding_order: Annotated[str | None, one_of(*BINDING_ORDERS)] = None
    mobility_authentication: Annotated[bool | None, TRUTH] = None
    allowed_prefixes: Annotated[
        list[NetworkItem] | None,
        Field(max_length=ALLOWED_PREFIXES_MAX),
        Shape(f"a list of at most {ALLOWED_PREFIXES_MAX} IPv6 networks"),
    ] = None
    switch: Annotated[MagSwitchSection | None, Shape("a mapping")] = None


AddressItem = Annotated[IPv4Address | IPv6Address | None, address_values.SOURCE_ADDRESS]
GroupNetworkItem = Annotated[IPv4Network | IPv6Network | None, address_values.GROUP_NETWORK]
PrefixItem = Annotated[IPv6Network | None, address_values.HOME_NETWORK_PREFIX]
MagNameItem = Annotated[str | None, values.NAME_OF_MAG]


class SubscriptionSection(Section):
    """One item of a mobile node's `subscriptions`."""

    group: Annotated[IPv4Address | IPv6Address | None, address_values.GROUP.needed()] = None
    sources: Annotated[
        list[AddressItem] | None,
        Field(max_length=SUBSCRIPTION_SOURCES_MAX),
        Shape(f"a list of at most {SUBSCRIPTION_SOURCES_MAX} addresses"),
    ] = None


class MobileNodeSection(Section):
    """One item of `mobile_nodes`: a profile of the policy store."""

    id: Annotated[str | None, values.NAI.needed()] = None
    link_layer_id: Annotated[bytes | None, values.LINK_LAYER_ID.needed()] = None
    home_network_prefix: Annotated[IPv6Network | None, address_values.HOME_NETWORK_PREFIX] = None
    home_network_prefixes: Annotated[
        list[PrefixItem] | None,
        Field(max_length=HOME_NETWORK_PREFIXES_MAX),
        Shape(f"a list of at most {HOME_NETWORK_PREFIXES_MAX} IPv6 unicast /64"),
    ] = None
    ipv4_home_address: Annotated[IPv4Interface | None, address_values.IPV4_INTERFACE] = None
    attached_to: Annotated[str | None, values.NAME_OF_MAG.needed()] = None
    mags: Annotated[
        list[MagNameItem] | None,
        Field(max_length=MAGS_MAX),
        Shape(f"a list of at most {MAGS_MAX} MAG ids"),
    ] = None
    mobility_service: Annotated[bool | None, TRUTH] = None
    allowed_groups: Annotated[
        list[GroupNetworkItem] | None,
        Field(max_length=ALLOWED_GROUPS_MAX),
        Shape(f"a list of at most {ALLOWED_GROUPS_MAX} networks within ff00::/8 or 224.0.0.0/4"),
    ] = None
    subscriptions: Annotated[
        list[SubscriptionSection] | None,
        Field(max_length=SUBSCRIPTIONS_MAX),
        Shape(f"a list of at most {SUBSCRIPTIONS_MAX} subscriptions"),
    ] = None


class SourceSection(Section):
    """One item of `sources`."""

    name: Annotated[str | None, values.NODE_NAME.needed()] = None
    address: Annotated[IPv6Address | None, address_values.UNICAST_ADDRESS.needed()] = None
    prefix_length: Annotated[int | None, whole_number(16, 128)] = None
    ipv4_address: Annotated[IPv4Interface | None, address_values.IPV4_INTERFACE] = None


NodeNameItem = Annotated[str | None, values.NAME_OF_NODE]


class LinkSection(Section):
    """One item of `links`: exactly one of `node` and `between` is there."""

    node: Annotated[str | None, values.NAME_OF_NODE] = None
    between: Annotated[
        list[NodeNameItem] | None,
        Field(max_length=2),
        Shape("a list of two ids, of the LMA or of MAGs"),
    ] = None
    delay_ms: Annotated[float | None, number(0, 10_000)] = None


class Document(Section):
    """The whole file."""

    castover: Annotated[int | None, values.VERSION.needed()] = None
    domain: Annotated[DomainSection | None, Shape("a mapping", required=True)] = None
    controller: Annotated[ControllerSection | None, Shape("a mapping", required=True)] = None
    lma: Annotated[LmaSection | None, Shape("a mapping", required=True)] = None
    mags: Annotated[
        list[MagSection] | None,
        Field(max_length=MAGS_MAX),
        Shape(f"a list of {MAGS_MIN} to {MAGS_MAX} MAGs", required=True),
    ] = None
    mobile_nodes: Annotated[
        list[MobileNodeSection] | None,
        Field(max_length=MOBILE_NODES_MAX),
        Shape(f"a list of at most {MOBILE_NODES_MAX} mobile nodes"),
    ] = None
    sources: Annotated[
        list[SourceSection] | None,
        Field(max_length=SOURCES_MAX),
        Shape(f"a list of at most {SOURCES_MAX} sources"),
    ] = None
    links: Annotated[
        list[LinkSection] | None,
        Field(max_length=LINKS_MAX),
        Shape(f"a list of at most {LINKS_MAX} links"),
    ] = None
    timers: Annotated[TimersSection | None, Shape("a mapping")] = None  # type: ignore[valid-type]
    limits: Annotated[LimitsSection | None, Shape("a mapping")] = None  # type: ignore[valid-type]
    rest: Annotated[RestSection | None, Shape("a mapping")] = None

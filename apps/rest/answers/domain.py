# SPDX-License-Identifier: Apache-2.0
"""The domain: bindings, MAGs, listeners, and the map that they are on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from apps.rest.answers.base import Answer
from apps.rest.answers.handovers import Membership


class Binding(Answer):
    """One entry of the binding cache (RFC 5213 section 5.1)."""

    mn_id: str
    mag: str
    proxy_care_of_address: str
    home_network_prefixes: list[str]
    state: Literal["active", "pending_delete"]
    lifetime_s: int
    sequence: int
    link_layer_id: Annotated[str | None, Field(description="From the PBU; null when it had none")]


class BindingList(Answer):
    """A page of bindings, by MN-ID."""

    bindings: list[Binding]
    total: int


class Mag(Answer):
    """One mobile access gateway."""

    id: str
    address: Annotated[str, Field(description="Proxy care-of address")]
    dialect: Annotated[Literal["draft", "rfc"], Field(description="Layout of HI and HAck towards it")]
    agent_connected: bool
    switch_connected: bool
    mobile_nodes: Annotated[list[str], Field(description="MN-IDs on its links")]
    counters: Annotated[dict[str, int], Field(description="What its agent has dropped since its start, by reason")]
    messages: Annotated[dict[str, int], Field(description="Mobility Header messages since its agent's start: "
                                                          "'<sent|received>_<message>_<code or kind>'")]
    tunnel_groups: Annotated[list[Membership], Field(description="What it has joined by MLD or IGMP in its tunnel: a MAG "
                                                                 "without multicast options, as far as its nodes may")]


class MagList(Answer):
    """A page of MAGs, in the order of topology.yaml."""

    mags: list[Mag]
    total: int


class Listener(Answer):
    """What one mobile node listens to at one MAG."""

    mag: str
    mn_id: str
    access_port: Annotated[str | None, Field(description="null when the mobile node is not on the MAG's link")]
    groups: list[Membership]


class ListenerList(Answer):
    """A page of listeners, by MAG and MN-ID."""

    listeners: list[Listener]
    total: int


class TopologyNode(Answer):
    """A node of the domain that has an address on a network."""

    id: str
    address: str


class TopologyMag(TopologyNode):
    """A MAG, and whether its two parts are there."""

    agent_connected: bool
    switch_connected: bool


class TopologyMobileNode(Answer):
    """A mobile node of the policy store, and where it is."""

    id: Annotated[str, Field(description="MN-ID")]
    name: Annotated[str, Field(description="Short name; that of its access port on every MAG")]
    home_network_prefixes: Annotated[list[str], Field(description="Its own; empty when the LMA takes one from its pool")]
    mags: Annotated[list[str], Field(description="Where it may register")]
    attached_to: Annotated[str | None, Field(description="The MAG on whose link it is; null when on none")]
    bound_to: Annotated[str | None, Field(description="The MAG that the binding cache names; null when registered nowhere")]
    handover_id: Annotated[str | None, Field(description="Of its handover that is under way")]


class TopologyLink(Answer):
    """A tunnel or a network between two nodes."""

    kind: Literal["source", "lma-mag", "mag-mag"]
    ends: Annotated[list[str], Field(min_length=2, max_length=2)]
    delay_ms: Annotated[float, Field(description="One-way delay that topology.yaml asks for; 0 when it asks for none")]


class Topology(Answer):
    """What the domain consists of, and where its mobile nodes are: what a map of it is drawn from."""

    domain: str
    lma: TopologyNode
    mags: list[TopologyMag]
    mobile_nodes: list[TopologyMobileNode]
    sources: list[TopologyNode]
    links: list[TopologyLink]

# SPDX-License-Identifier: Apache-2.0
"""What the API tells, as frozen dataclasses. A test holds them against the OpenAPI document field by field.

Times are seconds since 1970, addresses and networks are text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal[
    "requested", "initiated", "prepared", "cloned", "joined", "forwarding", "bound", "delivered", "completed", "failed",
    "cancelled",
]
ENDED: frozenset[str] = frozenset({"completed", "failed", "cancelled"})
MAY_LEAVE: frozenset[str] = frozenset({"joined", "forwarding", "bound", "delivered"}) | ENDED
"""States in which the mobile node may leave without loss, or there is nothing more to wait for."""


# --- handovers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverRequest:
    """A wish. `mn_id` is an MN-ID or a short name."""

    mn_id: str
    new_mag: str
    mode: Literal["predictive", "join"] = "predictive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """One multicast group; `exclude` without sources is any source."""

    group: str
    filter_mode: Literal["include", "exclude"]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the draft's Figure 2 as `node` saw it; sender and receiver are the ends of its arrow."""

    step: int
    name: str
    node: str
    at: float
    detail: str
    sender: str
    receiver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketsOverTime:
    """Packets on one of the ways to the mobile node; interval n begins at begins_at + n * interval_s."""

    path: Literal["previous_mag", "tunnel", "new_mag"]
    begins_at: float
    interval_s: float
    packets: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """One handover of one mobile node."""

    id: str
    number: int
    mn_id: str
    previous_mag: str
    new_mag: str
    state: State
    mode: Literal["predictive", "join", "reactive"]
    trigger: Literal["rest", "mobile_node"]
    started_at: float | None
    groups: tuple[Membership, ...]
    steps: tuple[Step, ...]
    packets: dict[str, int]
    packets_over_time: tuple[PacketsOverTime, ...]
    error: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

    @property
    def may_leave(self) -> bool:
        """Whether the mobile node may leave without loss, or there is nothing more to wait for."""
        return self.state in MAY_LEAVE


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFault:
    """One field that is at fault."""

    field: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an item of a batch was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FieldFault, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """What became of one item: `handover` when it was taken, `problem` when not."""

    index: int
    status: int
    handover: Handover | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What became of all items, in the order of the request."""

    accepted: int
    refused: int
    results: tuple[BatchItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFact:
    """One thing that a node heard, said, saw or decided; `at` is on that node's clock."""

    at: float
    node: str
    name: str
    fields: dict[str, str | int | float | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPart:
    """A node that could not be asked."""

    node: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The story of one handover, by time."""

    handover_id: str
    facts: tuple[TraceFact, ...]
    missing: tuple[MissingPart, ...]


# --- the domain ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One entry of the binding cache (RFC 5213 section 5.1)."""

    mn_id: str
    mag: str
    proxy_care_of_address: str
    home_network_prefixes: tuple[str, ...]
    state: Literal["active", "pending_delete"]
    lifetime_s: int
    sequence: int
    link_layer_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mag:
    """One mobile access gateway."""

    id: str
    address: str
    dialect: Literal["draft", "rfc"]
    agent_connected: bool
    switch_connected: bool
    mobile_nodes: tuple[str, ...]
    counters: dict[str, int]
    messages: dict[str, int]
    tunnel_groups: tuple[Membership, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What one mobile node listens to at one MAG; `access_port` is None when it is not on the MAG's link."""

    mag: str
    mn_id: str
    access_port: str | None
    groups: tuple[Membership, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyNode:
    """A node with an address."""

    id: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyMag:
    """A MAG, and whether its two parts are there."""

    id: str
    address: str
    agent_connected: bool
    switch_connected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyMobileNode:
    """A mobile node, and where it is; None: nowhere."""

    id: str
    name: str
    home_network_prefixes: tuple[str, ...]
    mags: tuple[str, ...]
    attached_to: str | None
    bound_to: str | None
    handover_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyLink:
    """A tunnel or a network between two nodes."""

    kind: Literal["source", "lma-mag", "mag-mag"]
    ends: tuple[str, ...]
    delay_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What the domain consists of, and where its mobile nodes are."""

    domain: str
    lma: TopologyNode
    mags: tuple[TopologyMag, ...]
    mobile_nodes: tuple[TopologyMobileNode, ...]
    sources: tuple[TopologyNode, ...]
    links: tuple[TopologyLink, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookState:
    """Somebody who is told of handovers, and what became of the messages."""

    name: str
    url: str
    events: tuple[str, ...]
    waiting: int
    delivered: int
    failed: int
    given_up: int
    dropped: int
    last_problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessState:
    """What whoever asks may do; `name` is that of the token, None where none is asked for."""

    name: str | None
    role: Literal["read", "trigger"]


# --- switches --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One switch, and how far it has followed."""

    name: str
    connected: bool
    wanted_generation: int
    confirmed_generation: int
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One flow, in the words of ovs-ofctl(8)."""

    table: int
    priority: int
    match: dict[str, str | int]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One bucket of a group."""

    bucket_id: int
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group."""

    group_id: int
    type: Literal["all", "unknown"]
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRules:
    """Castover's own rules on one switch."""

    name: str
    flows: tuple[Flow, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How much, a second."""

    packets_per_s: float
    bits_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRates:
    """One port of a switch."""

    port: str
    received: Rate
    sent: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRate:
    """One copy of a stream."""

    receiver: str
    rate: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRates:
    """One stream that a switch replicates."""

    sender: str
    group: str
    source: str | None
    rate: Rate
    copies: tuple[CopyRate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRates:
    """What one switch carries; `over_s` is 0 when nothing has been measured yet."""

    name: str
    over_s: float
    ports: tuple[PortRates, ...]
    streams: tuple[StreamRates, ...]

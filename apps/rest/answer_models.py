# SPDX-License-Identifier: Apache-2.0
"""What the API answers, as pydantic models: every JSON answer goes through one of them, and the OpenAPI document is made
of them. What a view has that its model does not know is a fault, found by the first test that reads the resource.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Json, SerializerFunctionWrapHandler, model_serializer

from controller.handover import HandoverState


class Answer(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sparse(Answer):
    """A part of an answer that leaves out what it has not."""

    @model_serializer(mode="wrap")
    def _present(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if value is not None}


# --- handovers -------------------------------------------------------------------------------------------------------


class Membership(Answer):
    """One multicast group of a listener (RFC 3810 section 4.2): `exclude` without sources is any source."""

    group: Annotated[str, Field(description="IPv6 multicast address")]
    filter_mode: Literal["include", "exclude"]
    sources: Annotated[list[str], Field(description="IPv6 unicast addresses, sorted")]


class HandoverStep(Answer):
    """One of the eleven steps of the draft's Figure 2, as a node saw it: a message, a packet, or an event of a link."""

    step: Annotated[int, Field(description="Number in Figure 2; step 4 and step 11 have two messages each")]
    name: Annotated[str, Field(description="What it is, such as HI or PBU-M")]
    node: Annotated[str, Field(description="Id of the MAG that reports it")]
    at: Annotated[float, Field(description="Seconds since 1970 on the clock of that node")]
    detail: str
    sender: Annotated[str, Field(description="Where the arrow of a ladder diagram begins: a MAG, the LMA, an MN-ID or "
                                             "'controller'")]
    receiver: Annotated[str, Field(description="Where it ends; the same as the sender when nothing is sent")]


class Handover(Answer):
    """One handover of one mobile node."""

    id: str
    number: Annotated[int, Field(description="Of this controller process, counting up from 1 in order of begin")]
    mn_id: str
    previous_mag: str
    new_mag: str
    state: HandoverState
    mode: Literal["predictive", "join", "reactive"]
    trigger: Annotated[Literal["rest", "mobile_node"], Field(description="Who began it")]
    started_at: Annotated[float | None, Field(description="Seconds since 1970: the request, or the first step; null when "
                                                          "neither is known")]
    groups: Annotated[list[Membership], Field(description="The multicast state that it carries")]
    steps: Annotated[list[HandoverStep], Field(description="By time")]
    packets: Annotated[dict[str, int], Field(description="What the new MAG's handover buffer counted; empty until it "
                                                         "reports, shortly after the end")]
    error: Annotated[str | None, Field(description="Why it failed")]


class HandoverList(Answer):
    """A page of handovers, newest first."""

    handovers: list[Handover]
    total: Annotated[int, Field(description="How many there are on all pages")]


class BatchResult(Sparse):
    """What became of one item of a batch: `handover` when it was taken, `problem` when not."""

    index: Annotated[int, Field(description="Place of the item in the request, from 0")]
    status: Annotated[int, Field(description="The HTTP status that it would have got alone")]
    handover: Handover | None = None
    problem: ProblemDocument | None = None


class BatchAnswer(Answer):
    """What became of every item of a batch, in the order of the request."""

    accepted: int
    refused: int
    results: list[BatchResult]


# --- the domain ------------------------------------------------------------------------------------------------------


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
    home_network_prefix: str
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


# --- switches --------------------------------------------------------------------------------------------------------


class Switch(Answer):
    """One switch, and how far it has followed."""

    name: str
    connected: bool
    wanted_generation: Annotated[int, Field(description="Number of what is wanted of it now")]
    confirmed_generation: Annotated[int, Field(description="What it has confirmed by barrier")]
    error: Annotated[str | None, Field(description="The last refusal since")]


class SwitchList(Answer):
    """A page of switches."""

    switches: list[Switch]
    total: int


class Flow(Answer):
    """One flow, in the words of ovs-ofctl(8)."""

    table: int
    priority: int
    match: Annotated[dict[str, str | int], Field(description="Match fields by name")]
    actions: list[str]


class Bucket(Answer):
    """One bucket of a group."""

    bucket_id: int
    actions: list[str]


class Group(Answer):
    """One group."""

    group_id: int
    type: Literal["all", "unknown"]
    buckets: list[Bucket]


class SwitchRules(Answer):
    """Castover's own rules on one switch."""

    name: str
    flows: list[Flow]
    groups: list[Group]


class RuleList(Answer):
    """The rules of a page of switches."""

    switches: list[SwitchRules]
    total: int


class Rate(Answer):
    """How much, a second."""

    packets_per_s: float
    bits_per_s: Annotated[float, Field(description="Of the frames as the switch counts them")]


class PortRates(Answer):
    """One port of a switch."""

    port: str
    received: Rate
    sent: Rate


class CopyRate(Answer):
    """One copy of a stream: a bucket of its group."""

    receiver: Annotated[str, Field(description="A MAG, an MN-ID, or 'handover-buffer'")]
    rate: Rate


class StreamRates(Answer):
    """One stream that a switch replicates: a group of packets from one side."""

    sender: Annotated[str, Field(description="Where the switch gets it from: 'sources', the LMA, or a MAG")]
    group: str
    source: Annotated[str | None, Field(description="null: any source")]
    rate: Annotated[Rate, Field(description="What came in")]
    copies: list[CopyRate]


class SwitchRates(Answer):
    """What one switch carries."""

    name: str
    over_s: Annotated[float, Field(description="The time that the rates are over; 0 when none has been measured yet")]
    ports: list[PortRates]
    streams: list[StreamRates]


class RateList(Answer):
    """The rates of a page of switches."""

    switches: list[SwitchRates]
    total: int


# --- events and the process ------------------------------------------------------------------------------------------


class Event(Answer):
    """`data` of one server-sent event."""

    name: Annotated[str, Field(description="What has happened, such as handover_step; a line of the log has the same name")]
    at: Annotated[float, Field(description="Seconds since 1970")]
    fields: Annotated[dict[str, Any], Field(description="What is told of it")]
    too_long: Annotated[bool, Field(description="true when the fields were too long to be told")] = False


class WebhookMessage(Answer):
    """Body of a POST to a webhook."""

    type: Annotated[str, Field(description="Name of the event, such as handover_ended")]
    timestamp: Annotated[str, Field(description="When it happened, RFC 3339")]
    data: WebhookData


class WebhookData(Answer):
    """What is told."""

    fields: Annotated[dict[str, Any], Field(description="Those of the event")]
    handover: Annotated[Handover | None, Field(description="As it was when this was first sent")]


class WebhookState(Answer):
    """Somebody who is told of handovers."""

    name: str
    url: Annotated[str, Field(description="Without its query")]
    events: list[str]
    waiting: Annotated[int, Field(description="Messages that wait")]
    delivered: int
    failed: Annotated[int, Field(description="Tries that failed")]
    given_up: Annotated[int, Field(description="Messages that were tried too often")]
    dropped: Annotated[int, Field(description="Messages that were too many")]
    last_problem: Annotated[str | None, Field(description="Of the last try; null when it went well, or there was none")]


class WebhookList(Answer):
    """A page of webhooks, in the order of topology.yaml."""

    webhooks: list[WebhookState]
    total: int


class Gap(Answer):
    """`data` of a server-sent event of type `gap`: what comes next is not what came next."""

    detail: str


class ServerSentEvent(Answer):
    """One event of the stream; comments and events without data say how far it is."""

    id: str | None = None
    event: Literal["message", "gap"] = "message"
    retry: int | None = None
    data: Annotated[Json[Event | Gap], Field(description="JSON: an Event; of a gap, a Gap")]


class ResourceLine(Answer):
    """One method on one path."""

    method: str
    path: str
    summary: str
    role: Annotated[Literal["read", "trigger"] | None, Field(description="What a token must allow; null: open")]


class Index(Answer):
    """What there is."""

    name: Literal["castover"] = "castover"
    domain: str
    description: Annotated[str, Field(description="Path of the OpenAPI document")] = "/openapi.json"
    tokens_required: bool
    resources: list[ResourceLine]


class Health(Answer):
    """The process lives."""

    status: Literal["alive"] = "alive"


class Readiness(Answer):
    """All agents and switches are connected."""

    status: Literal["ready"] = "ready"


class ProblemMeaning(Answer):
    """What a type of problem means."""

    type: str
    title: str
    status: int
    meaning: str


class FieldFault(Answer):
    """One field that is at fault."""

    field: Annotated[str, Field(description="Of the body, the query, the path or the headers; '' for the whole")]
    detail: Annotated[str, Field(description="What was found, what is allowed")]


class AwayPart(Answer):
    """A part of the domain that is not connected."""

    part: Literal["agent", "switch"]
    name: str


class ProblemDocument(Sparse):
    """RFC 9457: every answer from 400 on."""

    type: Annotated[str, Field(description="URI reference of an explanation on this server")]
    title: str
    status: int
    detail: Annotated[str, Field(description="For people: what was wrong this time")]
    errors: Annotated[list[FieldFault] | None, Field(description="The fields at fault, where there are any")] = None
    away: Annotated[list[AwayPart] | None, Field(description="Of /readyz: what is not connected")] = None


BatchResult.model_rebuild()
WebhookMessage.model_rebuild()

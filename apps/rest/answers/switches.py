# SPDX-License-Identifier: Apache-2.0
"""The switches: how far they have followed, their rules, what they carry."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from apps.rest.answers.base import Answer


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

    receiver: Annotated[str, Field(description="A MAG, an MN-ID, 'handover-buffer', or 'sources'")]
    rate: Rate


class StreamRates(Answer):
    """One stream that a switch replicates: packets to one group, or one home network prefix, from one side."""

    sender: Annotated[
        str, Field(description="Where the switch gets it from: 'sources', 'mobile-nodes' (at the LMA), the LMA, or a MAG")
    ]
    group: Annotated[str, Field(description="A multicast address; of unicast the prefix, or host, that it is for")]
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

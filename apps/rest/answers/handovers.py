# SPDX-License-Identifier: Apache-2.0
"""Handovers, alone, in lists and in batches."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from apps.rest.answers.base import Answer, Sparse
from apps.rest.answers.problems import ProblemDocument
from controller.handover import HandoverState


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


class PacketsOverTime(Answer):
    """Packets of one handover on one of the ways to the mobile node, interval by interval."""

    path: Annotated[Literal["previous_mag", "tunnel", "new_mag"], Field(
        description="previous_mag: from the previous MAG's switch to the mobile node; tunnel: come to the new MAG from the "
                    "previous one; new_mag: from the new MAG's handover buffer to the mobile node, until its switch takes "
                    "over"
    )]
    begins_at: Annotated[float, Field(description="Seconds since 1970 on the clock of the MAG that counted")]
    interval_s: Annotated[float, Field(description="Length of an interval; the longer the handover, the longer")]
    packets: Annotated[list[int], Field(description="In each interval, from begins_at on")]


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
    packets_over_time: Annotated[list[PacketsOverTime], Field(description="Empty until the MAGs report, shortly after the "
                                                                          "end; a way without packets is left out")]
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

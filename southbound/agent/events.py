# SPDX-License-Identifier: Apache-2.0
"""What can happen at a MAG: the inputs of `MagCore.handle`, in the past tense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Any

from southbound.codec.addresses import IpAddress

LastDeliveredDigests = Mapping[tuple[IpAddress, IpAddress], tuple[bytes, ...]]
"""(source, group) -> digests of the last packets sent to the MN, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUp:
    """The access link of this port has carrier."""

    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown:
    """The access link of this port has lost carrier: its MN has left."""

    port: str
    last_delivered: LastDeliveredDigests = field(default_factory=dict)
    """What the MN had received; empty when nobody watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFrameReceived:
    """An Ethernet frame has come from an MN."""

    port: str
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MobilityHeaderReceived:
    """A Mobility Header has come from the transport network; the kernel has verified its checksum."""

    header: bytes
    source: IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextTransferReceived:
    """A CXTP message (RFC 4067) has come from the transport network."""

    datagram: bytes
    source: IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerConnected:
    """The controller has accepted our hello."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerDisconnected:
    """The connection to the controller is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerAnswered:
    """The answer to a CallController; `error` is None when it went well."""

    token: str
    error: str | None
    lost: bool = False
    """There is no answer because the connection has gone; what was asked may be asked again."""
    result: Any = None
    """What the controller has answered; a map, of a peer, so nothing about it is certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerCalled:
    """The controller has called us; the reaction starts with an AnswerController."""

    call: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamObserved:
    """The handover buffer has seen the first packet by tunnel (step 5) or natively (10), or begun delivery (7)."""

    mn_id: str
    what: str
    """'tunnel' | 'native' | 'delivery'."""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsJoined:
    """All streams of the MN run natively and nothing is held back: the switch can deliver alone."""

    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelQueryReceived:
    """The LMA asks, through the tunnel, what is listened to here: a whole packet of MLD or IGMP."""

    packet: bytes


Event = (
    LinkUp | LinkDown | AccessFrameReceived | MobilityHeaderReceived | ContextTransferReceived | ControllerConnected
    | ControllerDisconnected | ControllerAnswered | ControllerCalled | StreamObserved | StreamsJoined
    | TunnelQueryReceived
)

# SPDX-License-Identifier: Apache-2.0
"""What can happen to the LMA: the inputs of `LmaCore.handle`, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

from southbound.codec.binding import ProxyBindingUpdate
from southbound.codec.listener_packet import ListenerMessage
from southbound.codec.neighbor_discovery import NeighborPacket


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyBindingUpdateReceived:
    """A PBU has passed the codec (RFC 5213 section 8.1)."""

    update: ProxyBindingUpdate
    source: IPv6Address
    """The Proxy-CoA it came from."""
    received_at: float
    """Seconds since 1970, for the Timestamp check of RFC 5213 section 5.5."""
    reply_to: object
    """Opaque: where the edge sends the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MobilityTypeUnknown:
    """A Mobility Header of a type that the codec does not know has reached the LMA address."""

    source: IPv6Address
    reply_to: object
    """As of ProxyBindingUpdateReceived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MobilityHeaderFaulty:
    """A Mobility Header has reached the LMA address whose sender is to be told where it is wrong (RFC 6275 section 9.2)."""

    source: IPv6Address
    reason: str
    packet: bytes
    """The whole IPv6 packet."""
    pointer: int
    """The octet of it that is wrong."""
    reply_to: object
    """As of ProxyBindingUpdateReceived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MobilityPacketDropped:
    """The codec, or the edge, refused a Mobility Header packet."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerMessageReceived:
    """A message of MLD or IGMP has reached the LMA's switch, and passed the codec."""

    message: ListenerMessage
    tunnel: IPv6Address | None
    """The Proxy-CoA whose tunnel it came through; None: from the multicast network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerPacketDropped:
    """The codec, or the edge, refused a packet of MLD or IGMP."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborHeard:
    """Somebody on the network of the sources has something to say to the LMA as a router there."""

    link_layer_id: bytes
    """Who sent the frame."""
    packet: NeighborPacket


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborPacketDropped:
    """The codec refused a packet of Neighbor Discovery."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketNotForwarded:
    """A switch has met a packet that it, as a router, cannot forward."""

    switch: str
    port: str
    """Where it came in, by our name."""
    tunnel: IPv6Address | None
    """The other end of the tunnel that it came out of, where a port has several; None: there is none, or only one."""
    frame: bytes
    """With an Ethernet header, which is empty out of a tunnel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConnected:
    """A MAG's agent has said hello."""

    mag_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDisconnected:
    """A MAG's agent is gone."""

    mag_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentNotified:
    """An agent has told something; `call` is one of southbound.rpc.methods."""

    mag_id: str
    call: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRequested:
    """An agent waits for an answer to `call` under `token`."""

    mag_id: str
    token: int
    call: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAnswered:
    """An agent has answered the call that CallAgent made under `token`; `error` is None when it went well."""

    mag_id: str
    token: str
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchConnected:
    """A switch is there and may be given rules."""

    switch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchDisconnected:
    """A switch's OpenFlow connection is gone; it keeps forwarding by what it has."""

    switch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingConfirmed:
    """The switch has confirmed, by barrier, everything up to this generation."""

    switch: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingFailed:
    """The switch has refused a change up to this generation."""

    switch: str
    generation: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverRequested:
    """REST: move this MN. The answer is a HandoverAccepted or HandoverRefused command."""

    handover_id: str
    mn_id: str
    new_mag: str
    requested_at: float
    mode: str = "predictive"
    """'predictive' or 'join'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverCancelRequested:
    """REST: give this handover up. The answer is a HandoverAccepted or HandoverRefused command."""

    handover_id: str


Event = (
    ProxyBindingUpdateReceived | MobilityTypeUnknown | MobilityHeaderFaulty | MobilityPacketDropped
    | ListenerMessageReceived | ListenerPacketDropped | NeighborHeard | NeighborPacketDropped
    | PacketNotForwarded
    | AgentConnected | AgentDisconnected | AgentNotified
    | AgentRequested | AgentAnswered | SwitchConnected | SwitchDisconnected | ForwardingConfirmed | ForwardingFailed
    | HandoverRequested | HandoverCancelRequested
)

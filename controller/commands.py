# SPDX-License-Identifier: Apache-2.0
"""What the LMA wants done: the outputs of `LmaCore`, in the imperative; `apps/executor.py` carries them out."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Any

from southbound.codec.binding import ProxyBindingAcknowledgement
from southbound.codec.binding_error import BindingError
from southbound.openflow.intents import Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class SendProxyBindingAcknowledgement:
    """Answer a PBU from the LMA address."""

    acknowledgement: ProxyBindingAcknowledgement
    destination: IPv6Address
    reply_to: object


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBindingError:
    """Answer a Mobility Header of unknown type from the LMA address."""

    error: BindingError
    destination: IPv6Address
    reply_to: object


@dataclass(frozen=True, slots=True, kw_only=True)
class SendParameterProblem:
    """Answer a faulty Mobility Header with this packet."""

    packet: bytes
    """Whole, from the LMA address."""
    reply_to: object


@dataclass(frozen=True, slots=True, kw_only=True)
class SendListenerPacket:
    """Send a whole packet of MLD or IGMP out of the LMA's switch."""

    packet: bytes
    tunnel: IPv6Address | None = None
    """To the MAG with this Proxy-CoA; None: to the multicast network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetForwarding:
    """Bring this switch to this intent; ForwardingConfirmed or ForwardingFailed answers with the generation."""

    switch: str
    intent: Intent
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendToSourceNetwork:
    """Send a whole Ethernet frame out of the LMA's port to the sources."""

    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SendPacket:
    """Send a packet of a router's own out of a port of its switch."""

    switch: str
    port: str
    tunnel: IPv6Address | None
    """The other end, where the port's tunnels have several; as of PacketNotForwarded."""
    frame: bytes
    """With an Ethernet header, which a tunnel takes off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RespondToAgent:
    """Answer an AgentRequested with success."""

    mag_id: str
    token: int
    result: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectAgent:
    """Answer an AgentRequested with an error; `code` is one of the RPC error codes of docs/reference/rpc.md."""

    mag_id: str
    token: int
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAgent:
    """Call an agent; AgentAnswered comes back under `token`."""

    mag_id: str
    token: str
    call: Any
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverAccepted:
    """The answer to a REST request that is being carried out."""

    handover_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverRefused:
    """The answer to a REST request that is not: an HTTP status, the field at fault ('' when none), why."""

    status: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEvent:
    """One fact for log, metrics and the event stream; `fields` are plain text and numbers."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)


Command = (
    SendProxyBindingAcknowledgement | SendBindingError | SendParameterProblem | SendListenerPacket | SendToSourceNetwork
    | SendPacket | SetForwarding | RespondToAgent | RejectAgent | CallAgent | HandoverAccepted | HandoverRefused
    | RecordEvent
)

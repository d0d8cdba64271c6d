# SPDX-License-Identifier: Apache-2.0
"""What the MAG's core wants done: the outputs of `MagCore`, in the imperative."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from southbound.agent.events import LastDeliveredDigests
from southbound.mld.membership import GroupMembership
from southbound.path_mark import NATIVE_PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMobilityHeader:
    """Send a Mobility Header from the Proxy-CoA."""

    header: bytes
    destination: IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAccessFrame:
    """Send an Ethernet frame to the MN behind this port."""

    port: str
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CallController:
    """Ask the controller; ControllerAnswered comes back under `token`."""

    token: str
    call: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyController:
    """Tell the controller."""

    call: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerController:
    """Answer the ControllerCalled that is being handled; `error` None means done."""

    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSent:
    """Remember from now on what the switch sends out of this port, for the word on the last delivered packet."""

    port: str
    handover_id: str
    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnwatchSent:
    """Stop watching the port."""

    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectMobileNode:
    """Handover buffer: keep what comes for this MN until it arrives."""

    mn_id: str
    handover_id: str
    memberships: tuple[GroupMembership, ...]
    tunnel_path: int
    port: str
    native_path: int = NATIVE_PATH
    """Of the native copy that is for this MN."""
    prefixes: tuple[IPv6Network, ...] = ()
    """Home networks of the MN."""
    link_layer_id: bytes = bytes(6)
    """Of the MN: unicast goes to this Ethernet address."""
    peer: str = ""
    """The MAG that it comes from."""
    uplink_waits: bool = False
    """The switch is asked to send what the MN sends, once it is bound, to the gate of the buffer port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """Handover buffer: the MN has gone on, and is expected here again. What is kept and delivered for it under this
    handover stays, by itself, for the MAG that it is relayed to."""

    mn_id: str
    handover_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CutBuffer:
    """Handover buffer: the p-MAG has named the last packets that the MN received."""

    mn_id: str
    last_delivered: LastDeliveredDigests


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverBuffer:
    """Handover buffer: the MN is on the link."""

    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeConfirmed:
    """Handover buffer: the LMA forwards natively from now on (PBA received)."""

    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoForwarding:
    """Handover buffer: the p-MAG will send neither packets nor its word on the last delivered one."""

    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseBuffer:
    """Handover buffer: free what is kept for this MN; its counters go to the controller under `handover_id`."""

    mn_id: str
    handover_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetainPackets:
    """p-MAG: keep the MN's packets until another MAG asks for them: what comes natively, or what our own handover buffer
    delivers to it (and what of that has not gone out yet)."""

    mn_id: str
    memberships: tuple[GroupMembership, ...]
    prefixes: tuple[IPv6Network, ...] = ()
    """Home networks of the MN."""
    fed_by: str = ""
    """Id of the handover to here whose deliveries these are; '' for what comes natively."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPackets:
    """p-MAG: send what is kept for this MN, and what still comes, through the tunnel to this MAG."""

    mn_id: str
    destination: IPv6Address
    key: int | None
    """GRE key that the n-MAG has chosen; None: the one of all inter-MAG tunnels."""
    fed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRetained:
    """p-MAG: keep and relay nothing more for this MN, or only not to one MAG."""

    mn_id: str
    fed_by: str = ""
    destination: IPv6Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendContextTransfer:
    """Send a CXTP message (RFC 4067) from the Proxy-CoA."""

    datagram: bytes
    destination: IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SendToLma:
    """Send an IPv6 packet of ours through the tunnel to the LMA."""

    packet: bytes


PACKET_DROPPED = "packet_dropped"
"""The fact that a peer or an MN can cause as often as it likes: the log rations it, by its field `reason`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFact:
    """One fact for the log."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFault:
    """A fault of ours has been contained: log where it was."""

    fault: Exception
    doing: str
    """The event, or the command, in whose course it was found."""
    mn_ids: tuple[str, ...]
    """Whose handovers have ended because of it."""


RetainCommand = RetainPackets | RelayPackets | DropRetained
BufferCommand = ExpectMobileNode | SetAside | CutBuffer | DeliverBuffer | NativeConfirmed | NoForwarding
Command = (
    SendMobilityHeader | SendAccessFrame | CallController | NotifyController | AnswerController
    | WatchSent | UnwatchSent | BufferCommand | ReleaseBuffer | RetainCommand | SendContextTransfer | SendToLma
    | RecordFact | ReportFault
)

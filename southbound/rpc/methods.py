# SPDX-License-Identifier: Apache-2.0
"""Every method that controller and agents call on each other, with its parameters as a dataclass.

On the wire a call is msgpack-RPC with one parameter, a map of the dataclass's fields; `southbound.rpc.parameters`
has the two ways in and out. Times are seconds since 1970. docs/reference/rpc.md lists all of them for readers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from southbound.facts import FACTS_MAX, Fact
from southbound.rpc.parameters import Counts, Memberships, RpcParameterError, decode_params, encode_params

__all__ = [
    "AGENT_METHODS", "CONTROLLER_METHODS", "COUNTER_NAME", "AgentCounters", "BufferReport", "CancelHandover",
    "CloneGroups", "DeliverDirectly", "FinishForwarding", "HandoverRunning", "Hello", "JoinGroups", "MembershipReported",
    "Memberships", "MobileNodeAttached", "MobileNodeDetached", "MobileNodeRetained", "PacketCounts", "PrepareForwarding",
    "ReleaseForwarding", "RpcParameterError", "StartHandover", "StepReached", "Synchronised", "TraceHandover",
    "decode_params", "encode_params", "facts_from_wire", "facts_to_wire",
]

COUNTER_NAME = re.compile(r"[a-z0-9_]{1,100}")
"""What a name in agent.counters looks like: it becomes a label of a metric."""

# --- agent -> controller -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """First call on every connection of an agent.

    After its answer the agent reports what it has (mobile_node.attached, listener.reported), so that a restarted
    controller learns it.
    """

    method: ClassVar[str] = "agent.hello"
    mag_id: str
    version: str
    process_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNodeAttached:
    """An MN is on this MAG's link. As a request it is answered with {"previous_mag": id}, '' when there is none."""

    method: ClassVar[str] = "mobile_node.attached"
    mn_id: str
    access_port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNodeDetached:
    """An MN has left this MAG's link."""

    method: ClassVar[str] = "mobile_node.detached"
    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNodeRetained:
    """An MN has left this MAG's link unannounced. Its groups go to the buffer port until it is detached or back."""

    method: ClassVar[str] = "mobile_node.retained"
    mn_id: str
    memberships: Memberships


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipReported:
    """The whole multicast state of an MN at this MAG; replaces what was reported before."""

    method: ClassVar[str] = "listener.reported"
    mn_id: str
    memberships: Memberships


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverRunning:
    """After its hello the agent tells each handover that is under way there: a restarted controller then keeps its rules.

    `holds` is what the switch of this MAG has been made to do for it: nothing yet, 'prepared' or 'joined' (n-MAG),
    'delivered' (n-MAG: and it delivers alone by now), 'cloned' (p-MAG).
    """

    method: ClassVar[str] = "handover.running"
    handover_id: str
    mn_id: str
    previous_mag: str
    new_mag: str
    memberships: Memberships
    holds: str = field(metadata={"allowed": ("", "prepared", "joined", "delivered", "cloned")})
    mode: str = field(default="predictive", metadata={"allowed": ("predictive", "join", "reactive")})
    relayed: bool = False
    uplink_waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Synchronised:
    """After its hello the agent has now reported everything. What is in neither list is no more."""

    method: ClassVar[str] = "agent.synchronised"
    attached: tuple[str, ...]
    """MN-IDs on this MAG's links."""
    handovers: tuple[str, ...] = ()
    """Ids of the handovers under way here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareForwarding:
    """n-MAG: take these groups from the p-MAG's tunnel (and later natively) to the buffer. Answered when confirmed."""

    method: ClassVar[str] = "handover.prepare"
    handover_id: str
    mn_id: str
    previous_mag: str
    memberships: Memberships
    mode: str = field(default="predictive", metadata={"allowed": ("predictive", "reactive")})
    """'predictive' | 'reactive'."""
    relayed: bool = False
    """The p-MAG's agent sends the packets, under the MN's own GRE key; else its switch, under that of all MNs."""
    uplink_waits: bool = False
    """From the binding until the n-MAG's switch delivers alone, what the MN sends goes to the LMA by the buffer port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinGroups:
    """n-MAG: have the LMA send these groups here although their MN is yet to come. Answered when confirmed."""

    method: ClassVar[str] = "handover.join"
    handover_id: str
    mn_id: str
    previous_mag: str
    memberships: Memberships


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneGroups:
    """p-MAG: clone these groups into the tunnel to the n-MAG. Answered when the switch has confirmed.

    `relayed`: the agent sends them itself, out of what comes to its buffer port.
    """

    method: ClassVar[str] = "handover.clone"
    handover_id: str
    mn_id: str
    new_mag: str
    memberships: Memberships
    relayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverDirectly:
    """n-MAG: the native stream has been joined; the switch shall deliver to the MN itself. Answered when confirmed."""

    method: ClassVar[str] = "handover.deliver_directly"
    handover_id: str
    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseForwarding:
    """Either MAG: forwarding for this MN is over (completed, cancelled or failed); its rules go. Answered when gone."""

    method: ClassVar[str] = "handover.release"
    handover_id: str
    mn_id: str
    outcome: str = field(metadata={"allowed": ("completed", "cancelled", "failed")})
    """'completed' | 'cancelled' | 'failed'."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReached:
    """One of the eleven steps of the draft's Figure 2 has happened at this MAG. Notification."""

    method: ClassVar[str] = "handover.step"
    handover_id: str
    mn_id: str
    step: int = field(metadata={"allowed": (*range(1, 12), 41, 42)})
    """1..11; 41 and 42 are the HI(F) and its HAck of step 4, 21/31 sub-steps are not used."""
    name: str
    at: float
    previous_mag: str = ""
    new_mag: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferReport:
    """n-MAG: what the handover buffer did for one handover. Notification, at its end."""

    method: ClassVar[str] = "handover.buffer_report"
    handover_id: str
    mn_id: str
    counters: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketCounts:
    """Either MAG: packets over time during one handover. Notification, at its end; not sent when there were none."""

    method: ClassVar[str] = "handover.packet_counts"
    handover_id: str
    mn_id: str
    path: str = field(metadata={"allowed": ("previous_mag", "tunnel", "new_mag")})
    """'previous_mag': sent to the MN by the p-MAG's switch; 'tunnel': come from the p-MAG; 'new_mag': sent to the MN by the
    n-MAG's agent."""
    begins_at: float
    interval_s: float
    packets: Counts
    """Interval n begins at begins_at + n * interval_s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCounters:
    """What the agent has dropped, refused or given up since its start, by reason. Notification.

    After every hello, and then when something has changed, at most once a second; replaces what was told before.
    """

    method: ClassVar[str] = "agent.counters"
    counters: dict[str, int]
    messages: dict[str, int] = field(default_factory=dict)
    """How many Mobility Header messages went in and out: '<sent|received>_<message>_<code or kind>'."""


# --- controller -> agent -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StartHandover:
    """p-MAG: HO-Initiate over REST. Answered at once; the outcome comes as steps and `handover.release`."""

    method: ClassVar[str] = "handover.start"
    handover_id: str
    mn_id: str
    new_mag: str
    mode: str = field(default="predictive", metadata={"allowed": ("predictive", "join")})
    """'predictive' | 'join'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishForwarding:
    """p-MAG: the n-MAG has the native stream; send HI 'forwarding completed' (step 11)."""

    method: ClassVar[str] = "handover.finish"
    handover_id: str
    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelHandover:
    """p-MAG: give the handover up before the MN has left."""

    method: ClassVar[str] = "handover.cancel"
    handover_id: str
    mn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceHandover:
    """Either MAG: what it has heard, said and seen of a handover. Answered with {"facts": [[at, name, {fields}], ...]}."""

    method: ClassVar[str] = "handover.trace"
    handover_id: str


def facts_to_wire(facts: Iterable[Fact]) -> dict[str, Any]:
    """The answer to TraceHandover."""
    return {"facts": [[fact.at, fact.name, dict(fact.fields)] for fact in facts]}


def facts_from_wire(result: Any) -> list[Fact]:
    """The same read back. Raises RpcParameterError: an agent of another version may answer anything."""
    rows = result.get("facts") if isinstance(result, dict) else None
    if not isinstance(rows, list) or len(rows) > FACTS_MAX:
        raise RpcParameterError("facts", f"allowed: a list of at most {FACTS_MAX}")
    facts = []
    for row in rows:
        match row:
            case [int() | float() as at, str() as name, dict() as fields] if all(isinstance(key, str) for key in fields):
                facts.append(Fact(at=float(at), name=name, fields=fields))
            case _:
                raise RpcParameterError("facts", "allowed: [time, name, {fields}]")
    return facts


CONTROLLER_METHODS: dict[str, type[Any]] = {
    cls.method: cls
    for cls in (
        Hello, MobileNodeAttached, MobileNodeDetached, MobileNodeRetained, MembershipReported, HandoverRunning,
        Synchronised, PrepareForwarding, JoinGroups, CloneGroups, DeliverDirectly, ReleaseForwarding, StepReached,
        BufferReport, PacketCounts, AgentCounters,
    )
}
"""What an agent may call on the controller."""

AGENT_METHODS: dict[str, type[Any]] = {
    cls.method: cls for cls in (StartHandover, FinishForwarding, CancelHandover, TraceHandover)
}
"""What the controller may call on an agent."""

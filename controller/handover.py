# SPDX-License-Identifier: Apache-2.0
"""Coordination of handovers as the controller sees them: one record each, driven by one transition table.

The MAGs run the HI/HAck protocol between themselves (RFC 5949, the draft's section 4). The controller learns each step,
holds what the switches must do for it, and puts a bound on all of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv6Network
from typing import Any

from controller.multicast import Memberships
from southbound.rpc.methods import PacketCounts


class HandoverState(Enum):
    """Where a handover stands."""

    REQUESTED = "requested"
    """REST has asked; the p-MAG has been told."""
    INITIATED = "initiated"
    """The p-MAG has taken it up (step 1)."""
    PREPARED = "prepared"
    """The n-MAG's switch takes the tunnel to the buffer."""
    CLONED = "cloned"
    """The p-MAG's switch has confirmed the clone; its data path follows within moments."""
    JOINED = "joined"
    """Mode join: the LMA's switch sends the groups to the n-MAG already."""
    FORWARDING = "forwarding"
    """A cloned packet has been seen at the n-MAG, or none was to be cloned: the MN may leave without loss."""
    BOUND = "bound"
    """The n-MAG's PBU-M has been accepted."""
    DELIVERED = "delivered"
    """The n-MAG's switch delivers the native stream itself."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class HandoverInput(Enum):
    """What moves a handover on."""

    INITIATE = "initiate"
    PREPARE = "prepare"
    JOIN = "join"
    CLONE = "clone"
    STREAM = "stream"
    """The clone works (step 5), or has had the time to."""
    BIND = "bind"
    DELIVER = "deliver"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"


_S, _I = HandoverState, HandoverInput
ENDED = frozenset({_S.COMPLETED, _S.FAILED, _S.CANCELLED})
CANCELLABLE = frozenset({_S.REQUESTED, _S.INITIATED, _S.PREPARED, _S.JOINED, _S.CLONED, _S.FORWARDING})

TRANSITIONS: dict[tuple[HandoverState, HandoverInput], HandoverState] = {
    (_S.REQUESTED, _I.INITIATE): _S.INITIATED,
    # The n-MAG's word may overtake the p-MAG's: they are different connections.
    (_S.REQUESTED, _I.PREPARE): _S.PREPARED,
    (_S.INITIATED, _I.PREPARE): _S.PREPARED,
    (_S.PREPARED, _I.INITIATE): _S.PREPARED,
    (_S.INITIATED, _I.CLONE): _S.CLONED,
    (_S.PREPARED, _I.CLONE): _S.CLONED,
    (_S.CLONED, _I.STREAM): _S.FORWARDING,
    (_S.REQUESTED, _I.JOIN): _S.JOINED,
    (_S.INITIATED, _I.JOIN): _S.JOINED,
    (_S.JOINED, _I.BIND): _S.BOUND,
    # An MN may arrive before the exchange is through (docs/explanation/protocol.md, races).
    (_S.REQUESTED, _I.BIND): _S.BOUND,
    (_S.INITIATED, _I.BIND): _S.BOUND,
    (_S.PREPARED, _I.BIND): _S.BOUND,
    (_S.CLONED, _I.BIND): _S.BOUND,
    (_S.FORWARDING, _I.BIND): _S.BOUND,
    (_S.BOUND, _I.CLONE): _S.BOUND,
    (_S.BOUND, _I.DELIVER): _S.DELIVERED,
    (_S.DELIVERED, _I.COMPLETE): _S.COMPLETED,
    (_S.BOUND, _I.COMPLETE): _S.COMPLETED,
    # Both MAGs say that it is over; a controller that was restarted in the middle has not heard the rest.
    (_S.INITIATED, _I.COMPLETE): _S.COMPLETED,
    (_S.PREPARED, _I.COMPLETE): _S.COMPLETED,
    (_S.JOINED, _I.COMPLETE): _S.COMPLETED,
    (_S.CLONED, _I.COMPLETE): _S.COMPLETED,
    (_S.FORWARDING, _I.COMPLETE): _S.COMPLETED,
} | {
    (state, failure): end
    for state in HandoverState
    if state not in ENDED
    for failure, end in ((_I.FAIL, _S.FAILED), (_I.CANCEL, _S.CANCELLED))
}
"""A pair that is not here changes nothing and is counted (`handover_input_ignored`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of the eleven steps of the draft's Figure 2, as a node saw it."""

    step: int
    name: str
    node: str
    at: float
    """Seconds since 1970, on the node's clock."""
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Handover:
    """One handover of one MN."""

    handover_id: str
    mn_id: str
    previous_mag: str
    new_mag: str
    trigger: str
    """'rest' or 'mobile_node'."""
    state: HandoverState
    guard: float
    """When the controller gives up on both MAGs and takes the rules away itself."""
    mode: str = "predictive"
    """'predictive', 'join' or 'reactive'."""
    number: int = 0
    """Its place in the order of begin, from 1; HandoverTable gives it."""
    requested_at: float | None = None
    """When REST asked for it, seconds since 1970."""
    groups: Memberships = ()
    """The multicast state it carries, for the record; stays when the rules are gone."""
    receiving: Memberships | None = None
    """Groups that the n-MAG's switch takes from the tunnel to the buffer; None: nothing is prepared."""
    joining: Memberships | None = None
    """Mode join: groups that the LMA sends to the n-MAG although the MN is not bound there."""
    fed: Memberships = ()
    """Of `receiving`, what the LMA has been sending to the n-MAG since, for whomever. It goes on: the buffer could not tell
    a gap of the native stream from a loss, and would not wait for what the tunnel brings of it."""
    prefixes_fed: tuple[IPv6Network, ...] = ()
    """The same of the MN's home network prefixes."""
    cloning: Memberships | None = None
    """Groups that the p-MAG's switch clones; None: nothing is cloned."""
    relayed: bool = False
    """The p-MAG's agent sends the packets itself, out of its buffer; its switch clones nothing."""
    uplink_waits: bool = False
    """From the binding until `direct`, what the MN sends passes the n-MAG's buffer port, behind what went by the p-MAG."""
    released_by: set[str] = field(default_factory=set)
    """MAG ids that have said they are through with it."""
    streaming: bool = False
    """A cloned packet has been seen at the n-MAG (step 5)."""
    quiet_at: float | None = None
    """CLONED: when a stream that shows no packet counts as forwarded, because there is none to show."""
    direct: bool = False
    """The n-MAG's switch delivers natively; the buffer gets no native copy any more."""
    error: str = ""
    steps: list[Step] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    packet_counts: dict[str, PacketCounts] = field(default_factory=dict)
    """By path: packets over time, as the MAGs have told at the end."""
    view: tuple[tuple[int, int, str], dict[str, Any]] | None = None
    """controller.snapshot keeps here what it has made of an ended handover."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in ENDED

    def cloned(self, now: float) -> bool:
        """The clone has been confirmed; False when the table has no such transition."""
        if not self.advance(HandoverInput.CLONE):
            return False
        if self.streaming:
            self.advance(HandoverInput.STREAM)
        else:
            self.quiet_at = now + CLONE_SHOWS_WITHIN_S
        return True

    def shown(self) -> None:
        """A cloned packet has come through the tunnel; its news may overtake the confirmation."""
        self.streaming, self.quiet_at = True, None
        if self.state is HandoverState.CLONED:
            self.advance(HandoverInput.STREAM)

    def advance(self, what: HandoverInput) -> bool:
        """Take one transition; False when the table has none, and then nothing is changed."""
        following = TRANSITIONS.get((self.state, what))
        if following is None:
            return False
        self.state = following
        return True

    def release(self) -> None:
        """Want nothing of any switch any more."""
        self.receiving, self.joining, self.cloning, self.direct = None, None, None, False
        self.fed, self.prefixes_fed = (), ()


CLONE_SHOWS_WITHIN_S = 0.05
"""A switch's barrier speaks for its tables; Open vSwitch's data path follows some milliseconds later. Only the data
plane can tell when (a packet in the tunnel), and a stream that is silent for so long has nothing to lose meanwhile."""
STEPS_MAX = 64
"""A handover has about fourteen steps; an agent that reports more is cut off."""


class HandoverTable:
    """Handovers by id, oldest ended ones forgotten first.

    An MN may have several under way: one after the other (it goes on to the next MAG while the last handover is still
    ending), and one beside the other (several MAGs are candidates). Of one MAG to one other there is one.
    """

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._handovers: OrderedDict[str, Handover] = OrderedDict()
        self._open: dict[str, Handover] = {}
        self._count = 0

    def __iter__(self) -> Iterator[Handover]:
        return iter(self._handovers.values())

    def get(self, handover_id: str) -> Handover | None:
        """The handover, or None."""
        return self._handovers.get(handover_id)

    def open(self) -> list[Handover]:
        """Handovers that have not ended; the few among the many remembered."""
        for handover_id in [handover_id for handover_id, handover in self._open.items() if handover.ended]:
            del self._open[handover_id]
        return list(self._open.values())

    def under_way(self, mn_id: str) -> list[Handover]:
        """The handovers of this MN that have not ended, oldest first."""
        return [handover for handover in self.open() if handover.mn_id == mn_id]

    def arriving_at(self, mag_id: str, mn_id: str) -> Handover | None:
        """The newest handover of this MN to this MAG that has not ended, or None."""
        found = [handover for handover in self.under_way(mn_id) if handover.new_mag == mag_id]
        return found[-1] if found else None

    def leading_to(self, mag_id: str, mn_id: str) -> list[Handover]:
        """The handovers by which this MN has come to this MAG, the last one first; earlier ones may still feed it."""
        chain: list[Handover] = []
        known = self.under_way(mn_id)
        while (step := next((one for one in reversed(known) if one.new_mag == mag_id), None)) is not None:
            chain.append(step)
            # Only earlier ones can have led here; back and forth makes circles of MAGs, but not of time.
            known = known[: known.index(step)]
            mag_id = step.previous_mag
        return chain

    def leaving(self, mag_id: str) -> list[Handover]:
        """Handovers with this p-MAG that may still hold rules."""
        return [handover for handover in self.open() if handover.previous_mag == mag_id]

    def arriving(self, mag_id: str) -> list[Handover]:
        """Handovers with this n-MAG that may still hold rules."""
        return [handover for handover in self.open() if handover.new_mag == mag_id]

    def add(self, handover: Handover) -> None:
        """Remember a new handover; of those that have ended the oldest go when there are too many."""
        self._count += 1
        handover.number = self._count
        self._handovers[handover.handover_id] = handover
        self._open[handover.handover_id] = handover
        surplus = len(self._handovers) - self._remembered
        if surplus > 0:
            ended = [known.handover_id for known in self._handovers.values() if known.ended]
            for handover_id in ended[:surplus]:
                del self._handovers[handover_id]

    def overdue(self, now: float) -> list[Handover]:
        """Handovers whose guard has run out."""
        return [handover for handover in self.open() if handover.guard <= now]

    def quiet(self, now: float) -> list[Handover]:
        """Handovers that are CLONED and whose stream has shown nothing in its time."""
        return [handover for handover in self.open() if handover.quiet_at is not None and handover.quiet_at <= now]

    def next_deadline(self) -> float | None:
        """When `overdue` or `quiet` has something next."""
        times = [
            at for handover in self.open() for at in (handover.guard, handover.quiet_at) if at is not None
        ]
        return min(times, default=None)

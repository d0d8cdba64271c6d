# SPDX-License-Identifier: Apache-2.0
"""The end of a handover at the n-MAG: from the agent's delivery to the switch's, packet k before packet k+1. Pure.

The agent asks the switch for "native stream -> access port" in place of "native stream -> buffer port". When the switch
has changed over, packet k+1 leaves the access port while packet k may still lie in the buffer port's socket. So the
port's egress is gated before the switch is asked: what the switch sends waits in front of the gate, what the agent
sends goes past it. The first frame that waits says that the switch has changed over; then the buffer port is read until
it is empty, what came is delivered, and the gate opens.

Why that is exact for one stream: one thread of the switch handles its packets one after the other, so k was written to
the buffer port before k+1 was written to the access port; when a frame is seen to wait, k is in the socket.
A confirmation by barrier (OpenFlow 1.5 section 7.3.8) is not enough to go by: Open vSwitch's datapath is brought up to date
some milliseconds after it. Several streams change over one by one, so the gate stays shut until nothing has come by the
buffer port for a moment.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from math import inf

POLL_S = 0.001
"""How often the frames in front of the gate are counted."""
ANSWER_S = 0.2
"""The gate is shut for no longer than this without an answer from the controller."""
QUIET_S = 0.03
"""After the confirmation: when nothing has come by either way for this long, the streams are silent."""
WATCH_S = 0.15
"""After the confirmation: the end at the latest. Below new_mag.DIRECT_GRACE_S, when the buffer may be released."""
CATCH_UP_S = 0.0008
"""What the switch has written may reach the socket this much later: the kernel hands it on in a softirq, which can be left
to another thread when the processors are busy. Below POLL_S: it means one more look."""
SETTLE_S = 0.005
"""With several streams: none has come by the buffer port for this long, so all of them have changed over."""
HOLD_S = 0.025
"""A frame waits in front of the gate for no longer than this."""
HELD_FRAMES_MAX = 100
"""Nor do more frames than these. Open vSwitch sends on all ports by one socket, whose send buffer (net.core.wmem_default)
has room for some 250 small frames that wait; the next one, on whatever port, it would drop."""


class Phase(Enum):
    """Where a takeover stands."""

    ASKED = "asked"
    """The gate is shut, the switch has been asked."""
    CONFIRMED = "confirmed"
    """The switch has the rule; its first frame is awaited."""
    CHANGED = "changed"
    """Its first frame waits. Further streams may have to follow."""
    EMPTYING = "emptying"
    """The buffer port has been read; what came waits for its turn to be sent."""
    OVER = "over"
    """The gate is open, for good."""


class Action(Enum):
    """What is to be done, at once and in this order."""

    DRAIN = "drain"
    """Read the buffer port until it is empty and hand on what is there; then tell Drained."""
    HAND_OVER = "hand_over"
    """The buffer delivers nothing more to the MN that the switch gives it."""
    OPEN = "open"
    """Open the gate."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The switch is about to be asked for this MN, too."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The controller says that the switch delivers."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The controller has refused, or has not answered: the buffer goes on."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is seen at each poll."""

    held: int | None
    """Frames in front of the gate; None when there is no gate."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A packet has come by the buffer port and been delivered or queued for delivery."""


@dataclass(frozen=True, slots=True)
class Drained:
    """The buffer port is empty."""

    egress_empty: bool
    """Whether nothing waits to be sent by the agent."""


@dataclass(frozen=True, slots=True)
class EgressEmpty:
    """Everything that the agent had to send has been sent."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The handover is over, or the MN or the agent leaves."""

    here: bool
    """Whether the MN is still on the link."""


Event = Asked | Confirmed | Refused | Observed | Delivered | Drained | EgressEmpty | Ended
Actions = tuple[Action, ...]


class SwitchTakeover:
    """One MN's. `handle` takes events in the order in which they happen, `now` of any monotonic clock in seconds.

    `gated` is whether the gate is shut, `streams` how many streams of the MN are alive. Not `asked`: the switch has been
    asked for something else that may make it change over for this MN, too. Then only a frame that waits tells, and
    without one it is over after a while, without effect.
    Counts, one of them for each takeover: takeover_exact (a frame was seen to wait), takeover_quiet, takeover_overdue
    (packets went on coming by the buffer port), takeover_refused, takeover_not_yet (not asked), takeover_ungated,
    takeover_cut_short; besides them
    takeover_unanswered (the gate was opened while the answer was awaited), takeover_gate_lost, takeover_hold_limit
    (opened although not everything before had been sent or settled).
    """

    def __init__(
        self, *, gated: bool, streams: int, now: float, counters: Counter[str], asked: bool = True
    ) -> None:
        self.phase = Phase.ASKED
        self.asked = asked
        """Whether the switch has been asked for this MN."""
        self.first_held_at: float | None = None
        """When the first frame was seen to wait."""
        self.outcome = "takeover_exact"
        """As it is counted; final when it is over."""
        self.held_most = 0
        """The most frames seen to wait."""
        self._gated = gated
        self._streams = streams
        self._counters = counters
        self._asked_at = now
        self._confirmed_at = inf
        self._ending_at = inf
        self._last_packet_at = -inf

    def next_deadline(self) -> float | None:
        """Observe at the latest so many seconds from now; None when it is over."""
        return None if self.phase is Phase.OVER else POLL_S

    def handle(self, event: Event, now: float) -> Actions:
        """What the event brings about. Nothing when it is over."""
        if self.phase is Phase.OVER:
            return ()
        match event:
            case Delivered():
                self._last_packet_at = now
            case Asked() if not self.asked:
                self.asked, self._asked_at = True, now
            case Confirmed() if self.phase is Phase.ASKED and self.asked:
                self.phase, self._confirmed_at = Phase.CONFIRMED, now
            case Refused():
                # With frames in front of the gate the switch does have the rule: only the answer got lost.
                if self.phase is Phase.ASKED:
                    return self._over("takeover_refused")
            case Observed(held=held):
                return self._observed(held, now)
            case Drained(egress_empty=egress_empty):
                return self._drained(egress_empty, now)
            case EgressEmpty() if self.phase is Phase.EMPTYING:
                return self._over(self.outcome, handed_over=True)
            case Ended(here=here):
                if not here:
                    return self._over("takeover_cut_short")
                # What lies in the socket precedes what waits in front of the gate, so it goes first.
                return (Action.DRAIN, *self._over("takeover_cut_short", handed_over=True))
        return ()

    def _observed(self, held: int | None, now: float) -> Actions:
        if self._gated and held is None:
            # The interface has gone, or somebody has taken the gate away; if neither, it must not stay shut.
            self._gated = False
            self._counters["takeover_gate_lost"] += 1
            return (Action.OPEN,)
        if held:
            self.held_most = max(self.held_most, held)
            self.first_held_at = now if self.first_held_at is None else self.first_held_at
            if self.phase in (Phase.ASKED, Phase.CONFIRMED):
                self.phase, self._ending_at = Phase.CHANGED, now
        match self.phase:
            case Phase.ASKED if not self.asked:
                return self._over("takeover_not_yet") if now - self._asked_at >= WATCH_S else ()
            case Phase.ASKED if self._gated and now - self._asked_at >= ANSWER_S:
                self._gated = False
                self._counters["takeover_unanswered"] += 1
                return (Action.OPEN,)
            case Phase.CONFIRMED:
                return self._silent(now)
            case Phase.CHANGED:
                return (Action.DRAIN,)
            case Phase.EMPTYING if self._held_too_long(now):
                self._counters["takeover_hold_limit"] += 1
                return self._over(self.outcome, handed_over=True)
        return ()

    def _silent(self, now: float) -> Actions:
        """Confirmed, and no frame waits."""
        if not self._gated:
            # Nothing tells when the switch has changed over; by then it has.
            if now - self._confirmed_at < QUIET_S:
                return ()
            self.outcome = "takeover_ungated"
        elif now - self._confirmed_at >= WATCH_S:
            self.outcome = "takeover_overdue"
        elif now - max(self._confirmed_at, self._last_packet_at) >= QUIET_S:
            self.outcome = "takeover_quiet"
        else:
            return ()
        self.phase, self._ending_at = Phase.EMPTYING, now
        return (Action.DRAIN,)

    def _held_too_long(self, now: float) -> bool:
        if self.held_most >= HELD_FRAMES_MAX:
            return True
        return now - self._ending_at >= HOLD_S

    def _drained(self, egress_empty: bool, now: float) -> Actions:
        if self.phase is Phase.CHANGED and self._settled(now):
            self.phase = Phase.EMPTYING
        if self.phase is Phase.EMPTYING and egress_empty:
            return self._over(self.outcome, handed_over=True)
        return ()

    def _settled(self, now: float) -> bool:
        settle_s = SETTLE_S if self._streams > 1 else CATCH_UP_S
        if now - max(self._last_packet_at, self._ending_at) >= settle_s:
            return True
        if not self._held_too_long(now):
            return False
        self._counters["takeover_hold_limit"] += 1
        return True

    def _over(self, outcome: str, *, handed_over: bool = False) -> Actions:
        self.phase, self.outcome = Phase.OVER, outcome
        self._counters[outcome] += 1
        return (Action.HAND_OVER, Action.OPEN) if handed_over else (Action.OPEN,)

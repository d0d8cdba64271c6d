# SPDX-License-Identifier: Apache-2.0
"""What MNs that arrive here send to the LMA: none of it overtakes what they have sent by the MAG that they came from. Pure.

Until the binding it goes by the p-MAG (RFC 5949 section 4.1), then straight to the LMA, which may be shorter: what is sent
last by the one way would come after what is sent first by the other. So between the two the switch sends it to the buffer
port and takes it from there again: the kernel hands it back, behind a gate. The gate is shut when the MN arrives. Its first
packet there says that nothing of it goes by the p-MAG any more; behind the last one goes a marker, to the MN's own home
network, so the LMA's switch sends it back down by itself. When it is here, everything before it has passed the LMA, and
the gate opens. Only then is the switch asked to deliver alone, which ends the detour.

A second marker goes straight to the LMA. Both come back by the same way, so the time between them is the difference of the
two ways: when the one by the p-MAG was not slower, the next MN that comes from there is not detained.

There is one gate for all MNs of a MAG: it is open when nobody's marker is awaited.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

WORTH_S = 0.001
"""A way that is slower by no more than this is not waited for."""
HELD_PACKETS_MAX = 2_000
"""In front of the gate, which opens then."""
CHANGES_WITHIN_S = 0.05
"""So long after the confirmation the switch has changed over in any case (data path flows follow the tables)."""
_MARKERS_MAX = 1_024


class Phase(Enum):
    """Where one MN stands."""

    EXPECTED = "expected"
    """It is to come; its packets shall wait."""
    HERE = "here"
    """It is here, the gate is shut, and nothing of it waits yet."""
    AWAITED = "awaited"
    """Its packets wait for the marker."""
    SILENT = "silent"
    """It has sent nothing of late, so the marker has gone without a packet of it that waits."""
    SETTLED = "settled"
    """Nothing of it is on its way by the p-MAG any more."""
    LEAVING = "leaving"
    """The switch has been asked to send straight on: what waited now would be overtaken."""


_DETAINED = frozenset({Phase.HERE, Phase.AWAITED, Phase.SILENT})
"""In these the gate is shut."""


@dataclass(frozen=True, slots=True)
class Shut:
    """Let nothing through the gate; what is in front of it waits."""


@dataclass(frozen=True, slots=True)
class Open:
    """Let everything through, in order; when nothing waits any more, tell `drained`."""


@dataclass(frozen=True, slots=True)
class SendMarker:
    """Send a packet with this word from the MN's home network to it."""

    mn_id: str
    by_peer: bool
    """Back to the p-MAG, as the switch sends back what comes of the MN; else straight to the LMA."""
    word: bytes


Action = Shut | Open | SendMarker


@dataclass(slots=True)
class _Marker:
    peer: str
    by_peer: bool
    sent_at: float
    pair: list[float]
    """When the one straight to the LMA has come back, once it has."""
    mn_id: str


@dataclass(slots=True)
class _Coming:
    peer: str
    phase: Phase = Phase.EXPECTED
    word: bytes = b""
    """AWAITED, SILENT: that of the marker."""
    until: float | None = None
    """AWAITED, SILENT: when its marker counts as lost; LEAVING: when the switch has changed over, once that is known."""


class UplinkOrder:
    """All MNs that arrive at one MAG. `now` of any monotonic clock in seconds; `new_word` gives words nobody can guess.

    Counts: uplink_in_order (the marker came back), uplink_marker_lost (the gate was opened without), uplink_hold_full,
    uplink_not_held (another one's packets would have been overtaken).
    """

    def __init__(self, *, hold_s: float, new_word: Callable[[], bytes], counters: Counter[str]) -> None:
        self._hold_s, self._new_word, self._counters = hold_s, new_word, counters
        self._coming: dict[str, _Coming] = {}
        self._markers: dict[bytes, _Marker] = {}
        self._sent: deque[bytes] = deque()
        self._slower_by: dict[str, float] = {}
        self._held = 0
        self._shut = False
        self._draining = False

    def is_worth_it(self, peer: str) -> bool:
        """Whether what comes of an MN from this MAG has to wait: unknown, or the way by it is slower."""
        return self._slower_by.get(peer, WORTH_S * 2) > WORTH_S

    def expect(self, mn_id: str, peer: str) -> tuple[Action, ...]:
        """The switch will be made to send what this MN sends to the gate."""
        actions = self.end(mn_id)
        self._coming[mn_id] = _Coming(peer)
        return actions

    def arrived(self, mn_id: str) -> tuple[Action, ...]:
        """The MN is on the link; what it sends goes by the p-MAG still."""
        coming = self._coming.get(mn_id)
        if coming is None or coming.phase is not Phase.EXPECTED:
            return ()
        if any(one.phase is Phase.LEAVING for one in self._coming.values()):
            coming.phase = Phase.SETTLED
            self._counters["uplink_not_held"] += 1
            return ()
        coming.phase = Phase.HERE
        if self._shut:
            return ()
        self._shut, self._draining, self._held = True, False, 0
        return (Shut(),)

    def waits(self, mn_id: str, now: float) -> tuple[Action, ...]:
        """A packet of the MN has come to the gate."""
        coming = self._coming.get(mn_id)
        if coming is None:
            return ()
        actions: tuple[Action, ...] = ()
        if coming.phase in (Phase.HERE, Phase.SILENT):
            # Silent: the switch has changed over only now, and something may have followed the marker by the p-MAG.
            actions = self._await(mn_id, coming, Phase.AWAITED, now)
        if self._shut:
            self._held += 1
            if self._held > HELD_PACKETS_MAX:
                self._counters["uplink_hold_full"] += 1
                for one in self._coming.values():
                    one.phase = Phase.SETTLED if one.phase in _DETAINED else one.phase
        return (*actions, *self._opened())

    def measure(self, mn_id: str, peer: str, now: float) -> tuple[Action, ...]:
        """The MN is bound here, and nothing of it has to wait: see whether that is still right."""
        return () if mn_id in self._coming else self._send_markers(mn_id, peer, now)

    def returned(self, word: bytes, now: float) -> tuple[Action, ...] | None:
        """This word has come back. None: it is none of ours."""
        marker = self._markers.get(word)
        if marker is None:
            return None
        if not marker.by_peer:
            marker.pair[:] = marker.pair or [now]
            return ()
        del self._markers[word]
        # That the other one is still out says that this one was not slower.
        self._slower_by[marker.peer] = now - marker.pair[0] if marker.pair else 0.0
        coming = self._coming.get(marker.mn_id)
        if coming is None or coming.phase not in (Phase.AWAITED, Phase.SILENT) or coming.word != word:
            return ()
        coming.phase, coming.until = Phase.SETTLED, None
        self._counters["uplink_in_order"] += 1
        return self._opened()

    def drained(self) -> None:
        """Nothing waits in front of the gate any more, which is open."""
        self._draining = False

    def may_leave(self, mn_id: str, now: float) -> tuple[bool, tuple[Action, ...]]:
        """Whether the switch may be asked to send straight on what this MN sends; it is asked then. False: ask again when
        a gate that opens has been drained."""
        coming = self._coming.get(mn_id)
        if coming is None:
            return True, ()
        actions: tuple[Action, ...] = ()
        if coming.phase is Phase.EXPECTED:
            coming.phase = Phase.SETTLED
        elif coming.phase is Phase.HERE:
            actions = self._await(mn_id, coming, Phase.SILENT, now)
        if self._shut or self._draining:
            return False, actions
        coming.phase, coming.until = Phase.LEAVING, None
        return True, actions

    def answered(self, mn_id: str, error: str | None, now: float) -> None:
        """The controller's answer: the switch sends straight on, or goes on as before."""
        coming = self._coming.get(mn_id)
        if coming is None or coming.phase is not Phase.LEAVING:
            return
        if error is None:
            coming.until = now + CHANGES_WITHIN_S

    def end(self, mn_id: str) -> tuple[Action, ...]:
        """The handover is over, or the MN has left."""
        return self._opened() if self._coming.pop(mn_id, None) is not None else ()

    def next_deadline(self) -> float | None:
        """When `tick` has something to do."""
        return min((one.until for one in self._coming.values() if one.until is not None), default=None)

    def tick(self, now: float) -> tuple[Action, ...]:
        """Markers that do not come back, and switches that have changed over."""
        for mn_id, coming in list(self._coming.items()):
            if coming.until is None or coming.until > now:
                continue
            if coming.phase in _DETAINED:
                # Waiting again for what does not come back would only cost time.
                self._slower_by[coming.peer] = 0.0
                coming.phase, coming.until = Phase.SETTLED, None
                self._counters["uplink_marker_lost"] += 1
            elif coming.phase is Phase.LEAVING:
                del self._coming[mn_id]
            else:
                coming.until = None
        return self._opened()

    def _await(self, mn_id: str, coming: _Coming, phase: Phase, now: float) -> tuple[Action, ...]:
        markers = self._send_markers(mn_id, coming.peer, now)
        coming.phase, coming.word, coming.until = phase, markers[0].word, now + self._hold_s
        return markers

    def _send_markers(self, mn_id: str, peer: str, now: float) -> tuple[SendMarker, ...]:
        """First that by the p-MAG."""
        while self._sent and (
            len(self._sent) >= _MARKERS_MAX or self._sent[0] not in self._markers
            or self._markers[self._sent[0]].sent_at + 2 * self._hold_s < now
        ):
            self._markers.pop(self._sent.popleft(), None)
        pair: list[float] = []
        actions = []
        for by_peer in (True, False):
            word = self._new_word()
            self._markers[word] = _Marker(peer, by_peer, now, pair, mn_id)
            self._sent.append(word)
            actions.append(SendMarker(mn_id, by_peer, word))
        return tuple(actions)

    def _opened(self) -> tuple[Action, ...]:
        """Open the gate if nobody needs it shut any more."""
        if not self._shut or any(one.phase in _DETAINED for one in self._coming.values()):
            return ()
        self._shut, self._draining = False, True
        return (Open(),)

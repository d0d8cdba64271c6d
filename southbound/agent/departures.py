# SPDX-License-Identifier: Apache-2.0
"""The MAG that an MN leaves, from the moment that it goes: word on the last packet, completion, every other end. Pure.

The draft's Figure 2 steps 6 and 11 happen here; what comes before them is in previous_mag.
"""

from __future__ import annotations

from functools import partial

from southbound.agent import handover_initiate
from southbound.agent.commands import Command, DropRetained, RetainPackets, UnwatchSent
from southbound.agent.context import MagContext
from southbound.agent.events import LastDeliveredDigests
from southbound.agent.handover_exchange import token
from southbound.agent.leaving import Ending, Leaving, PreviousState, Source, is_of
from southbound.agent.leaving_table import LeavingTable
from southbound.agent.new_mag import NewMag
from southbound.codec.handover import HandoverInitiate
from southbound.rpc.methods import ReleaseForwarding
from topology.model import Mag, MobileNode

WORDS_PER_WAIT = 4
"""The word on the last packets is repeated within the n-MAG's wait, not after it: the first time after this part."""


class Departures:
    """All MNs that are leaving this MAG, when they go and when their handovers end."""

    def __init__(self, context: MagContext, table: LeavingTable, new: NewMag) -> None:
        self._context, self._table, self._new = context, table, new
        self._departed: list[MobileNode] = []
        self._retained: set[str] = set()
        """MN-IDs of which the controller has been told that their packets are kept here."""

    def take_departed(self) -> list[tuple[MobileNode, bool]]:
        """The MNs whose last handover has ended since the last call, after they had left: they may be de-registered.

        With each: whether the controller still takes its packets for kept here.
        """
        departed, self._departed = self._departed, []
        kept = [(profile, profile.id in self._retained) for profile in departed]
        self._retained -= {profile.id for profile in departed}
        return kept

    def retained(self, mn_id: str) -> None:
        """The controller has been told that this MN's packets are kept here."""
        self._retained.add(mn_id)

    # --- step 6 ---------------------------------------------------------------------------------------------------

    def detached(self, mn_id: str, last_delivered: LastDeliveredDigests, now: float) -> list[Command]:
        """Step 6: name the last packets that the MN got, so that the n-MAG goes on with the next one."""
        commands: list[Command] = []
        for leaving in [leaving for leaving in self._table.of(mn_id) if not leaving.detached]:
            leaving.detached = True
            if leaving.state is not PreviousState.COMPLETING:
                commands += self._left(leaving, last_delivered, now)
        return commands

    def _left(self, leaving: Leaving, last_delivered: LastDeliveredDigests, now: float) -> list[Command]:
        forwarded = leaving.state in (PreviousState.CLONING, PreviousState.FORWARDING)
        if not leaving.buffered_there and leaving.source is Source.SWITCH and not forwarded:
            leaving.source = Source.STORE
            self._retained.add(leaving.profile.id)
            keep = RetainPackets(
                mn_id=leaving.profile.id, memberships=leaving.accepted,
                prefixes=self._context.home_networks.of(leaving.profile),
            )
            return [keep, *self._unwatch(leaving), self.step(leaving, 6, "MN left", now, "its packets are kept here")]
        if leaving.join and leaving.state in (PreviousState.INITIATED, PreviousState.CONTEXT_TRANSFERRED):
            return [self.step(leaving, 6, "MN left", now)]
        mn_id, handover_id = leaving.profile.id, leaving.handover_id
        # All parts at once: the n-MAG waits for the whole word for so long and then delivers all that it has.
        urgent_timeout_s = self._context.domain.timers.cut_wait_ms / 1000 / WORDS_PER_WAIT
        parts = handover_initiate.last_delivered_parts(mn_id, handover_id, last_delivered)
        word: list[Command] = []
        for number, part in enumerate(parts, start=1):
            build = partial(
                handover_initiate.last_delivered_message, mn_id=mn_id, handover_id=handover_id, last_delivered=part,
                more=number < len(parts),
            )
            word += self._context.initiate(
                leaving.peer, mn_id, build, token("last", mn_id, handover_id), now, urgent_timeout_s=urgent_timeout_s
            )
        return [
            *word,
            *self._unwatch(leaving),
            self.step(leaving, 6, "MN left", now, f"last packet of {len(last_delivered)} stream(s) named"),
        ]

    def returned(self, mn_id: str, now: float) -> list[Command]:
        """The MN is back before it was bound elsewhere (ping-pong): end its handovers, serve as before."""
        commands: list[Command] = []
        self._retained.discard(mn_id)
        for leaving in self._table.of(mn_id):
            if leaving.source is Source.STORE:
                commands.append(DropRetained(mn_id=mn_id))
                leaving.source = Source.SWITCH
            leaving.detached = False
            commands += self.cancel(leaving, now)
        return commands

    # --- step 11 --------------------------------------------------------------------------------------------------

    def finish(self, mn_id: str, handover_id: str, now: float) -> list[Command] | None:
        """The n-MAG has the native stream: complete (step 11). None: no such handover."""
        leaving = self._table.get(mn_id, handover_id)
        if leaving is None:
            return None
        return [] if leaving.state is PreviousState.COMPLETING else self._complete(leaving, Ending.COMPLETED, now)

    def cancelled(self, mn_id: str, handover_id: str, now: float) -> list[Command] | None:
        """Give up before the MN has arrived there. None: no such handover, or too late."""
        leaving = self._table.get(mn_id, handover_id)
        return self.cancel(leaving, now) or None if leaving is not None else None

    def completed_by_peer(self, mn_id: str, peer: Mag, message: HandoverInitiate, now: float) -> list[Command]:
        """The n-MAG ends it: the MN has not come, or needs us no longer (what it was is the n-MAG's to tell)."""
        leaving = self._table.to(mn_id, peer)
        if leaving is None or not is_of(leaving, peer, message):
            return []
        outcome = "completed" if leaving.detached else "failed"
        return self.ended(leaving, outcome, f"{leaving.peer.id} has ended it", now)

    def tick(self, now: float) -> list[Command]:
        """Forwarding lifetimes that have run out."""
        commands: list[Command] = []
        for leaving in [leaving for leaving in self._table if leaving.deadline <= now]:
            if leaving.state is PreviousState.COMPLETING:
                commands += self.ended(leaving, leaving.ending.value, "no answer to the completion", now)
            else:
                self._context.counters["forwarding_lifetime_over"] += 1
                leaving.deadline = now + self._context.domain.timers.forwarding_lifetime_s
                commands += self._complete(leaving, Ending.COMPLETED if leaving.detached else Ending.CANCELLED, now)
        return commands

    def cancel(self, leaving: Leaving, now: float) -> list[Command]:
        """Call it off, if that has not been done."""
        return [] if leaving.state is PreviousState.COMPLETING else self._complete(leaving, Ending.CANCELLED, now)

    def _complete(self, leaving: Leaving, ending: Ending, now: float) -> list[Command]:
        leaving.state, leaving.ending = PreviousState.COMPLETING, ending
        mn_id, handover_id = leaving.profile.id, leaving.handover_id
        self._settle(leaving)
        return [
            *self._context.initiate(
                leaving.peer,
                mn_id,
                lambda dialect, sequence: handover_initiate.completion(
                    dialect, sequence, mn_id=mn_id, handover_id=handover_id
                ),
                token("completed", mn_id, handover_id),
                now,
            ),
            self.step(leaving, 11, "HI completed", now, ending.value),
        ]

    def failed(self, leaving: Leaving, reason: str, now: float) -> list[Command]:
        """It cannot go on: the n-MAG is told that nothing more comes, and nobody waits for its answer."""
        told = self._new.tell_peer(leaving.peer, leaving.profile.id, leaving.handover_id, now)
        return [*told, *self.ended(leaving, "failed", reason, now)]

    def ended(
        self, leaving: Leaving, outcome: str, reason: str, now: float, go_on: Leaving | None = None
    ) -> list[Command]:
        """Forget it, and have its rules go.

        `go_on`: the handover that follows it to the same MAG; what is kept for the MN is kept for that one.
        """
        mn_id = leaving.profile.id
        # First: as long as it is in the table its rules can be asked away again.
        call = ReleaseForwarding(handover_id=leaving.handover_id, mn_id=mn_id, outcome=outcome, reason=reason)
        release = self._context.releases.ask(call)
        self._table.remove(leaving)
        self._settle(leaving)
        commands = self._unwatch(leaving)
        if leaving.relays:
            fed_by, others = leaving.fed_by, (*self._table.of(mn_id), *([go_on] if go_on else []))
            commands.append(DropRetained(mn_id=mn_id, fed_by=fed_by, destination=leaving.peer.address))
            if not any((other.source, other.fed_by) == (leaving.source, fed_by) for other in others):
                commands.append(DropRetained(mn_id=mn_id, fed_by=fed_by))
                commands += self._new.let_go(mn_id, fed_by, now) if fed_by else []
        if leaving.detached and not self._table.of(mn_id) and go_on is None:
            self._departed.append(leaving.profile)
        return [*commands, release]

    def _unwatch(self, leaving: Leaving) -> list[Command]:
        if not leaving.watching:
            return []
        leaving.watching = False
        others = any(other.watching for other in self._table.of(leaving.profile.id))
        return [] if others else [UnwatchSent(port=leaving.port)]

    def _settle(self, leaving: Leaving) -> None:
        asked = ("context", "last", "completed")
        self._context.exchange.settle(*(token(what, leaving.profile.id, leaving.handover_id) for what in asked))

    def step(self, leaving: Leaving, number: int, name: str, now: float, detail: str = "") -> Command:
        """Tell the controller that a step has happened here."""
        context = self._context
        return context.step(
            number, name, leaving.handover_id, leaving.profile.id, context.mag.id, leaving.peer.id, now, detail
        )

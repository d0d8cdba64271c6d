# SPDX-License-Identifier: Apache-2.0
"""The MAG that an MN leaves: HI with its context, clone on request, word on the last packet, completion. Pure.

The draft's Figure 2 steps 1, 2, 4, 6 and 11 happen here.
"""

from __future__ import annotations

from southbound.agent import handover_messages
from southbound.agent.commands import (
    CallController,
    Command,
    DropRetained,
    NotifyController,
    RecordFact,
    RelayPackets,
    UnwatchSent,
    WatchSent,
)
from southbound.agent.context import MagContext
from southbound.agent.departed import Departed
from southbound.agent.events import LastDeliveredDigests
from southbound.agent.handover_exchange import token
from southbound.agent.leaving import Ending, Leaving, PreviousState, is_of
from southbound.codec.handover import HandoverAcknowledge, HandoverInitiate
from southbound.codec.iana import HandoverAcknowledgeCode
from southbound.mld.membership import GroupMembership
from southbound.rpc.methods import CloneGroups, MobileNodeDetached, MobileNodeRetained, ReleaseForwarding
from topology.model import Mag, MobileNode

WORDS_PER_WAIT = 4
"""The word on the last packets is repeated within the n-MAG's wait, not after it: the first time after this part."""


class PreviousMag:
    """All MNs that are leaving this MAG, by MN-ID."""

    def __init__(self, context: MagContext) -> None:
        self._context = context
        self._leaving: dict[str, Leaving] = {}
        self._departed: list[MobileNode] = []

    def get(self, mn_id: str) -> Leaving | None:
        """The handover of this MN away from here, or None."""
        return self._leaving.get(mn_id)

    def states(self) -> dict[str, tuple[str, str]]:
        """(handover id, state) of every MN that is leaving."""
        return {mn_id: (leaving.handover_id, leaving.state.value) for mn_id, leaving in self._leaving.items()}

    def retained(self) -> list[tuple[str, tuple[GroupMembership, ...]]]:
        """(MN-ID, memberships) of those whose packets are kept or relayed here."""
        return [(mn_id, leaving.memberships) for mn_id, leaving in self._leaving.items() if leaving.retained]

    def take_departed(self) -> list[MobileNode]:
        """The MNs whose handover has ended since the last call, after they had left: they may be de-registered now."""
        departed, self._departed = self._departed, []
        return departed

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        return min((leaving.deadline for leaving in self._leaving.values()), default=None)

    def start(
        self,
        profile: MobileNode,
        port: str,
        peer: Mag,
        memberships: tuple[GroupMembership, ...],
        handover_id: str,
        now: float,
        trigger: str,
        *,
        join: bool = False,
    ) -> list[Command]:
        """Step 1 has happened: send the context ahead (step 2)."""
        context = self._context
        leaving = Leaving(
            handover_id=handover_id,
            profile=profile,
            port=port,
            peer=peer,
            memberships=memberships,
            state=PreviousState.INITIATED,
            deadline=now + context.domain.timers.forwarding_lifetime_s,
            join=join,
        )
        self._leaving[profile.id] = leaving
        initiate = context.initiate(
            peer,
            profile.id,
            lambda dialect, sequence: handover_messages.context_message(
                dialect,
                sequence,
                mn_id=profile.id,
                handover_id=handover_id,
                prefixes=context.home_networks.of(profile),
                lma_address=context.domain.lma.address,
                link_layer_id=profile.link_layer_id,
                memberships=memberships,
                join=join,
            ),
            token("context", profile.id, handover_id),
            now,
        )
        # The packet goes first and is told afterwards: nothing of the handover waits for the telling.
        return [
            *initiate,
            # Nobody asks for the last packet where nothing is buffered.
            *([] if join else [WatchSent(port=port)]),
            self._step(leaving, 1, "HO-Initiate", now, trigger),
            self._step(leaving, 2, "HI", now, f"{len(memberships)} group(s)"),
        ]

    def adopt(self, departed: Departed, peer: Mag, handover_id: str, now: float) -> list[Command]:
        """Reactive: an MN that had left unannounced has been asked for; its packets follow when HI(F) comes."""
        leaving = Leaving(
            handover_id=handover_id,
            profile=departed.profile,
            port=departed.profile.access_port(),
            peer=peer,
            memberships=departed.memberships,
            state=PreviousState.CONTEXT_TRANSFERRED,
            deadline=now + self._context.domain.timers.forwarding_lifetime_s,
            detached=True,
            retained=True,
        )
        self._leaving[departed.profile.id] = leaving
        return [self._step(leaving, 6, "MN left", departed.left_at, "unannounced")]

    def acknowledged(self, mn_id: str, handover_id: str, what: str, message: HandoverAcknowledge) -> list[Command]:
        """A HAck of the peer for 'context', 'last' or 'completed'."""
        leaving = self._of(mn_id, handover_id)
        if leaving is None:
            return []
        if what == "completed":
            return self._ended(leaving, leaving.ending.value, "")
        if what != "context" or leaving.state is not PreviousState.INITIATED:
            return []
        if not message.accepted:
            # The MN is served here as before; its later attachment there is a plain one (docs/protocol.md, failures).
            return self._ended(leaving, "failed", f"{leaving.peer.id} refused: HAck code {int(message.code)}")
        leaving.refused = handover_messages.refused_groups(message)
        leaving.state = PreviousState.CONTEXT_TRANSFERRED
        return []

    def gave_up(self, mn_id: str, handover_id: str, what: str) -> list[Command]:
        """All repetitions of a HI went unanswered."""
        leaving = self._of(mn_id, handover_id)
        if leaving is None:
            return []
        if what == "completed":
            return self._ended(leaving, leaving.ending.value, "no answer to the completion")
        if what == "context":
            return self._ended(leaving, "failed", f"{leaving.peer.id} does not answer")
        if what == "last":
            self._context.counters["last_delivered_unacknowledged"] += 1
        return []

    def forwarding_requested(
        self, mn_id: str, peer: Mag, request: HandoverInitiate, now: float
    ) -> list[Command] | None:
        """HI(F) of the n-MAG (step 4): have the switch clone; the HAck waits for its word. None: no such handover."""
        leaving = self._leaving.get(mn_id)
        if leaving is None or leaving.state is PreviousState.COMPLETING or not is_of(leaving, peer, request):
            return None
        # A HI(F) that overtakes its HAck stands for it (docs/protocol.md, races).
        self._context.exchange.settle(token("context", mn_id, leaving.handover_id))
        if leaving.state is PreviousState.FORWARDING:
            return self._acknowledge(leaving, request, HandoverAcknowledgeCode.ACCEPTED, now)
        leaving.request, leaving.state = request, PreviousState.CLONING
        if leaving.retained:
            # Told when the MN left; now it is to be confirmed that the stream does come to the store.
            retained = MobileNodeRetained(mn_id=mn_id, memberships=leaving.memberships)
            return [CallController(token=token("clone", mn_id, leaving.handover_id), call=retained)]
        call = CloneGroups(
            handover_id=leaving.handover_id, mn_id=mn_id, new_mag=leaving.peer.id,
            memberships=tuple(m for m in leaving.memberships if m.group not in leaving.refused),
        )
        return [CallController(token=token("clone", mn_id, leaving.handover_id), call=call)]

    def cloned(self, mn_id: str, handover_id: str, error: str | None, now: float) -> list[Command]:
        """The controller's answer to the clone: from here on the MN may leave. Reactive: its packets may follow it."""
        leaving = self._of(mn_id, handover_id)
        if leaving is None or leaving.state is not PreviousState.CLONING or leaving.request is None:
            return []
        request, leaving.request = leaving.request, None
        if error is not None:
            leaving.state = PreviousState.CONTEXT_TRANSFERRED
            fact = RecordFact(name="clone_refused", fields={"mn_id": mn_id, "reason": error})
            return [*self._acknowledge(leaving, request, HandoverAcknowledgeCode.FORWARDING_NOT_AVAILABLE, now), fact]
        leaving.state = PreviousState.FORWARDING
        relay = [RelayPackets(mn_id=mn_id, destination=leaving.peer.address)] if leaving.retained else []
        return [
            *self._acknowledge(leaving, request, HandoverAcknowledgeCode.ACCEPTED, now),
            *relay,
            self._step(leaving, 4, "HAck to HI(F)", now, "kept packets are relayed" if relay else "clone confirmed"),
        ]

    def detached(self, mn_id: str, last_delivered: LastDeliveredDigests, now: float) -> list[Command]:
        """Step 6: name the last packets that the MN got, so that the n-MAG goes on with the next one."""
        leaving = self._leaving.get(mn_id)
        if leaving is None or leaving.detached:
            return []
        leaving.detached = True
        handover_id = leaving.handover_id
        if leaving.join and leaving.state in (PreviousState.INITIATED, PreviousState.CONTEXT_TRANSFERRED):
            return [self._step(leaving, 6, "MN left", now)]
        word = self._context.initiate(
            leaving.peer,
            mn_id,
            lambda dialect, sequence: handover_messages.last_delivered_message(
                dialect, sequence, mn_id=mn_id, handover_id=handover_id, last_delivered=last_delivered
            ),
            token("last", mn_id, handover_id),
            now,
            # The n-MAG waits for this word for so long and then delivers all that it has.
            urgent_timeout_s=self._context.domain.timers.cut_wait_ms / 1000 / WORDS_PER_WAIT,
        )
        return [
            *word,
            UnwatchSent(port=leaving.port),
            self._step(leaving, 6, "MN left", now, f"last packet of {len(last_delivered)} stream(s) named"),
        ]

    def returned(self, mn_id: str, now: float) -> list[Command]:
        """The MN is back before it was bound elsewhere (ping-pong): end the handover, serve as before."""
        leaving = self._leaving.get(mn_id)
        if leaving is None:
            return []
        commands: list[Command] = [DropRetained(mn_id=mn_id)] if leaving.retained else []
        leaving.retained = False
        if leaving.state is PreviousState.COMPLETING:
            return commands
        return [*commands, *self._complete(leaving, Ending.CANCELLED, now)]

    def finish(self, mn_id: str, handover_id: str, now: float) -> list[Command] | None:
        """The n-MAG has the native stream: complete (step 11). None: no such handover."""
        leaving = self._leaving.get(mn_id)
        if leaving is None or leaving.handover_id != handover_id:
            return None
        if leaving.state is PreviousState.COMPLETING:
            return []
        return self._complete(leaving, Ending.COMPLETED, now)

    def cancel(self, mn_id: str, handover_id: str, now: float) -> list[Command] | None:
        """Give up before the MN has left. None: no such handover, or too late."""
        leaving = self._leaving.get(mn_id)
        if leaving is None or leaving.handover_id != handover_id or leaving.state is PreviousState.COMPLETING:
            return None
        return self._complete(leaving, Ending.CANCELLED, now)

    def completed_by_peer(self, mn_id: str, peer: Mag, message: HandoverInitiate) -> list[Command]:
        """The n-MAG ends it: the MN has not come, or the n-MAG has failed."""
        leaving = self._leaving.get(mn_id)
        if leaving is None or not is_of(leaving, peer, message):
            return []
        return self._ended(leaving, "failed", f"{leaving.peer.id} has ended it")

    def tick(self, now: float) -> list[Command]:
        """Forwarding lifetimes that have run out."""
        commands: list[Command] = []
        for leaving in [leaving for leaving in self._leaving.values() if leaving.deadline <= now]:
            if leaving.state is PreviousState.COMPLETING:
                commands += self._ended(leaving, leaving.ending.value, "no answer to the completion")
            else:
                self._context.counters["forwarding_lifetime_over"] += 1
                leaving.deadline = now + self._context.domain.timers.forwarding_lifetime_s
                commands += self._complete(leaving, Ending.COMPLETED if leaving.detached else Ending.CANCELLED, now)
        return commands

    def _complete(self, leaving: Leaving, ending: Ending, now: float) -> list[Command]:
        leaving.state, leaving.ending = PreviousState.COMPLETING, ending
        mn_id, handover_id = leaving.profile.id, leaving.handover_id
        self._settle(leaving)
        return [
            *self._context.initiate(
                leaving.peer,
                mn_id,
                lambda dialect, sequence: handover_messages.completion(
                    dialect, sequence, mn_id=mn_id, handover_id=handover_id
                ),
                token("completed", mn_id, handover_id),
                now,
            ),
            self._step(leaving, 11, "HI completed", now, ending.value),
        ]

    def _ended(self, leaving: Leaving, outcome: str, reason: str) -> list[Command]:
        mn_id = leaving.profile.id
        del self._leaving[mn_id]
        self._settle(leaving)
        if leaving.detached:
            self._departed.append(leaving.profile)
        release = ReleaseForwarding(handover_id=leaving.handover_id, mn_id=mn_id, outcome=outcome, reason=reason)
        kept: list[Command] = [UnwatchSent(port=leaving.port)]
        if leaving.retained:
            kept = [DropRetained(mn_id=mn_id), NotifyController(call=MobileNodeDetached(mn_id=mn_id))]
        return [*kept, self._context.releases.ask(release)]

    def _settle(self, leaving: Leaving) -> None:
        asked = ("context", "last", "completed")
        self._context.exchange.settle(*(token(what, leaving.profile.id, leaving.handover_id) for what in asked))

    def _of(self, mn_id: str, handover_id: str) -> Leaving | None:
        leaving = self._leaving.get(mn_id)
        return leaving if leaving is not None and leaving.handover_id == handover_id else None

    def _acknowledge(
        self, leaving: Leaving, request: HandoverInitiate, code: HandoverAcknowledgeCode, now: float
    ) -> list[Command]:
        message = handover_messages.acknowledgement(request, code)
        return self._context.acknowledge(leaving.peer.address, leaving.profile.id, message, now)

    def _step(self, leaving: Leaving, number: int, name: str, now: float, detail: str = "") -> Command:
        context = self._context
        return context.step(
            number, name, leaving.handover_id, leaving.profile.id, context.mag.id, leaving.peer.id, now, detail
        )

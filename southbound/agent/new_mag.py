# SPDX-License-Identifier: Apache-2.0
"""The MAG that an MN comes to: keep its packets, deliver them, join the native stream. Pure.

The draft's Figure 2 steps 5, 7, 10 and 11 happen here; 3 and 4 in context_intake, 8 and 9 in binding_update_list. When an
MN goes on before the stream is the switch's alone, its buffer stays until it is through there: its deliveries are relayed.
"""

from __future__ import annotations

from southbound.agent import handover_acknowledge, handover_initiate
from southbound.agent.arriving import Arriving, NewState, is_of
from southbound.agent.commands import (
    CallController,
    Command,
    CutBuffer,
    DeliverBuffer,
    NativeConfirmed,
    RecordFact,
    ReleaseBuffer,
    SetAside,
)
from southbound.agent.context import MagContext
from southbound.agent.context_parts import more_follows
from southbound.agent.handover_exchange import token
from southbound.codec.handover import HandoverInitiate
from southbound.codec.iana import HandoverAcknowledgeCode
from southbound.rpc.methods import DeliverDirectly, ReleaseForwarding
from topology.model import Mag

DIRECT_RETRY_S = 0.1
DIRECT_GRACE_S = 0.25
"""The switch takes over within this time after the completion (switch_takeover.WATCH_S); then the buffer is freed."""


class NewMag:
    """All MNs that are coming to this MAG, by MN-ID."""

    def __init__(self, context: MagContext) -> None:
        self._context = context
        self._arriving: dict[str, Arriving] = {}
        self._aside: dict[str, Arriving] = {}
        """By handover id: of MNs that have gone on, out of our buffer, and are expected here again."""

    def get(self, mn_id: str) -> Arriving | None:
        """The handover of this MN to here, or None."""
        return self._arriving.get(mn_id)

    def coming(self) -> list[Arriving]:
        """The present handover of each MN."""
        return list(self._arriving.values())

    def add(self, arriving: Arriving) -> None:
        """A context has come."""
        self._arriving[arriving.profile.id] = arriving

    def all(self) -> list[Arriving]:
        """All of them; of an MN that goes back and forth there may be several."""
        return [*self._aside.values(), *self._arriving.values()]

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        deadlines = (at for arriving in self.all() for at in (arriving.deadline, arriving.ask_again_at))
        return min((at for at in deadlines if at is not None), default=None)

    # --- steps 6 to 10 --------------------------------------------------------------------------------------------

    def last_delivered(self, mn_id: str, request: HandoverInitiate, peer: Mag, now: float) -> list[Command] | None:
        """Step 6 as the p-MAG tells it: which packets the MN has had. None: no such handover."""
        arriving = self._arriving.get(mn_id)
        if arriving is None or not is_of(arriving, peer, request):
            return None
        answer = handover_acknowledge.acknowledgement(request, HandoverAcknowledgeCode.ACCEPTED)
        acknowledged = self._context.acknowledge(arriving.peer.address, mn_id, answer, now)
        if arriving.joins:
            return acknowledged
        # A word of many streams comes in parts, all at once, and perhaps not in their order.
        arriving.word = {**arriving.word, **handover_initiate.last_delivered_of(request)}
        arriving.word_whole |= not more_follows(request)
        if arriving.state is NewState.UNBUFFERED or not arriving.word_whole:
            return acknowledged
        return [CutBuffer(mn_id=mn_id, last_delivered=arriving.word), *acknowledged]

    def arrived(self, mn_id: str, now: float) -> list[Command]:
        """The MN is on the link: deliver (step 7)."""
        arriving = self._arriving.get(mn_id)
        if arriving is None:
            return []
        arriving.arrived, arriving.gone = True, False
        arriving.deadline = now + self._context.domain.timers.forwarding_lifetime_s
        if arriving.state is NewState.UNBUFFERED:
            return []
        return [self.step(arriving, 7, "delivery", now, "native")] if arriving.joins else [DeliverBuffer(mn_id=mn_id)]

    def bound(self, mn_id: str, now: float) -> list[Command]:
        """The PBA has come (step 9): the LMA forwards natively from here on."""
        arriving = self._arriving.get(mn_id)
        if arriving is None:
            return []
        arriving.bound = True
        # Join: the switch has delivered alone from the beginning; that is confirmed, and the handover ends.
        return self.joined(mn_id, now) if arriving.joins else [NativeConfirmed(mn_id=mn_id)]

    def observed(self, mn_id: str, what: str, detail: str, now: float) -> list[Command]:
        """The buffer has seen a first packet or begun to deliver: steps 5, 7 and 10."""
        arriving = self._arriving.get(mn_id)
        steps = {"tunnel": (5, "tunnel data"), "delivery": (7, "delivery"), "native": (10, "native data")}
        if arriving is None or what not in steps:
            return []
        return [self.step(arriving, *steps[what], now, detail)]

    def joined(self, mn_id: str, now: float) -> list[Command]:
        """Every stream runs natively and nothing is held: have the switch deliver alone.

        Not while the MN's packets are relayed out of the buffer; but the p-MAG need forward no more.
        """
        arriving = self._arriving.get(mn_id)
        if arriving is None:
            return []
        arriving.joined = True
        if arriving.held_back or self._is_aside(mn_id):
            # The handovers by which it has gone and come back end one after the other, from the last one on.
            return self._told_through(arriving, now)
        if arriving.direct_requested:
            return []
        arriving.direct_requested, arriving.ask_again_at = True, None
        call = DeliverDirectly(handover_id=arriving.handover_id, mn_id=mn_id)
        return [CallController(token=token("direct", mn_id, arriving.handover_id), call=call)]

    def delivered_directly(self, mn_id: str, handover_id: str, error: str | None, now: float) -> list[Command]:
        """The switch delivers, or cannot yet: then the buffer goes on, and the switch is asked again."""
        arriving = self.of(mn_id, handover_id)
        if arriving is None:
            return []
        if error is not None:
            arriving.direct_requested, arriving.ask_again_at = False, now + DIRECT_RETRY_S
            return [RecordFact(name="direct_delivery_refused", fields={"mn_id": mn_id, "reason": error})]
        arriving.direct = True
        if arriving.completed:
            arriving.deadline = now + DIRECT_GRACE_S
        return []

    # --- on to the next MAG ---------------------------------------------------------------------------------------

    def hold_back(self, mn_id: str) -> str:
        """The MN is about to go on: the handover whose buffer delivers to it, and goes on until `let_go`; '' when it is the
        switch that delivers."""
        arriving = self._arriving.get(mn_id)
        if arriving is None or arriving.awaited or arriving.joins or arriving.direct_requested:
            return ""
        arriving.held_back, arriving.ask_again_at = True, None
        return arriving.handover_id

    def let_go(self, mn_id: str, handover_id: str, now: float) -> list[Command]:
        """Nothing is relayed for this MN any more: to the switch with it, or away with what it has left behind."""
        arriving = self.of(mn_id, handover_id)
        if arriving is None or not arriving.held_back:
            return []
        arriving.held_back = False
        if arriving.gone:
            ended = [*self._told_through(arriving, now), *self._end(arriving, "completed", "")]
            back = self._arriving.get(mn_id)
            return [*ended, *(self.joined(mn_id, now) if back is not None and back.joined else [])]
        if arriving.completed:
            arriving.deadline = now + self._context.domain.timers.forwarding_lifetime_s
        return self.joined(mn_id, now) if arriving.joined else []

    def _is_aside(self, mn_id: str) -> bool:
        return any(arriving.profile.id == mn_id for arriving in self._aside.values())

    def _told_through(self, arriving: Arriving, now: float) -> list[Command]:
        if arriving.completed:
            return []
        arriving.completed = True
        return self.tell_peer(arriving.peer, arriving.profile.id, arriving.handover_id, now)

    # --- step 11 and other ends -----------------------------------------------------------------------------------

    def completed(self, mn_id: str, request: HandoverInitiate, peer: Mag, now: float) -> list[Command]:
        """Step 11 at its receiver. Idempotent: for an MN that is not known (any more) the answer is the same."""
        answer = handover_acknowledge.acknowledgement(request, HandoverAcknowledgeCode.ACCEPTED)
        commands = self._context.acknowledge(peer.address, mn_id, answer, now)
        told = [arriving for arriving in self.all() if arriving.profile.id == mn_id and is_of(arriving, peer, request)]
        arriving = told[-1] if told else None
        if arriving is None or arriving.completed:
            return commands
        if arriving.awaited:
            # The p-MAG has called it off, or the MN has gone back: as if there had been no context.
            return [*commands, *self._end(arriving, "cancelled", "ended by the previous MAG")]
        arriving.completed = True
        if arriving.direct_requested:
            arriving.deadline = now + DIRECT_GRACE_S
        return [*commands, self.step(arriving, 11, "HAck completed", now)]

    def left(self, mn_id: str, now: float) -> list[Command]:
        """The MN has gone from here again before the switch had it alone."""
        arriving = self._arriving.get(mn_id)
        if arriving is None or arriving.awaited:
            return []
        if arriving.held_back:
            arriving.gone = True
            arriving.deadline = now + self._context.domain.timers.forwarding_lifetime_s
            return []
        if arriving.bound or arriving.completed:
            return [*self._told_through(arriving, now), *self._end(arriving, "completed", "")]
        # The p-MAG would go on cloning until its lifetime is over.
        return self.failed(arriving, "the mobile node has left again", now)

    def refused(self, mn_id: str, status: int, now: float) -> list[Command]:
        """The LMA has refused the MN (PBA): no service here, so nothing more to forward (RFC 5213 section 6.9.1.2)."""
        arriving = self._arriving.get(mn_id)
        if arriving is None:
            return []
        return self.failed(arriving, f"the LMA has refused the binding (status {status})", now)

    def tick(self, now: float) -> list[Command]:
        """Contexts whose MN never came, and handovers that are through."""
        commands: list[Command] = []
        for mn_id, arriving in list(self._arriving.items()):
            if arriving.ask_again_at is not None and arriving.ask_again_at <= now:
                commands += self.joined(mn_id, now)
        for arriving in [arriving for arriving in self.all() if arriving.deadline <= now]:
            if arriving.completed:
                commands += self._end(arriving, "completed", "")
            elif arriving.arrived:
                # Without the completion the tunnel is left anyway (forwarding lifetime, docs/explanation/protocol.md).
                self._context.counters["forwarding_lifetime_over"] += 1
                commands += self._end(arriving, "completed", "no completion from the previous MAG")
            else:
                self._context.counters["context_lifetime_over"] += 1
                commands += self.failed(arriving, "the mobile node has not arrived", now)
        return commands

    def replace(self, arriving: Arriving, reason: str, now: float) -> list[Command]:
        """Another handover brings the MN here (again); what this one feeds stays for as long as that is relayed."""
        mn_id, handover_id = arriving.profile.id, arriving.handover_id
        if arriving.held_back and arriving.gone:
            self._aside[handover_id] = self._arriving.pop(mn_id)
            return [SetAside(mn_id=mn_id, handover_id=handover_id)]
        outcome = "completed" if arriving.arrived else "failed"
        return [*self._told_through(arriving, now), *self._end(arriving, outcome, reason)]

    def failed(self, arriving: Arriving, reason: str, now: float) -> list[Command]:
        """It cannot go on: the p-MAG is told, if it has not been."""
        return [*self._told_through(arriving, now), *self._end(arriving, "failed", reason)]

    def tell_peer(self, peer: Mag, mn_id: str, handover_id: str, now: float) -> list[Command]:
        """Have the p-MAG end it."""
        return self._context.initiate(
            peer,
            mn_id,
            lambda dialect, sequence: handover_initiate.completion(
                dialect, sequence, mn_id=mn_id, handover_id=handover_id
            ),
            token("ended", mn_id, handover_id),
            now,
        )

    def _end(self, arriving: Arriving, outcome: str, reason: str) -> list[Command]:
        mn_id = arriving.profile.id
        call = ReleaseForwarding(handover_id=arriving.handover_id, mn_id=mn_id, outcome=outcome, reason=reason)
        kept = not arriving.joins and arriving.state is not NewState.UNBUFFERED
        free = (ReleaseBuffer(mn_id=mn_id, handover_id=arriving.handover_id),) if kept else ()
        # A buffer that still delivers is freed only when the switch has taken over.
        delivers = arriving.arrived and not arriving.gone
        # First: as long as it is known its rules can be asked away again.
        release = self._context.releases.ask(call, *(free if delivers else ()))
        if self._aside.pop(arriving.handover_id, None) is None:
            del self._arriving[mn_id]
        self._context.exchange.settle(token("forward", mn_id, arriving.handover_id))
        return [*(() if delivers else free), release]

    def of(self, mn_id: str, handover_id: str) -> Arriving | None:
        """This handover of this MN, if it is not over."""
        arriving = self._aside.get(handover_id) or self._arriving.get(mn_id)
        same = arriving is not None and (arriving.profile.id, arriving.handover_id) == (mn_id, handover_id)
        return arriving if same else None

    def step(self, arriving: Arriving, number: int, name: str, now: float, detail: str = "") -> Command:
        """Tell the controller that a step has happened here."""
        context = self._context
        return context.step(
            number, name, arriving.handover_id, arriving.profile.id, arriving.peer.id, context.mag.id, now, detail
        )

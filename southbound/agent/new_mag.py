# SPDX-License-Identifier: Apache-2.0
"""The MAG that an MN comes to: take its context, ask for its packets, keep them, deliver, join the native stream. Pure.

The draft's Figure 2 steps 3, 4, 5, 7, 10 and 11 happen here; steps 8 and 9 are the Binding Update List's.
"""

from __future__ import annotations

from southbound.agent import handover_messages
from southbound.agent.arriving import Arriving, NewState, is_of
from southbound.agent.commands import (
    CallController,
    Command,
    CutBuffer,
    DeliverBuffer,
    ExpectMobileNode,
    NativeConfirmed,
    NoForwarding,
    RecordFact,
    ReleaseBuffer,
)
from southbound.agent.context import MagContext
from southbound.agent.handover_exchange import token
from southbound.codec.handover import HandoverAcknowledge, HandoverInitiate
from southbound.codec.iana import HandoverAcknowledgeCode
from southbound.mld.membership import GroupMembership
from southbound.rpc.methods import DeliverDirectly, JoinGroups, PrepareForwarding, ReleaseForwarding
from topology.model import Mag, MobileNode

DIRECT_RETRY_S = 0.1
DIRECT_GRACE_S = 0.25
"""The switch takes over within this time after the completion (switch_takeover.WATCH_S); then the buffer is freed."""


class NewMag:
    """All MNs that are coming to this MAG, by MN-ID."""

    def __init__(self, context: MagContext) -> None:
        self._context = context
        self._arriving: dict[str, Arriving] = {}

    def get(self, mn_id: str) -> Arriving | None:
        """The handover of this MN to here, or None."""
        return self._arriving.get(mn_id)

    def states(self) -> dict[str, tuple[str, str]]:
        """(handover id, state) of every MN that is coming."""
        return {mn_id: (arriving.handover_id, arriving.state.value) for mn_id, arriving in self._arriving.items()}

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        deadlines = (at for arriving in self._arriving.values() for at in (arriving.deadline, arriving.ask_again_at))
        return min((at for at in deadlines if at is not None), default=None)

    def context_received(
        self, profile: MobileNode, peer: Mag, request: HandoverInitiate, handover_id: str, attached: bool, now: float
    ) -> list[Command]:
        """Step 2 at its receiver: authorise group by group, acknowledge (step 3), prepare for step 4.

        An MN that is here already needs no tunnel: its context is acknowledged and merged by the caller ('late HI').
        """
        wanted, passed_over = handover_messages.memberships_of(request)
        if passed_over:
            self._context.counters["context_records_ignored"] += passed_over
        policy, limits = self._context.policy, self._context.domain.limits
        refused = tuple(
            membership
            for index, membership in enumerate(wanted)
            if index >= limits.groups_per_mobile_node or not policy.may_join(profile.id, membership.group)
        )
        memberships = tuple(membership for membership in wanted if membership not in refused)
        code = HandoverAcknowledgeCode.CONTEXT_TRANSFER_ACCEPTED
        answer = handover_messages.acknowledgement(request, code, refused)
        commands = self._context.acknowledge(peer.address, profile.id, answer, now)
        if attached:
            # Late: the MN has overtaken its context. The peer is told at once that there is nothing to forward.
            self._context.counters["context_after_attachment"] += 1
            return [*commands, *self._tell_peer(peer, profile.id, handover_id, now)]
        replaced = self._arriving.get(profile.id)
        if replaced is not None and replaced.handover_id != handover_id:
            commands += self._end(replaced, "failed", "another context has come for the mobile node")
        arriving = Arriving(
            handover_id=handover_id,
            profile=profile,
            peer=peer,
            memberships=memberships,
            state=NewState.PREPARING,
            deadline=now + self._context.domain.timers.context_lifetime_s,
            join=handover_messages.asks_to_join(request),
        )
        self._arriving[profile.id] = arriving
        prepare = PrepareForwarding(
            handover_id=handover_id, mn_id=profile.id, previous_mag=peer.id, memberships=memberships
        )
        detail = f"{len(refused)} group(s) refused" if refused else ""
        if arriving.join:
            join = JoinGroups(
                handover_id=handover_id, mn_id=profile.id, previous_mag=peer.id, memberships=memberships
            )
            ask = CallController(token=token("join", profile.id, handover_id), call=join)
            return [*commands, ask, self._step(arriving, 3, "HAck", now, detail)]
        return [
            *commands,
            ExpectMobileNode(
                mn_id=profile.id, handover_id=handover_id, memberships=memberships, tunnel_path=peer.index,
                port=profile.access_port(),
            ),
            CallController(token=token("prepare", profile.id, handover_id), call=prepare),
            self._step(arriving, 3, "HAck", now, detail),
        ]

    def follow(
        self, profile: MobileNode, peer: Mag, handover_id: str, memberships: tuple[GroupMembership, ...], now: float
    ) -> list[Command]:
        """Reactive: the MN is here before its context, which the p-MAG has now sent; have its packets follow."""
        replaced = self._arriving.get(profile.id)
        commands = [] if replaced is None else self._end(replaced, "failed", "the mobile node has come again")
        self._arriving[profile.id] = Arriving(
            handover_id=handover_id,
            profile=profile,
            peer=peer,
            memberships=memberships,
            state=NewState.PREPARING,
            deadline=now + self._context.domain.timers.forwarding_lifetime_s,
            arrived=True,
        )
        prepare = PrepareForwarding(
            handover_id=handover_id, mn_id=profile.id, previous_mag=peer.id, memberships=memberships, mode="reactive"
        )
        return [
            *commands,
            ExpectMobileNode(
                mn_id=profile.id, handover_id=handover_id, memberships=memberships, tunnel_path=peer.index,
                port=profile.access_port(),
            ),
            # The p-MAG has kept only what it had not sent to the MN: there is no last packet to wait for.
            CutBuffer(mn_id=profile.id, last_delivered={}),
            DeliverBuffer(mn_id=profile.id),
            CallController(token=token("prepare", profile.id, handover_id), call=prepare),
        ]

    def joined_ahead(self, mn_id: str, handover_id: str, error: str | None, now: float) -> list[Command]:
        """Join: the LMA sends the groups here by now, or could not be made to."""
        arriving = self._of(mn_id, handover_id)
        if arriving is None or arriving.state is not NewState.PREPARING:
            return []
        if error is not None:
            arriving.state = NewState.ALONE
            self._context.counters["join_refused"] += 1
            return [RecordFact(name="join_refused", fields={"mn_id": mn_id, "reason": error})]
        arriving.state = NewState.JOINED
        return [self._step(arriving, 10, "native data", now, "joined ahead of the mobile node")]

    def prepared(self, mn_id: str, handover_id: str, error: str | None, now: float) -> list[Command]:
        """The switch takes the tunnel to the buffer: ask for the packets (step 4)."""
        arriving = self._of(mn_id, handover_id)
        if arriving is None or arriving.state is not NewState.PREPARING:
            return []
        if error is not None:
            return self._alone(arriving, error)
        arriving.state = NewState.FORWARDING_REQUESTED
        return [
            *self._context.initiate(
                arriving.peer,
                mn_id,
                lambda dialect, sequence: handover_messages.forwarding_request(
                    dialect, sequence, mn_id=mn_id, handover_id=handover_id
                ),
                token("forward", mn_id, handover_id),
                now,
            ),
            self._step(arriving, 4, "HI(F)", now),
        ]

    def forwarding_acknowledged(self, mn_id: str, handover_id: str, message: HandoverAcknowledge) -> list[Command]:
        """The p-MAG's answer to HI(F): below 128 its switch clones by now."""
        arriving = self._of(mn_id, handover_id)
        if arriving is None or arriving.state is not NewState.FORWARDING_REQUESTED:
            return []
        if not message.accepted:
            return self._alone(arriving, f"HAck code {int(message.code)}")
        arriving.state = NewState.FORWARDING
        return []

    def gave_up(self, mn_id: str, handover_id: str, what: str) -> list[Command]:
        """All repetitions of a HI went unanswered."""
        arriving = self._of(mn_id, handover_id)
        if arriving is None or what != "forward":
            return []
        return self._alone(arriving, f"{arriving.peer.id} does not answer")

    def last_delivered(self, mn_id: str, request: HandoverInitiate, peer: Mag, now: float) -> list[Command] | None:
        """Step 6 as the p-MAG tells it: which packets the MN has had. None: no such handover."""
        arriving = self._arriving.get(mn_id)
        if arriving is None or not is_of(arriving, peer, request):
            return None
        answer = handover_messages.acknowledgement(request, HandoverAcknowledgeCode.ACCEPTED)
        if arriving.join:
            return self._context.acknowledge(arriving.peer.address, mn_id, answer, now)
        return [
            CutBuffer(mn_id=mn_id, last_delivered=handover_messages.last_delivered_of(request)),
            *self._context.acknowledge(arriving.peer.address, mn_id, answer, now),
        ]

    def arrived(self, mn_id: str, now: float) -> list[Command]:
        """The MN is on the link: deliver (step 7)."""
        arriving = self._arriving.get(mn_id)
        if arriving is None:
            return []
        arriving.arrived = True
        arriving.deadline = now + self._context.domain.timers.forwarding_lifetime_s
        return [self._step(arriving, 7, "delivery", now, "native")] if arriving.join else [DeliverBuffer(mn_id=mn_id)]

    def bound(self, mn_id: str) -> list[Command]:
        """The PBA has come (step 9): the LMA forwards natively from here on."""
        arriving = self._arriving.get(mn_id)
        if arriving is None:
            return []
        arriving.bound = True
        # Join: the switch has delivered alone from the beginning; that is confirmed, and the handover ends.
        return self.joined(mn_id) if arriving.join else [NativeConfirmed(mn_id=mn_id)]

    def observed(self, mn_id: str, what: str, detail: str, now: float) -> list[Command]:
        """The buffer has seen a first packet or begun to deliver: steps 5, 7 and 10."""
        arriving = self._arriving.get(mn_id)
        steps = {"tunnel": (5, "tunnel data"), "delivery": (7, "delivery"), "native": (10, "native data")}
        if arriving is None or what not in steps:
            return []
        return [self._step(arriving, *steps[what], now, detail)]

    def joined(self, mn_id: str) -> list[Command]:
        """Every stream runs natively and nothing is held: have the switch deliver alone."""
        arriving = self._arriving.get(mn_id)
        if arriving is None or arriving.direct_requested:
            return []
        arriving.direct_requested = True
        call = DeliverDirectly(handover_id=arriving.handover_id, mn_id=mn_id)
        return [CallController(token=token("direct", mn_id, arriving.handover_id), call=call)]

    def delivered_directly(self, mn_id: str, handover_id: str, error: str | None, now: float) -> list[Command]:
        """The switch delivers, or cannot yet: then the buffer goes on, and the switch is asked again."""
        arriving = self._of(mn_id, handover_id)
        if arriving is None:
            return []
        if error is not None:
            arriving.direct_requested, arriving.ask_again_at = False, now + DIRECT_RETRY_S
            return [RecordFact(name="direct_delivery_refused", fields={"mn_id": mn_id, "reason": error})]
        return []

    def completed(self, mn_id: str, request: HandoverInitiate, peer: Mag, now: float) -> list[Command]:
        """Step 11 at its receiver. Idempotent: for an MN that is not known (any more) the answer is the same."""
        answer = handover_messages.acknowledgement(request, HandoverAcknowledgeCode.ACCEPTED)
        commands = self._context.acknowledge(peer.address, mn_id, answer, now)
        arriving = self._arriving.get(mn_id)
        if arriving is None or arriving.completed or not is_of(arriving, peer, request):
            return commands
        if not arriving.arrived:
            # The p-MAG has called it off, or the MN has gone back: as if there had been no context.
            return [*commands, *self._end(arriving, "cancelled", "ended by the previous MAG")]
        arriving.completed = True
        arriving.deadline = now + DIRECT_GRACE_S if arriving.direct_requested else arriving.deadline
        return [*commands, self._step(arriving, 11, "HAck completed", now)]

    def left(self, mn_id: str, now: float) -> list[Command]:
        """The MN has gone from here again before the switch had it alone."""
        arriving = self._arriving.get(mn_id)
        if arriving is None or not arriving.arrived:
            return []
        if arriving.completed:
            return self._end(arriving, "completed", "")
        # The p-MAG would go on cloning until its lifetime is over.
        return self._fail(arriving, "the mobile node has left again", now)

    def refused(self, mn_id: str, status: int, now: float) -> list[Command]:
        """The LMA has refused the MN (PBA): no service here, so nothing more to forward (RFC 5213 section 6.9.1.2)."""
        arriving = self._arriving.get(mn_id)
        if arriving is None:
            return []
        return self._fail(arriving, f"the LMA has refused the binding (status {status})", now)

    def tick(self, now: float) -> list[Command]:
        """Contexts whose MN never came, and handovers that are through."""
        commands: list[Command] = []
        for mn_id, arriving in list(self._arriving.items()):
            if arriving.ask_again_at is not None and arriving.ask_again_at <= now:
                arriving.ask_again_at = None
                commands += self.joined(mn_id)
        for arriving in [arriving for arriving in self._arriving.values() if arriving.deadline <= now]:
            if arriving.completed:
                commands += self._end(arriving, "completed", "")
            elif arriving.arrived:
                # Without the completion the tunnel is left anyway (forwarding lifetime, docs/protocol.md).
                self._context.counters["forwarding_lifetime_over"] += 1
                commands += self._end(arriving, "completed", "no completion from the previous MAG")
            else:
                self._context.counters["context_lifetime_over"] += 1
                commands += self._fail(arriving, "the mobile node has not arrived", now)
        return commands

    def _fail(self, arriving: Arriving, reason: str, now: float) -> list[Command]:
        told = self._tell_peer(arriving.peer, arriving.profile.id, arriving.handover_id, now)
        return [*told, *self._end(arriving, "failed", reason)]

    def _tell_peer(self, peer: Mag, mn_id: str, handover_id: str, now: float) -> list[Command]:
        return self._context.initiate(
            peer,
            mn_id,
            lambda dialect, sequence: handover_messages.completion(
                dialect, sequence, mn_id=mn_id, handover_id=handover_id
            ),
            token("ended", mn_id, handover_id),
            now,
        )

    def _alone(self, arriving: Arriving, reason: str) -> list[Command]:
        arriving.state = NewState.ALONE
        self._context.counters["forwarding_refused"] += 1
        fact = RecordFact(name="forwarding_refused", fields={"mn_id": arriving.profile.id, "reason": reason})
        return [NoForwarding(mn_id=arriving.profile.id), fact]

    def _end(self, arriving: Arriving, outcome: str, reason: str) -> list[Command]:
        mn_id = arriving.profile.id
        del self._arriving[mn_id]
        self._context.exchange.settle(token("forward", mn_id, arriving.handover_id))
        release = ReleaseForwarding(handover_id=arriving.handover_id, mn_id=mn_id, outcome=outcome, reason=reason)
        free = ReleaseBuffer(mn_id=mn_id, handover_id=arriving.handover_id)
        if arriving.join:
            return [self._context.releases.ask(release)]
        if arriving.arrived:
            # A buffer that still delivers is freed only when the switch has taken over.
            return [self._context.releases.ask(release, free)]
        return [free, self._context.releases.ask(release)]

    def _of(self, mn_id: str, handover_id: str) -> Arriving | None:
        arriving = self._arriving.get(mn_id)
        return arriving if arriving is not None and arriving.handover_id == handover_id else None

    def _step(self, arriving: Arriving, number: int, name: str, now: float, detail: str = "") -> Command:
        context = self._context
        return context.step(
            number, name, arriving.handover_id, arriving.profile.id, arriving.peer.id, context.mag.id, now, detail
        )

# SPDX-License-Identifier: Apache-2.0
"""The MAG that an MN will come to: take its context, have the switch get ready, ask for its packets. Pure.

The draft's Figure 2 steps 3 and 4 happen here; what comes after them is in new_mag.
"""

from __future__ import annotations

from southbound.agent import handover_acknowledge, handover_initiate
from southbound.agent.arriving import Arriving, NewState
from southbound.agent.commands import (
    CallController,
    Command,
    CutBuffer,
    DeliverBuffer,
    ExpectMobileNode,
    NoForwarding,
    RecordFact,
)
from southbound.agent.context import MagContext
from southbound.agent.context_admission import groups_of, shortage
from southbound.agent.handover_exchange import token
from southbound.agent.new_mag import NewMag
from southbound.codec.handover import HandoverAcknowledge, HandoverInitiate
from southbound.codec.iana import HandoverAcknowledgeCode, HandoverModeCode
from southbound.mld.membership import GroupMembership
from southbound.path_mark import native_path, relay_path
from southbound.rpc.methods import HandoverRunning, JoinGroups, PrepareForwarding, ReleaseForwarding
from topology.model import Mag, MobileNode


class ContextIntake:
    """The contexts of all MNs that are to come, and of those that have come before theirs."""

    def __init__(self, context: MagContext, new: NewMag) -> None:
        self._context, self._new = context, new

    def context_received(
        self, profile: MobileNode, peer: Mag, request: HandoverInitiate, handover_id: str, attached: bool, now: float
    ) -> list[Command]:
        """Step 2 at its receiver: room for it? Group by group, acknowledge (step 3), prepare for step 4.

        An MN that is here already needs no tunnel: its context is acknowledged and merged by the caller ('late HI').
        """
        context = self._context
        if attached:
            # Late: the MN has overtaken its context. The peer is told at once that there is nothing to forward.
            context.counters["context_after_attachment"] += 1
            _, refused = groups_of(context, profile, request)
            over = ReleaseForwarding(
                handover_id=handover_id, mn_id=profile.id, outcome="failed",
                reason="the mobile node was there before its context",
            )
            return [
                *self._take(profile, peer, request, refused, now),
                *self._new.tell_peer(peer, profile.id, handover_id, now),
                context.releases.ask(over),
            ]
        others = [arriving for arriving in self._new.coming() if arriving.profile != profile]
        refusal = shortage(context, peer, others, buffer=request.buffer)
        if refusal is not None:
            context.counters[refusal.reason] += 1
            answer = handover_acknowledge.acknowledgement(request, refusal.code)
            fact = RecordFact(name="context_refused", fields={"mn_id": profile.id, "reason": refusal.reason})
            return [*context.acknowledge(peer.address, profile.id, answer, now), fact]
        memberships, refused = groups_of(context, profile, request)
        commands = self._take(profile, peer, request, refused, now)
        replaced = self._new.get(profile.id)
        if replaced is not None and replaced.handover_id != handover_id:
            commands += self._new.replace(replaced, "another context has come for the mobile node", now)
        mode = handover_initiate.mode_of(request)
        arriving = Arriving(
            handover_id=handover_id,
            profile=profile,
            peer=peer,
            memberships=memberships,
            state=NewState.PREPARING,
            deadline=now + context.domain.timers.context_lifetime_s,
            mode="join" if mode == HandoverModeCode.JOIN else "predictive",
            relayed=mode == HandoverModeCode.RELAYED or not request.buffer,
        )
        self._new.add(arriving)
        step = self._new.step(arriving, 3, "HAck", now, f"{len(refused)} group(s) refused" if refused else "")
        if not request.buffer and not arriving.joins:
            arriving.state = NewState.UNBUFFERED
            return [*commands, step]
        return [*commands, *self._prepare(arriving), step]

    def _take(
        self, profile: MobileNode, peer: Mag, request: HandoverInitiate, refused: tuple[GroupMembership, ...], now: float
    ) -> list[Command]:
        answer = handover_acknowledge.acknowledgement(
            request, HandoverAcknowledgeCode.CONTEXT_TRANSFER_ACCEPTED, refused,
            option_length_unit=self._context.option_length_unit(peer),
        )
        return self._context.acknowledge(peer.address, profile.id, answer, now)

    def follow(
        self, profile: MobileNode, peer: Mag, handover_id: str, memberships: tuple[GroupMembership, ...], now: float
    ) -> list[Command]:
        """Reactive: the MN is here before its context, which the p-MAG has now sent; have its packets follow."""
        replaced = self._new.get(profile.id)
        commands = [] if replaced is None else self._new.replace(replaced, "the mobile node has come again", now)
        arriving = Arriving(
            handover_id=handover_id,
            profile=profile,
            peer=peer,
            memberships=memberships,
            state=NewState.PREPARING,
            deadline=now + self._context.domain.timers.forwarding_lifetime_s,
            mode="reactive",
            relayed=True,
            arrived=True,
        )
        self._new.add(arriving)
        return [*commands, *self.deliver_what_follows(arriving)]

    def deliver_what_follows(self, arriving: Arriving) -> list[Command]:
        """The MN is here before its packets, which the p-MAG has kept."""
        arriving.state = NewState.PREPARING
        ask, expect = self._prepare(arriving)
        cut = CutBuffer(mn_id=arriving.profile.id, last_delivered=arriving.word)
        return [expect, cut, DeliverBuffer(mn_id=arriving.profile.id), ask]

    def _prepare(self, arriving: Arriving) -> list[Command]:
        # An MN that is here before its packets has sent nothing by the p-MAG since.
        arriving.uplink_waits = not arriving.joins and not arriving.arrived and self._context.uplink_waits(arriving.peer.id)
        ask = self._ask_for_paths(arriving)
        if arriving.joins:
            return [ask]
        place, path = self._context.domain.place_of(arriving.profile.id), arriving.peer.index
        expect = ExpectMobileNode(
            mn_id=arriving.profile.id, handover_id=arriving.handover_id, memberships=arriving.memberships,
            tunnel_path=relay_path(path, place) if arriving.relayed else path, native_path=native_path(place),
            port=arriving.profile.access_port(),
            prefixes=self._context.home_networks.of(arriving.profile), link_layer_id=arriving.profile.link_layer_id,
            peer=arriving.peer.id, uplink_waits=arriving.uplink_waits,
        )
        # The controller and the switch are at work while the buffer gets ready; their answer comes later than it does.
        return [ask, expect]

    def _ask_for_paths(self, arriving: Arriving) -> CallController:
        mn_id, handover_id, arriving.asked_in_vain = arriving.profile.id, arriving.handover_id, False
        if arriving.joins:
            join = JoinGroups(
                handover_id=handover_id, mn_id=mn_id, previous_mag=arriving.peer.id, memberships=arriving.memberships
            )
            return CallController(token=token("join", mn_id, handover_id), call=join)
        prepare = PrepareForwarding(
            handover_id=handover_id, mn_id=mn_id, previous_mag=arriving.peer.id, memberships=arriving.memberships,
            mode=arriving.mode, relayed=arriving.relayed, uplink_waits=arriving.uplink_waits,
        )
        return CallController(token=token("prepare", mn_id, handover_id), call=prepare)

    def prepared(
        self, mn_id: str, handover_id: str, error: str | None, now: float, *, lost: bool = False
    ) -> list[Command]:
        """The switch takes the tunnel to the buffer: ask for the packets (step 4)."""
        arriving = self._new.of(mn_id, handover_id)
        if arriving is None or arriving.state is not NewState.PREPARING or self._must_wait(arriving, lost):
            return []
        if error is not None:
            return self._alone(arriving, error)
        arriving.state, arriving.prepared = NewState.FORWARDING_REQUESTED, True
        key = self._context.domain.relay_key(mn_id) if arriving.relayed else None
        return [
            *self._context.initiate(
                arriving.peer,
                mn_id,
                lambda dialect, sequence: handover_initiate.forwarding_request(
                    dialect, sequence, mn_id=mn_id, handover_id=handover_id, key=key
                ),
                token("forward", mn_id, handover_id),
                now,
            ),
            self._new.step(arriving, 4, "HI(F)", now),
        ]

    def joined_ahead(
        self, mn_id: str, handover_id: str, error: str | None, now: float, *, lost: bool = False
    ) -> list[Command]:
        """Join: the LMA sends the groups here by now, or could not be made to."""
        arriving = self._new.of(mn_id, handover_id)
        if arriving is None or arriving.state is not NewState.PREPARING or self._must_wait(arriving, lost):
            return []
        if error is not None:
            arriving.state = NewState.ALONE
            self._context.counters["join_refused"] += 1
            return [RecordFact(name="join_refused", fields={"mn_id": mn_id, "reason": error})]
        arriving.state, arriving.prepared = NewState.JOINED, True
        return [self._new.step(arriving, 10, "native data", now, "joined ahead of the mobile node")]

    @staticmethod
    def _must_wait(arriving: Arriving, lost: bool) -> bool:
        arriving.asked_in_vain = arriving.asked_in_vain or lost
        return lost

    def resume(self) -> list[Command]:
        """The controller is there again: ask what it has not answered."""
        return [self._ask_for_paths(arriving) for arriving in self._new.all() if arriving.asked_in_vain]

    def running(self) -> list[HandoverRunning]:
        """All handovers, as a restarted controller is told of them."""
        return [
            HandoverRunning(
                handover_id=arriving.handover_id, mn_id=arriving.profile.id, previous_mag=arriving.peer.id,
                new_mag=self._context.mag.id, memberships=arriving.memberships, relayed=arriving.relayed,
                holds=arriving.holds, mode=arriving.mode, uplink_waits=arriving.uplink_waits,
            )
            for arriving in self._new.all()
        ]

    def forwarding_acknowledged(self, mn_id: str, handover_id: str, message: HandoverAcknowledge) -> list[Command]:
        """The p-MAG's answer to HI(F): below 128 its switch clones by now."""
        arriving = self._new.of(mn_id, handover_id)
        if arriving is None or arriving.state is not NewState.FORWARDING_REQUESTED:
            return []
        if not message.accepted:
            return self._alone(arriving, f"HAck code {int(message.code)}")
        arriving.state = NewState.FORWARDING
        return []

    def gave_up(self, mn_id: str, handover_id: str, what: str) -> list[Command]:
        """All repetitions of a HI went unanswered."""
        arriving = self._new.of(mn_id, handover_id)
        if arriving is None or what != "forward":
            return []
        return self._alone(arriving, f"{arriving.peer.id} does not answer")

    def _alone(self, arriving: Arriving, reason: str) -> list[Command]:
        arriving.state = NewState.ALONE
        self._context.counters["forwarding_refused"] += 1
        fact = RecordFact(name="forwarding_refused", fields={"mn_id": arriving.profile.id, "reason": reason})
        return [NoForwarding(mn_id=arriving.profile.id), fact]

# SPDX-License-Identifier: Apache-2.0
"""The MAG that an MN is about to leave: HI with its context, clone on request. Pure.

The draft's Figure 2 steps 1, 2 and 4 happen here; what follows is in departures. An MN may be on its way to several MAGs at
once: candidates, of which it reaches one, and one that it has reached while it is on its way on, or back.
"""

from __future__ import annotations

from southbound.agent import handover_acknowledge, handover_initiate
from southbound.agent.commands import (
    CallController,
    Command,
    RecordFact,
    RelayPackets,
    RetainPackets,
    WatchSent,
)
from southbound.agent.context import MagContext
from southbound.agent.context_parts import count_parts
from southbound.agent.departed import Departed
from southbound.agent.departures import Departures
from southbound.agent.handover_exchange import token
from southbound.agent.leaving import Leaving, PreviousState, Source, is_of
from southbound.agent.leaving_table import LeavingTable
from southbound.agent.message_room import state_room
from southbound.agent.new_mag import NewMag
from southbound.codec.accessors import gre_key
from southbound.codec.handover import HandoverAcknowledge, HandoverInitiate
from southbound.codec.iana import HandoverAcknowledgeCode, HandoverModeCode
from southbound.codec.records import Version
from southbound.mld.context_options import StateRoom
from southbound.mld.membership import GroupMembership
from southbound.rpc.methods import CloneGroups, HandoverRunning, MobileNodeRetained
from topology.model import Mag, MobileNode

WORDS_PER_WAIT = 4
"""The word on the last packets is repeated within the n-MAG's wait, not after it: the first time after this part."""


class PreviousMag:
    """All MNs that are leaving this MAG."""

    def __init__(self, context: MagContext, table: LeavingTable, departures: Departures, new: NewMag) -> None:
        self._context, self._departures, self._new = context, departures, new
        self.table = table

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        return self.table.next_deadline()

    def awaits_departure(self, mn_id: str, peer: Mag) -> bool:
        """Whether this MN, which is here, is about to leave for this MAG already."""
        leaving = self.table.to(mn_id, peer)
        return leaving is not None and not leaving.detached and leaving.state is not PreviousState.COMPLETING

    # --- steps 1 to 3 ---------------------------------------------------------------------------------------------

    def start(
        self,
        profile: MobileNode,
        peer: Mag,
        memberships: tuple[GroupMembership, ...],
        handover_id: str,
        now: float,
        trigger: str,
        *,
        join: bool = False,
        older: frozenset[Version] = frozenset(),
    ) -> list[Command]:
        """Step 1 has happened: send the context ahead (step 2)."""
        former = self.table.to(profile.id, peer)
        commands: list[Command] = []
        if former is not None:
            commands += self._departures.ended(former, former.ending.value, "a new handover follows it", now)
        fed_by = "" if join else self._new.hold_back(profile.id)
        leaving = Leaving(
            handover_id=handover_id,
            profile=profile,
            port=profile.access_port(),
            peer=peer,
            memberships=memberships,
            older=older,
            state=PreviousState.INITIATED,
            deadline=now + self._context.domain.timers.forwarding_lifetime_s,
            source=Source.DELIVERIES if fed_by else Source.SWITCH,
            fed_by=fed_by,
            # Nobody asks for the last packet where nothing is buffered.
            watching=not join,
            join=join,
        )
        if fed_by and fed_by not in self.table.feeds(profile.id):
            commands.append(RetainPackets(mn_id=profile.id, memberships=memberships, fed_by=fed_by))
        self.table.add(leaving)
        if self._context.speaks_multicast(peer):
            self._context.count_left_out(memberships, self._room(leaving))
        # The packet goes first and is told afterwards: nothing of the handover waits for the telling.
        return [
            *commands,
            *self._send_context(leaving, now),
            *([self._watch(leaving)] if leaving.watching else []),
            self._departures.step(leaving, 1, "HO-Initiate", now, trigger),
            self._departures.step(leaving, 2, "HI", now, f"{len(memberships)} group(s)"),
        ]

    @staticmethod
    def _watch(leaving: Leaving) -> Command:
        return WatchSent(port=leaving.port, handover_id=leaving.handover_id, mn_id=leaving.profile.id)

    def _send_context(self, leaving: Leaving, now: float) -> list[Command]:
        profile, mode = leaving.profile, HandoverModeCode.PREDICTIVE
        if leaving.join or leaving.relays:
            mode = HandoverModeCode.JOIN if leaving.join else HandoverModeCode.RELAYED
        return self._context.initiate(
            leaving.peer,
            profile.id,
            lambda dialect, sequence: handover_initiate.context_message(
                dialect,
                sequence,
                mn_id=profile.id,
                handover_id=leaving.handover_id,
                prefixes=self._context.home_networks.of(profile),
                lma_address=self._context.domain.lma.address,
                link_layer_id=profile.link_layer_id,
                memberships=leaving.memberships,
                mode=mode,
                buffer=leaving.buffered_there,
                multicast=self._context.speaks_multicast(leaving.peer),
                older=leaving.older,
                part=leaving.part,
                room=self._room(leaving),
            ),
            token("context", profile.id, leaving.handover_id),
            now,
        )

    def adopt(self, departed: Departed, peer: Mag, handover_id: str, now: float) -> list[Command]:
        """Reactive: an MN that had left has been asked for; its packets follow when HI(F) comes.

        Whoever else has been told to expect it waits in vain.
        """
        mn_id = departed.profile.id
        commands = [command for other in self.table.of(mn_id) for command in self._departures.cancel(other, now)]
        leaving = Leaving(
            handover_id=handover_id,
            profile=departed.profile,
            port=departed.profile.access_port(),
            peer=peer,
            memberships=departed.memberships,
            state=PreviousState.CONTEXT_TRANSFERRED,
            deadline=now + self._context.domain.timers.forwarding_lifetime_s,
            source=Source.DELIVERIES if departed.fed_by else Source.STORE,
            fed_by=departed.fed_by,
            detached=True,
        )
        former = self.table.to(mn_id, peer)
        if former is not None:
            commands += self._departures.ended(former, former.ending.value, "a new handover follows it", now, go_on=leaving)
        self.table.add(leaving)
        self._departures.retained(mn_id)
        return [*commands, self._departures.step(leaving, 6, "MN left", departed.left_at, "unannounced")]

    def acknowledged(
        self, mn_id: str, handover_id: str, what: str, message: HandoverAcknowledge, now: float
    ) -> list[Command]:
        """A HAck of the peer for 'context', 'last' or 'completed'."""
        leaving = self.table.get(mn_id, handover_id)
        if leaving is None:
            return []
        if what == "completed":
            return self._departures.ended(leaving, leaving.ending.value, "", now)
        if what != "context" or leaving.state is not PreviousState.INITIATED:
            return []
        if message.code == HandoverAcknowledgeCode.INSUFFICIENT_RESOURCES and leaving.buffered_there and not leaving.join:
            # Once more, and what comes for the MN stays here until it is there (U = 0).
            self._context.counters["context_again_without_buffer"] += 1
            leaving.buffered_there, leaving.part = False, 0
            return self._send_context(leaving, now)
        if not message.accepted:
            # The MN is served here as before; its later attachment there is a plain one (explanation/protocol.md).
            reason = f"{leaving.peer.id} refused: HAck code {int(message.code)}"
            return self._departures.ended(leaving, "failed", reason, now)
        leaving.refused |= handover_acknowledge.refused_groups(message, leaving.memberships)
        if leaving.part + 1 < self._parts(leaving):
            # Only now: the parts come in their order.
            leaving.part += 1
            return self._send_context(leaving, now)
        leaving.state = PreviousState.CONTEXT_TRANSFERRED
        return []

    def _parts(self, leaving: Leaving) -> int:
        multicast = self._context.speaks_multicast(leaving.peer)
        return count_parts(leaving.memberships, self._room(leaving)) if multicast else 1

    def _room(self, leaving: Leaving) -> StateRoom:
        return state_room(
            leaving.profile.id, self._context.home_networks.of(leaving.profile), leaving.handover_id,
            authenticator_octets=self._context.authenticator_octets(leaving.peer.address),
            option_length_unit=self._context.option_length_unit(leaving.peer),
        )

    def gave_up(self, mn_id: str, handover_id: str, what: str, now: float) -> list[Command]:
        """All repetitions of a HI went unanswered."""
        leaving = self.table.get(mn_id, handover_id)
        if leaving is None:
            return []
        if what == "completed":
            return self._departures.ended(leaving, leaving.ending.value, "no answer to the completion", now)
        if what == "context":
            return self._departures.ended(leaving, "failed", f"{leaving.peer.id} does not answer", now)
        if what == "last":
            self._context.counters["last_delivered_unacknowledged"] += 1
        return []

    # --- step 4 ---------------------------------------------------------------------------------------------------

    def forwarding_requested(
        self, mn_id: str, peer: Mag, request: HandoverInitiate, now: float
    ) -> list[Command] | None:
        """HI(F) of the n-MAG (step 4): have the switch clone; the HAck waits for its word. None: no such handover."""
        leaving = self.table.to(mn_id, peer)
        if leaving is None or leaving.state is PreviousState.COMPLETING or not is_of(leaving, peer, request):
            return None
        # A HI(F) that overtakes its HAck stands for it (docs/explanation/protocol.md, races).
        self._context.exchange.settle(token("context", mn_id, leaving.handover_id))
        if leaving.state is PreviousState.FORWARDING:
            return self._acknowledge(leaving, request, HandoverAcknowledgeCode.ACCEPTED, now)
        leaving.request, leaving.state = request, PreviousState.CLONING
        return [self._ask_for_clone(leaving)]

    def _ask_for_clone(self, leaving: Leaving) -> CallController:
        mn_id, leaving.asked_in_vain = leaving.profile.id, False
        name = token("clone", mn_id, leaving.handover_id)
        if leaving.source is Source.STORE:
            # Told when the MN left; now it is to be confirmed that the stream does come to the store.
            return CallController(token=name, call=MobileNodeRetained(mn_id=mn_id, memberships=leaving.memberships))
        clone = CloneGroups(
            handover_id=leaving.handover_id, mn_id=mn_id, new_mag=leaving.peer.id, memberships=leaving.accepted,
            relayed=leaving.relays,
        )
        return CallController(token=name, call=clone)

    def cloned(self, mn_id: str, handover_id: str, error: str | None, now: float, *, lost: bool = False) -> list[Command]:
        """The controller's answer to the clone: from here on the MN may leave. Reactive: its packets may follow it.

        `lost`: there is no answer because the controller has gone; it will be asked again.
        """
        leaving = self.table.get(mn_id, handover_id)
        if leaving is None or leaving.state is not PreviousState.CLONING or leaving.request is None:
            return []
        if lost:
            leaving.asked_in_vain = True
            return []
        request, leaving.request = leaving.request, None
        if error is not None:
            leaving.state = PreviousState.CONTEXT_TRANSFERRED
            fact = RecordFact(name="clone_refused", fields={"mn_id": mn_id, "reason": error})
            return [*self._acknowledge(leaving, request, HandoverAcknowledgeCode.FORWARDING_NOT_AVAILABLE, now), fact]
        leaving.state = PreviousState.FORWARDING
        relay: list[Command] = []
        if leaving.relays:
            key = gre_key(request)
            relay = [
                RelayPackets(mn_id=mn_id, fed_by=leaving.fed_by, destination=leaving.peer.address, key=key)
            ]
        return [
            *self._acknowledge(leaving, request, HandoverAcknowledgeCode.ACCEPTED, now),
            *relay,
            self._departures.step(leaving, 4, "HAck to HI(F)", now, "packets are relayed" if relay else "clone confirmed"),
        ]

    def running(self) -> list[HandoverRunning]:
        """All handovers, as a restarted controller is told of them. Who is stored here is told as retained."""
        return [
            HandoverRunning(
                handover_id=leaving.handover_id, mn_id=leaving.profile.id, previous_mag=self._context.mag.id,
                new_mag=leaving.peer.id, memberships=leaving.accepted, relayed=leaving.relays,
                holds="cloned" if leaving.clones else "", mode="join" if leaving.join else "predictive",
            )
            for leaving in self.table
        ]

    def resume(self) -> list[Command]:
        """The controller is there again: ask what it has not answered."""
        return [self._ask_for_clone(leaving) for leaving in self.table if leaving.asked_in_vain]

    def _acknowledge(
        self, leaving: Leaving, request: HandoverInitiate, code: HandoverAcknowledgeCode, now: float
    ) -> list[Command]:
        message = handover_acknowledge.acknowledgement(request, code)
        return self._context.acknowledge(leaving.peer.address, leaving.profile.id, message, now)

# SPDX-License-Identifier: Apache-2.0
"""MNs that come and go: whose context serves at attachment, when the PBU leaves, what stays behind. Pure.

With a context that came ahead (predictive, join) delivery comes first and the PBU-M at once. Without one, `attach_mode`
of the domain says where the multicast state comes from; the last two ask the previous MAG first, and the PBU-M follows
its answer, the MN's own word, or WAIT_MAX_S, whatever comes first.
"""

from __future__ import annotations

from dataclasses import dataclass

from southbound.agent.access import AccessLinks
from southbound.agent.arriving import NewState
from southbound.agent.binding_update_list import BindingUpdateList
from southbound.agent.commands import CallController, Command, DropRetained, NotifyController, RetainPackets
from southbound.agent.context import MagContext
from southbound.agent.default_router import DefaultRouter
from southbound.agent.departed import Departed, DepartedContexts
from southbound.agent.events import LastDeliveredDigests
from southbound.agent.handover_exchange import token
from southbound.agent.handovers import Handovers
from southbound.codec.iana import HandoffIndicator
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.rpc import methods
from topology.model import Mag, MobileNode

WAIT_MAX_S = 0.7
"""No PBU waits longer for a context: without one the MN is served as soon as it answers the query."""
POLICY_STORE, CONTEXT_TRANSFER, REACTIVE = "policy-store", "context-transfer", "reactive"
_FROM_THE_PREVIOUS_MAG = (CONTEXT_TRANSFER, REACTIVE)

Memberships = tuple[GroupMembership, ...]


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """An MN that is here and not registered yet."""

    profile: MobileNode
    number: str
    """Of this attachment: an answer for an earlier one is none for this."""
    deadline: float


class Attachments:
    """All attachments and detachments of one MAG."""

    def __init__(
        self,
        context: MagContext,
        links: AccessLinks,
        bindings: BindingUpdateList,
        handovers: Handovers,
        departed: DepartedContexts,
        router: DefaultRouter,
    ) -> None:
        self._context, self._links, self._bindings = context, links, bindings
        self._handovers, self._departed, self._router = handovers, departed, router
        self._waiting: dict[str, _Waiting] = {}
        self._count = 0

    # --- coming ---------------------------------------------------------------------------------------------------

    def attached(self, profile: MobileNode, now: float) -> list[Command]:
        """RFC 5213 section 6.9.1.1. With a transferred context delivery comes first, then the PBU-M (steps 7 and 8)."""
        left, departed = self._handovers.leaving.of(profile.id), self._departed.take(profile.id)
        arriving = self._handovers.new.get(profile.id)
        # Of one that has been announced, an earlier handover from here may still feed the MAG that it comes from.
        announced = arriving is not None and arriving.awaited
        commands = [] if announced else self._handovers.departures.returned(profile.id, now)
        if departed is not None and departed.retained:
            commands.append(DropRetained(mn_id=profile.id, fed_by=departed.fed_by))
        if arriving is not None:
            delivery = self._handovers.new.arrived(profile.id, now)
            # The prefix is known, and the MN shall see at once that nothing has changed (RFC 5949 section 5.2).
            known = self._context.home_networks.of(profile)
            advertised = self._router.advertise(profile, known, now) if known else []
            if departed is not None and departed.fed_by:
                delivery += self._handovers.new.let_go(profile.id, departed.fed_by, now)
            if arriving.state is NewState.UNBUFFERED:
                delivery += self._handovers.intake.deliver_what_follows(arriving)
                return [*delivery, *self._follows(profile, arriving.memberships, commands, now), *advertised]
            return [*delivery, *self._arrived(profile, commands, now), *advertised]
        if left or departed is not None:
            # One that comes back is what it was when it left.
            memberships = left[-1].memberships if left else departed.memberships if departed is not None else ()
            return self._known(profile, memberships, commands, now)
        mode = self._context.domain.attach_mode
        if mode in _FROM_THE_PREVIOUS_MAG:
            return [*commands, *self._wait(profile, now)]
        return self._known(profile, _subscribed(profile) if mode == POLICY_STORE else (), commands, now)

    def _arrived(self, profile: MobileNode, commands: list[Command], now: float) -> list[Command]:
        arriving = self._handovers.new.get(profile.id)
        memberships = arriving.memberships if arriving is not None else ()
        installed = self._links.install(profile, memberships, now)
        register = self._register(profile, HandoffIndicator.BETWEEN_MAGS_SAME_INTERFACE, now)
        told = [*self.told(profile), *self._step(profile, now)]
        return [*register, *commands, *told, *self._asked(profile, installed, now)]

    def _known(
        self, profile: MobileNode, memberships: Memberships, commands: list[Command], now: float
    ) -> list[Command]:
        installed = self._links.install(profile, memberships, now)
        register = self._register(profile, HandoffIndicator.UNKNOWN, now)
        return [*register, *commands, *self.told(profile), *self._asked(profile, installed, now)]

    def _follows(
        self, profile: MobileNode, memberships: Memberships, commands: list[Command], now: float
    ) -> list[Command]:
        """Its context is here and its packets are not: the PBU waits until the switch has a way for them."""
        self._wait_for_context(profile, now)
        installed = self._links.install(profile, memberships, now)
        return [*commands, *self.told(profile), *self._asked(profile, installed, now)]

    def _wait_for_context(self, profile: MobileNode, now: float) -> _Waiting:
        self._count += 1
        waiting = _Waiting(profile=profile, number=str(self._count), deadline=now + WAIT_MAX_S)
        self._waiting[profile.id] = waiting
        return waiting

    def _wait(self, profile: MobileNode, now: float) -> list[Command]:
        """Ask who had it before: after our PBU nobody would know any more."""
        waiting = self._wait_for_context(profile, now)
        installed = self._links.install(profile, (), now)
        attached = methods.MobileNodeAttached(mn_id=profile.id, access_port=profile.access_port())
        ask = CallController(token=token("attached", profile.id, waiting.number), call=attached)
        # At once, whatever the previous MAG will say (RFC 7411 section 4.2.2).
        return [ask, *self._asked(profile, installed, now)]

    def awaited(self, mn_id: str, number: str) -> MobileNode | None:
        """The MN for which the controller has been asked under this number, if its PBU still waits."""
        waiting = self._waiting.get(mn_id)
        return waiting.profile if waiting is not None and waiting.number == number else None

    def waiting(self) -> tuple[str, ...]:
        """The MNs whose PBU waits for a context."""
        return tuple(self._waiting)

    def is_waiting(self, mn_id: str) -> bool:
        """Whether the MN's PBU waits for a context."""
        return mn_id in self._waiting

    def memberships(self, mn_id: str) -> Memberships:
        """What is known of the MN by now."""
        return self._links.memberships(mn_id)

    def previous_mag(self, name: object) -> Mag | None:
        """The MAG that the controller has named; None when it was none, or is no other MAG of the domain."""
        mag = self._context.domain.mag(name) if isinstance(name, str) else None
        return mag if mag != self._context.mag else None

    def context_known(self, mn_id: str, memberships: Memberships, now: float) -> list[Command]:
        """The previous MAG's word on an MN that has overtaken it: added to what the MN has said itself."""
        profile = self._context.policy.by_id(mn_id)
        if profile is None or not self._links.is_attached(mn_id):
            return []
        policy, groups_max = self._context.policy, self._context.domain.limits.groups_per_mobile_node
        allowed = tuple(m for m in memberships if policy.may_join(mn_id, m.group))
        if len(allowed) < len(memberships):
            self._context.counters["context_groups_not_allowed"] += len(memberships) - len(allowed)
        return self.reported(self._links.merge(profile, allowed[:groups_max], now))

    def register(self, mn_id: str, now: float, *, moved: bool) -> list[Command]:
        """No more waiting: the PBU-M with what is known. `moved`: the previous MAG has confirmed the move."""
        waiting = self._waiting.pop(mn_id, None)
        if waiting is None:
            return []
        profile = waiting.profile
        # Handoff Indicator 3 only when the move is definitely known (RFC 5213 section 6.9.1.1).
        indicator = HandoffIndicator.BETWEEN_MAGS_SAME_INTERFACE if moved else HandoffIndicator.UNKNOWN
        memberships = self._links.memberships(mn_id)
        report = NotifyController(call=methods.MembershipReported(mn_id=mn_id, memberships=memberships))
        return [*self._register(profile, indicator, now), report, *self._step(profile, now)]

    def _register(self, profile: MobileNode, indicator: HandoffIndicator, now: float) -> list[Command]:
        return self._bindings.register(profile, indicator, self._links.memberships(profile.id), now)

    def told(self, profile: MobileNode) -> list[Command]:
        """The MN is here, and listens to this."""
        attached = methods.MobileNodeAttached(mn_id=profile.id, access_port=profile.access_port())
        memberships = self._links.memberships(profile.id)
        report = methods.MembershipReported(mn_id=profile.id, memberships=memberships)
        # In this order one change of the switch has all that the MN gets.
        return [NotifyController(call=report), NotifyController(call=attached)]

    def _step(self, profile: MobileNode, now: float) -> list[Command]:
        arriving = self._handovers.new.get(profile.id)
        if arriving is None:
            return []
        detail = f"{len(self._links.memberships(profile.id))} group(s)"
        return [
            self._context.step(
                8, "PBU-M", arriving.handover_id, profile.id, arriving.peer.id, self._context.mag.id, now, detail
            )
        ]

    def _asked(self, profile: MobileNode, installed: list[Command], now: float) -> list[Command]:
        # After delivery has begun: it corrects what changed while the MN was away (RFC 6224 section 4.2).
        rest = [command for command in self.reported(installed) if not isinstance(command, NotifyController)]
        return [*rest, *self.reported(self._links.query(profile, now))]

    # --- staying --------------------------------------------------------------------------------------------------

    def reported(self, commands: list[Command]) -> list[Command]:
        """What the listener machines say, with the Binding Update List kept in step."""
        for command in commands:
            if isinstance(command, NotifyController) and isinstance(command.call, methods.MembershipReported):
                self._bindings.update_memberships(command.call.mn_id, command.call.memberships)
        return commands

    def heard(self, profile: MobileNode | None, commands: list[Command], now: float) -> list[Command]:
        """What an MN's own frame has led to. Its own word is as good as a context that has not come yet."""
        told = self.reported(commands)
        asks = self._context.domain.attach_mode == CONTEXT_TRANSFER
        if profile is not None and asks and self._links.memberships(profile.id):
            return [*told, *self.register(profile.id, now, moved=False)]
        return told

    # --- going ----------------------------------------------------------------------------------------------------

    def detached(self, port: str, last_delivered: LastDeliveredDigests, now: float) -> list[Command]:
        """The MN has left: announced (step 6), or not, and then its context stays for who will ask for it."""
        memberships = self._links.memberships_on(port)
        profile = self._links.down(port)
        if profile is None:
            return []
        self._router.gone(profile.id)
        waited = self._waiting.pop(profile.id, None) is not None
        mode, table = self._context.domain.attach_mode, self._handovers.leaving
        announced = bool(table.of(profile.id))
        commands = self._handovers.departures.detached(profile.id, last_delivered, now)
        served = bool(memberships) or bool(self._context.home_networks.of(profile))
        kept = mode == REACTIVE and served and not waited and not table.feeds(profile.id)
        if kept:
            # Also of one that has been announced: it may go where nobody expects it.
            commands += self._keep(profile, memberships, now)
        elif mode in _FROM_THE_PREVIOUS_MAG and memberships:
            self._departed.keep(profile, memberships, now)
        commands += self._handovers.new.left(profile.id, now)
        if kept or table.stored(profile.id):
            retained = methods.MobileNodeRetained(mn_id=profile.id, memberships=memberships)
            told: Command = NotifyController(call=retained)
        else:
            told = NotifyController(call=methods.MobileNodeDetached(mn_id=profile.id))
        if kept or announced:
            # While packets are kept or forwarded the de-registration waits: the LMA would stop the stream that is being
            # cloned (RFC 5213 section 5.3.5).
            self._bindings.suspend(profile.id)
            return [told, *commands] if kept else [*commands, told]
        return [*commands, told, *self._bindings.deregister(profile, now)]

    def _keep(self, profile: MobileNode, memberships: Memberships, now: float) -> list[Command]:
        """Its packets, until it has been asked for: what comes natively, or what our buffer would deliver."""
        fed_by = self._handovers.new.hold_back(profile.id)
        self._departed.keep(profile, memberships, now, retained=True, fed_by=fed_by)
        prefixes = self._context.home_networks.of(profile)
        return [RetainPackets(mn_id=profile.id, memberships=memberships, prefixes=prefixes, fed_by=fed_by)]

    # --- time -----------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        times = [waiting.deadline for waiting in self._waiting.values()]
        expiry = self._departed.next_deadline()
        return min([*times, *([expiry] if expiry is not None else [])], default=None)

    def tick(self, now: float) -> list[Command]:
        """PBUs that have waited long enough, and contexts that nobody has asked for."""
        commands: list[Command] = []
        for mn_id in [mn_id for mn_id, waiting in self._waiting.items() if waiting.deadline <= now]:
            self._context.counters["context_awaited_in_vain"] += 1
            commands += self.register(mn_id, now, moved=False)
        for departed in self._departed.expire(now):
            if departed.retained:
                self._context.counters["retained_in_vain"] += 1
                commands += self._dropped(departed, now)
        return commands

    def anew(self, profile: MobileNode, memberships: Memberships, now: float) -> list[Command]:
        """As after a plain attachment, whatever it has waited for."""
        self._waiting.pop(profile.id, None)
        return self._known(profile, memberships, [], now)

    def handovers_over(self, profile: MobileNode, now: float, *, kept: bool) -> list[Command]:
        """Nothing is forwarded any more for an MN that has left: what waited for that."""
        departed = self._departed.take(profile.id)
        if departed is not None and departed.retained:
            return self._dropped(departed, now)
        told = [NotifyController(call=methods.MobileNodeDetached(mn_id=profile.id))] if kept else []
        return [*told, *self._bindings.deregister(profile, now)]

    def _dropped(self, departed: Departed, now: float) -> list[Command]:
        mn_id = departed.profile.id
        dropped: list[Command] = [
            DropRetained(mn_id=mn_id, fed_by=departed.fed_by),
            NotifyController(call=methods.MobileNodeDetached(mn_id=mn_id)),
        ]
        released = self._handovers.new.let_go(mn_id, departed.fed_by, now) if departed.fed_by else []
        return [*dropped, *released, *self._bindings.deregister(departed.profile, now)]


def _subscribed(profile: MobileNode) -> Memberships:
    """The policy store's word on what an MN listens to, for attachments without a context (the draft's section 2)."""
    return tuple(
        GroupMembership(
            group=subscription.group,
            filter_mode=FilterMode.INCLUDE if subscription.sources else FilterMode.EXCLUDE,
            sources=subscription.sources,
        )
        for subscription in profile.subscriptions
    )

# SPDX-License-Identifier: Apache-2.0
"""The Binding Update List (RFC 5213 section 6.1): when a PBU leaves, and what a PBA changes. Pure.

How a PBU looks is in binding_update, what a status asks for in binding_answer.
"""

from __future__ import annotations

from southbound.agent.binding_answer import Asked, Reaction, assigned_prefixes, not_echoed, reaction_to
from southbound.agent.binding_entry import BindingEntry, BindingResult, BindingState, Service
from southbound.agent.binding_update import MAX_UPDATE_RATE, MessageOrder, UpdateRate, encode_update
from southbound.agent.commands import Command, SendMobilityHeader
from southbound.agent.context import MagContext
from southbound.codec.accessors import find_option
from southbound.codec.accessors import mn_id as mn_id_of
from southbound.codec.binding import ProxyBindingAcknowledgement
from southbound.codec.iana import AccessTechnologyType, BindingStatus, HandoffIndicator
from southbound.codec.options import GreKey
from southbound.mld.membership import GroupMembership
from topology.model import MobileNode

REFRESH_AT = 0.8
"""Part of the lifetime after which a binding is refreshed."""
_AGAIN_S = 1 / MAX_UPDATE_RATE
"""A second hurried PBU after the first one comes no sooner."""


class BindingUpdateList:
    """All registrations of this MAG, by MN-ID."""

    def __init__(self, context: MagContext) -> None:
        self._context = context
        self._entries: dict[str, BindingEntry] = {}
        self._order, self._rate = MessageOrder(context), UpdateRate()
        self._barred: set[str] = set()
        """MN-IDs that are not to be registered until an operator acts."""
        self._gre_key_wanted = context.domain.gre_key_option == "required"
        self._results: list[BindingResult] = []

    def states(self) -> dict[str, str]:
        """The state of every entry, by MN-ID."""
        return {mn_id: entry.state.value for mn_id, entry in self._entries.items()}

    def state(self, mn_id: str) -> BindingState | None:
        """That of one MN's entry."""
        entry = self._entries.get(mn_id)
        return entry.state if entry is not None else None

    def without_multicast(self) -> dict[str, tuple[GroupMembership, ...]]:
        """By MN-ID what those listen to whose LMA knows no multicast option, also while they are being handed over."""
        served = (BindingState.BOUND, BindingState.SUSPENDED)
        return {
            mn_id: entry.memberships
            for mn_id, entry in self._entries.items()
            if not entry.multicast and entry.state in served
        }

    def take_results(self) -> list[BindingResult]:
        """What has become of bindings since the last call without an answer of the LMA."""
        results, self._results = self._results, []
        return results

    # --- what the MAG wants ---------------------------------------------------------------------------------------

    def register(
        self, profile: MobileNode, indicator: HandoffIndicator, memberships: tuple[GroupMembership, ...], now: float
    ) -> list[Command]:
        """Send a PBU-M, and again until there is a PBA."""
        entry = BindingEntry(
            profile=profile, state=BindingState.REGISTERING, indicator=indicator, memberships=memberships,
            timeout_s=self._context.domain.timers.binding_acknowledgement_timeout_s,
        )
        self._entries[profile.id] = entry
        if profile.id not in self._barred:
            return self._send(entry, now)
        entry.state = BindingState.REFUSED
        status = int(BindingStatus.PROXY_REG_NOT_ENABLED)
        self._results.append(BindingResult(mn_id=profile.id, service=Service.DENIED, status=status))
        return []

    def deregister(self, profile: MobileNode, now: float) -> list[Command]:
        """The MN has left for good: lifetime 0, once; the entry goes with the PBA or the timeout (RFC 5213 6.9.1.4)."""
        entry = self._entries.get(profile.id)
        if entry is None or (entry.state is BindingState.REFUSED and not entry.awaiting):
            self._entries.pop(profile.id, None)
            return []
        entry.state, entry.indicator, entry.memberships = BindingState.DEREGISTERING, HandoffIndicator.UNKNOWN, ()
        entry.refresh_at = entry.expires_at = None
        entry.timeout_s = self._context.domain.timers.binding_acknowledgement_timeout_s
        return self._send(entry, now)

    def suspend(self, mn_id: str) -> None:
        """The MN has left, and its de-registration waits: nothing more is sent for it (RFC 5213 section 6.9.4)."""
        entry = self._entries.get(mn_id)
        if entry is None:
            return
        if entry.state is BindingState.REFUSED:
            del self._entries[mn_id]
            return
        entry.state, entry.awaiting = BindingState.SUSPENDED, False
        entry.retransmit_at = entry.refresh_at = entry.expires_at = None

    def resend_all(self, now: float) -> list[Command]:
        """Register everything anew: the LMA has restarted and knows nothing. It may be an operator's doing, so those that
        it had refused are asked for, too."""
        self._barred.clear()
        self._context.home_networks.ask_again()
        commands: list[Command] = []
        for entry in self._entries.values():
            if entry.state is BindingState.BOUND:
                commands += self._refresh(entry, now)
            elif entry.state in (BindingState.REGISTERING, BindingState.REFUSED):
                entry.state, entry.again_s = BindingState.REGISTERING, 0.0
                entry.timeout_s = self._context.domain.timers.binding_acknowledgement_timeout_s
                commands += self._send(entry, now)
        return commands

    def update_memberships(self, mn_id: str, memberships: tuple[GroupMembership, ...]) -> None:
        """What the next PBU-M of this MN shall carry."""
        entry = self._entries.get(mn_id)
        if entry is not None and entry.state is not BindingState.DEREGISTERING:
            entry.memberships = memberships

    # --- what the LMA says ----------------------------------------------------------------------------------------

    def acknowledged(self, message: ProxyBindingAcknowledgement, now: float) -> BindingResult | None:
        """Take a PBA; None when nothing changes for the MN (and when it answers nothing of ours it is counted)."""
        counters = self._context.counters
        entry = self._answered(message)
        if entry is None or entry.asked is None:
            counters["binding_acknowledgement_unexpected"] += 1
            return None
        if not_echoed(message, entry.asked):
            counters["binding_acknowledgement_not_matching"] += 1
            return self._not_matching(entry)
        if entry.state is BindingState.DEREGISTERING:
            del self._entries[entry.profile.id]
            return None
        if message.accepted and message.lifetime_s > 0 and not assigned_prefixes(message):
            # Section 5.3.6: at least one. As if it had not come.
            counters["binding_acknowledgement_without_prefix"] += 1
            return None
        entry.awaiting, entry.retransmit_at = False, None
        if not message.accepted:
            counters[f"binding_refused_{int(message.status)}"] += 1
        return self._judged(entry, entry.asked, message, now)

    def _answered(self, message: ProxyBindingAcknowledgement) -> BindingEntry | None:
        """Whose PBU it answers (rule 5): by MN-ID and number, or by a number that is no other MN's."""
        entry = self._entries.get(mn_id_of(message) or "")
        # 135 has the LMA's number, not ours (RFC 6275 section 11.7.3).
        any_number = message.status == BindingStatus.SEQUENCE_NUMBER_OUT_OF_WINDOW
        if entry is not None and entry.awaiting and (any_number or entry.sequence == message.sequence):
            return entry
        if not self._order.by_timestamp:
            return None
        waiting = (entry for entry in self._entries.values() if entry.awaiting)
        return next((entry for entry in waiting if entry.sequence == message.sequence), None)

    def _not_matching(self, entry: BindingEntry) -> BindingResult | None:
        """Rule 6: ignored, and nothing is sent again until an operator acts; the right answer may still come."""
        if entry.state is BindingState.DEREGISTERING:
            return None
        entry.retransmit_at = None
        return self._interrupted(entry, 0)

    def _judged(
        self, entry: BindingEntry, asked: Asked, message: ProxyBindingAcknowledgement, now: float
    ) -> BindingResult | None:
        status, longest = int(message.status), self._context.domain.timers.binding_acknowledgement_timeout_max_s
        match reaction_to(message):
            case Reaction.ACCEPTED if message.lifetime_s > 0:
                return self._accepted(entry, asked, message, now)
            case Reaction.AGAIN_SELDOM | Reaction.ACCEPTED:
                # Accepted for no time at all: there is no binding.
                denied = self._denied(entry, status)
                entry.timeout_s, entry.retransmit_at = longest, now + longest
                return denied
            case Reaction.AGAIN_AT_ONCE:
                if message.status == BindingStatus.SEQUENCE_NUMBER_OUT_OF_WINDOW:
                    self._order.accepted_last(entry.profile.id, message.sequence)
                hurried = entry.again_s > 0
                entry.retransmit_at = now + entry.again_s
                entry.again_s = min(max(2 * entry.again_s, _AGAIN_S), longest)
                return self._interrupted(entry, status) if hurried else None
            case Reaction.AGAIN_BY_OWN_CLOCK:
                entry.timeout_s = min(2 * entry.timeout_s, longest)
                entry.retransmit_at = now + entry.timeout_s
                return self._interrupted(entry, status)
            case Reaction.OTHER_PREFIXES if asked.prefixes:
                self._context.home_networks.not_authorized(entry.profile.id)
                entry.retransmit_at = now
                return self._interrupted(entry, status)
            case Reaction.WITH_GRE_KEY if asked.gre_key is None:
                self._gre_key_wanted = True
                entry.retransmit_at = now
                return self._interrupted(entry, status)
            case Reaction.NEVER_AGAIN:
                self._barred.add(entry.profile.id)
        return self._denied(entry, status)

    def _accepted(
        self, entry: BindingEntry, asked: Asked, message: ProxyBindingAcknowledgement, now: float
    ) -> BindingResult:
        prefixes, timers = assigned_prefixes(message), self._context.domain.timers
        self._context.home_networks.assign(entry.profile.id, prefixes)
        key = find_option(message, GreKey)
        if asked.gre_key is not None and (key is None or key.key != asked.gre_key):
            # The tunnels have one key, by configuration; an LMA that wants none is served by it all the same.
            self._context.counters["binding_gre_key_not_granted"] += 1
        lifetime_s = min(message.lifetime_s, asked.lifetime_s)
        entry.state, entry.again_s, entry.multicast = BindingState.BOUND, 0.0, message.multicast
        entry.timeout_s = timers.binding_acknowledgement_timeout_s
        entry.refresh_at, entry.expires_at = now + REFRESH_AT * lifetime_s, now + lifetime_s
        return BindingResult(
            mn_id=entry.profile.id, service=Service.GRANTED, status=int(message.status), multicast=message.multicast,
            prefixes=prefixes,
        )

    def _denied(self, entry: BindingEntry, status: int) -> BindingResult:
        entry.state = BindingState.REFUSED
        entry.refresh_at = entry.expires_at = None
        return BindingResult(mn_id=entry.profile.id, service=Service.DENIED, status=status)

    def _interrupted(self, entry: BindingEntry, status: int) -> BindingResult | None:
        """A binding that is there lasts until its lifetime is over, whatever the answer to its refresh."""
        if entry.state is BindingState.BOUND:
            return None
        return BindingResult(mn_id=entry.profile.id, service=Service.INTERRUPTED, status=status)

    # --- time -----------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        times = (
            at for entry in self._entries.values()
            for at in (entry.retransmit_at, entry.refresh_at, entry.expires_at) if at is not None
        )
        return min(times, default=None)

    def tick(self, now: float) -> list[Command]:
        """Retransmissions and refreshes that are due, and lifetimes that are over."""
        commands: list[Command] = []
        longest = self._context.domain.timers.binding_acknowledgement_timeout_max_s
        for entry in list(self._entries.values()):
            if entry.expires_at is not None and entry.expires_at <= now:
                entry.state, entry.indicator = BindingState.REGISTERING, HandoffIndicator.UNKNOWN
                entry.refresh_at = entry.expires_at = None
                self._context.counters["binding_lifetime_over"] += 1
                self._results.append(BindingResult(mn_id=entry.profile.id, service=Service.INTERRUPTED))
            if entry.retransmit_at is not None and entry.retransmit_at <= now:
                if entry.state is BindingState.DEREGISTERING and entry.awaiting:
                    del self._entries[entry.profile.id]
                    continue
                if entry.awaiting:
                    entry.timeout_s = min(2 * entry.timeout_s, longest)
                commands += self._send(entry, now)
            elif entry.refresh_at is not None and entry.refresh_at <= now:
                commands += self._refresh(entry, now)
        return commands

    def _refresh(self, entry: BindingEntry, now: float) -> list[Command]:
        entry.indicator = HandoffIndicator.REREGISTRATION
        entry.timeout_s = self._context.domain.timers.binding_acknowledgement_timeout_s
        entry.refresh_at = None
        return self._send(entry, now)

    def _send(self, entry: BindingEntry, now: float) -> list[Command]:
        profile, domain = entry.profile, self._context.domain
        allowed_at = self._rate.may_send_at(profile.id, now)
        # The first one of a move that has been announced is due now: it comes no faster than handovers are granted.
        announced = entry.asked is None and entry.indicator is HandoffIndicator.BETWEEN_MAGS_SAME_INTERFACE
        if allowed_at > now and not announced:
            self._context.counters["binding_update_deferred"] += 1
            entry.awaiting, entry.retransmit_at = False, allowed_at
            return []
        self._rate.sent(profile.id, now)
        deregister = entry.state is BindingState.DEREGISTERING
        entry.asked = Asked(
            mn_id=profile.id,
            link_layer_id=profile.link_layer_id,
            technology=AccessTechnologyType.IEEE_802_3,
            indicator=entry.indicator,
            prefixes=self._context.home_networks.of(profile),
            lifetime_s=0 if deregister else domain.timers.binding_lifetime_s,
            gre_key=domain.lma_gre_key if self._gre_key_wanted and not deregister else None,
        )
        entry.sequence = self._order.next_number(profile.id)
        entry.awaiting, entry.retransmit_at = True, now + entry.timeout_s
        header = encode_update(
            self._context, entry.asked, entry.sequence, self._order.next_stamp(now), entry.memberships
        )
        if deregister:
            # What the LMA has assigned was for this session.
            self._context.home_networks.forget(profile.id)
        return [SendMobilityHeader(header=header, destination=domain.lma.address)]

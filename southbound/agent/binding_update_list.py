# SPDX-License-Identifier: Apache-2.0
"""The Binding Update List (RFC 5213 section 6.1): PBU-M out, PBA in, retransmission, refresh, de-registration. Pure.

PBU-M = PBU with the S flag and one Active Multicast Subscription option (57) a group (why: docs/explanation/protocol.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import IPv6Network

from southbound.agent.commands import Command, SendMobilityHeader
from southbound.agent.context import MagContext
from southbound.codec.accessors import mn_id
from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.iana import AccessTechnologyType, BindingStatus, HandoffIndicator
from southbound.codec.mobility import encode_mobility
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    ActiveMulticastSubscription,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    MobilityOption,
    Timestamp,
)
from southbound.codec.records import SOURCE_OCTETS
from southbound.mld.context import active_multicast_subscriptions
from southbound.mld.membership import GroupMembership
from topology.model import MobileNode

ALL_ZERO = IPv6Network("::/0")
"""Asks the LMA to choose (RFC 5213 section 6.9.1.1)."""
OCTETS_MAX = 1152
"""Of one PBU: fits the smallest IPv6 path, with room for ESP."""
_SUBSCRIPTION_OCTETS = 24
"""Option 57 with its record, without sources; its alignment of 8n+1 makes every one a multiple of eight."""
_PADDING_OCTETS = 8
"""At most, before the first of them."""
REFRESH_AT = 0.8
"""Part of the lifetime after which a binding is refreshed."""
_UPDATE_INTERVAL_S = 1 / 3
"""MAX_UPDATE_RATE: three a second (RFC 6275 section 12)."""
_TICK = 1 / 65536
"""Resolution of the Timestamp option (RFC 5213 section 8.8)."""


class BindingState(Enum):
    """Of one entry."""

    REGISTERING = "registering"
    BOUND = "bound"
    SUSPENDED = "suspended"
    """The MN has left while its groups are being forwarded; the de-registration follows the end of that."""
    DEREGISTERING = "deregistering"
    REFUSED = "refused"
    """The LMA said no; nothing is sent until the MN attaches again."""


@dataclass(slots=True, kw_only=True)
class _Entry:
    profile: MobileNode
    state: BindingState
    indicator: HandoffIndicator
    memberships: tuple[GroupMembership, ...]
    sequence: int = 0
    retransmit_at: float | None = None
    timeout_s: float = 1.0
    refresh_at: float | None = None
    hurried: bool = False
    """A PBU has been sent again at once because of its timestamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingResult:
    """What a PBA says."""

    mn_id: str
    accepted: bool
    status: int
    multicast: bool
    """The LMA took the multicast state; otherwise a MAG falls back to MLD through the tunnel (RFC 6224)."""
    refreshed: bool
    """The binding was there already."""


class BindingUpdateList:
    """All registrations of this MAG, by MN-ID."""

    def __init__(self, context: MagContext) -> None:
        self._context = context
        self._entries: dict[str, _Entry] = {}
        self._sequence = 0
        self._last_stamp = 0.0

    def states(self) -> dict[str, str]:
        """The state of every entry, by MN-ID."""
        return {mn_id: entry.state.value for mn_id, entry in self._entries.items()}

    def register(
        self, profile: MobileNode, indicator: HandoffIndicator, memberships: tuple[GroupMembership, ...], now: float
    ) -> list[Command]:
        """Send a PBU-M, and again until there is a PBA."""
        entry = _Entry(
            profile=profile, state=BindingState.REGISTERING, indicator=indicator, memberships=memberships,
            timeout_s=self._context.domain.timers.binding_acknowledgement_timeout_s,
        )
        self._entries[profile.id] = entry
        return self._send(entry, now)

    def deregister(self, profile: MobileNode, now: float) -> list[Command]:
        """The MN has left for good: lifetime 0, once; the entry goes with the PBA or the timeout (RFC 5213 6.9.1.4)."""
        entry = self._entries.get(profile.id)
        if entry is None or entry.state is BindingState.REFUSED:
            self._entries.pop(profile.id, None)
            return []
        entry.state, entry.indicator, entry.memberships = BindingState.DEREGISTERING, HandoffIndicator.UNKNOWN, ()
        entry.refresh_at = None
        entry.timeout_s = self._context.domain.timers.binding_acknowledgement_timeout_s
        return self._send(entry, now)

    def suspend(self, mn_id: str) -> None:
        """The MN has left, and its de-registration waits: nothing more is sent for it (RFC 5213 section 6.9.4)."""
        entry = self._entries.get(mn_id)
        if entry is not None:
            entry.state, entry.retransmit_at, entry.refresh_at = BindingState.SUSPENDED, None, None

    def acknowledged(self, message: ProxyBindingAcknowledgement, now: float) -> BindingResult | None:
        """Take a PBA; None when it answers nothing of ours (and then it is counted)."""
        entry = self._entries.get(mn_id(message) or "")
        if entry is None or entry.retransmit_at is None or entry.sequence != message.sequence:
            self._context.counters["binding_acknowledgement_unexpected"] += 1
            return None
        if not self._echoes(entry, message):
            # Rule 6 of RFC 5213 section 6.9.1.2: ignored. The next retransmission asks again.
            self._context.counters["binding_acknowledgement_not_matching"] += 1
            return None
        refreshed = entry.indicator is HandoffIndicator.REREGISTRATION
        accepted = message.accepted
        entry.retransmit_at = None
        result = BindingResult(
            mn_id=entry.profile.id,
            accepted=accepted,
            status=int(message.status),
            multicast=message.multicast,
            refreshed=refreshed,
        )
        if entry.state is BindingState.DEREGISTERING:
            del self._entries[entry.profile.id]
            return None
        if message.status == BindingStatus.TIMESTAMP_MISMATCH:
            # Rule 9 asks for a synchronised clock first, never for the LMA's own stamp. Ours follows the system's clock;
            # what was late was this PBU, or it will be when the clock has been set right: so again, later and later.
            self._context.counters[f"binding_refused_{int(message.status)}"] += 1
            entry.timeout_s = min(2 * entry.timeout_s, self._context.domain.timers.binding_acknowledgement_timeout_max_s)
            entry.retransmit_at = now + entry.timeout_s
            return None
        if message.status == BindingStatus.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED:
            # Rule 8: again at once, with a newer stamp; but no faster than MAX_UPDATE_RATE (RFC 6275 section 12) if our
            # clock is behind that of the MAG before us.
            entry.retransmit_at = now + (_UPDATE_INTERVAL_S if entry.hurried else 0.0)
            entry.hurried = True
            return None
        entry.state = BindingState.BOUND if accepted else BindingState.REFUSED
        entry.refresh_at = now + REFRESH_AT * message.lifetime_s if accepted else None
        return result

    def resend_all(self, now: float) -> list[Command]:
        """Refresh every binding: the LMA has restarted and knows nothing."""
        commands: list[Command] = []
        for entry in self._entries.values():
            if entry.state is BindingState.BOUND:
                commands += self._refresh(entry, now)
            elif entry.state is BindingState.REGISTERING:
                commands += self._send(entry, now)
        return commands

    def update_memberships(self, mn_id: str, memberships: tuple[GroupMembership, ...]) -> None:
        """What the next PBU-M of this MN shall carry."""
        entry = self._entries.get(mn_id)
        if entry is not None and entry.state is not BindingState.DEREGISTERING:
            entry.memberships = memberships

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        times = [
            at for entry in self._entries.values() for at in (entry.retransmit_at, entry.refresh_at) if at is not None
        ]
        return min(times, default=None)

    def tick(self, now: float) -> list[Command]:
        """Retransmissions and refreshes that are due."""
        commands: list[Command] = []
        for entry in list(self._entries.values()):
            if entry.retransmit_at is not None and entry.retransmit_at <= now:
                if entry.state is BindingState.DEREGISTERING:
                    del self._entries[entry.profile.id]
                    continue
                longest = self._context.domain.timers.binding_acknowledgement_timeout_max_s
                entry.timeout_s = min(2 * entry.timeout_s, longest)
                commands += self._send(entry, now)
            elif entry.refresh_at is not None and entry.refresh_at <= now:
                commands += self._refresh(entry, now)
        return commands

    def _refresh(self, entry: _Entry, now: float) -> list[Command]:
        entry.indicator = HandoffIndicator.REREGISTRATION
        entry.timeout_s = self._context.domain.timers.binding_acknowledgement_timeout_s
        entry.refresh_at = None
        return self._send(entry, now)

    def _send(self, entry: _Entry, now: float) -> list[Command]:
        # Every sending has a fresh, larger Timestamp and Sequence # (RFC 5213 section 6.9.4).
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._last_stamp = max(now + self._context.wall_offset, self._last_stamp + _TICK)
        entry.sequence, entry.retransmit_at = self._sequence, now + entry.timeout_s
        deregister = entry.state is BindingState.DEREGISTERING
        profile, domain = entry.profile, self._context.domain
        options: list[MobilityOption] = [
            MobileNodeIdentifier(identifier=profile.id),
            *(HomeNetworkPrefix(prefix=prefix) for prefix in self._context.home_networks.of(profile) or (ALL_ZERO,)),
            HandoffIndicatorOption(indicator=entry.indicator),
            AccessTechnologyTypeOption(technology=AccessTechnologyType.IEEE_802_3),
            MobileNodeLinkLayerIdentifier(identifier=profile.link_layer_id),
            Timestamp.from_seconds(self._last_stamp),
        ]
        update = ProxyBindingUpdate(
            sequence=entry.sequence,
            lifetime_s=0 if deregister else domain.timers.binding_lifetime_s,
            acknowledge=True,
            proxy=True,
            multicast=not deregister,
            options=tuple(options),
        )
        room = OCTETS_MAX - len(encode_mobility(update, self._context.mag.address, domain.lma.address))
        state = self._fitting(active_multicast_subscriptions(entry.memberships), room)
        update = replace(update, options=(*options, *state))
        header = encode_mobility(update, self._context.mag.address, domain.lma.address)
        return [SendMobilityHeader(header=header, destination=domain.lma.address)]

    def _fitting(
        self, state: tuple[ActiveMulticastSubscription, ...], room: int
    ) -> tuple[ActiveMulticastSubscription, ...]:
        """As many groups as the message has room for; the LMA learns the others from `listener.reported`."""
        for taken, option in enumerate(state):
            room -= _SUBSCRIPTION_OCTETS + SOURCE_OCTETS * len(option.record.sources)
            if room < _PADDING_OCTETS:
                self._context.counters["binding_update_groups_left_out"] += len(state) - taken
                return state[:taken]
        return state

    def _echoes(self, entry: _Entry, message: ProxyBindingAcknowledgement) -> bool:
        """Whether the PBA repeats what identified the MN (RFC 5213 section 6.9.1.2 rules 3-6)."""
        if not message.accepted:
            return True
        expected = {
            HandoffIndicatorOption(indicator=entry.indicator),
            MobileNodeLinkLayerIdentifier(identifier=entry.profile.link_layer_id),
        }
        return expected <= set(message.options)

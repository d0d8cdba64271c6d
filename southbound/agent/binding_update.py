# SPDX-License-Identifier: Apache-2.0
"""Proxy Binding Updates as a MAG constructs them (RFC 5213 section 6.9.1.5), in order by stamp or by number (5.5). Pure.

PBU-M = PBU with the S flag and one Active Multicast Subscription option (57) a group; see docs/protocol.md for why.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from ipaddress import IPv6Network

from southbound.agent.binding_answer import Asked
from southbound.agent.context import MagContext
from southbound.agent.message_room import OCTETS_MAX
from southbound.codec.binding import ProxyBindingUpdate
from southbound.codec.mobility import encode_mobility
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    GreKey,
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

ALL_ZERO = IPv6Network("::/0")
"""Asks the LMA to choose (RFC 5213 section 6.9.1.1)."""
_SUBSCRIPTION_OCTETS = 24
"""Option 57 with its record, without sources; its alignment of 8n+1 makes every one a multiple of eight."""
_PADDING_OCTETS = 8
"""At most, before the first of them."""
_TICK = 1 / 65536
"""Resolution of the Timestamp option (RFC 5213 section 8.8)."""
MAX_UPDATE_RATE = 3
"""PBUs about one MN within a second (RFC 6275 section 12)."""


class MessageOrder:
    """Numbers and stamps of a MAG's PBUs: each newer than the one before (RFC 5213 sections 5.5 and 6.9.4).

    With stamps one counter for all MNs is enough, and tells an answer's PBU by itself (6.9.1.1 rule 6). Without, each MN
    has its own; which one the MAG before us has used last is the LMA's to tell (status 135).
    """

    def __init__(self, context: MagContext) -> None:
        self._context = context
        self.by_timestamp = (context.mag.binding_order or context.domain.binding_order) == "timestamps"
        self._number = 0
        self._numbers: dict[str, int] = {}
        """The last one, by MN-ID: in the sequence number scheme, and where the LMA has insisted on one."""
        self._stamp = 0.0

    def next_number(self, mn_id: str) -> int:
        """The Sequence # of the next PBU about this MN."""
        if self.by_timestamp and mn_id not in self._numbers:
            self._number = self._number + 1 & 0xFFFF
            return self._number
        self._numbers[mn_id] = self._numbers.get(mn_id, 0) + 1 & 0xFFFF
        return self._numbers[mn_id]

    def accepted_last(self, mn_id: str, number: int) -> None:
        """The LMA has named the last number that it has accepted for this MN (RFC 6275 section 9.5.1)."""
        self._numbers[mn_id] = number

    def next_stamp(self, now: float) -> Timestamp | None:
        """None in the sequence number scheme, where the option makes the LMA look at stamps."""
        if not self.by_timestamp:
            return None
        self._stamp = max(now + self._context.wall_offset, self._stamp + _TICK)
        return Timestamp.from_seconds(self._stamp)


class UpdateRate:
    """MAX_UPDATE_RATE for each MN, whatever becomes of its attachments. One MN's moves hold up nobody else's."""

    def __init__(self) -> None:
        self._sent: dict[str, deque[float]] = {}

    def may_send_at(self, mn_id: str, now: float) -> float:
        """The earliest time for another PBU, not before `now`."""
        sent = self._sent.get(mn_id)
        return max(now, sent[0] + 1.0) if sent is not None and len(sent) == MAX_UPDATE_RATE else now

    def sent(self, mn_id: str, now: float) -> None:
        """One has been sent."""
        self._sent.setdefault(mn_id, deque(maxlen=MAX_UPDATE_RATE)).append(now)


def encode_update(
    context: MagContext,
    asked: Asked,
    sequence: int,
    stamp: Timestamp | None,
    memberships: tuple[GroupMembership, ...],
) -> bytes:
    """The Mobility Header of one PBU; with lifetime 0 it de-registers and carries no multicast state."""
    domain = context.domain
    options: list[MobilityOption] = [
        MobileNodeIdentifier(identifier=asked.mn_id),
        *(HomeNetworkPrefix(prefix=prefix) for prefix in asked.prefixes or (ALL_ZERO,)),
        HandoffIndicatorOption(indicator=asked.indicator),
        AccessTechnologyTypeOption(technology=asked.technology),
        MobileNodeLinkLayerIdentifier(identifier=asked.link_layer_id),
        *([stamp] if stamp is not None else []),
        *([GreKey(key=asked.gre_key)] if asked.gre_key is not None else []),
    ]
    update = ProxyBindingUpdate(
        sequence=sequence,
        lifetime_s=asked.lifetime_s,
        acknowledge=True,
        proxy=True,
        multicast=asked.lifetime_s > 0,
        options=tuple(options),
    )
    room = OCTETS_MAX - context.authenticator_octets(domain.lma.address)
    room -= len(encode_mobility(update, context.mag.address, domain.lma.address))
    update = replace(update, options=(*options, *_fitting(context, memberships, room)))
    return encode_mobility(update, context.mag.address, domain.lma.address)


def _fitting(
    context: MagContext, memberships: tuple[GroupMembership, ...], room: int
) -> tuple[MobilityOption, ...]:
    """As many groups as the message has room for; the LMA learns the others from `listener.reported`."""
    state = active_multicast_subscriptions(memberships)
    for taken, option in enumerate(state):
        room -= _SUBSCRIPTION_OCTETS + SOURCE_OCTETS * len(option.record.sources)  # of IPv4 less
        if room < _PADDING_OCTETS:
            context.counters["binding_update_groups_left_out"] += len(state) - taken
            return state[:taken]
    return state

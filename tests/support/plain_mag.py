# SPDX-License-Identifier: Apache-2.0
"""A MAG of another make: RFC 5213 and RFC 6224, nothing else. Plain PBUs, an MLD proxy towards the LMA, no agent."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from southbound.codec.binding import ProxyBindingUpdate
from southbound.codec.iana import AccessTechnologyType, HandoffIndicator
from southbound.codec.listener_packet import (
    LinkAddresses,
    ListenerMessage,
    decode_listener_packet,
    encode_listener_packet,
)
from southbound.codec.mobility import encode_mobility
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    MobilityOption,
    Timestamp,
)
from southbound.mld.dual_stack import DualStackHost
from southbound.mld.membership import GroupMembership
from southbound.mld.parameters import MldParameters
from tests.support.simulated_agent import WALL_OFFSET
from tests.support.simulated_clock import Ticker
from tests.support.simulated_domain import SimulatedDomain

LINK_LOCAL = IPv6Address("fe80::6224")


class PlainMag:
    """Takes the place of a MAG of the domain whose agent is away."""

    def __init__(self, domain: SimulatedDomain, mag_id: str) -> None:
        domain.disconnect_agent(mag_id)
        mag = domain.domain.mag(mag_id)
        assert mag is not None
        self.domain, self.mag = domain, mag
        self.heard: list[ListenerMessage] = []
        """What the LMA has asked through the tunnel."""
        self.answers = True
        self._host = DualStackHost(lambda limit: limit / 2, MldParameters())
        self._sequence = 0
        domain.plain_mags[mag_id] = self._received
        domain.clock.add(
            Ticker(f"plain {mag_id}", self._host.next_deadline, lambda now: self._send(self._host.tick(now)))
        )

    def register(
        self, mn_id: str, lifetime_s: int = 300, *, indicator: HandoffIndicator = HandoffIndicator.UNKNOWN,
        prefixes: tuple[IPv6Network, ...] | None = None, link_layer_id: bytes | None = None, stamp: float | None = None,
        more: tuple[MobilityOption, ...] = (),
    ) -> None:
        """A PBU without the S flag. What is None is as its profile has it, and `stamp`, in seconds since 1970, now."""
        profile = next(node for node in self.domain.domain.mobile_nodes if node.id == mn_id)
        self._sequence += 1
        asked = profile.home_network_prefixes if prefixes is None else prefixes
        update = ProxyBindingUpdate(
            sequence=self._sequence, lifetime_s=lifetime_s,
            options=(
                MobileNodeIdentifier(identifier=mn_id),
                *(HomeNetworkPrefix(prefix=prefix) for prefix in asked),
                HandoffIndicatorOption(indicator=indicator),
                AccessTechnologyTypeOption(technology=AccessTechnologyType.IEEE_802_3),
                MobileNodeLinkLayerIdentifier(identifier=link_layer_id or profile.link_layer_id),
                Timestamp.from_seconds(self.domain.clock.now + WALL_OFFSET if stamp is None else stamp),
                *more,
            ),
        )
        lma = self.domain.domain.lma.address
        self.domain.mobility_header(self.mag.id, lma, encode_mobility(update, self.mag.address, lma))

    def joins(self, *memberships: GroupMembership) -> None:
        """What its MNs listen to, all together, from now on."""
        self._send(self._host.listen("its MNs", memberships, self.domain.clock.now))

    def says(self, message: ListenerMessage) -> None:
        """Something into the tunnel."""
        self.domain.packet_to_lma(self.mag.id, encode_listener_packet(message, LinkAddresses(ipv6=LINK_LOCAL)))

    def _received(self, packet: bytes) -> None:
        message = decode_listener_packet(packet)
        self.heard.append(message)
        if self.answers:
            self._send(self._host.heard(message, self.domain.clock.now))

    def _send(self, messages: list[ListenerMessage]) -> None:
        for message in messages:
            self.says(message)

# SPDX-License-Identifier: Apache-2.0
"""The LMA as a listener on the multicast network: what the domain wants is asked for there, and nothing else.

The host side of MLD and IGMP on the LMA's upstream (RFC 6224 section 4.3). Its clients are the MAGs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from controller.commands import Command, RecordEvent, SendListenerPacket
from controller.multicast import Memberships
from southbound.codec.listener_packet import LinkAddresses, ListenerMessage, encode_listener_packet
from southbound.mld.dual_stack import DualStackHost
from southbound.mld.parameters import MldParameters
from southbound.mld.proxy import merge
from topology.model import LMA_LINK_LOCAL_ADDRESS, Domain

LMA_ADDRESSES = LinkAddresses(ipv6=LMA_LINK_LOCAL_ADDRESS)
"""What the LMA speaks from, there and in its tunnels."""


class SourceNetwork:
    """One host on that network, for all MAGs."""

    def __init__(self, domain: Domain, random_delay: Callable[[float], float]) -> None:
        self._host = DualStackHost(random_delay, MldParameters.of_host(domain))
        self._wanted: dict[str, tuple[Memberships, ...]] = {}
        """As it was said last: most changes concern few MAGs, and merging costs more than comparing."""

    def wanted(self, by_mag: Mapping[str, Iterable[Memberships]], now: float) -> list[Command]:
        """What each MAG is to be sent from now on; all MAGs are named."""
        before = self._host.memberships()
        messages: list[ListenerMessage] = []
        for mag_id, several in by_mag.items():
            memberships = tuple(several)
            if memberships != self._wanted.get(mag_id, ()):
                self._wanted[mag_id] = memberships
                messages += self._host.listen(mag_id, merge(memberships), now)
        commands = _sent(messages)
        after = self._host.memberships()
        if before != after:
            groups = len({membership.group for membership in after})
            commands.append(RecordEvent(name="source_network_groups", fields={"groups": groups}))
        return commands

    def heard(self, message: ListenerMessage, now: float) -> list[Command]:
        """A message of MLD or IGMP on that network."""
        return _sent(self._host.heard(message, now))

    def memberships(self) -> Memberships:
        """What is asked for."""
        return self._host.memberships()

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        return self._host.next_deadline()

    def tick(self, now: float) -> list[Command]:
        """Answers and repetitions that are due."""
        return _sent(self._host.tick(now))


def _sent(messages: Iterable[ListenerMessage]) -> list[Command]:
    return [SendListenerPacket(packet=encode_listener_packet(message, LMA_ADDRESSES)) for message in messages]

# SPDX-License-Identifier: Apache-2.0
"""The LMA as a listener on the multicast network: what the domain wants is asked for there, and nothing else.

The host side of MLD on the LMA's upstream (RFC 6224 section 4.3). Its clients are the MAGs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from controller.commands import Command, RecordEvent, SendListenerPacket
from controller.multicast import Memberships
from southbound.codec.mld import MldMessage
from southbound.codec.mld_packet import encode_mld_packet
from southbound.mld.effects import HostEffect
from southbound.mld.host import HostLink
from southbound.mld.messages import ask, report_messages
from southbound.mld.parameters import MldParameters
from southbound.mld.proxy import merge
from topology.model import LMA_LINK_LOCAL_ADDRESS, Domain


class SourceNetwork:
    """One host on that network, for all MAGs."""

    def __init__(self, domain: Domain, random_delay: Callable[[float], float]) -> None:
        self._host = HostLink(random_delay, MldParameters.of_host(domain))

    def wanted(self, by_mag: Mapping[str, Iterable[Memberships]], now: float) -> list[Command]:
        """What each MAG is to be sent from now on; all MAGs are named."""
        before = self._host.memberships()
        effects: list[HostEffect] = []
        for mag_id, memberships in by_mag.items():
            effects += self._host.listen(mag_id, merge(memberships), now)
        commands = _sent(effects)
        after = self._host.memberships()
        if before != after:
            groups = len({membership.group for membership in after})
            commands.append(RecordEvent(name="source_network_groups", fields={"groups": groups}))
        return commands

    def heard(self, message: MldMessage, now: float) -> list[Command]:
        """An MLD message on that network."""
        return _sent(ask(self._host, message, now))

    def memberships(self) -> Memberships:
        """What is asked for."""
        return self._host.memberships()

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        return self._host.next_deadline()

    def tick(self, now: float) -> list[Command]:
        """Answers and repetitions that are due."""
        return _sent(self._host.tick(now))


def _sent(effects: list[HostEffect]) -> list[Command]:
    return [
        SendListenerPacket(packet=encode_mld_packet(message, LMA_LINK_LOCAL_ADDRESS))
        for effect in effects
        for message in report_messages(effect)
    ]

# SPDX-License-Identifier: Apache-2.0
"""Both sides of a link for both families at once: one machine of IGMP and one of MLD. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from southbound.codec.listener_packet import ListenerMessage, version_of
from southbound.codec.records import Version
from southbound.mld.effects import Effect, HostEffect
from southbound.mld.host import HostLink
from southbound.mld.membership import GroupMembership
from southbound.mld.messages import ask, hear, report_messages
from southbound.mld.parameters import MldParameters
from southbound.mld.router import CompatibilityMode, RouterLink

VERSIONS: tuple[Version, ...] = (4, 6)
"""In the order in which memberships are sorted."""

Effects = list[tuple[Version, Effect]]


class DualStackRouter:
    """The router side. Effects come with the family that they are of; `MembershipChanged` speaks of its family alone."""

    def __init__(self, parameters: MldParameters) -> None:
        self._groups_max = parameters.groups_max
        self._routers = {version: RouterLink(parameters) for version in VERSIONS}

    def install(
        self,
        memberships: Iterable[GroupMembership],
        now: float,
        *,
        older: frozenset[Version] = frozenset(),
    ) -> Effects:
        """Take over a context; `older`: families whose listener speaks an older version (RFC 7411 section 5.6)."""
        wanted = tuple(memberships)

        def install(router: RouterLink, version: Version) -> list[Effect]:
            mode = CompatibilityMode.MLDV1 if version in older else CompatibilityMode.MLDV2
            own = (one for one in wanted if one.group.version == version)
            return router.install(own, now, compatibility_mode=mode)

        return self._of_each(install)

    def older(self) -> frozenset[Version]:
        """The families whose listener speaks an older version than MLDv2 or IGMPv3."""
        modes = {version: router.compatibility_mode() for version, router in self._routers.items()}
        return frozenset(version for version, mode in modes.items() if mode is CompatibilityMode.MLDV1)

    def start(self, now: float) -> Effects:
        """There is somebody on the link now."""
        return self._of_each(lambda router, _: router.start(now))

    def hear(self, message: ListenerMessage, now: float) -> Effects | None:
        """What a listener has said; None for a query."""
        version = version_of(message)
        effects = hear(self._routers[version], message, now)
        return None if effects is None else [(version, effect) for effect in effects]

    def tick(self, now: float) -> Effects:
        """Let pass what was due until now."""
        return self._of_each(lambda router, _: router.tick(now))

    def memberships(self) -> tuple[GroupMembership, ...]:
        """Of both families, sorted by group. The limit on groups is of both together, and IPv6 goes first."""
        ipv4, ipv6 = (self._routers[version].memberships() for version in VERSIONS)
        return (*ipv4[: max(self._groups_max - len(ipv6), 0)], *ipv6)

    def next_deadline(self) -> float | None:
        """When `tick` shall be called."""
        return _first(router.next_deadline() for router in self._routers.values())

    def _of_each(self, act: Callable[[RouterLink, Version], list[Effect]]) -> Effects:
        return [(version, effect) for version, router in self._routers.items() for effect in act(router, version)]


class DualStackHost:
    """The host side; what is to be sent comes as messages."""

    def __init__(self, random_delay: Callable[[float], float], parameters: MldParameters) -> None:
        self._hosts = {version: HostLink(random_delay, parameters) for version in VERSIONS}

    def listen(self, client: str, memberships: Iterable[GroupMembership], now: float) -> list[ListenerMessage]:
        """This client wants these from now on, and nothing else."""
        wanted = tuple(memberships)
        return [
            message
            for version, host in self._hosts.items()
            for message in _sent(host.listen(client, (one for one in wanted if one.group.version == version), now), version)
        ]

    def heard(self, message: ListenerMessage, now: float) -> list[ListenerMessage]:
        """A message on the link."""
        version = version_of(message)
        return list(_sent(ask(self._hosts[version], message, now), version))

    def restate(self, now: float) -> list[ListenerMessage]:
        """The current state, unasked: the router may have forgotten it."""
        for host in self._hosts.values():
            host.on_query(None, (), 0.0, now)
        return self.tick(now)

    def tick(self, now: float) -> list[ListenerMessage]:
        """Let pass what was due until now."""
        return [message for version, host in self._hosts.items() for message in _sent(host.tick(now), version)]

    def memberships(self) -> tuple[GroupMembership, ...]:
        """Of both families, sorted by group."""
        return tuple(one for host in self._hosts.values() for one in host.memberships())

    def next_deadline(self) -> float | None:
        """When `tick` shall be called."""
        return _first(host.next_deadline() for host in self._hosts.values())


def _sent(effects: Iterable[HostEffect], version: Version) -> Iterator[ListenerMessage]:
    for effect in effects:
        yield from report_messages(effect, version)


def _first(times: Iterable[float | None]) -> float | None:
    return min((at for at in times if at is not None), default=None)

# SPDX-License-Identifier: Apache-2.0
"""The LMA as router and querier of MLD and IGMP on the tunnels of its MAGs (RFC 6224 section 4.3).

For MAGs that know none of the multicast extensions: they register by plain PBUs, and what their MNs want comes as MLD
reports through the tunnel, merged by their MLD proxy. A MAG with the S flag tells its listeners by PBU-M (and its agent
by RPC) and is not asked; what it reports in the tunnel all the same counts like that of any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set

from controller.binding_cache import BindingCache
from controller.commands import Command, RecordEvent, SendListenerPacket
from controller.multicast import Memberships
from controller.source_network import LMA_ADDRESSES
from southbound.codec.addresses import IpAddress
from southbound.codec.listener_packet import ListenerMessage, encode_listener_packet
from southbound.mld.dual_stack import DualStackRouter, Effects
from southbound.mld.effects import MembershipChanged, RecordIgnored, SendGeneralQuery, SendGroupQuery
from southbound.mld.messages import query_message
from southbound.mld.parameters import MldParameters
from topology.model import Domain
from topology.policy_store import PolicyStore


class TunnelListeners:
    """One router a tunnel. A tunnel has one as long as the MAG has a binding and is asked, or has reported."""

    def __init__(self, domain: Domain, policy: PolicyStore, counters: Counter[str]) -> None:
        """`counters`: where `listener_dropped.<reason>` counts what was dropped."""
        self._domain, self._policy, self._counters = domain, policy, counters
        self._parameters = MldParameters.of_tunnel(domain)
        self._routers: dict[str, DualStackRouter] = {}
        self._heard: set[str] = set()
        """MAG ids that have said something since they are asked."""

    def follow(self, cache: BindingCache, now: float) -> list[Command]:
        """Ask the MAGs that have registered without the S flag, forget those that have no binding any more."""
        active = [entry for entry in cache if entry.active]
        plain = {entry.mag_id for entry in active if not entry.multicast}
        for mag_id in self._routers.keys() - {entry.mag_id for entry in active}:
            del self._routers[mag_id]
            self._heard.discard(mag_id)
        commands: list[Command] = []
        for mag_id in sorted(plain - self._routers.keys()):
            commands += self._begin(mag_id, now)
        return commands

    def heard(self, mag_id: str, message: ListenerMessage, cache: BindingCache, now: float) -> tuple[list[Command], bool]:
        """A message that a MAG has sent through its tunnel: what is to be sent, and whether its memberships changed."""
        if not any(entry.mag_id == mag_id and entry.active for entry in cache):
            return self._dropped(mag_id, "tunnel_without_binding")
        commands = [] if mag_id in self._routers else self._begin(mag_id, now)
        effects = self._routers[mag_id].hear(message, now)
        if effects is None:
            # We are the querier of every tunnel: its other end is a host by configuration (RFC 4605 section 4).
            dropped, _ = self._dropped(mag_id, "query_from_mag")
            return [*commands, *dropped], False
        self._heard.add(mag_id)
        more, changed = self._carried_out(mag_id, effects)
        return [*commands, *more], changed

    def memberships(self, mag_id: str, cache: BindingCache) -> Memberships:
        """What the MAG has joined, as far as any of its MNs may listen to it."""
        router = self._routers.get(mag_id)
        if router is None:
            return ()
        there = {entry.mn_id for entry in cache if entry.mag_id == mag_id and entry.active}
        return tuple(one for one in router.memberships() if self._allowed(there, one.group))

    def _allowed(self, mn_ids: Iterable[str], group: IpAddress) -> bool:
        return any(self._policy.may_join(mn_id, group) for mn_id in mn_ids)

    def have_answered(self, mag_ids: Set[str]) -> bool:
        """Whether those of these MAGs that are asked have said something; one without listeners never does."""
        return self._routers.keys() & mag_ids <= self._heard

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        times = [router.next_deadline() for router in self._routers.values()]
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> tuple[list[Command], bool]:
        """Queries and expiries that are due: what is to be sent, and whether memberships changed."""
        commands: list[Command] = []
        changed = False
        for mag_id, router in self._routers.items():
            deadline = router.next_deadline()
            if deadline is not None and deadline <= now:
                more, has_changed = self._carried_out(mag_id, router.tick(now))
                commands += more
                changed = changed or has_changed
        return commands, changed

    def _begin(self, mag_id: str, now: float) -> list[Command]:
        router = self._routers[mag_id] = DualStackRouter(self._parameters)
        commands, _ = self._carried_out(mag_id, router.start(now))
        return commands

    def _carried_out(self, mag_id: str, effects: Effects) -> tuple[list[Command], bool]:
        mag = self._domain.mag(mag_id)
        if mag is None:
            raise KeyError(mag_id)
        commands: list[Command] = []
        changed = False
        for version, effect in effects:
            match effect:
                case SendGeneralQuery() | SendGroupQuery():
                    message = query_message(effect, self._parameters, version)
                    packet = encode_listener_packet(message, LMA_ADDRESSES)
                    commands.append(SendListenerPacket(packet=packet, tunnel=mag.address))
                case MembershipChanged():
                    changed = True
                case RecordIgnored(reason=reason) if reason.is_refusal:
                    self._counters[f"listener_dropped.{reason.value}"] += 1
        router = self._routers.get(mag_id)
        if changed and router is not None:
            fields = {"mag_id": mag_id, "groups": len(router.memberships())}
            commands.append(RecordEvent(name="tunnel_groups", fields=fields))
        return commands, changed

    def _dropped(self, mag_id: str, reason: str) -> tuple[list[Command], bool]:
        self._counters[f"listener_dropped.{reason}"] += 1
        return [RecordEvent(name="listener_packet_dropped", fields={"mag_id": mag_id, "reason": reason})], False

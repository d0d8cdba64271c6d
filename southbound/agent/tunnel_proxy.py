# SPDX-License-Identifier: Apache-2.0
"""The MAG as MLD proxy towards an LMA that knows no multicast option: reports through the tunnel (RFC 6224 section 4.2).

The host side of the proxy (RFC 4605 section 4); its clients are the MNs whose PBA came without the S flag. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from southbound.agent.commands import Command, RecordFact, SendToLma
from southbound.agent.context import MagContext
from southbound.codec.errors import DecodeError
from southbound.codec.listener_packet import (
    LinkAddresses,
    ListenerMessage,
    decode_listener_packet,
    encode_listener_packet,
)
from southbound.mld.dual_stack import DualStackHost
from southbound.mld.membership import GroupMembership
from southbound.mld.parameters import MldParameters
from topology.model import MAG_LINK_LOCAL_ADDRESS

_ADDRESSES = LinkAddresses(ipv6=MAG_LINK_LOCAL_ADDRESS)
Memberships = tuple[GroupMembership, ...]


class TunnelProxy:
    """One proxy instance: there is one LMA (RFC 6224 section 4.2 has one instance an LMA)."""

    def __init__(self, context: MagContext, random_delay: Callable[[float], float]) -> None:
        """`random_delay(limit)` gives a delay of 0 to `limit` seconds."""
        self._context = context
        self._host = DualStackHost(random_delay, MldParameters.of_host(context.domain))
        self._clients: dict[str, Memberships] = {}

    def serves(self, clients: Mapping[str, Memberships], now: float) -> list[Command]:
        """By MN-ID what those MNs listen to that the LMA has to hear of by MLD; nobody else."""
        if clients == self._clients:
            return []
        commands = [
            RecordFact(name="mld_proxy_begins", fields={"mn_id": mn_id}) for mn_id in clients.keys() - self._clients
        ]
        messages: list[ListenerMessage] = []
        for mn_id in sorted(self._clients.keys() | clients.keys()):
            messages += self._host.listen(mn_id, clients.get(mn_id, ()), now)
        self._clients = dict(clients)
        return [*commands, *_sent(messages)]

    def received(self, packet: bytes, now: float) -> list[Command]:
        """What the LMA has sent through the tunnel to us."""
        try:
            message = decode_listener_packet(packet)
        except DecodeError as error:
            self._context.counters[f"tunnel_{error.reason}"] += 1
            return []
        return _sent(self._host.heard(message, now))

    def restate(self, now: float) -> list[Command]:
        """The LMA has restarted, it may be: it asks only when it has our bindings again."""
        return _sent(self._host.restate(now))

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        return self._host.next_deadline()

    def tick(self, now: float) -> list[Command]:
        """Answers and repetitions that are due."""
        return _sent(self._host.tick(now))


def _sent(messages: list[ListenerMessage]) -> list[Command]:
    return [SendToLma(packet=encode_listener_packet(message, _ADDRESSES)) for message in messages]

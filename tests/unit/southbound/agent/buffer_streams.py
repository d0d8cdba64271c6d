# SPDX-License-Identifier: Apache-2.0
"""Streams of real UDP packets, and a driver that feeds them to a handover buffer and keeps what comes out."""

from __future__ import annotations

from ipaddress import IPv6Address
from math import inf

from southbound.agent.buffer_effects import Deliver, DeliveryStarted, Effect, Joined
from southbound.agent.handover_buffer import HandoverBuffer
from southbound.agent.join_limits import JoinLimits
from southbound.agent.packet_digest import packet_digest
from southbound.mld.membership import FilterMode, GroupMembership
from topology.settings import Limits, Timers

SOURCE = IPv6Address("2001:db8:c0::10")
OTHER_SOURCE = IPv6Address("2001:db8:c0::11")
GROUP = IPv6Address("ff1e::101")
OTHER_GROUP = IPv6Address("ff1e::102")
MN = "mn1@example.net"
OTHER_MN = "mn2@example.net"
NATIVE, TUNNEL, OTHER_TUNNEL = 0, 1, 2


def packet(payload: object, *, source: IPv6Address = SOURCE, group: IPv6Address = GROUP, hop_limit: int = 60) -> bytes:
    """An IPv6 UDP packet with this payload."""
    body = b"\x13\x88\x13\x88\0\0\0\0" + repr(payload).encode()
    return b"\x60\0\0\0" + len(body).to_bytes(2, "big") + bytes([17, hop_limit]) + source.packed + group.packed + body


def any_source(*groups: IPv6Address) -> tuple[GroupMembership, ...]:
    """EXCLUDE{} for each group."""
    return tuple(GroupMembership(group=group, filter_mode=FilterMode.EXCLUDE) for group in groups or (GROUP,))


class Driver:
    """A buffer with one MN expected; packets are named by their payload, and so is what is delivered."""

    def __init__(
        self, *, limits: Limits | None = None, join_limits: JoinLimits | None = None, expect: bool = True
    ) -> None:
        self.buffer = HandoverBuffer(limits or Limits(), Timers(), join_limits)
        self.effects: list[Effect] = []
        self.now = 100.0
        self.started_at = self.joined_at = inf
        if expect:
            self.note(self.buffer.expect(MN, any_source(), TUNNEL, self.now))

    def note(self, effects: list[Effect]) -> list[Effect]:
        self.effects += effects
        for effect in effects:
            if isinstance(effect, DeliveryStarted):
                self.started_at = self.now
            elif isinstance(effect, Joined):
                self.joined_at = self.now
        return effects

    def wait(self, seconds: float) -> None:
        """Let time pass, with every deadline served."""
        end = self.now + seconds
        while (deadline := self.buffer.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.note(self.buffer.tick(self.now))
            again = self.buffer.next_deadline()
            if again is not None and again <= self.now:
                raise AssertionError("a deadline that tick does not settle")
        self.now = end

    def come(self, path: int, *payloads: object, **kwargs: IPv6Address) -> None:
        for payload in payloads:
            self.note(self.buffer.on_packet(path, packet(payload, **kwargs), self.now))

    def tunnel(self, *payloads: object) -> None:
        self.come(TUNNEL, *payloads)

    def native(self, *payloads: object) -> None:
        self.come(NATIVE, *payloads)

    def cut(self, *payloads: object, group: IPv6Address = GROUP) -> None:
        digests = tuple(packet_digest(packet(payload, group=group)) for payload in payloads)
        self.note(self.buffer.cut(MN, {(SOURCE, group): digests} if payloads else {}, self.now))

    def arrive(self) -> None:
        self.note(self.buffer.arrived(MN, self.now))

    def confirm(self) -> None:
        self.note(self.buffer.native_confirmed(MN, self.now))

    def delivered(self, group: IPv6Address = GROUP, mn_id: str = MN) -> list[str]:
        """Payloads delivered, in order."""
        return [
            effect.packet[48:].decode()
            for effect in self.effects
            if isinstance(effect, Deliver) and effect.mn_id == mn_id and effect.packet[24:40] == group.packed
        ]

    def numbers(self) -> list[int]:
        return [int(payload) for payload in self.delivered()]

    def count(self, name: str) -> int:
        return self.buffer.counters(MN).get(name, 0)

    def kinds(self) -> list[str]:
        """The names of all effects that are no delivery."""
        return [type(effect).__name__ for effect in self.effects if not isinstance(effect, Deliver)]

    def balance(self) -> int:
        """Packets received less those delivered, held and dropped: 0 when none has vanished without a reason."""
        counters = self.buffer.counters(MN)
        gone = (
            "delivered", "already_delivered", "duplicates_dropped", "late_dropped", "overflow_dropped",
            "expired_dropped", "left_to_native", "tunnel_after_join", "no_longer_wanted", "released_undelivered",
        )
        received = counters.get("received_tunnel", 0) + counters.get("received_native", 0)
        return received - sum(counters.get(name, 0) for name in gone)

# SPDX-License-Identifier: Apache-2.0
"""What the LMA and the MAGs, as routers, answer to packets that they cannot forward, or that are for themselves (RFC 4443).
Pure.

Their switches hand over such packets (southbound/openflow/unforwarded.py). What is wrong with one is judged here anew, by
the packet: whose it is, how often its network may be answered, and whether it may be answered at all. The answer goes back
by the way that the packet came.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address

from controller.commands import SendPacket
from controller.events import PacketNotForwarded
from controller.lma_routes import FOR_THE_ROUTER, LmaRoutes
from southbound.codec.errors import DecodeError
from southbound.codec.ethernet import EthernetFrame, decode_ethernet, encode_ethernet
from southbound.codec.icmpv6_echo import encode_echo_reply
from southbound.codec.icmpv6_error import (
    DestinationUnreachable,
    Icmpv6Error,
    InvokingPacket,
    PacketTooBig,
    TimeExceeded,
    UnreachableCode,
    decode_invoking,
    encode_icmpv6_error,
    why_not,
)
from topology.model import LMA_SOURCE_MAC, MAG_ACCESS_MAC, Domain
from topology.switch_names import MAG_LMA_PORT

ROUTER_RATE, ROUTER_BURST = 100.0, 100.0
"""Errors a second of each router, and at once: the N and B of RFC 4443 section 2.4 f, for a larger device than those to
which the RFC gives 10 and 10."""
NETWORK_RATE, NETWORK_BURST = 10.0, 20.0
"""Of those, to one /64: nobody takes all of them. A traceroute asks each router three times at once."""
NETWORKS_MAX = 1024
"""Networks that are remembered; of more, the one that was answered longest ago is forgotten."""
NETWORK_BITS = 64
UDP = 17
"""Protocol number."""

LAST_HOP_LIMIT = 1
"""Forwarding takes it to zero, and at zero a packet goes no further (RFC 8200 section 3)."""


class TokenBucket:
    """`burst` at once, `rate` a second (RFC 4443 section 2.4 f)."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst, self._tokens, self._at = rate, burst, burst, now

    def has_one(self, now: float) -> bool:
        """Whether `take` may be called."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return self._tokens >= 1.0

    def take(self) -> None:
        """One of them is used."""
        self._tokens -= 1.0


@dataclass(slots=True)
class _Router:
    """One switch as a router."""

    address: IPv6Address
    """What it answers from: one of the widest scope, as whoever it answers may be far (RFC 6724 section 5, rule 2)."""
    bucket: TokenBucket


class RouterErrors:
    """All routers of the domain. Counts in `counters`: not_forwarded.<what is sent>, not_answered.<reason>."""

    def __init__(self, domain: Domain, routes: LmaRoutes, counters: Counter[str]) -> None:
        self._routes = routes
        self._mtu = domain.access_mtu
        self._lma = domain.lma.id
        self._counters = counters
        addresses = {domain.lma.id: domain.lma.address} | {mag.id: mag.address for mag in domain.mags}
        self._routers = {
            name: _Router(address, TokenBucket(ROUTER_RATE, ROUTER_BURST, 0.0)) for name, address in addresses.items()
        }
        self._networks: OrderedDict[tuple[str, bytes], TokenBucket] = OrderedDict()

    def answered(self, event: PacketNotForwarded, now: float) -> SendPacket | None:
        """The answer; None, and counted why, when there is none."""
        found = self._answer(event, now)
        if isinstance(found, str):
            self._counters[f"not_answered.{found}"] += 1
            return None
        return found

    @property
    def remembered(self) -> int:
        """Networks whose rate is kept."""
        return len(self._networks)

    def _answer(self, event: PacketNotForwarded, now: float) -> SendPacket | str:
        router = self._routers.get(event.switch)
        if router is None:
            return "no_router"
        try:
            frame = decode_ethernet(event.frame)
            packet = decode_invoking(frame.payload)
        except DecodeError as error:
            return error.reason
        reply = encode_echo_reply(packet) if packet.destination == router.address else None
        wrong = self._error(event, packet) if reply is None else None
        if isinstance(wrong, str):
            return wrong
        reason = why_not(wrong or _PORT_UNREACHABLE, packet)
        if reason is None and not self._may_send(event.switch, router, packet.source, now):
            reason = "rate_limited"
        if reason is not None:
            return reason
        if wrong is not None:
            reply = encode_icmpv6_error(wrong, packet, router.address)
        self._counters[f"not_forwarded.{_NAMES[type(wrong)]}"] += 1
        return self._sent_back(event, frame, reply or b"")

    def _error(self, event: PacketNotForwarded, packet: InvokingPacket) -> Icmpv6Error | str:
        """What is wrong with the packet, or why nothing is to be said."""
        if packet.destination.is_link_local:
            return FOR_THE_ROUTER
        if packet.destination == self._routers[event.switch].address:
            # No hop limit ends where the packet has arrived. Nobody listens here; a traceroute asks by UDP.
            return _PORT_UNREACHABLE if packet.next_header == UDP else FOR_THE_ROUTER
        if packet.hop_limit <= LAST_HOP_LIMIT:
            return TimeExceeded()
        # What has come out of a tunnel fits into another one.
        out_of_tunnel = event.tunnel is not None or event.port == MAG_LMA_PORT
        if event.switch == self._lma:
            found = self._routes.unreachable(packet.destination, from_mobile_node=out_of_tunnel)
            if found is not None:
                return DestinationUnreachable(found) if isinstance(found, UnreachableCode) else found
        return "nothing_wrong" if out_of_tunnel or packet.octets <= self._mtu else PacketTooBig(self._mtu)

    def _may_send(self, name: str, router: _Router, source: IPv6Address, now: float) -> bool:
        network = (name, source.packed[: NETWORK_BITS // 8])
        bucket = self._networks.get(network)
        if bucket is None:
            bucket = self._networks[network] = TokenBucket(NETWORK_RATE, NETWORK_BURST, now)
            if len(self._networks) > NETWORKS_MAX:
                self._networks.popitem(last=False)
        self._networks.move_to_end(network)
        if not (bucket.has_one(now) and router.bucket.has_one(now)):
            return False
        bucket.take()
        router.bucket.take()
        return True

    def _sent_back(self, event: PacketNotForwarded, frame: EthernetFrame, packet: bytes) -> SendPacket:
        """A tunnel takes the Ethernet header off."""
        own = LMA_SOURCE_MAC if event.switch == self._lma else MAG_ACCESS_MAC
        answer = encode_ethernet(EthernetFrame(destination=frame.source, source=own, payload=packet))
        return SendPacket(switch=event.switch, port=event.port, tunnel=event.tunnel, frame=answer)


_PORT_UNREACHABLE = DestinationUnreachable(UnreachableCode.PORT_UNREACHABLE)
_NAMES: dict[type[Icmpv6Error | None], str] = {
    type(None): "echo_reply", DestinationUnreachable: "destination_unreachable", PacketTooBig: "packet_too_big",
    TimeExceeded: "time_exceeded",
}

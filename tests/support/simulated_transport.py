# SPDX-License-Identifier: Apache-2.0
"""The transport network of a simulation: Mobility Headers as octets, late, lost, doubled and overtaking each other."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

from southbound.agent.handover_initiate import Purpose, purpose
from southbound.codec.accessors import mn_id
from southbound.codec.cxtp import (
    ContextTransferData,
    ContextTransferDataReply,
    ContextTransferMessage,
    ContextTransferRequest,
    decode_context_transfer,
)
from southbound.codec.handover import Dialect
from southbound.codec.mobility import (
    HandoverAcknowledge,
    HandoverInitiate,
    MobilityMessage,
    ProxyBindingAcknowledgement,
    ProxyBindingUpdate,
    decode_mobility,
    encode_mobility,
)
from tests.support.simulated_clock import SimulatedClock
from topology.model import Domain

_INITIATES = {
    Purpose.CONTEXT: "HI context",
    Purpose.CONTEXT_REQUEST: "HI reactive",
    Purpose.FORWARDING_REQUEST: "HI(F)",
    Purpose.LAST_DELIVERED: "HI last delivered",
    Purpose.COMPLETED: "HI completed",
}


_CONTEXT_TRANSFERS = {
    ContextTransferRequest: "CT-Req", ContextTransferData: "CTD", ContextTransferDataReply: "CTDR",
}


@dataclass(frozen=True, kw_only=True)
class LinkQuality:
    """What every link does to what it carries."""

    delay_s: float = 0.001
    jitter_s: float = 0.0
    """Up to this much more delay, drawn for each packet: later ones overtake earlier ones."""
    loss: float = 0.0
    duplication: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Carried:
    """One Mobility Header as it was sent."""

    at: float
    source: str
    """MAG id, or the LMA's."""
    destination: str
    name: str
    """'HI context', 'HI(F)', 'HI last delivered', 'HI completed', 'HI reactive', 'HAck to HI ...', 'PBU', 'PBU 0', 'PBA';
    of CXTP: 'CT-Req', 'CTD', 'CTDR'."""
    message: MobilityMessage | ContextTransferMessage
    header: bytes
    repeated: bool
    """The same octets have been sent before between these two."""


Fate = Callable[[Carried], str]
"""'' to deliver, 'lose', or 'delay <seconds>'."""


class SimulatedTransport:
    """Carries headers between the addresses of a domain; `deliver(destination, source, header)` hands them over."""

    def __init__(
        self,
        domain: Domain,
        clock: SimulatedClock,
        quality: LinkQuality,
        seed: int,
        deliver: Callable[[str, str, bytes, bool], None],
    ) -> None:
        self.quality = quality
        self.delays_s: dict[tuple[str, str], float] = {}
        """By (from, to) where it is not that of `quality`."""
        self.carried: list[Carried] = []
        self.watchers: list[Callable[[Carried], None]] = []
        self.fates: list[Fate] = []
        self._domain, self._clock, self._deliver = domain, clock, deliver
        self._random = random.Random(seed)
        self._names = {mag.address: mag.id for mag in domain.mags} | {domain.lma.address: domain.lma.id}
        self._addresses = {name: address for address, name in self._names.items()}
        self._asked: dict[tuple[str, str, str, int], str] = {}
        self._seen: set[tuple[str, str, bytes]] = set()

    def send(self, source: str, destination: IPv6Address, header: bytes) -> None:
        """Put a header on the way. It must be one that the codec reads, checksum included."""
        target = self._names[destination]
        self._carry(self._read(source, target, header), datagram=False)

    def send_datagram(self, source: str, destination: IPv6Address, datagram: bytes) -> None:
        """Put a CXTP message on the way."""
        target, message = self._names[destination], decode_context_transfer(datagram)
        key = (source, target, datagram)
        repeated = key in self._seen
        self._seen.add(key)
        carried = Carried(
            at=self._clock.now, source=source, destination=target, name=_CONTEXT_TRANSFERS[type(message)],
            message=message, header=datagram, repeated=repeated,
        )
        self._carry(carried, datagram=True)

    def _carry(self, carried: Carried, *, datagram: bool) -> None:
        source, target, header = carried.source, carried.destination, carried.header
        self.carried.append(carried)
        for watch in self.watchers:
            watch(carried)
        for fate in self.fates:
            verdict = fate(carried)
            if verdict == "lose":
                return
            if verdict:
                self._later(float(verdict.removeprefix("delay ")), source, target, header, datagram)
                return
        quality = self.quality
        copies = 1 + (self._random.random() < quality.duplication)
        for _ in range(copies):
            if self._random.random() >= quality.loss:
                delay_s = self.delays_s.get((source, target), quality.delay_s) + self._random.random() * quality.jitter_s
                self._later(delay_s, source, target, header, datagram)

    def lose(self, name: str, times: int = 1, source: str | None = None) -> None:
        """Lose the next so many packets of this name."""
        left = [times]

        def fate(carried: Carried) -> str:
            if carried.name == name and source in (None, carried.source) and left[0] > 0:
                left[0] -= 1
                return "lose"
            return ""

        self.fates.append(fate)

    def delay(self, name: str, seconds: float, times: int = 1) -> None:
        """Let the next so many packets of this name take so long."""
        left = [times]

        def fate(carried: Carried) -> str:
            if carried.name == name and left[0] > 0:
                left[0] -= 1
                return f"delay {seconds}"
            return ""

        self.fates.append(fate)

    def change(self, name: str, how: Callable[[Any], MobilityMessage], times: int = 1) -> None:
        """Let the next so many packets of this name say what `how` makes of them: of another make, or wrong."""
        left = [times]

        def fate(carried: Carried) -> str:
            if carried.name != name or left[0] == 0:
                return ""
            left[0] -= 1
            source, target = carried.source, carried.destination
            header = encode_mobility(
                how(carried.message), self._addresses[source], self._addresses[target],
                option_length_unit=self._ways(source, target)[1],
            )
            self._later(self.quality.delay_s, source, target, header, False)
            return "lose"

        self.fates.append(fate)

    def play_back(self, carried: Carried) -> None:
        """Somebody sends again what was sent then."""
        self._later(0.0, carried.source, carried.destination, carried.header, False)

    def names(self) -> list[str]:
        """What was sent, in order."""
        return [carried.name for carried in self.carried]

    def sent(self, name: str, source: str | None = None) -> list[Carried]:
        """All of this name."""
        return [carried for carried in self.carried if carried.name == name and source in (None, carried.source)]

    def _later(self, delay_s: float, source: str, target: str, header: bytes, datagram: bool) -> None:
        self._clock.after(delay_s, lambda: self._deliver(target, source, header, datagram))

    def _read(self, source: str, target: str, header: bytes) -> Carried:
        dialect, unit = self._ways(source, target)
        message = decode_mobility(
            header,
            self._addresses[source],
            self._addresses[target],
            dialect,
            option_length_unit=unit,
        )
        key = (source, target, header)
        repeated = key in self._seen
        self._seen.add(key)
        return Carried(
            at=self._clock.now,
            source=source,
            destination=target,
            name=self._name(source, target, message),
            message=message,
            header=header,
            repeated=repeated,
        )

    def _ways(self, source: str, target: str) -> tuple[Dialect, str]:
        """Dialect and unit of the Length of options 60 and 61 between these two."""
        one, other = self._domain.mag(source), self._domain.mag(target)
        if one is None or other is None:
            return Dialect.RFC, self._domain.option_length_unit
        return Dialect(self._domain.dialect_between(one, other)), self._domain.option_length_unit_between(one, other)

    def _name(self, source: str, target: str, message: MobilityMessage) -> str:
        match message:
            case HandoverInitiate():
                name = _INITIATES[purpose(message)]
                self._asked[source, target, mn_id(message) or "", message.sequence] = name
                return name
            case HandoverAcknowledge():
                asked = self._asked.get((target, source, mn_id(message) or "", message.sequence), "nothing")
                return f"HAck to {asked}"
            case ProxyBindingUpdate():
                return "PBU" if message.lifetime_s else "PBU 0"
            case ProxyBindingAcknowledgement():
                return "PBA"
        return "other"

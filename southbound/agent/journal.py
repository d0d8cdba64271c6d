# SPDX-License-Identifier: Apache-2.0
"""What an agent has heard, said and seen of each handover, told from its core's events and commands. Pure.

`note` takes an event or a command as it passes and only keeps it; `write_up`, called a moment later, makes facts of what
was kept: decoding for the story shall not delay the handover that it tells of.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Any

from southbound.agent.commands import (
    CallController,
    NotifyController,
    RecordFact,
    SendMobilityHeader,
)
from southbound.agent.events import (
    ControllerAnswered,
    ControllerCalled,
    LinkDown,
    LinkUp,
    MobilityHeaderReceived,
    StreamObserved,
    StreamsJoined,
)
from southbound.agent.handover_exchange import token_parts
from southbound.agent.handover_initiate import purpose
from southbound.codec.accessors import handover_id as handover_id_of
from southbound.codec.accessors import mn_id as mn_id_of
from southbound.codec.accessors import multicast_records
from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.errors import DecodeError
from southbound.codec.handover import Dialect, HandoverAcknowledge, HandoverInitiate
from southbound.codec.mobility import decode_mobility
from southbound.facts import Fact, FactMemory
from southbound.mobility_authentication import MobilityAuthentication
from southbound.rpc.methods import BufferReport, StepReached
from topology.model import Domain, Mag

NOTES_MAX = 4096
"""Notes that may wait to be written up; what comes beyond that is counted and not told."""
_RELATED_MAX = 1024
"""Handovers by MN and by sequence number that are remembered to give messages without an id theirs."""

Noted = (
    LinkUp | LinkDown | MobilityHeaderReceived | ControllerAnswered | ControllerCalled | StreamObserved | StreamsJoined
    | SendMobilityHeader | CallController | NotifyController | RecordFact | BufferReport
)
_NOTED = (
    LinkUp, LinkDown, MobilityHeaderReceived, ControllerAnswered, ControllerCalled, StreamObserved, StreamsJoined,
    SendMobilityHeader, CallController, NotifyController, RecordFact, BufferReport,
)


class Journal:
    """Of one agent. `memory` has the facts by handover, `messages` how many of each kind went in and out."""

    def __init__(self, domain: Domain, mag: Mag, authentication: MobilityAuthentication | None = None) -> None:
        self._domain, self._mag, self._authentication = domain, mag, authentication
        self._ports = {profile.access_port(): profile.id for profile in domain.mobile_nodes}
        self._notes: deque[tuple[float, Any]] = deque()
        self._handover_of_mn: OrderedDict[str, str] = OrderedDict()
        self._handover_of_request: OrderedDict[tuple[IPv6Address, int], str] = OrderedDict()
        self._last_header: OrderedDict[tuple[IPv6Address, str, int], bytes] = OrderedDict()
        self._asked_at: OrderedDict[str, float] = OrderedDict()
        self.memory = FactMemory()
        self.messages: Counter[str] = Counter()
        """`<sent|received>_<message>_<code or status>`; HI counts by purpose, a PBU by what it asks for."""
        self.left_out = 0

    def note(self, what: Any, at: float) -> None:
        """Keep an event or a command for `write_up`; `at` is seconds since 1970. Other kinds are passed over."""
        if not isinstance(what, _NOTED):
            return
        if len(self._notes) >= NOTES_MAX:
            self.left_out += 1
            return
        self._notes.append((at, what))

    @property
    def waiting(self) -> bool:
        """Whether there is something to write up."""
        return bool(self._notes)

    def write_up(self, most: int = 64) -> list[Fact]:
        """The facts in up to `most` notes, oldest first, `handover_id` and `mn_id` among their fields where known."""
        facts: list[Fact] = []
        for _ in range(min(most, len(self._notes))):
            at, what = self._notes.popleft()
            for name, mn_id, handover_id, fields in self._told(what, at):
                if mn_id and handover_id:
                    _put(self._handover_of_mn, mn_id, handover_id)
                found = handover_id or self._handover_of_mn.get(mn_id, "")
                known = {"handover_id": found, "mn_id": mn_id}
                fact = Fact(at=at, name=name, fields={key: value for key, value in known.items() if value} | fields)
                facts.append(fact)
                if found:
                    self.memory.remember(found, fact)
        return facts

    def _told(self, what: Noted, at: float) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        """(name, MN-ID, handover id, other fields)."""
        match what:
            case LinkUp(port=port) if port in self._ports:
                yield "link_up", self._ports[port], "", {"port": port}
            case LinkDown(port=port, last_delivered=last) if port in self._ports:
                yield "link_down", self._ports[port], "", {"port": port, "streams_named": len(last)}
            case MobilityHeaderReceived(header=header, source=source):
                yield from self._message("received", header, source)
            case SendMobilityHeader(header=header, destination=destination):
                yield from self._message("sent", header, destination)
            case CallController(token=token, call=call):
                _put(self._asked_at, token, at)
                _, mn_id, handover_id = token_parts(token)
                yield "controller_asked", mn_id, handover_id, {"method": call.method}
            case ControllerAnswered(token=token, error=error):
                asked, mn_id, handover_id = token_parts(token)
                took = round((at - self._asked_at.pop(token, at)) * 1000, 3)
                fields = {"asked": asked, "took_ms": took} | ({"error": error} if error is not None else {})
                yield "controller_answered", mn_id, handover_id, fields
            case ControllerCalled(call=call):
                yield "controller_called", call.mn_id, call.handover_id, {"method": call.method}
            case StreamObserved(mn_id=mn_id, what=kind, detail=detail):
                yield f"first_{kind}" if kind != "delivery" else "delivery_begun", mn_id, "", _with_detail({}, detail)
            case StreamsJoined(mn_id=mn_id):
                yield "streams_joined", mn_id, "", {}
            case NotifyController(call=StepReached() as step):
                fields = _with_detail({"step": step.step, "step_name": step.name}, step.detail)
                yield "handover_step", step.mn_id, step.handover_id, fields
            case BufferReport(mn_id=mn_id, handover_id=handover_id, counters=counters):
                yield "buffer_report", mn_id, handover_id, {name: count for name, count in counters.items() if count}
            case RecordFact(name=name, fields=fields):
                rest = {key: value for key, value in fields.items() if key not in ("mn_id", "handover_id")}
                yield name, str(fields.get("mn_id", "")), str(fields.get("handover_id", "")), rest

    def _message(self, way: str, header: bytes, other: IPv6Address) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        peer = self._domain.mag_by_address(other)
        if peer is None and other != self._domain.lma.address:
            return  # counted by the core, and not worth a line each
        sender, receiver = (other, self._mag.address) if way == "received" else (self._mag.address, other)
        known = peer or self._mag
        try:
            if self._authentication is not None and way == "received":
                header = self._authentication.open(header, other)
            message = decode_mobility(
                header, sender, receiver, Dialect(self._domain.dialect_between(self._mag, known)),
                option_length_unit=self._domain.option_length_unit_between(self._mag, known),
            )
        except DecodeError:
            return  # likewise
        toward = {"from" if way == "received" else "to": peer.id if peer is not None else self._domain.lma.id}
        match message:
            case HandoverInitiate():
                yield self._initiate(way, message, header, other, toward)
            case HandoverAcknowledge():
                self.messages[f"{way}_handover_acknowledge_{int(message.code)}"] += 1
                request = self._handover_of_request.get((other, message.sequence), "")
                fields = toward | {"code": int(message.code), "sequence": message.sequence}
                yield f"handover_acknowledge_{way}", mn_id_of(message) or "", request, fields
            case ProxyBindingUpdate():
                kind = "deregistration" if message.lifetime_s == 0 else "registration"
                self.messages[f"{way}_proxy_binding_update_{kind}"] += 1
                groups = len(multicast_records(message))
                fields = toward | {"lifetime_s": message.lifetime_s, "sequence": message.sequence, "groups": groups}
                yield f"proxy_binding_update_{way}", mn_id_of(message) or "", "", fields
            case ProxyBindingAcknowledgement():
                self.messages[f"{way}_proxy_binding_acknowledgement_{int(message.status)}"] += 1
                fields = toward | {"status": int(message.status), "sequence": message.sequence}
                yield f"proxy_binding_acknowledgement_{way}", mn_id_of(message) or "", "", fields

    def _initiate(
        self, way: str, message: HandoverInitiate, header: bytes, other: IPv6Address, toward: dict[str, str]
    ) -> tuple[str, str, str, dict[str, Any]]:
        kind = purpose(message).value
        self.messages[f"{way}_handover_initiate_{kind}"] += 1
        handover_id = handover_id_of(message) or ""
        if handover_id:
            _put(self._handover_of_request, (other, message.sequence), handover_id)
        fields: dict[str, Any] = toward | {"purpose": kind, "code": message.code, "sequence": message.sequence}
        records = multicast_records(message)
        if records:
            fields["groups"] = len(records)
        key = (other, way, message.sequence)
        if self._last_header.get(key) == header:
            fields["repeated"] = True
        _put(self._last_header, key, header)
        return f"handover_initiate_{way}", mn_id_of(message) or "", handover_id, fields


def _with_detail(fields: dict[str, Any], detail: str) -> dict[str, Any]:
    return fields | ({"detail": detail} if detail else {})


def _put(table: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > _RELATED_MAX:
        table.popitem(last=False)

# SPDX-License-Identifier: Apache-2.0
"""HandoverInitiate and its acknowledgement as a reliable exchange: retransmission, replay, idempotence. Pure.

RFC 5568 section 6.2.1.1: first timeout 100 ms, doubling, HI_RETRIES = 3. A retransmission is the same bytes; whoever
receives a HandoverInitiate twice sends the same HandoverAcknowledge twice and does the work once.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address

from southbound.agent.commands import SendMobilityHeader

ANSWERS_MAX = 4096
"""Remembered acknowledgements, over all peers; the oldest goes first."""
OUTSTANDING_MAX = 4096
NUMBERS_PER_S = 16
"""How fast sequence numbers grow with the clock: faster than requests come in the long run, and slow enough for 16 bits:
half of them last for half an hour, and peers remember them for seconds."""

Key = tuple[IPv6Address, str, int]
"""(peer address, MN-ID, sequence)."""


def token(what: str, mn_id: str, handover_id: str) -> str:
    """The name of one request or call. An answer counts for this handover only, not for a later one of the same MN."""
    return f"{what} {mn_id} {handover_id}"


def token_parts(name: str) -> tuple[str, str, str]:
    """(what, MN-ID, handover id) of a token. A NAI has no spaces (RFC 4282 section 2.1); a peer's handover id may."""
    what, _, rest = name.partition(" ")
    mn_id, _, handover_id = rest.partition(" ")
    return what, mn_id, handover_id


@dataclass(slots=True)
class _Outstanding:
    header: bytes
    token: str
    retransmit_at: float
    timeout_s: float
    retries_left: int


@dataclass(slots=True)
class _Answer:
    header: bytes | None
    """None while the request is still being worked on."""
    forget_at: float


class HandoverExchange:
    """All exchanges of one MAG with its peers."""

    def __init__(self, *, timeout_s: float, retries: int) -> None:
        self._timeout_s = timeout_s
        self._retries = retries
        self._sequence = 0
        self._outstanding: dict[Key, _Outstanding] = {}
        self._answers: OrderedDict[Key, _Answer] = OrderedDict()
        # Twice the time after which the sender gives up, so that its last repetition still finds the answer.
        self._remember_s = 2 * timeout_s * (2 ** (retries + 1) - 1)

    def next_sequence(self, wall_time: float) -> int:
        """The sequence number (or Identifier) of the next request of ours; `wall_time` in seconds since 1970.

        The counter goes with the clock: after a restart the numbers are newer than those from before, which peers still
        hold them against (`SequenceWindow`).
        """
        self._sequence = max(self._sequence + 1, int(wall_time * NUMBERS_PER_S))
        return self._sequence & 0xFFFF

    def send(
        self,
        peer: IPv6Address,
        mn_id: str,
        sequence: int,
        header: bytes,
        token: str,
        now: float,
        urgent_timeout_s: float | None = None,
    ) -> list[SendMobilityHeader]:
        """Send a request and repeat it until it is acknowledged or given up; `token` says what it was for.

        `urgent_timeout_s`: the first timeout of one whose news are worth nothing later, with as many repetitions more
        as it takes to go on for as long as the others.
        """
        timeout_s, retries = self._timeout_s, self._retries
        while urgent_timeout_s is not None and timeout_s > urgent_timeout_s > 0:
            timeout_s, retries = timeout_s / 2, retries + 1
        if len(self._outstanding) < OUTSTANDING_MAX:
            self._outstanding[peer, mn_id, sequence] = _Outstanding(header, token, now + timeout_s, timeout_s, retries)
        return [SendMobilityHeader(header=header, destination=peer)]

    def acknowledged(self, peer: IPv6Address, mn_id: str, sequence: int) -> str | None:
        """The token of the request that this acknowledges, or None when nothing of that kind is outstanding."""
        outstanding = self._outstanding.pop((peer, mn_id, sequence), None)
        return outstanding.token if outstanding is not None else None

    def settle(self, *tokens: str) -> None:
        """Stop repeating the requests with these tokens: they are answered in another form, or moot."""
        for key in [key for key, request in self._outstanding.items() if request.token in tokens]:
            del self._outstanding[key]

    def outstanding(self) -> tuple[str, ...]:
        """Tokens of the requests that wait for their acknowledgement."""
        return tuple(request.token for request in self._outstanding.values())

    def is_repeated(self, peer: IPv6Address, mn_id: str, sequence: int, now: float) -> bool:
        """Whether this request has come before, and its sender may still be waiting for the answer."""
        answer = self._answers.get((peer, mn_id, sequence))
        return answer is not None and answer.forget_at > now

    def replay(self, peer: IPv6Address, mn_id: str, sequence: int) -> list[SendMobilityHeader]:
        """The answer given before, again; nothing while it is being worked on."""
        answer = self._answers.get((peer, mn_id, sequence))
        if answer is None or answer.header is None:
            return []
        return [SendMobilityHeader(header=answer.header, destination=peer)]

    def received(self, peer: IPv6Address, mn_id: str, sequence: int, now: float) -> None:
        """A new request has come in and is being worked on."""
        self._answers[peer, mn_id, sequence] = _Answer(None, now + self._remember_s)
        while len(self._answers) > ANSWERS_MAX:
            self._answers.popitem(last=False)

    def answer(
        self, peer: IPv6Address, mn_id: str, sequence: int, header: bytes, now: float
    ) -> list[SendMobilityHeader]:
        """Acknowledge, and remember how."""
        self._answers[peer, mn_id, sequence] = _Answer(header, now + self._remember_s)
        return [SendMobilityHeader(header=header, destination=peer)]

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next."""
        return min((request.retransmit_at for request in self._outstanding.values()), default=None)

    def tick(self, now: float) -> tuple[list[SendMobilityHeader], list[str]]:
        """Retransmissions that are due, and the tokens of requests that are given up."""
        while self._answers and next(iter(self._answers.values())).forget_at <= now:
            self._answers.popitem(last=False)
        commands: list[SendMobilityHeader] = []
        given_up: list[str] = []
        for key, request in list(self._outstanding.items()):
            if request.retransmit_at > now:
                continue
            if request.retries_left == 0:
                del self._outstanding[key]
                given_up.append(request.token)
                continue
            request.retries_left -= 1
            request.timeout_s *= 2
            request.retransmit_at = now + request.timeout_s
            commands.append(SendMobilityHeader(header=request.header, destination=key[0]))
        return commands, given_up
